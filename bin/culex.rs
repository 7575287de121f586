//! `culex`: all tools by their first word, or by the name it is called by; see `culex::commands::dispatch`.

fn main() -> std::process::ExitCode {
    culex::commands::dispatch::main()
}

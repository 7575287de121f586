//! `culex-rr`: sends a request and prints the reply, as `mosquitto_rr` does; see `culex::commands::request`.

fn main() -> std::process::ExitCode {
    culex::commands::request::main()
}

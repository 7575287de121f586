//! `culex-sub`: prints messages, as `mosquitto_sub` does; see `culex::commands::subscribe`.

fn main() -> std::process::ExitCode {
    culex::commands::subscribe::main()
}

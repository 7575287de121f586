//! `culex-pub`: publishes messages, as `mosquitto_pub` does; see `culex::commands::publish`.

fn main() -> std::process::ExitCode {
    culex::commands::publish::main()
}

//! `culex-broker`: an MQTT broker for tests, as `mosquitto` is one; see `culex::commands::broker`.

fn main() -> std::process::ExitCode {
    culex::commands::broker::main()
}

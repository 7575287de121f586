//! `culex-broker`: an MQTT broker for tests, as `mosquitto` is one; see `culex::commands::broker`.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]

culex::doorway!(culex::commands::broker::main);

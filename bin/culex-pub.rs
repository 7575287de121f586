//! `culex-pub`: publishes messages, as `mosquitto_pub` does; see `culex::commands::publish`.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]

culex::doorway!(culex::commands::publish::main);

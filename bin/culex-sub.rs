//! `culex-sub`: prints messages, as `mosquitto_sub` does; see `culex::commands::subscribe`.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]

culex::doorway!(culex::commands::subscribe::main);

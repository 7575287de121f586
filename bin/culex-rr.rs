//! `culex-rr`: sends a request and prints the reply, as `mosquitto_rr` does; see `culex::commands::request`.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]

culex::doorway!(culex::commands::request::main);

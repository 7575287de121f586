//! `culex-bench`: loads an MQTT broker and measures it; see `culex::commands::bench`.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]

culex::doorway!(culex::commands::bench::main);

//! `culex-check`: tests of devices against a broker, with faults; see `culex::commands::check`.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]

culex::doorway!(culex::commands::check::main);

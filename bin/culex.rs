//! `culex`: all tools by their first word, or by the name it is called by; see `culex::commands::dispatch`.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]

culex::doorway!(culex::commands::dispatch::main);

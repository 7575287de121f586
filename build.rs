//! Links the unwinder statically where the C compiler has it, which saves every start of a program the loading of a shared
//! library: a tenth of a millisecond of the one and a half that `pub -m` takes.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let is_native = env::var("HOST").ok() == env::var("TARGET").ok();
    if is_native
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && has("libgcc_eh.a")
    {
        // All of it, since the libraries that need it come behind it; and the arithmetic that libgcc_s holds as well.
        println!("cargo::rustc-link-lib=static:+whole-archive,-bundle=gcc_eh");
        println!("cargo::rustc-link-lib=static:-bundle=gcc");
    }
}

/// Whether the C compiler, which Rust links with, brings this archive.
fn has(archive: &str) -> bool {
    let printed = Command::new("cc").arg(format!("-print-file-name={archive}")).output();
    printed.is_ok_and(|output| {
        let path = String::from_utf8_lossy(&output.stdout);
        Path::new(path.trim()).is_absolute()
    })
}

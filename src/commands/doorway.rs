//! The way into a program, past what Rust's runtime does before `main`.
//!
//! That runtime reads the process's memory map and prepares a stack for the signal handler that names stack overflows: an
//! eighth of the time that a whole `pub -m` takes. What a program needs of the rest is here.

use std::io;
use std::process::ExitCode;

/// Makes a function that returns an [`ExitCode`] the program's `main`; the file begins with
/// `#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]`.
#[macro_export]
macro_rules! doorway {
    ($main:path) => {
        // Elsewhere the arguments of the process would not be found.
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        #[unsafe(no_mangle)]
        extern "C" fn main() -> std::ffi::c_int {
            $crate::commands::doorway::enter($main)
        }

        #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
        fn main() -> std::process::ExitCode {
            $main()
        }
    };
}

/// Runs `program` as Rust's runtime would, but for its own signal stack; ends the process with its status.
///
/// Fails with status 1 when a closed standard descriptor cannot be replaced by `/dev/null`.
pub fn enter(program: fn() -> ExitCode) -> ! {
    // SAFETY: nothing else runs yet, and ignoring a signal installs no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    if open_standard_descriptors().is_err() {
        std::process::exit(1);
    }
    let status = program();
    // The standard library tells the number to nobody, but it compares.
    let number = (0..=u8::MAX).find(|number| ExitCode::from(*number) == status);
    std::process::exit(number.map_or(1, i32::from))
}

/// Puts `/dev/null` where the caller closed a standard descriptor, so that no socket becomes the standard output.
fn open_standard_descriptors() -> io::Result<()> {
    for descriptor in 0..=2 {
        // SAFETY: the flags of a descriptor may be asked for whether it is open or not.
        if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } >= 0 {
            continue;
        }
        // SAFETY: the path ends with a zero. The lowest free number, which `open` takes, is this one.
        if unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } != descriptor {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

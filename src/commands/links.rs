//! `culex links`: the names of mosquitto's programs for this one.

use crate::flags::programs;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

/// The names under which `culex` behaves as mosquitto's programs do.
pub const NAMES: [&str; 3] = ["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"];

/// Makes the links in the directory that `arguments` name; the first of them is the subcommand itself.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = programs::links().bin_name("culex links").get_matches_from(arguments);
    let directory = matches.get_one::<PathBuf>("directory").cloned().unwrap_or_default();
    let linked = env::current_exe().map_err(|error| format!("finding this program: {error}"));
    let linked = linked.and_then(|program| link_all(&program, &directory));
    match linked {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            let _ = writeln!(io::stderr(), "culex links: {text}");
            ExitCode::FAILURE
        }
    }
}

/// A link of ours is replaced; whatever else has one of the names is left alone, and that is an error.
fn link_all(program: &Path, directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| format!("making {}: {error}", directory.display()))?;
    for name in NAMES {
        let path = directory.join(name);
        if fs::read_link(&path).is_ok_and(|target| target.file_stem() == program.file_stem()) {
            fs::remove_file(&path).map_err(|error| format!("replacing {}: {error}", path.display()))?;
        }
        link(program, &path).map_err(|error| format!("making {}: {error}", path.display()))?;
    }
    Ok(())
}

#[cfg(unix)]
fn link(program: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(program, path)
}

/// Symbolic links need a privilege elsewhere; a second name for the same file does not.
#[cfg(not(unix))]
fn link(program: &Path, path: &Path) -> io::Result<()> {
    fs::hard_link(program, path.with_extension("exe"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn links_of_ours_are_replaced_and_files_of_others_are_not() {
        let directory = env::temp_dir().join(format!("culex-links-{}", std::process::id()));
        let (old, new) = (Path::new("/old/culex"), Path::new("/new/culex"));
        assert_eq!(link_all(old, &directory), Ok(()));
        assert_eq!(link_all(new, &directory), Ok(()));
        for name in NAMES {
            assert_eq!(fs::read_link(directory.join(name)).unwrap(), new);
        }
        let foreign = directory.join(NAMES[0]);
        fs::remove_file(&foreign).unwrap();
        fs::write(&foreign, "not ours").unwrap();
        assert!(link_all(new, &directory).unwrap_err().contains(NAMES[0]));
        assert_eq!(fs::read(&foreign).unwrap(), b"not ours");
        fs::remove_dir_all(&directory).unwrap();
    }
}

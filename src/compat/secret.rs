//! Passwords and pass phrases that are not on the command line, where every user of the machine could read them.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::Path;

/// The longest secret in bytes: what the Password field of CONNECT holds.
const SECRET_BYTES_MAX: u64 = 65_535;

/// The first line of a file, without its line end.
///
/// # Errors
///
/// What the system says, and a line that is longer than a password can be.
pub(crate) fn of_file(path: &Path) -> io::Result<Vec<u8>> {
    first_line(BufReader::new(File::open(path)?))
}

/// The first line of the standard input, without its line end; nothing behind it is read.
///
/// # Errors
///
/// As [`of_file`], and [`io::ErrorKind::UnexpectedEof`] when the input is empty.
pub(crate) fn of_standard_input() -> io::Result<Vec<u8>> {
    // Byte by byte from the descriptor itself: a buffer would swallow the beginning of the messages.
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let line = first_line(BufReader::with_capacity(1, input))?;
    if line.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(line) }
}

fn first_line(input: impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    // The line end may be two bytes.
    input.take(SECRET_BYTES_MAX + 2).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if line.len() as u64 > SECRET_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than 65535 bytes"));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_line_end_is_taken_off() {
        for (input, line) in
            [("a b \nrest", "a b "), ("a\r\nrest", "a"), ("a\r", "a\r"), ("", ""), ("\n", "")]
        {
            assert_eq!(first_line(input.as_bytes()).unwrap(), line.as_bytes(), "{input:?}");
        }
    }

    #[test]
    fn a_password_has_a_longest_length() {
        let longest = "x".repeat(65_535);
        assert_eq!(first_line(format!("{longest}\r\n").as_bytes()).unwrap().len(), 65_535);
        assert!(first_line(format!("{longest}x\n").as_bytes()).is_err());
    }
}

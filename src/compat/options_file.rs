//! Options files: one option a line, read before the command line.

use super::fault::{Fault, Stop, missing_value, shown};
use super::walker::Walker;
use crate::flags::Tool;
use std::{env, ffi::OsString, fs, path::PathBuf};

/// The longest piece of a line that is read at once, as the reference's `fgets` has it; the rest is a line of its own.
const LINE_BYTES_MAX: usize = 1023;

/// The file named by `-o`, which is looked for anywhere, even where another option's value is expected.
///
/// # Errors
///
/// A second `-o`, or one without its value.
pub(crate) fn named_file<'a>(arguments: &[&'a [u8]]) -> Result<Option<&'a [u8]>, Fault> {
    let mut named = None;
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        if argument != b"-o" {
            continue;
        }
        if named.is_some() {
            return Err(Fault::DuplicateOptionsFile);
        }
        named = Some(*rest.next().ok_or(Fault::MissingValue(missing_value("options_file")))?);
    }
    Ok(named)
}

/// The default file: `$XDG_CONFIG_HOME/NAME`, or `$HOME/.config/NAME` when that variable is unset.
///
/// An empty `XDG_CONFIG_HOME` counts as set.
pub(crate) fn default_file(tool: Tool, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let name = tool.options_of()?.mosquitto_name();
    let mut directory = match variable("XDG_CONFIG_HOME") {
        Some(directory) => directory,
        None => {
            let mut home = variable("HOME")?;
            home.push("/.config");
            home
        }
    };
    directory.push("/");
    directory.push(name);
    Some(PathBuf::from(directory))
}

/// Walks over the options of the file that applies; one that cannot be read is as good as none.
///
/// # Errors
///
/// As [`Walker::walk`], and those of [`named_file`].
pub(crate) fn walk_file(walker: &mut Walker<'_>, arguments: &[&[u8]]) -> Result<(), Stop> {
    // The `-o` of `record` is where it writes.
    let named = if walker.tool.has_reference() { named_file(arguments)? } else { None };
    let file = match named {
        Some(name) => Some(super::apply::path(name)),
        None => default_file(walker.tool, |name| env::var_os(name)),
    };
    let Some(content) = file.and_then(|file| fs::read(file).ok()) else { return Ok(()) };
    walk_lines(walker, &content)
}

fn walk_lines(walker: &mut Walker<'_>, content: &[u8]) -> Result<(), Stop> {
    for line in content.split(|&byte| byte == b'\n').flat_map(|line| line.chunks(LINE_BYTES_MAX)) {
        if line.starts_with(b"#") {
            continue;
        }
        let line = trim_end(line);
        let line = &line[line.iter().take_while(|&&byte| byte == b' ').count()..];
        let (option, value) = match line.iter().position(|&byte| byte == b' ') {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        match (option, value) {
            (b"", _) => {}
            (option, _) if walker.leaves_to_reference(option) => {}
            (option, _) if !option.starts_with(b"-") => {
                return Err(Fault::UnknownOption(shown(option)).into());
            }
            // The reference cannot take a property from a file, because it passes on one value only.
            (b"-D" | b"--property", Some(words)) => {
                let words = shell_words(words);
                let mut arguments = vec![option];
                arguments.extend(words.iter().map(Vec::as_slice));
                walker.walk(&arguments)?;
            }
            (_, Some(value)) if !value.is_empty() => walker.walk(&[option, value])?,
            _ => walker.walk(&[option])?,
        }
    }
    Ok(())
}

fn trim_end(line: &[u8]) -> &[u8] {
    let kept = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    &line[..kept]
}

/// Splits at spaces outside quotes; `'` keeps everything, `"` and none know the backslash.
fn shell_words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (None, b' ' | b'\t') => words.extend(word.take()),
            (None | Some(b'"'), b'\\') => word.get_or_insert_default().extend(bytes.next()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_follows_xdg_then_home() {
        let file = |xdg: Option<&str>, home: Option<&str>| {
            default_file(Tool::Publish, |name| {
                match name {
                    "XDG_CONFIG_HOME" => xdg,
                    _ => home,
                }
                .map(OsString::from)
            })
        };
        assert_eq!(file(Some("/x"), Some("/h")), Some(PathBuf::from("/x/mosquitto_pub")));
        assert_eq!(file(Some(""), Some("/h")), Some(PathBuf::from("/mosquitto_pub")));
        assert_eq!(file(None, Some("/h")), Some(PathBuf::from("/h/.config/mosquitto_pub")));
        assert_eq!(file(None, None), None);
    }

    #[test]
    fn a_recorder_reads_the_file_of_the_program_it_is_like() {
        let file = |tool| default_file(tool, |_| Some(OsString::from("/x")));
        assert_eq!(file(Tool::Record), Some(PathBuf::from("/x/mosquitto_sub")));
        assert_eq!(file(Tool::Replay), Some(PathBuf::from("/x/mosquitto_pub")));
        assert_eq!(file(Tool::Health), None);
    }

    #[test]
    fn words_of_a_property_may_be_quoted() {
        let words: Vec<_> = shell_words(br#"publish  user-property "a b\"" 'c\ d' e\ f ''"#);
        assert_eq!(words, [&b"publish"[..], b"user-property", b"a b\"", br"c\ d", b"e f", b""]);
    }

    #[test]
    fn the_file_option_is_seen_even_as_another_options_value() {
        assert_eq!(named_file(&[b"-t", b"-o", b"f"]), Ok(Some(&b"f"[..])));
        assert_eq!(named_file(&[b"-o", b"f", b"-o", b"g"]), Err(Fault::DuplicateOptionsFile));
        assert!(matches!(named_file(&[b"-o"]), Err(Fault::MissingValue(_))));
    }
}

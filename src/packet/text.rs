//! UTF-8 Encoded Strings as MQTT allows them (MQTT 5, section 1.5.4).

use super::error::PacketError;
use super::frame::share;
use bytes::Bytes;
use std::hash::{Hash, Hasher};
use std::{fmt, ops::Deref};

/// The longest string or binary field, in bytes.
pub const TEXT_BYTES_MAX: usize = 65_535;

/// A string that may stand in a packet: UTF-8, at most 65,535 bytes, no control or non-characters.
///
/// Shares the block it was read from; a clone copies no bytes.
#[derive(Clone, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Text(Bytes);

impl Text {
    /// The empty string.
    pub const EMPTY: Self = Self(Bytes::new());

    /// Checks `bytes` and takes them as text.
    ///
    /// # Errors
    ///
    /// [`PacketError::FieldTooLong`] over 65,535 bytes, [`PacketError::Utf8`] or
    /// [`PacketError::ForbiddenCharacter`] for what [`check`] refuses.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, PacketError> {
        let bytes = bytes.into();
        if bytes.len() > TEXT_BYTES_MAX {
            return Err(PacketError::FieldTooLong);
        }
        check(&bytes)?;
        Ok(Self(bytes))
    }

    /// Takes the part of `block` that `text` borrows, without a copy.
    ///
    /// `text` must lie inside `block` and have passed [`check`]; a string from elsewhere is copied.
    #[must_use]
    pub fn within(block: &Bytes, text: &str) -> Self {
        Self(share(block, text.as_bytes()))
    }

    /// A copy that keeps no larger block alive.
    #[must_use]
    pub fn detached(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // SAFETY: every constructor takes bytes that passed `check` (or a `&str`), and `Bytes` never changes.
        unsafe { std::str::from_utf8_unchecked(&self.0) }
    }

    /// The underlying bytes, shared.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Hash for Text {
    /// As the `&str` hashes, so that a map keyed by [`Text`] can be asked with one.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl std::borrow::Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl TryFrom<&str> for Text {
    type Error = PacketError;

    fn try_from(text: &str) -> Result<Self, PacketError> {
        Self::new(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl TryFrom<String> for Text {
    type Error = PacketError;

    fn try_from(text: String) -> Result<Self, PacketError> {
        Self::new(Bytes::from(text.into_bytes()))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Checks that `bytes` are a string that MQTT allows and returns it.
///
/// Refused are malformed UTF-8 with surrogates and overlong forms [MQTT-1.5.4-1], U+0000 [MQTT-1.5.4-2], and, as
/// mosquitto does and the standard permits, the controls U+0001-001F and U+007F-009F and the non-characters.
///
/// # Errors
///
/// [`PacketError::Utf8`], [`PacketError::ForbiddenCharacter`].
#[inline]
pub fn check(bytes: &[u8]) -> Result<&str, PacketError> {
    if is_printable_ascii(bytes) {
        // SAFETY: every byte is between 0x20 and 0x7E.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    check_any(bytes)
}

/// Whether nothing but U+0020 to U+007E is there, as in nearly every topic.
#[inline]
fn is_printable_ascii(bytes: &[u8]) -> bool {
    !any_byte(bytes, |word| {
        // A byte below 0x20 borrows into its high bit; 0x7F carries into it when one is added.
        let below_space = word.wrapping_sub(0x2020_2020_2020_2020) & !word;
        let delete = word.wrapping_add(0x0101_0101_0101_0101);
        word | below_space | delete
    })
}

/// Whether `mark` sets the high bit of any byte, eight bytes at a time.
///
/// Some bytes are seen twice, and short strings are filled up with spaces; `mark` must not set a space's high bit. It may
/// err about the bytes above one that it marked rightly.
#[inline]
pub(super) fn any_byte(bytes: &[u8], mark: impl Fn(u64) -> u64) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let marked = if let Some(last) = bytes.last_chunk::<8>() {
        let (words, _) = bytes[..bytes.len() - 1].as_chunks::<8>();
        let before = words.iter().fold(0, |marked, word| marked | mark(u64::from_le_bytes(*word)));
        before | mark(u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        mark(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)))
    } else {
        mark(bytes.iter().fold(0x2020_2020_2020_2020, |word, byte| word << 8 | u64::from(*byte)))
    };
    marked & HIGH != 0
}

#[cold]
fn check_any(bytes: &[u8]) -> Result<&str, PacketError> {
    let text = std::str::from_utf8(bytes).map_err(|_| PacketError::Utf8)?;
    if text.chars().any(is_forbidden) {
        return Err(PacketError::ForbiddenCharacter);
    }
    Ok(text)
}

fn is_forbidden(character: char) -> bool {
    let code = u32::from(character);
    code < 0x20
        || (0x7F..=0x9F).contains(&code)
        || (0xFDD0..=0xFDEF).contains(&code)
        || code & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_check_agrees_with_the_slow_one_on_every_byte_at_every_place() {
        for length in [1, 3, 4, 7, 8, 9, 16, 17] {
            for (place, byte) in (0..length).flat_map(|place| (0..=255_u8).map(move |byte| (place, byte))) {
                let mut bytes = b"sensors/kitchen/t"[..length].to_vec();
                bytes[place] = byte;
                assert_eq!(
                    is_printable_ascii(&bytes),
                    (0x20..0x7F).contains(&byte),
                    "byte {byte:#x} at {place} of {length}"
                );
                assert_eq!(check(&bytes), check_any(&bytes), "byte {byte:#x} at {place} of {length}");
            }
        }
    }

    #[test]
    fn a_map_keyed_by_text_can_be_asked_with_a_str() {
        let map = std::collections::HashMap::from([(Text::detached("a/b"), 1)]);
        assert_eq!(map.get("a/b"), Some(&1));
    }

    #[test]
    fn forbidden_characters_are_named_apart_from_malformed_bytes() {
        for bad in ["a\u{0}", "\u{1f}", "\u{7f}", "\u{9f}", "\u{fdd0}", "\u{fffe}", "\u{10ffff}"] {
            assert_eq!(check(bad.as_bytes()), Err(PacketError::ForbiddenCharacter), "{bad:?}");
        }
        for bad in [&[0xC0, 0x80][..], &[0xED, 0xA0, 0x80], &[0xFF], &[0xE2, 0x82]] {
            assert_eq!(check(bad), Err(PacketError::Utf8), "{bad:?}");
        }
        assert!(check("Größe/温度/\u{feff}😀".as_bytes()).is_ok());
    }
}

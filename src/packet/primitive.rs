//! The data representations of MQTT (MQTT 5, section 1.5), read from and written to a packet's body.

use super::error::PacketError;
use super::text;
use std::num::NonZeroU16;

/// The largest Variable Byte Integer, and so the longest body of a packet.
pub const VARIABLE_BYTE_INTEGER_MAX: u32 = 268_435_455;

/// Names one packet until its acknowledgement arrives; never zero [MQTT-2.2.1-3].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PacketIdentifier(NonZeroU16);

impl PacketIdentifier {
    /// The first identifier that a fresh session uses.
    pub const FIRST: Self = Self(NonZeroU16::MIN);

    /// Takes `value` unless it is zero.
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number on the wire, 1 to 65,535.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The identifier after this one; 1 follows 65,535.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(next) => Self(next),
            None => Self::FIRST,
        }
    }
}

/// Reads fields from the front of a packet's body; every read checks its bound.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the front of `body`.
    #[must_use]
    #[inline]
    pub const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// What has not been read yet.
    #[must_use]
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends the reading of a packet that must have nothing left.
    ///
    /// # Errors
    ///
    /// [`PacketError::TrailingBytes`].
    pub const fn finish(&self) -> Result<(), PacketError> {
        if self.rest.is_empty() { Ok(()) } else { Err(PacketError::TrailingBytes) }
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    ///
    /// [`PacketError::Truncated`].
    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], PacketError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(PacketError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// One byte.
    ///
    /// # Errors
    ///
    /// [`PacketError::Truncated`].
    #[inline]
    pub fn u8(&mut self) -> Result<u8, PacketError> {
        let (&byte, rest) = self.rest.split_first().ok_or(PacketError::Truncated)?;
        self.rest = rest;
        Ok(byte)
    }

    /// A Two Byte Integer.
    ///
    /// # Errors
    ///
    /// [`PacketError::Truncated`].
    #[inline]
    pub fn u16(&mut self) -> Result<u16, PacketError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(PacketError::Truncated)?;
        self.rest = rest;
        Ok(u16::from_be_bytes(*bytes))
    }

    /// A Four Byte Integer.
    ///
    /// # Errors
    ///
    /// [`PacketError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, PacketError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(PacketError::Truncated)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*bytes))
    }

    /// A Variable Byte Integer in its shortest form [MQTT-1.5.5-1].
    ///
    /// # Errors
    ///
    /// [`PacketError::Truncated`], [`PacketError::VariableByteInteger`].
    #[inline]
    pub fn variable_byte_integer(&mut self) -> Result<u32, PacketError> {
        let mut value = 0_u32;
        for place in 0..4 {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                let overlong = place > 0 && byte == 0;
                return if overlong { Err(PacketError::VariableByteInteger) } else { Ok(value) };
            }
        }
        Err(PacketError::VariableByteInteger)
    }

    /// Binary Data: a length of two bytes and that many bytes.
    ///
    /// # Errors
    ///
    /// [`PacketError::Truncated`].
    #[inline]
    pub fn binary(&mut self) -> Result<&'a [u8], PacketError> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// A UTF-8 Encoded String.
    ///
    /// # Errors
    ///
    /// [`PacketError::Truncated`], and what [`text::check`] refuses.
    #[inline(always)]
    pub fn text(&mut self) -> Result<&'a str, PacketError> {
        text::check(self.binary()?)
    }

    /// A Packet Identifier.
    ///
    /// # Errors
    ///
    /// [`PacketError::Truncated`], [`PacketError::ZeroIdentifier`].
    #[inline]
    pub fn packet_identifier(&mut self) -> Result<PacketIdentifier, PacketError> {
        PacketIdentifier::new(self.u16()?).ok_or(PacketError::ZeroIdentifier)
    }
}

/// How many bytes `value` takes as a Variable Byte Integer: 1 to 4.
#[must_use]
#[inline]
pub const fn variable_byte_integer_length(value: u32) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

/// Appends `value` as a Variable Byte Integer.
#[inline]
pub fn put_variable_byte_integer(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends Binary Data or a string: two bytes of length, then the bytes.
///
/// # Errors
///
/// [`PacketError::FieldTooLong`] over 65,535 bytes.
#[inline]
pub fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), PacketError> {
    let length = u16::try_from(bytes.len()).map_err(|_| PacketError::FieldTooLong)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_byte_integers_survive_the_round_trip_at_every_border() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, VARIABLE_BYTE_INTEGER_MAX] {
            let mut out = Vec::new();
            put_variable_byte_integer(&mut out, value);
            assert_eq!(out.len(), variable_byte_integer_length(value));
            assert_eq!(Reader::new(&out).variable_byte_integer(), Ok(value));
        }
    }

    #[test]
    fn overlong_and_five_byte_integers_are_refused() {
        for bad in [&[0x80, 0x00][..], &[0xFF, 0x80, 0x00], &[0x80, 0x80, 0x80, 0x80, 0x01]] {
            assert_eq!(Reader::new(bad).variable_byte_integer(), Err(PacketError::VariableByteInteger));
        }
        assert_eq!(Reader::new(&[0x80]).variable_byte_integer(), Err(PacketError::Truncated));
    }

    #[test]
    fn identifier_one_follows_the_last() {
        assert_eq!(PacketIdentifier::new(65_535).map(PacketIdentifier::next), Some(PacketIdentifier::FIRST));
        assert_eq!(PacketIdentifier::new(0), None);
    }
}

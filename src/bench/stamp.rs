//! The stamp at the front of each payload: which message it is, and when it was due.
//!
//! The full form takes 24 bytes: magic and version 2, flags 1, run 3, stream 4, sequence 6, due time 8. Where the
//! payload is smaller, the short form takes 8: stream 3, sequence 5; its due time is looked up in the schedule, which
//! both ends of one process share.

/// Length of the full form in bytes.
pub const FULL_BYTES: usize = 24;

/// Length of the short form in bytes.
pub const SHORT_BYTES: usize = 8;

/// The largest stream number that the short form holds.
pub const SHORT_STREAM_MAX: u32 = (1 << 24) - 1;

/// `cx` and the version of the form.
const MAGIC: [u8; 2] = [0xCE, 0x01];

/// Flag: the message belongs to the warm-up.
const WARM_UP: u8 = 1;

/// Which message of which run, and when it was due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// The run, 24 bits; other runs' messages are foreign.
    pub run: u32,
    /// The publisher, by its index in the whole load.
    pub stream: u32,
    /// Count of this stream's messages before it, 48 bits.
    pub sequence: u64,
    /// Nanoseconds from the start of the run to when it was due.
    pub due: u64,
    /// Sent before the measurement began.
    pub is_warm_up: bool,
}

impl Stamp {
    /// Writes the full form to the front of `payload`.
    ///
    /// # Panics
    ///
    /// When `payload` is shorter than [`FULL_BYTES`].
    #[inline]
    pub fn write_full(&self, payload: &mut [u8]) {
        let mut bytes = [0; FULL_BYTES];
        bytes[..2].copy_from_slice(&MAGIC);
        bytes[2] = u8::from(self.is_warm_up) * WARM_UP;
        bytes[3..6].copy_from_slice(&self.run.to_be_bytes()[1..]);
        bytes[6..10].copy_from_slice(&self.stream.to_be_bytes());
        bytes[10..16].copy_from_slice(&self.sequence.to_be_bytes()[2..]);
        bytes[16..].copy_from_slice(&self.due.to_be_bytes());
        payload[..FULL_BYTES].copy_from_slice(&bytes);
    }

    /// Reads the full form; `None` for a payload that no run of ours has sent.
    #[must_use]
    #[inline]
    pub fn read_full(payload: &[u8]) -> Option<Self> {
        let (bytes, _) = payload.split_first_chunk::<FULL_BYTES>()?;
        if bytes[..2] != MAGIC {
            return None;
        }
        Some(Self {
            run: u32::from_be_bytes([0, bytes[3], bytes[4], bytes[5]]),
            stream: u32::from_be_bytes([bytes[6], bytes[7], bytes[8], bytes[9]]),
            sequence: read_be(&bytes[10..16]),
            due: read_be(&bytes[16..]),
            is_warm_up: bytes[2] & WARM_UP != 0,
        })
    }

    /// Writes stream and sequence, the short form, to the front of `payload`.
    ///
    /// # Panics
    ///
    /// When `payload` is shorter than [`SHORT_BYTES`].
    #[inline]
    pub fn write_short(stream: u32, sequence: u64, payload: &mut [u8]) {
        let both = u64::from(stream) << 40 | (sequence & ((1 << 40) - 1));
        payload[..SHORT_BYTES].copy_from_slice(&both.to_be_bytes());
    }

    /// Reads the short form: stream and sequence; `None` when there is no room for one.
    #[must_use]
    #[inline]
    pub fn read_short(payload: &[u8]) -> Option<(u32, u64)> {
        let both = u64::from_be_bytes(*payload.first_chunk::<SHORT_BYTES>()?);
        let stream = u32::try_from(both >> 40).ok()?;
        Some((stream, both & ((1 << 40) - 1)))
    }
}

fn read_be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_at_every_limit() {
        for sequence in [0, 1, (1 << 48) - 1] {
            let stamp = Stamp {
                run: 0xAB_CDEF,
                stream: u32::MAX,
                sequence,
                due: u64::MAX - sequence,
                is_warm_up: true,
            };
            let mut payload = [7; FULL_BYTES + 3];
            stamp.write_full(&mut payload);
            assert_eq!(Stamp::read_full(&payload), Some(stamp));
            assert_eq!(payload[FULL_BYTES..], [7; 3], "the rest is the payload's own");
        }
        let mut payload = [0; SHORT_BYTES];
        Stamp::write_short(SHORT_STREAM_MAX, (1 << 40) - 1, &mut payload);
        assert_eq!(Stamp::read_short(&payload), Some((SHORT_STREAM_MAX, (1 << 40) - 1)));
    }

    #[test]
    fn other_payloads_are_foreign() {
        assert_eq!(Stamp::read_full(b"twenty-three bytes long"), None);
        assert_eq!(Stamp::read_full(b"somebody else's payload, long enough"), None);
        assert_eq!(Stamp::read_short(b"seven b"), None);
    }
}

//! A small seeded generator, so that assigned identifiers are the same in every replay.

/// SplitMix64: passes for random wherever no secret depends on it.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A version 4 UUID in its usual spelling.
    pub(super) fn uuid(&mut self) -> uuid::Uuid {
        let number = u128::from(self.next()) << 64 | u128::from(self.next());
        uuid::Builder::from_random_bytes(number.to_be_bytes()).into_uuid()
    }
}

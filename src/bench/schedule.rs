//! When each message is due: computed from its number alone, fixed before the first is sent, never moved.
//!
//! The load as a whole has a [`Profile`], a rate over time. Message `n` of the whole load belongs to publisher
//! `n % publishers`, so every publisher's messages are spread evenly and publishers do not send in step. All of it is a
//! pure function of the publisher's index in the whole load, so that segments on several machines make one load.

const SECOND: f64 = 1e9;

/// A rate over time: pieces in which it rises, falls or stays; the last rate goes on for ever.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    /// Seconds from the start of the load.
    start: f64,
    /// Seconds; infinite for the last one.
    length: f64,
    /// Messages a second at its beginning.
    from: f64,
    /// Messages a second for each second that has passed in it.
    slope: f64,
    /// Messages due before it.
    before: f64,
}

impl Piece {
    /// Messages due in it until `seconds` after its start.
    fn count(&self, seconds: f64) -> f64 {
        (self.from + self.slope * seconds / 2.0) * seconds
    }

    /// Seconds after its start at which `count` messages are due.
    fn seconds(&self, count: f64) -> f64 {
        if self.slope == 0.0 {
            // Without a rate nothing more is ever due.
            return if self.from > 0.0 { count / self.from } else { f64::INFINITY };
        }
        // The form of the quadratic formula that stays exact for small slopes.
        let root = (self.from * self.from + 2.0 * self.slope * count).max(0.0).sqrt();
        2.0 * count / (self.from + root)
    }

    fn rate(&self, seconds: f64) -> f64 {
        self.from + self.slope * seconds
    }
}

impl Profile {
    /// Always `rate` messages a second.
    #[must_use]
    pub fn constant(rate: f64) -> Self {
        Self::stages(&[(0.0, rate, rate)])
    }

    /// Pieces one after the other: seconds, messages a second at the beginning and at the end. The last rate goes on.
    #[must_use]
    pub fn stages(stages: &[(f64, f64, f64)]) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        let (mut start, mut before, mut last) = (0.0, 0.0, 0.0);
        for &(length, from, to) in stages {
            last = to;
            if length > 0.0 {
                let piece = Piece { start, length, from, slope: (to - from) / length, before };
                start += length;
                before += piece.count(length);
                pieces.push(piece);
            }
        }
        pieces.push(Piece { start, length: f64::INFINITY, from: last, slope: 0.0, before });
        Self { pieces }
    }

    /// Nanoseconds after the start at which the load has `position` messages behind it; `u64::MAX` when it never has.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, and is never negative
    pub fn due(&self, position: f64) -> u64 {
        let found = self
            .pieces
            .iter()
            .find(|piece| piece.length.is_infinite() || position < piece.before + piece.count(piece.length));
        let Some(piece) = found else { return u64::MAX };
        ((piece.start + piece.seconds(position - piece.before)) * SECOND) as u64
    }

    /// How many messages are due in the first `seconds`.
    #[must_use]
    pub fn count_until(&self, seconds: f64) -> f64 {
        let piece = self.piece_at(seconds);
        piece.before + piece.count(seconds - piece.start)
    }

    /// Messages a second at `seconds` after the start.
    #[must_use]
    pub fn rate_at(&self, seconds: f64) -> f64 {
        let piece = self.piece_at(seconds);
        piece.rate(seconds - piece.start)
    }

    fn piece_at(&self, seconds: f64) -> &Piece {
        let later = self.pieces.partition_point(|piece| piece.start <= seconds);
        &self.pieces[later.saturating_sub(1)]
    }
}

/// How messages are spread within the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrival {
    /// Evenly.
    Uniform,
    /// As independent events: gaps of exponential length, from a seed.
    Poisson,
    /// `count` at once, every `period` nanoseconds; takes the place of the rate.
    Burst {
        /// Messages of the whole load that are due at once.
        count: u64,
        /// Nanoseconds from one burst to the next.
        period: u64,
    },
}

/// The schedule of a whole load.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The rate over time.
    pub profile: Profile,
    /// How messages are spread within it.
    pub arrival: Arrival,
    /// How many publishers share the load.
    pub publishers: u32,
}

/// Where a publisher stands in the schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cursor {
    stream: u32,
    /// The message whose time comes next.
    sequence: u64,
    /// For random arrival: messages of this stream, by the rate, before the next one.
    position: f64,
    bits: u64,
}

impl Schedule {
    /// Before the first message of the publisher `stream`.
    #[must_use]
    pub fn cursor(&self, stream: u32) -> Cursor {
        let mut cursor = Cursor { stream, sequence: 0, position: 0.0, bits: mix(u64::from(stream) + 1) };
        cursor.draw();
        cursor
    }

    /// When the next message is due, in nanoseconds from the start of the load; moves on to the one behind it.
    #[inline]
    #[must_use]
    pub fn next(&self, cursor: &mut Cursor) -> u64 {
        let due = match self.arrival {
            Arrival::Poisson => self.profile.due(cursor.position * f64::from(self.publishers)),
            Arrival::Uniform | Arrival::Burst { .. } => self.due(cursor.stream, cursor.sequence),
        };
        cursor.sequence += 1;
        cursor.draw();
        due
    }

    /// When message `sequence` of `stream` is due, where that can be told without those before it: not for Poisson.
    #[must_use]
    #[inline]
    pub fn due(&self, stream: u32, sequence: u64) -> u64 {
        let number = self.number(stream, sequence);
        match self.arrival {
            Arrival::Burst { count, period } => (number / count.max(1)).saturating_mul(period),
            #[allow(clippy::cast_precision_loss)] // exact to a nanosecond for hours of millions a second
            Arrival::Uniform | Arrival::Poisson => self.profile.due(number as f64),
        }
    }

    /// The number of a message in the whole load.
    #[must_use]
    #[inline]
    pub fn number(&self, stream: u32, sequence: u64) -> u64 {
        sequence.saturating_mul(u64::from(self.publishers)).saturating_add(u64::from(stream))
    }
}

impl Cursor {
    /// Draws the next gap: exponential, with mean 1.
    #[inline]
    fn draw(&mut self) {
        self.bits = self.bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
        #[allow(clippy::cast_precision_loss)] // 53 bits are what an f64 holds
        let unit = ((mix(self.bits) >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        self.position -= unit.ln();
    }
}

/// How many due times behind the newest are kept for looking up.
const KEPT: usize = 1024;

/// Looks up due times from stream and sequence, where the arrival is random: walks the same cursor as the sender.
#[derive(Clone, Debug)]
pub struct Lookup {
    cursor: Cursor,
    kept: Box<[u64]>,
}

impl Lookup {
    /// Before the first message of `stream`.
    #[must_use]
    pub fn new(schedule: &Schedule, stream: u32) -> Self {
        Self { cursor: schedule.cursor(stream), kept: vec![0; KEPT].into() }
    }

    /// When message `sequence` was due; `None` for one too far behind or (which no sender makes) ahead of the newest.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // an index below KEPT
    pub fn due(&mut self, schedule: &Schedule, sequence: u64) -> Option<u64> {
        /// Bounds the walk that a forged sequence number can cause.
        const AHEAD_MAX: u64 = 1 << 20;
        let next = self.cursor.sequence;
        if sequence >= next.saturating_add(AHEAD_MAX) || sequence + (KEPT as u64) < next {
            return None;
        }
        while self.cursor.sequence <= sequence {
            let at = (self.cursor.sequence % KEPT as u64) as usize;
            self.kept[at] = schedule.next(&mut self.cursor);
        }
        Some(self.kept[(sequence % KEPT as u64) as usize])
    }
}

/// SplitMix64's last step: neighbouring numbers become unrelated ones.
pub(crate) const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(rate: f64, publishers: u32) -> Schedule {
        Schedule { profile: Profile::constant(rate), arrival: Arrival::Uniform, publishers }
    }

    #[test]
    fn constant_rate_spreads_publishers_evenly() {
        let schedule = uniform(1000.0, 4);
        assert_eq!(schedule.due(0, 0), 0);
        assert_eq!(schedule.due(1, 0), 1_000_000);
        assert_eq!(schedule.due(0, 1), 4_000_000);
        assert_eq!(schedule.due(3, 1_000_000), 4_000_003_000_000);
    }

    #[test]
    fn cursor_gives_what_can_be_computed() {
        let schedule = uniform(777.0, 5);
        let mut cursor = schedule.cursor(3);
        for sequence in 0..1000 {
            assert_eq!(schedule.next(&mut cursor), schedule.due(3, sequence));
        }
    }

    #[test]
    fn ramp_and_stages_send_the_area_under_their_curve() {
        // 0 to 100 a second in 10 s, then 10 s of 50, then silence.
        let profile = Profile::stages(&[(10.0, 0.0, 100.0), (10.0, 50.0, 50.0), (0.0, 0.0, 0.0)]);
        assert!((profile.count_until(10.0) - 500.0).abs() < 1e-9);
        assert!((profile.count_until(20.0) - 1000.0).abs() < 1e-9);
        assert!((profile.count_until(99.0) - 1000.0).abs() < 1e-9);
        assert_eq!(profile.due(500.0), 10_000_000_000);
        assert_eq!(profile.due(125.0), 5_000_000_000, "half the time, a quarter of the area");
        assert_eq!(profile.due(1000.0), u64::MAX, "never");
        assert!((profile.rate_at(5.0) - 50.0).abs() < 1e-9);
        let mut last = 0;
        for number in 0..1000 {
            let due = profile.due(f64::from(number));
            assert!(due >= last);
            last = due;
        }
    }

    #[test]
    fn poisson_keeps_the_rate_and_has_its_spread() {
        let schedule = Schedule { arrival: Arrival::Poisson, ..uniform(10_000.0, 2) };
        let mut cursor = schedule.cursor(1);
        let dues: Vec<u64> = (0..100_000).map(|_| schedule.next(&mut cursor)).collect();
        let gaps: Vec<f64> = dues.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((mean / 200_000.0 - 1.0).abs() < 0.02, "{mean}");
        assert!(
            (deviation / mean - 1.0).abs() < 0.02,
            "the deviation of an exponential is its mean: {deviation}"
        );
        let mut other = schedule.cursor(0);
        assert_ne!(schedule.next(&mut other), dues[0], "streams are independent");
    }

    #[test]
    fn bursts_are_due_together() {
        let burst = Arrival::Burst { count: 10, period: 1_000_000_000 };
        let schedule = Schedule { arrival: burst, ..uniform(1.0, 5) };
        let dues: Vec<u64> = (0..4).map(|sequence| schedule.due(2, sequence)).collect();
        assert_eq!(dues, [0, 0, 1_000_000_000, 1_000_000_000]);
    }

    #[test]
    fn lookup_agrees_with_the_sender_in_any_order_within_its_window() {
        let schedule = Schedule { arrival: Arrival::Poisson, ..uniform(500.0, 3) };
        let mut cursor = schedule.cursor(2);
        let dues: Vec<u64> = (0..5000).map(|_| schedule.next(&mut cursor)).collect();
        let mut lookup = Lookup::new(&schedule, 2);
        for (sequence, due) in
            dues.iter().enumerate().rev().skip(100).take(1).chain(dues.iter().enumerate().skip(4000))
        {
            assert_eq!(lookup.due(&schedule, sequence as u64), Some(*due), "{sequence}");
        }
        assert_eq!(lookup.due(&schedule, 0), None, "too far behind");
        assert_eq!(lookup.due(&schedule, u64::MAX), None, "forged");
    }
}

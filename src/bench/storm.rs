//! Storms: what each client of one waits for, and what it has seen of that.

use super::stream::Seen;

/// What all clients do at once when the load begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StormKind {
    /// Lose their connections and come back.
    Reconnect,
    /// Die, so that the broker publishes their wills.
    Will,
    /// Subscribe to what is retained.
    Retain,
    /// Subscribe, each many times.
    Subscribe,
    /// Come back to sessions for which messages wait.
    Resume,
}

impl StormKind {
    /// The word of the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reconnect => "reconnect",
            Self::Will => "will",
            Self::Retain => "retain",
            Self::Subscribe => "subscribe",
            Self::Resume => "resume",
        }
    }

    /// Whether each client waits for something of its own, by which it is counted as served.
    #[must_use]
    pub const fn is_attended(self) -> bool {
        matches!(self, Self::Retain | Self::Subscribe | Self::Resume)
    }

    /// Whether messages that were published before it are delivered in it.
    #[must_use]
    pub const fn delivers(self) -> bool {
        matches!(self, Self::Retain | Self::Resume)
    }
}

/// What one client of a storm waits for, numbered from 0, and what it has of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attendance {
    awaited: u64,
    seen: Vec<u64>,
    count: u64,
    next: u64,
}

impl Attendance {
    /// Waits for this many.
    #[must_use]
    pub fn new(awaited: u64) -> Self {
        let words = usize::try_from(awaited.div_ceil(64)).unwrap_or(usize::MAX);
        Self { awaited, seen: vec![0; words], count: 0, next: 0 }
    }

    /// How many it waits for in all.
    #[must_use]
    pub const fn awaited(&self) -> u64 {
        self.awaited
    }

    /// Whether everything has come.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.count >= self.awaited
    }

    /// Takes number `sequence`; `None` for one that is not awaited.
    pub fn take(&mut self, sequence: u64) -> Option<Seen> {
        if sequence >= self.awaited {
            return None;
        }
        let word = self.seen.get_mut(usize::try_from(sequence / 64).ok()?)?;
        let bit = 1 << (sequence % 64);
        if *word & bit != 0 {
            return Some(Seen::Duplicate);
        }
        *word |= bit;
        self.count += 1;
        if sequence < self.next {
            return Some(Seen::Reordered);
        }
        self.next = sequence + 1;
        Some(Seen::New)
    }
}

/// The part of `total` that the client with this index has, of so many clients.
#[must_use]
pub fn share(total: u64, index: u32, clients: u32) -> u64 {
    let clients = u64::from(clients.max(1));
    total / clients + u64::from(u64::from(index) < total % clients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_is_served_when_each_has_come_once() {
        let mut attendance = Attendance::new(66);
        for sequence in (0..66).filter(|sequence| *sequence != 3) {
            assert_eq!(attendance.take(sequence), Some(Seen::New));
        }
        assert_eq!(attendance.take(65), Some(Seen::Duplicate));
        assert!(!attendance.is_complete());
        assert_eq!(attendance.take(3), Some(Seen::Reordered));
        assert!(attendance.is_complete());
        assert_eq!(attendance.take(66), None);
        assert!(Attendance::new(0).is_complete());
    }

    #[test]
    fn shares_add_up() {
        let shares: Vec<_> = (0..3).map(|index| share(8, index, 3)).collect();
        assert_eq!(shares, [3, 3, 2]);
        assert_eq!(share(8, 0, 0), 8);
    }
}

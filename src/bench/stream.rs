//! What one receiver has seen of one stream: lost, twice, out of order.

/// How far back a sequence number may lie and still be told apart from a duplicate, in messages.
pub const WINDOW: u64 = 1024;

const WORDS: usize = (WINDOW / 64) as usize;

/// What a received message is to its stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// The next one, or one further ahead.
    New,
    /// One that was missing: it came after its successors.
    Reordered,
    /// One that was there already.
    Duplicate,
    /// One from before the window: a duplicate or very late, which cannot be told any more.
    Late,
}

/// The messages of one stream that one receiver has seen: the highest and a window of 1,024 below it.
#[derive(Clone, Debug, Default)]
pub struct StreamCheck {
    /// One behind the highest sequence seen; 0 for none.
    next: u64,
    /// Bit `n % WINDOW` is set when message `n` of the window has been seen.
    window: [u64; WORDS],
    /// Distinct messages seen.
    unique: u64,
}

impl StreamCheck {
    /// Takes the message with this number.
    #[inline]
    pub fn take(&mut self, sequence: u64) -> Seen {
        if sequence >= self.next {
            self.advance(sequence);
            self.mark(sequence);
            self.unique += 1;
            return Seen::New;
        }
        if self.next - sequence > WINDOW {
            return Seen::Late;
        }
        if self.is_marked(sequence) {
            return Seen::Duplicate;
        }
        self.mark(sequence);
        self.unique += 1;
        Seen::Reordered
    }

    /// How many distinct messages have been seen.
    #[must_use]
    pub const fn unique(&self) -> u64 {
        self.unique
    }

    /// One behind the highest sequence seen; 0 before the first.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Moves the window so that `sequence` is its newest; what enters it is unseen.
    #[inline]
    fn advance(&mut self, sequence: u64) {
        let entering = sequence - self.next + 1;
        if entering >= WINDOW {
            self.window = [0; WORDS];
        } else {
            for number in self.next..sequence {
                self.window[word(number)] &= !(1 << (number % 64));
            }
        }
        self.next = sequence + 1;
    }

    #[inline]
    fn mark(&mut self, sequence: u64) {
        self.window[word(sequence)] |= 1 << (sequence % 64);
    }

    #[inline]
    fn is_marked(&self, sequence: u64) -> bool {
        self.window[word(sequence)] & 1 << (sequence % 64) != 0
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation)] // below WORDS
const fn word(sequence: u64) -> usize {
    (sequence / 64 % WORDS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_in_order_is_new() {
        let mut check = StreamCheck::default();
        for sequence in 0..5 * WINDOW {
            assert_eq!(check.take(sequence), Seen::New);
            assert_eq!(check.take(sequence), Seen::Duplicate);
        }
        assert_eq!(check.unique(), 5 * WINDOW);
    }

    #[test]
    fn gap_that_fills_later_is_reordered_once() {
        let mut check = StreamCheck::default();
        check.take(0);
        check.take(2);
        assert_eq!(check.take(1), Seen::Reordered);
        assert_eq!(check.take(1), Seen::Duplicate);
        assert_eq!(check.unique(), 3);
    }

    #[test]
    fn messages_before_the_window_cannot_be_told_from_duplicates() {
        let mut check = StreamCheck::default();
        assert_eq!(check.take(WINDOW), Seen::New);
        assert_eq!(check.take(0), Seen::Late);
        assert_eq!(check.take(1), Seen::Reordered);
        assert_eq!((check.unique(), check.next()), (2, WINDOW + 1));
    }

    /// Agrees with a set that forgets nothing, whatever the order.
    #[test]
    fn agrees_with_a_naive_model() {
        let mut bits = 0x2545_F491_4F6C_DD1D_u64;
        let mut seen = std::collections::HashSet::new();
        let mut check = StreamCheck::default();
        let mut base = 0;
        for _ in 0..100_000 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            base += bits % 3;
            let sequence = base + bits / 7 % 900;
            let expected = match (seen.contains(&sequence), sequence >= check.next()) {
                (true, _) => Seen::Duplicate,
                (false, true) => Seen::New,
                (false, false) => Seen::Reordered,
            };
            let is_within = check.next() <= sequence + WINDOW;
            assert_eq!(check.take(sequence), if is_within { expected } else { Seen::Late }, "{sequence}");
            if is_within {
                seen.insert(sequence);
            }
        }
        assert_eq!(check.unique(), seen.len() as u64);
    }
}

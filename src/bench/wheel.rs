//! Keep alives of many clients: one bucket a second, so that a tick looks at the clients of that second alone.

/// Who is to be looked at in which second.
#[derive(Debug)]
pub struct Wheel {
    buckets: Vec<Vec<u32>>,
    /// The second that is looked at next.
    next: u64,
}

impl Wheel {
    /// For periods of up to `seconds_max`.
    #[must_use]
    pub fn new(seconds_max: u16) -> Self {
        Self { buckets: vec![Vec::new(); usize::from(seconds_max) + 2], next: 0 }
    }

    /// Looks at `client` in `second`, or at the nearest one that the wheel has.
    pub fn put(&mut self, client: u32, second: u64) {
        let last = self.next + self.buckets.len() as u64 - 1;
        let at = self.bucket(second.clamp(self.next, last));
        self.buckets[at].push(client);
    }

    /// Moves on to `second` and takes the clients of all seconds up to it.
    pub fn turn(&mut self, second: u64) -> Vec<u32> {
        let mut due = Vec::new();
        let turns = (second + 1).saturating_sub(self.next).min(self.buckets.len() as u64);
        for offset in 0..turns {
            let at = self.bucket(self.next + offset);
            due.append(&mut self.buckets[at]);
        }
        self.next = self.next.max(second + 1);
        due
    }

    /// The first second in which somebody is to be looked at.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        (self.next..self.next + self.buckets.len() as u64)
            .find(|second| !self.buckets[self.bucket(*second)].is_empty())
    }

    #[allow(clippy::cast_possible_truncation)] // an index of the buckets
    fn bucket(&self, second: u64) -> usize {
        (second % self.buckets.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_comes_in_its_second_and_only_once() {
        let mut wheel = Wheel::new(60);
        wheel.put(1, 5);
        wheel.put(2, 60);
        wheel.put(3, 5);
        assert_eq!(wheel.first(), Some(5));
        assert_eq!(wheel.turn(4), [0_u32; 0]);
        assert_eq!(wheel.turn(5), [1, 3]);
        wheel.put(1, 65);
        assert_eq!(wheel.turn(59), [0_u32; 0]);
        assert_eq!(wheel.turn(200), [2, 1], "a late tick misses nobody");
        assert_eq!(wheel.turn(500), [0_u32; 0]);
        assert_eq!(wheel.first(), None);
    }

    #[test]
    fn seconds_in_the_past_come_next() {
        let mut wheel = Wheel::new(1);
        wheel.turn(10);
        wheel.put(7, 3);
        wheel.put(8, 999);
        assert_eq!(wheel.turn(11), [7]);
        assert_eq!(wheel.turn(13), [8], "no further than the wheel reaches");
    }
}

//! The highest rate that a broker bears: upwards in steps, then between the last good and the first bad one, and what is
//! reported has held twice.

/// Rates closer together than this share count as the same.
const CLOSE_ENOUGH: f64 = 0.05;

/// Steps at most, so that a broker that changes its mind ends the search all the same.
const STEPS_MAX: usize = 40;

/// A search for the highest rate; asks for one rate after the other.
#[derive(Clone, Debug)]
pub struct Find {
    next: Option<f64>,
    /// The highest rate that held, and how often.
    good: Option<(f64, u32)>,
    /// The lowest rate that did not.
    bad: Option<f64>,
    steps: usize,
}

impl Find {
    /// A search that begins at `rate` messages a second.
    #[must_use]
    pub const fn from(rate: f64) -> Self {
        Self { next: Some(rate), good: None, bad: None, steps: 0 }
    }

    /// The rate to try next; `None` when the search is over.
    #[must_use]
    pub const fn next(&self) -> Option<f64> {
        self.next
    }

    /// Takes how the rate that was asked for last came out.
    pub fn take(&mut self, has_held: bool) {
        let Some(rate) = self.next else { return };
        self.steps += 1;
        if has_held {
            let times = match self.good {
                Some((good, times)) if good >= rate => times + 1,
                _ => 1,
            };
            self.good = Some((rate, times));
        } else {
            self.bad = Some(self.bad.map_or(rate, |bad| bad.min(rate)));
            // What held once and then not did not hold.
            self.good = self.good.filter(|(good, _)| *good < rate);
        }
        self.next = if self.steps >= STEPS_MAX { None } else { self.choose() };
    }

    /// The highest rate that held twice; only when the search is over.
    #[must_use]
    pub fn found(&self) -> Option<f64> {
        self.good.filter(|(_, times)| self.next.is_none() && *times >= 2).map(|(rate, _)| rate)
    }

    fn choose(&self) -> Option<f64> {
        match (self.good, self.bad) {
            (Some((good, _)), None) => Some(good * 2.0),
            (None, Some(bad)) if bad < 1.0 => None,
            (None, Some(bad)) => Some(bad / 2.0),
            (Some((good, times)), Some(bad)) if bad / good - 1.0 <= CLOSE_ENOUGH => {
                (times < 2).then_some(good)
            }
            (Some((good, _)), Some(bad)) => Some((good + bad) / 2.0),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(from: f64, holds: impl Fn(f64) -> bool) -> (Option<f64>, usize) {
        let mut find = Find::from(from);
        let mut steps = 0;
        while let Some(rate) = find.next() {
            find.take(holds(rate));
            steps += 1;
        }
        (find.found(), steps)
    }

    #[test]
    fn limit_is_found_from_below_and_from_above() {
        for from in [10.0, 1000.0, 1_000_000.0] {
            let (found, steps) = search(from, |rate| rate <= 43_210.0);
            let found = found.unwrap();
            assert!(found <= 43_210.0 && found > 43_210.0 * 0.94, "{found} from {from}");
            assert!(steps < 30, "{steps} from {from}");
        }
    }

    #[test]
    fn what_never_holds_has_no_limit_and_the_search_ends() {
        assert_eq!(search(1000.0, |_| false).0, None);
        assert!(search(1000.0, |_| true).1 <= STEPS_MAX);
    }

    #[test]
    fn rate_that_holds_only_once_is_not_reported() {
        let mut find = Find::from(100.0);
        find.take(true);
        find.take(false);
        while let Some(rate) = find.next() {
            find.take(rate < 100.0);
        }
        assert!(find.found().unwrap() < 100.0);
    }
}

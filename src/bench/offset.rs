//! How far another host's clock is from ours, from questions and answers over the broker (RFC 5905, section 8).
//!
//! One question goes at `asked` by our clock, comes at `came` by the other's, is answered at `answered` by the other's,
//! and the answer is here at `heard` by ours. However the way is divided between there and back, the other clock is ahead
//! of ours by what [`Sample::ahead`] says, give or take half the time that the message was under way. So the quickest of
//! the last answers tells most, and its bound grows with its age, because clocks drift.

use std::collections::VecDeque;

/// Answers that are remembered.
const SAMPLES_MAX: usize = 512;

/// How far clocks may drift apart, in nanoseconds a millisecond: as fast as a clock runs while it is being set right.
const DRIFT_PER_MILLISECOND: u64 = 500;

/// One question and its answer, in nanoseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// When it was asked, by our clock.
    pub asked: u64,
    /// When it came, by the other clock.
    pub came: u64,
    /// When it was answered, by the other clock.
    pub answered: u64,
    /// When the answer was here, by our clock.
    pub heard: u64,
}

impl Sample {
    /// How long question and answer were under way together; `None` for times that cannot be.
    #[must_use]
    pub fn under_way(&self) -> Option<u64> {
        let here = self.heard.checked_sub(self.asked)?;
        here.checked_sub(self.answered.checked_sub(self.came)?)
    }

    /// By how much the other clock is ahead of ours, if both ways took the same time.
    #[must_use]
    pub fn ahead(&self) -> i64 {
        let difference = |later: u64, earlier: u64| i128::from(later) - i128::from(earlier);
        let sum = difference(self.came, self.asked) + difference(self.answered, self.heard);
        i64::try_from(sum / 2).unwrap_or_default()
    }

    /// What this sample tells at `now` by our clock.
    #[must_use]
    pub fn offset(&self, now: u64) -> Offset {
        Offset { ahead: self.ahead(), bound: bound(self, now) }
    }
}

/// What is known of another clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Offset {
    /// Nanoseconds by which it is ahead of ours.
    pub ahead: i64,
    /// By how many nanoseconds that may be wrong, either way.
    pub bound: u64,
}

/// Keeps the answers that can still tell most.
#[derive(Clone, Debug, Default)]
pub struct Estimator {
    samples: VecDeque<Sample>,
}

impl Estimator {
    /// Takes an answer; one whose times cannot be is passed over.
    pub fn take(&mut self, sample: Sample) {
        if sample.under_way().is_none() {
            return;
        }
        // An older one that is no closer can never become the better one again.
        while self
            .samples
            .back()
            .is_some_and(|last| bound(last, sample.heard) >= bound(&sample, sample.heard))
        {
            self.samples.pop_back();
        }
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The answer that tells most at `now` by our clock; `None` before the first one.
    #[must_use]
    pub fn best(&self, now: u64) -> Option<Sample> {
        self.samples.iter().min_by_key(|sample| bound(sample, now)).copied()
    }
}

/// By how much `sample` may be wrong at `now`: half of its way, rounded up, and what clocks drift since.
fn bound(sample: &Sample, now: u64) -> u64 {
    let way = sample.under_way().unwrap_or(u64::MAX).div_ceil(2);
    let age = now.saturating_sub(sample.heard) / 1_000_000;
    way.saturating_add(age.saturating_mul(DRIFT_PER_MILLISECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A question at `asked` to a clock that is `ahead`, with ways of these lengths.
    fn sample(asked: u64, ahead: i64, there: u64, back: u64) -> Sample {
        let other = |ours: u64| ours.checked_add_signed(ahead).unwrap();
        let (came, answered) = (asked + there, asked + there + 500);
        Sample { asked, came: other(came), answered: other(answered), heard: answered + back }
    }

    #[test]
    fn offset_is_exact_when_both_ways_take_the_same_time() {
        for ahead in [0, 7_000_000_000, -3_000_000] {
            let mut estimator = Estimator::default();
            estimator.take(sample(5_000_000_000, ahead, 80_000, 80_000));
            let offset = estimator.best(5_000_160_500).unwrap().offset(5_000_160_500);
            assert_eq!(offset, Offset { ahead, bound: 80_000 });
        }
    }

    #[test]
    fn truth_lies_within_the_bound_however_the_way_is_divided() {
        let ahead = -2_500_000_000;
        for there in (0..=200_000).step_by(10_000) {
            let mut estimator = Estimator::default();
            estimator.take(sample(9_000_000_000, ahead, there, 200_000 - there));
            let offset = estimator.best(9_000_200_500).unwrap().offset(9_000_200_500);
            assert_eq!(offset.bound, 100_000);
            assert!(offset.ahead.abs_diff(ahead) <= offset.bound, "{there}: {offset:?}");
        }
    }

    #[test]
    fn quickest_answer_tells_most_until_it_is_too_old() {
        let mut estimator = Estimator::default();
        estimator.take(sample(1_000_000_000, 40, 300_000, 100_000));
        estimator.take(sample(1_050_000_000, 40, 10_000, 10_000));
        // As congested as the first was, and young.
        estimator.take(sample(1_100_000_000, 40, 300_000, 100_000));
        assert_eq!(estimator.best(1_100_400_500).unwrap().ahead(), 40);
        let mut old = Estimator::default();
        old.take(sample(2_000_000_000, 40, 10_000, 10_000));
        old.take(sample(9_000_000_000, 90, 30_000, 30_000));
        assert_eq!(
            old.best(9_000_060_500).unwrap().offset(9_000_060_500),
            Offset { ahead: 90, bound: 30_000 }
        );
    }

    #[test]
    fn bound_holds_while_clocks_drift() {
        let mut estimator = Estimator::default();
        estimator.take(sample(1_000_000_000, 0, 50_000, 50_000));
        // Ten seconds later the other clock has gained 400 millionths.
        let offset = estimator.best(11_000_100_500).unwrap().offset(11_000_100_500);
        assert!(offset.ahead.abs_diff(4_000_000) <= offset.bound, "{offset:?}");
    }

    #[test]
    fn times_that_cannot_be_are_passed_over() {
        let mut estimator = Estimator::default();
        estimator.take(Sample { asked: 10, came: 5, answered: 4, heard: 20 });
        estimator.take(Sample { asked: 10, came: 5, answered: 50, heard: 20 });
        assert_eq!(estimator.best(30), None);
    }
}

//! When the lines of a recording are due: each as long after the one before as it was recorded, divided by the speed.

use crate::flags::Speed;
use crate::output::WallTime;
use std::time::Duration;
use tokio::time::Instant;

/// The longest pause; what a damaged time asks for beyond it, no clock can count.
const PAUSE_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// The schedule of a recording.
pub(super) struct Pace {
    speed: Speed,
    /// When the last line that has a time was recorded, and when it was due.
    last: Option<(WallTime, Instant)>,
}

impl Pace {
    pub(super) const fn new(speed: Speed) -> Self {
        Self { speed, last: None }
    }

    /// When the next line, recorded at `time`, is to be published; the first one `now`.
    ///
    /// Measured from when the line before was due, so that being late once makes nothing else late. A line without a time
    /// follows the one before at once, as does one from a clock that was set back or from another recording.
    pub(super) fn due(&mut self, time: Option<WallTime>, now: Instant) -> Instant {
        let Speed::Factor(factor) = self.speed else { return now };
        let Some(time) = time else { return self.last.map_or(now, |(_, due)| due) };
        let due = match self.last {
            None => now,
            Some((last, due)) => due + pause(last, time).div_f64(factor).min(PAUSE_MAX),
        };
        self.last = Some((time, due));
        due
    }
}

/// How much later than `from` it is at `to`; nothing when it is earlier.
fn pause(from: WallTime, to: WallTime) -> Duration {
    let nanoseconds =
        |time: WallTime| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    let between = (nanoseconds(to) - nanoseconds(from)).max(0);
    Duration::from_nanos(u64::try_from(between).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanoseconds: u32) -> Option<WallTime> {
        Some(WallTime { seconds, nanoseconds })
    }

    fn dues(speed: Speed, times: &[Option<WallTime>]) -> Vec<Duration> {
        let start = Instant::now();
        let mut pace = Pace::new(speed);
        times.iter().map(|time| pace.due(*time, start) - start).collect()
    }

    #[test]
    fn pauses_are_divided_by_the_speed() {
        let times = [at(100, 0), at(101, 500_000_000), at(103, 0)];
        let expected = |millis: [u64; 3]| millis.map(Duration::from_millis);
        assert_eq!(dues(Speed::Factor(1.0), &times), expected([0, 1500, 3000]));
        assert_eq!(dues(Speed::Factor(10.0), &times), expected([0, 150, 300]));
        assert_eq!(dues(Speed::Factor(0.5), &times), expected([0, 3000, 6000]));
        assert_eq!(dues(Speed::Max, &times), expected([0, 0, 0]));
    }

    #[test]
    fn lines_without_a_time_or_with_an_earlier_one_follow_at_once() {
        let times = [None, at(100, 0), None, at(102, 0), at(50, 0), at(51, 0)];
        let seconds: Vec<_> = dues(Speed::Factor(1.0), &times).iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [0, 0, 0, 2, 2, 3]);
    }

    #[test]
    fn the_longest_pause_is_one_that_a_clock_can_count() {
        let times = [at(i64::MIN / 4, 0), at(i64::MAX / 4, 0)];
        assert_eq!(dues(Speed::Factor(0.001), &times)[1], PAUSE_MAX);
    }
}

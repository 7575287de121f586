//! Whether a load has settled: throughput and median latency that neither drift nor scatter.

/// Windows of a second that are looked at.
pub const WINDOWS: usize = 10;

/// The most that the straight line through the windows may rise or fall from the first to the last, as a share of the mean.
const DRIFT_MAX: f64 = 0.02;

/// The most that the windows may scatter, as a share of the mean (the coefficient of variation).
const SCATTER_MAX: f64 = 0.05;

/// Medians that move by less than this are what timers and schedulers do anyway, in microseconds.
const LATENCY_FLOOR: f64 = 50.0;

/// What one second brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Messages read, or written where nothing is read.
    pub messages: u64,
    /// Median latency in microseconds; 0 where none is measured.
    pub p50_us: u64,
}

/// Whether the last [`WINDOWS`] of `windows` are steady; fewer never are.
#[must_use]
pub fn is_steady(windows: &[Window]) -> bool {
    let Some(from) = windows.len().checked_sub(WINDOWS) else { return false };
    #[allow(clippy::cast_precision_loss)] // counts of a second
    let column =
        |value: fn(&Window) -> u64| windows[from..].iter().map(|window| value(window) as f64).collect();
    let messages: Vec<f64> = column(|window| window.messages);
    let latencies: Vec<f64> = column(|window| window.p50_us);
    // A load of one message in a second is not less steady than one of a thousand.
    holds_still(&messages, 1.0) && holds_still(&latencies, LATENCY_FLOOR)
}

/// Whether values neither drift nor scatter by more than their share, or `floor`.
fn holds_still(values: &[f64], floor: f64) -> bool {
    #[allow(clippy::cast_precision_loss)] // ten of them
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let middle = (count - 1.0) / 2.0;
    let (mut products, mut squares, mut variance, mut at) = (0.0, 0.0, 0.0, 0.0);
    for value in values {
        products += (at - middle) * (value - mean);
        squares += (at - middle) * (at - middle);
        variance += (value - mean) * (value - mean) / count;
        at += 1.0;
    }
    let drift = (products / squares * (count - 1.0)).abs();
    drift <= floor.max(DRIFT_MAX * mean) && variance.sqrt() <= floor.max(SCATTER_MAX * mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(messages: impl Fn(u64) -> u64, p50_us: impl Fn(u64) -> u64) -> Vec<Window> {
        (0..10).map(|at| Window { messages: messages(at), p50_us: p50_us(at) }).collect()
    }

    #[test]
    fn load_that_stays_is_steady_and_nine_seconds_of_it_are_not_enough() {
        let still = windows(|at| 1000 + at % 2, |at| 300 + at % 3);
        assert!(is_steady(&still));
        assert!(!is_steady(&still[1..]));
    }

    #[test]
    fn throughput_that_rises_or_scatters_is_not() {
        assert!(!is_steady(&windows(|at| 1000 + 10 * at, |_| 300)), "9 % in ten seconds");
        assert!(!is_steady(&windows(|at| if at % 2 == 0 { 1100 } else { 900 }, |_| 300)));
    }

    #[test]
    fn latency_that_grows_is_not_but_a_few_microseconds_are_nothing() {
        assert!(!is_steady(&windows(|_| 1000, |at| 10_000 + 100 * at)));
        assert!(is_steady(&windows(|_| 1000, |at| 80 + at)));
    }

    #[test]
    fn only_the_last_ten_seconds_count() {
        let mut all = vec![Window { messages: 5, p50_us: 9_000_000 }; 4];
        all.extend(windows(|_| 1000, |_| 300));
        assert!(is_steady(&all));
    }
}

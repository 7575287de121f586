//! What only the engine knows of the generator's own part: who held a message up, and the mark of Nagle's algorithm.
//!
//! What follows from processor use and lag is derived with the result.

use super::histogram::Histogram;
use super::result::{Generator, GeneratorStatus};

/// More than this share of what was asked, unsent without anybody else's doing, makes the generator the limit.
const UNSENT_SHARE_MAX: f64 = 0.01;

/// Marks `generator` as saturated when it left messages unsent for which the broker was ready.
///
/// `unsent_own` counts the messages that were never sent though window, socket and connection of their sender were open.
pub fn judge_sending(generator: &mut Generator, asked: u64, unsent_own: u64) {
    #[allow(clippy::cast_precision_loss)] // a share
    let share = unsent_own as f64 / asked.max(1) as f64;
    if share > UNSENT_SHARE_MAX {
        generator.status = GeneratorStatus::Saturated;
        generator.reason = Some(format!(
            "{:.1} % of what was asked was never sent, though the broker would have taken it. Try --threads or --segment",
            share * 100.0
        ));
    }
}

/// Whether latencies cluster where the delayed acknowledgement of TCP meets Nagle's algorithm: at 38 to 48 ms, with
/// little between them and the short ones.
#[must_use]
pub fn shows_nagle(latencies: &Histogram) -> bool {
    let between = |from, to| latencies.count_up_to(to).saturating_sub(latencies.count_up_to(from));
    let (total, trapped, before) = (latencies.count(), between(38_000, 48_000), between(20_000, 38_000));
    total >= 20 && trapped * 10 >= total && before * 5 < trapped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(asked: u64, unsent_own: u64) -> GeneratorStatus {
        let mut generator = Generator::default();
        judge_sending(&mut generator, asked, unsent_own);
        assert_eq!(generator.reason.is_some(), generator.status != GeneratorStatus::Ok);
        generator.status
    }

    #[test]
    fn one_message_in_a_hundred_unsent_by_its_own_doing_makes_the_generator_the_limit() {
        assert_eq!(judged(1000, 0), GeneratorStatus::Ok);
        assert_eq!(judged(1000, 10), GeneratorStatus::Ok);
        assert_eq!(judged(1000, 11), GeneratorStatus::Saturated);
        assert_eq!(judged(0, 0), GeneratorStatus::Ok);
    }

    #[test]
    fn cluster_at_forty_milliseconds_is_nagle_and_a_smooth_spread_is_not() {
        let mut trapped = Histogram::default();
        let mut smooth = Histogram::default();
        for number in 0..100 {
            trapped.record_microseconds(if number % 2 == 0 { 300 } else { 41_800 + number });
            smooth.record_microseconds(number * 1000);
        }
        assert!(shows_nagle(&trapped));
        assert!(!shows_nagle(&smooth));
        assert!(!shows_nagle(&Histogram::default()));
    }
}

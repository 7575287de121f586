//! What only the engine knows of the generator's own part: who held a message up, and the mark of Nagle's algorithm.
//!
//! What follows from processor use and lag is derived with the result.

use super::histogram::Histogram;
use super::result::{Generator, GeneratorStatus};

/// Less than this share of what was asked makes the generator the limit, unless the broker held it up.
const SENT_SHARE_MIN: f64 = 0.99;

/// Marks `generator` as saturated when messages were left unsent though the broker took everything at once.
///
/// `blocked` is how often a due message found the socket full or its window closed.
pub fn judge_sending(generator: &mut Generator, asked: u64, sent: u64, blocked: u64) {
    #[allow(clippy::cast_precision_loss)] // a share
    let share = if asked == 0 { 1.0 } else { sent as f64 / asked as f64 };
    if share < SENT_SHARE_MIN && blocked == 0 {
        generator.status = GeneratorStatus::Saturated;
        generator.reason = Some(format!(
            "only {:.1} % of what was asked was sent, though the broker took everything. Try --threads or --segment",
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

    fn judged(asked: u64, sent: u64, blocked: u64) -> GeneratorStatus {
        let mut generator = Generator::default();
        judge_sending(&mut generator, asked, sent, blocked);
        assert_eq!(generator.reason.is_some(), generator.status != GeneratorStatus::Ok);
        generator.status
    }

    #[test]
    fn unsent_messages_are_the_generators_fault_unless_the_broker_held_them_up() {
        assert_eq!(judged(1000, 1000, 0), GeneratorStatus::Ok);
        assert_eq!(judged(1000, 995, 0), GeneratorStatus::Ok);
        assert_eq!(judged(1000, 900, 0), GeneratorStatus::Saturated);
        assert_eq!(judged(1000, 900, 5), GeneratorStatus::Ok);
        assert_eq!(judged(0, 0, 0), GeneratorStatus::Ok);
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

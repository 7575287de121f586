//! Where a run stands, on the standard error: redrawn on a terminal, a line a second elsewhere.

use crate::bench::result::Phase;
use crate::bench::run::Live;
use crate::bench::text::{grouped, milliseconds, rate};
use crate::commands::complain;
use crate::flags::bench::ProgressWord;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// How often a terminal is redrawn.
const REDRAW: Duration = Duration::from_millis(250);

/// How often a line is printed elsewhere.
const LINE: Duration = Duration::from_secs(1);

/// Seconds whose 99th percentiles the curve shows.
const CURVE_SECONDS: usize = 24;

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Shows a run.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    interval: Duration,
    shown: Option<(Instant, Live)>,
    curve: Vec<u64>,
}

impl Progress {
    /// Shows in the form asked for; `None` shows nothing.
    pub(super) fn new(form: ProgressWord, is_quiet: bool) -> Option<Self> {
        let is_live = match form {
            _ if is_quiet => return None,
            ProgressWord::None => return None,
            ProgressWord::Plain => false,
            ProgressWord::Auto => io::stderr().is_terminal(),
        };
        let bar = is_live.then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr_with_hz(8));
            let style = ProgressStyle::with_template(" {prefix:9} {bar:20} {msg}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let interval = if is_live { REDRAW } else { LINE };
        Some(Self { bar, interval, shown: None, curve: Vec::new() })
    }

    /// Shows where the run stands, when it is time to or the phase is another.
    pub(super) fn show(&mut self, live: &Live) {
        let now = Instant::now();
        let Some((at, last)) = &self.shown else {
            self.shown = Some((now, live.clone()));
            return;
        };
        let since = now - *at;
        if since < self.interval {
            return;
        }
        let rates = Rates::between(last, live, since.as_secs_f64());
        match &self.bar {
            Some(bar) => {
                if self.curve.last() != Some(&live.latency_us.1) {
                    self.curve.push(live.latency_us.1);
                    let excess = self.curve.len().saturating_sub(CURVE_SECONDS);
                    self.curve.drain(..excess);
                }
                draw(bar, live, &rates, &curve(&self.curve));
            }
            None => complain(&format!("{}\n", line(live, &rates))),
        }
        self.shown = Some((now, live.clone()));
    }

    /// Clears what was drawn, so that the summary stands alone.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Messages a second since it was last shown.
struct Rates {
    sent: f64,
    acked: f64,
    received: f64,
}

impl Rates {
    fn between(last: &Live, live: &Live, seconds: f64) -> Self {
        #[allow(clippy::cast_precision_loss)] // a rate to look at
        let rate = |before: u64, after: u64| after.saturating_sub(before) as f64 / seconds;
        Self {
            sent: rate(last.sent, live.sent),
            acked: rate(last.acked, live.acked),
            received: rate(last.received, live.received),
        }
    }
}

const fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Connect => "connect",
        Phase::Warmup => "warm-up",
        Phase::Measure => "measure",
        Phase::Drain => "drain",
    }
}

/// How far the phase is, of how much.
fn position(live: &Live) -> (u64, u64) {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // milliseconds of a run
    let milliseconds = |seconds: f64| (seconds * 1000.0) as u64;
    match (live.phase, live.length) {
        (Phase::Connect, _) => (u64::from(live.ready + live.failed), u64::from(live.clients)),
        (Phase::Drain, _) => (live.received, live.expected.max(live.received)),
        (_, Some(length)) => (milliseconds(live.elapsed), milliseconds(length)),
        (_, None) => (live.sent, live.sent),
    }
}

fn stand(live: &Live) -> String {
    match (live.phase, live.length) {
        (Phase::Connect, _) => {
            let failed = if live.failed > 0 { format!("   {} failed", live.failed) } else { String::new() };
            format!("{}/{}   {:.1} s{failed}", live.ready, live.clients, live.elapsed)
        }
        (Phase::Drain, _) => format!("{:.1} s   {} under way", live.elapsed, grouped(under_way(live))),
        (_, Some(length)) => format!("{:.0} s / {length:.0} s", live.elapsed),
        (_, None) => format!("{:.0} s", live.elapsed),
    }
}

/// Deliveries that have not arrived.
fn under_way(live: &Live) -> u64 {
    live.expected.saturating_sub(live.received)
}

fn draw(bar: &ProgressBar, live: &Live, rates: &Rates, curve: &str) {
    let (at, length) = position(live);
    bar.set_prefix(word(live.phase));
    bar.set_length(length.max(1));
    bar.set_position(at);
    let mut text = stand(live);
    if live.phase != Phase::Connect {
        text.push_str(&format!(
            "\n   sent     {}   acked {}   received {}   under way {}",
            rate(rates.sent),
            rate(rates.acked),
            rate(rates.received),
            grouped(under_way(live))
        ));
        text.push_str(&format!("\n   latency  {}   {curve}", latencies(live)));
    }
    bar.set_message(text);
}

fn latencies(live: &Live) -> String {
    let (p50, p99, max) = live.latency_us;
    if max == 0 {
        return "–".to_owned();
    }
    format!("p50 {}   p99 {}   max {} ms", milliseconds(p50), milliseconds(p99), milliseconds(max))
}

fn line(live: &Live, rates: &Rates) -> String {
    let mut line = format!("  {:8} {}", word(live.phase), stand(live));
    if live.phase != Phase::Connect {
        line.push_str(&format!(
            "   sent {}   received {}   {}",
            rate(rates.sent),
            rate(rates.received),
            latencies(live)
        ));
    }
    line
}

/// The values as columns, the largest one full.
fn curve(values: &[u64]) -> String {
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    #[allow(clippy::cast_possible_truncation)] // an index of the levels
    values.iter().map(|value| LEVELS[(value * (LEVELS.len() as u64 - 1) / most) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measuring() -> Live {
        Live {
            phase: Phase::Measure,
            elapsed: 17.2,
            length: Some(30.0),
            clients: 4,
            ready: 4,
            sent: 1000,
            acked: 900,
            received: 990,
            expected: 1000,
            latency_us: (310, 1800, 11_400),
            ..Live::default()
        }
    }

    #[test]
    fn line_tells_the_phase_the_rates_since_the_last_one_and_latencies() {
        let last = Live { sent: 500, received: 400, ..measuring() };
        let rates = Rates::between(&last, &measuring(), 1.0);
        assert_eq!(
            line(&measuring(), &rates),
            "  measure  17 s / 30 s   sent 500/s   received 590/s   p50 0.31   p99 1.80   max 11.40 ms"
        );
    }

    #[test]
    fn connections_that_failed_are_told_while_others_are_made() {
        let live =
            Live { phase: Phase::Connect, clients: 10, ready: 3, failed: 2, elapsed: 0.5, ..Live::default() };
        assert_eq!(stand(&live), "3/10   0.5 s   2 failed");
        assert_eq!(position(&live), (5, 10));
    }

    #[test]
    fn curve_reaches_its_full_height_at_the_largest_value() {
        assert_eq!(curve(&[0, 50, 100]), "▁▄█");
        assert_eq!(curve(&[]), "");
    }

    #[test]
    fn nothing_is_shown_when_nobody_wants_it() {
        assert!(Progress::new(ProgressWord::Auto, true).is_none());
        assert!(Progress::new(ProgressWord::None, false).is_none());
        assert!(Progress::new(ProgressWord::Plain, false).is_some());
    }
}

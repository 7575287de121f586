//! How far `pub`, `replay` or `record` is, as a bar on the standard error: only on a terminal, only when it takes a while,
//! and only where the whole is known or never will be.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// What is over sooner shows no bar.
const PATIENCE: Duration = Duration::from_millis(400);

/// How often the bar moves.
const INTERVAL: Duration = Duration::from_millis(125);

/// How much is done, of how much.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Position {
    Messages(u64, u64),
    Bytes(u64, u64),
    /// So many messages, and nobody knows how many there will be.
    Running(u64),
}

/// The bar, if there is to be one.
pub(super) struct Progress {
    /// When it is looked at next; never where nobody would see it.
    next: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Shows nothing yet; `is_wanted` is whether anything may be shown at all.
    pub(super) fn new(is_wanted: bool) -> Self {
        let is_shown = is_wanted && io::stderr().is_terminal();
        Self { next: is_shown.then(|| Instant::now() + PATIENCE), bar: None }
    }

    /// Asks for the position when it is time to show it.
    pub(super) fn update(&mut self, position: impl FnOnce() -> Option<Position>) {
        let Some(next) = self.next else { return };
        let now = Instant::now();
        if now < next {
            return;
        }
        self.next = Some(now + INTERVAL);
        let Some(position) = position() else { return };
        let bar = self.bar.get_or_insert_with(|| bar(position));
        match position {
            Position::Messages(done, whole) | Position::Bytes(done, whole) => {
                bar.set_length(whole);
                bar.set_position(done);
            }
            Position::Running(done) => bar.set_position(done),
        }
    }

    /// Takes the bar away, so that errors and the prompt stand alone.
    pub(super) fn finish(&mut self) {
        self.next = None;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(position: Position) -> ProgressBar {
    let template = match position {
        Position::Messages(..) => " {bar:30} {pos}/{len} messages   {per_sec}   {eta} left",
        Position::Bytes(..) => " {bar:30} {bytes}/{total_bytes}   {binary_bytes_per_sec}   {eta} left",
        Position::Running(_) => " {spinner} {pos} messages   {per_sec}   {elapsed}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let whole = if matches!(position, Position::Running(_)) { None } else { Some(1) };
    ProgressBar::with_draw_target(whole, ProgressDrawTarget::stderr_with_hz(8)).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_where_nothing_is_shown() {
        let mut progress = Progress::new(false);
        progress.update(|| panic!("asked"));
        progress.finish();
    }

    #[test]
    fn position_is_asked_for_only_when_it_is_time() {
        let mut progress = Progress { next: Some(Instant::now()), bar: None };
        progress.update(|| None);
        progress.update(|| panic!("asked again at once"));
        assert!(progress.bar.is_none(), "where the whole is unknown there is no bar");
    }
}

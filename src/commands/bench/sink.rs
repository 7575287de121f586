//! `bench sink`: serves until it is told to end, then tells what it counted.

use super::Ending;
use crate::bench::result::EXIT_OK;
use crate::bench::sink::Sink;
use crate::commands::say;
use crate::flags::bench::BenchSink;
use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// How often it looks whether to end.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn run(flags: &BenchSink) -> Result<u8, Ending> {
    serve(flags)?;
    Ok(EXIT_OK)
}

fn serve(flags: &BenchSink) -> anyhow::Result<()> {
    let sink = Sink::start_at(flags.listen, flags.faults())
        .with_context(|| format!("listening at {}", flags.listen))?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.clone())?;
    }
    say(&format!("{}\n", sink.address()));
    while !(stop.load(Relaxed) || flags.once && is_left_alone(&sink)) {
        thread::sleep(LOOK);
    }
    let counts = sink.counts().named();
    if flags.json {
        let counts: serde_json::Map<_, _> =
            counts.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
        say(&format!("{}\n", serde_json::Value::Object(counts)));
    } else {
        counts.into_iter().for_each(|(name, count)| say(&format!("{name:14} {count}\n")));
    }
    Ok(())
}

/// Whether somebody was there and nobody is any more.
fn is_left_alone(sink: &Sink) -> bool {
    // The one that grows last is read first.
    let left = sink.counts().left.load(Relaxed);
    left > 0 && left == sink.counts().accepted.load(Relaxed)
}

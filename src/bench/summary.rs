//! The end of a run in one screen: aligned, in a fixed order, nothing that was not measured.

use crate::bench::histogram::Histogram;
use crate::bench::result::{
    ClockMode, CrossCheck, FindStep, GeneratorStatus, RunResult, Status, Storm, Threshold,
};
use crate::bench::text;
use std::fmt::Write as _;

/// Columns of the labels at the left.
const LABEL_COLUMNS: usize = 12;
/// Columns of a figure, at least.
const FIGURE_COLUMNS: usize = 7;

const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];
const HEADINGS: [&str; 7] = ["min", "p50", "p90", "p99", "p99.9", "p99.99", "max"];

/// How the summary is shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Style {
    /// Whether the verdicts are coloured.
    pub color: bool,
}

impl Style {
    fn paint(self, word: &str, good: Option<bool>) -> String {
        use colored::Color;
        if !self.color {
            return word.to_owned();
        }
        let color = match good {
            Some(true) => Color::Green,
            Some(false) => Color::Red,
            None => Color::Yellow,
        };
        // Not by the library's own decision, which is one for the whole process.
        format!("\u{1b}[{}m{word}\u{1b}[0m", color.to_fg_str())
    }
}

/// The summary of `result`, with an empty line before and after nothing.
#[must_use]
pub fn render(result: &RunResult, style: Style) -> String {
    let mut out = String::new();
    verdict(&mut out, result, style);
    connections(&mut out, result);
    traffic(&mut out, result);
    latencies(&mut out, result);
    find(&mut out, &result.find, style);
    if let Some(storm) = &result.storm {
        recovery(&mut out, storm);
    }
    out.push('\n');
    generator(&mut out, result, style);
    clock(&mut out, result);
    if let Some(check) = &result.cross_check {
        cross_check(&mut out, check, style);
    }
    checks(&mut out, &result.thresholds, style);
    remarks(&mut out, result);
    out
}

/// ` Label      parts   three   blanks   apart`
fn line(out: &mut String, label: &str, parts: &[String]) {
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(out, " {label:LABEL_COLUMNS$} {}", parts.join("   "));
}

/// The word of a status, as the summary and the report show it.
#[must_use]
pub const fn status_word(status: Status) -> &'static str {
    match status {
        Status::Pass => "PASS",
        Status::Fail => "FAIL",
        Status::Suspect => "SUSPECT",
        Status::Saturated => "SATURATED",
        Status::Error => "ERROR",
    }
}

fn verdict(out: &mut String, result: &RunResult, style: Style) {
    let good = match result.verdict.status {
        Status::Pass => Some(true),
        Status::Suspect => None,
        Status::Fail | Status::Saturated | Status::Error => Some(false),
    };
    let word = style.paint(status_word(result.verdict.status), good);
    let _ = writeln!(out, " Result   {word}   {}", measured(result));
    for reason in &result.verdict.reasons {
        let _ = writeln!(out, "          {reason}");
    }
}

/// How long, whether steady, and how much.
fn measured(result: &RunResult) -> String {
    let phases = &result.phases;
    let mut parts = vec![format!("{} measured", text::seconds(phases.measure_s))];
    match (phases.steady, phases.steady_after_s) {
        (Some(true), Some(after)) => parts.push(format!("steady after {}", text::seconds(after))),
        (Some(true), None) => parts.push("steady".into()),
        (Some(false), _) => parts.push("not steady".into()),
        (None, _) => {}
    }
    let counts = &result.counts;
    if counts.sent > 0 || counts.received > 0 {
        parts.push(format!("{} messages", text::grouped(counts.sent.max(counts.received))));
    } else {
        parts.push(format!("{} connections", text::grouped(counts.connect_ok)));
    }
    if result.run.segment.1 > 1 {
        parts.push(format!("segment {}/{}", result.run.segment.0, result.run.segment.1));
    }
    parts.join(", ")
}

/// Only when connecting was the point, or did not go well.
fn connections(out: &mut String, result: &RunResult) {
    let counts = &result.counts;
    let failed = counts.connect_failures();
    if failed == 0 && counts.disconnects == 0 && result.run.mode != "conn" && result.run.mode != "storm" {
        return;
    }
    let mut parts = vec![format!("accepted {}", text::grouped(counts.connect_ok))];
    if failed > 0 {
        parts.push(format!("failed {} ({})", text::grouped(failed), result.connect_failure_text()));
    }
    if result.phases.connect_s > 0.0 {
        parts.push(text::rate(counts.connect_ok as f64 / result.phases.connect_s));
    }
    parts.push(format!("lost {}", text::grouped(counts.disconnects)));
    parts.push(format!("came back {}", text::grouped(counts.reconnects)));
    if counts.tls_resumed > 0 {
        parts.push(format!("TLS resumed {}", text::grouped(counts.tls_resumed)));
    }
    out.push('\n');
    line(out, "Connections", &parts);
}

fn traffic(out: &mut String, result: &RunResult) {
    let (counts, rates) = (&result.counts, &result.rates);
    if counts.asked == 0 && counts.sent == 0 && counts.received == 0 && counts.expected == 0 {
        return;
    }
    let mut parts = Vec::new();
    parts.extend(rates.asked.map(|asked| format!("asked {}", text::rate(asked))));
    if counts.sent > 0 || counts.asked > 0 {
        parts.push(format!("sent {}", text::rate(rates.sent)));
    }
    if counts.received > 0 || counts.expected > 0 {
        parts.push(format!("received {}", text::rate(rates.received)));
    }
    let seconds = result.phases.measure_s;
    if seconds > 0.0 {
        parts.push(format!("{}/s in", text::bytes(counts.bytes_in as f64 / seconds)));
        parts.push(format!("{}/s out", text::bytes(counts.bytes_out as f64 / seconds)));
    }
    out.push('\n');
    line(out, "Throughput", &parts);
    let mut parts = Vec::new();
    if counts.expected > 0 || counts.received > 0 {
        let of_delivery = [
            ("expected", counts.expected),
            ("lost", counts.lost),
            ("duplicate", counts.duplicate),
            ("reordered", counts.reordered),
        ];
        parts.extend(of_delivery.map(|(word, count)| format!("{word} {}", text::grouped(count))));
    } else {
        parts.push(format!("acknowledged {}", text::grouped(counts.acked)));
    }
    parts.push(format!("unsent {}", text::grouped(counts.unsent)));
    if counts.expected > 0 || counts.received > 0 {
        parts.push(format!("foreign {}", text::grouped(counts.foreign)));
    }
    line(out, "Delivery", &parts);
}

fn latencies(out: &mut String, result: &RunResult) {
    let latency = &result.latency_us;
    let is_storm = result.run.mode == "storm";
    let origin = match (result.run.closed_loop, result.clock.mode) {
        _ if is_storm => "from the start of the storm",
        (true, _) => "closed loop: no correction possible",
        (false, ClockMode::Reflect) => "there and back, from the intended send time",
        (false, _) => "from the intended send time",
    };
    let end_to_end = if result.run.mode == "rr" { "round trip" } else { "end to end" };
    let rows = [
        (end_to_end, &latency.e2e, origin),
        ("service", &latency.service, "from the actual write"),
        (
            if is_storm { "SUBACK" } else { "publish → ack" },
            &latency.ack,
            if latency.e2e.is_empty() { origin } else { "" },
        ),
        ("connect", &latency.connect, ""),
        ("TLS handshake", &latency.tls, ""),
    ];
    let rows: Vec<_> = rows.into_iter().filter(|(_, histogram, _)| !histogram.is_empty()).collect();
    if rows.is_empty() {
        return;
    }
    let longest = rows.iter().map(|(_, histogram, _)| text::milliseconds(histogram.max()).len()).max();
    let columns = FIGURE_COLUMNS.max(longest.unwrap_or_default() + 1);
    let _ = write!(out, "\n {:14}", "Latency (ms)");
    for heading in HEADINGS {
        let _ = write!(out, "{heading:>columns$}");
    }
    out.push('\n');
    for (label, histogram, remark) in rows {
        let _ = write!(out, " {label:14}");
        // What another clock makes uncertain cannot be told from zero.
        let bound = (result.clock.mode == ClockMode::Estimated && label == end_to_end)
            .then_some(result.clock.error_us);
        for figure in figures(histogram, bound.unwrap_or(0)) {
            let _ = write!(out, "{figure:>columns$}");
        }
        let _ = writeln!(out, "{}{remark}", if remark.is_empty() { "" } else { "   " });
    }
}

/// Smallest, percentiles, largest; a percentile that no single value lies behind is a dash.
///
/// What lies below `bound` microseconds is only told to do so.
fn figures(histogram: &Histogram, bound: u64) -> [String; 7] {
    let figure = |microseconds: u64| match microseconds < bound {
        true => format!("<{}", text::milliseconds(bound)),
        false => text::milliseconds(microseconds),
    };
    let percentile = |percent: f64| {
        let behind = histogram.count() as f64 * (1.0 - percent / 100.0);
        if percent > 50.0 && behind < 0.999 {
            "–".to_owned()
        } else {
            figure(histogram.percentile(percent))
        }
    };
    let [p50, p90, p99, p99_9, p99_99] = PERCENTILES.map(percentile);
    [figure(histogram.min()), p50, p90, p99, p99_9, p99_99, figure(histogram.max())]
}

/// What `find` tried.
fn find(out: &mut String, steps: &[FindStep], style: Style) {
    if steps.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n {:14}{:>14}{:>14}{:>12}{:>12}{:>10}",
        "Find", "rate", "sent", "p50 ms", "p99 ms", "lost"
    );
    for (index, step) in steps.iter().enumerate() {
        let _ = write!(out, " {:14}", format!("step {}", index + 1));
        let _ = write!(out, "{:>14}{:>14}", text::rate(step.rate), text::rate(step.sent));
        let _ = write!(out, "{:>12}{:>12}", text::milliseconds(step.p50_us), text::milliseconds(step.p99_us));
        let word = if step.pass { "pass" } else { "fail" };
        let _ = write!(out, "{:>10}   {}", text::grouped(step.lost), style.paint(word, Some(step.pass)));
        let _ = writeln!(out, "{}{}", if step.reason.is_empty() { "" } else { "   " }, step.reason);
    }
    let found = highest_passed_twice(steps).map_or("no rate held twice".to_owned(), |rate| {
        format!("{} is the highest rate that held twice", text::rate(rate))
    });
    line(out, "Capacity", &[found]);
}

/// The highest rate that held in two steps and failed in none.
#[must_use]
pub fn highest_passed_twice(steps: &[FindStep]) -> Option<f64> {
    let of_rate = |rate: f64| steps.iter().filter(move |step| (step.rate - rate).abs() < 1e-6 * rate);
    let held = |rate: f64| {
        of_rate(rate).filter(|step| step.pass).count() >= 2 && of_rate(rate).all(|step| step.pass)
    };
    steps.iter().map(|step| step.rate).filter(|rate| held(*rate)).reduce(f64::max)
}

fn recovery(out: &mut String, storm: &Storm) {
    let after = |word: &str, seconds: Option<f64>| match seconds {
        Some(seconds) => format!("{word} after {}", text::seconds(seconds)),
        None => format!("never {word}"),
    };
    let mut parts = vec![
        format!("{} of {} clients", storm.kind, text::grouped(storm.clients)),
        format!("served {}", text::grouped(storm.served)),
        after("back at 99 %", storm.recovered_s),
        after("nothing waiting", storm.drained_s),
    ];
    parts.extend(storm.figures.iter().map(|(name, value)| format!("{name} {}", text::decimal(*value, 3))));
    out.push('\n');
    line(out, "Storm", &parts);
}

fn generator(out: &mut String, result: &RunResult, style: Style) {
    let generator = &result.generator;
    let (word, good) = match generator.status {
        GeneratorStatus::Ok => ("ok", Some(true)),
        GeneratorStatus::Suspect => ("SUSPECT", None),
        GeneratorStatus::Saturated => ("SATURATED", Some(false)),
    };
    let mut parts = vec![style.paint(word, good)];
    if result.phases.measure_s > 0.0 && result.host.cpus > 0 {
        let share = generator.cpu_s / result.phases.measure_s / f64::from(result.host.cpus) * 100.0;
        let cpus = result.host.cpus;
        parts.push(format!("{share:.0} % of {cpus} core{}", if cpus == 1 { "" } else { "s" }));
    }
    if generator.cpu_s_per_million > 0.0 {
        parts.push(format!("{:.2} CPU s per million", generator.cpu_s_per_million));
    }
    if !result.latency_us.lag.is_empty() {
        let own = generator.own_lag_p99_us.filter(|own| own.saturating_mul(2) < generator.lag_p99_us);
        let own = own.map_or(String::new(), |own| format!(", {} of it its own", text::latency(own as f64)));
        parts.push(format!("lag p99 {}{own}", text::latency(generator.lag_p99_us as f64)));
    }
    if let Some(messages) = generator.messages_per_write {
        parts.push(format!("{} messages per write", text::decimal(messages, 1)));
    }
    if generator.rss_bytes > 0 {
        let per_client = match generator.bytes_per_client {
            0 => String::new(),
            bytes => format!(" ({} kB/client)", text::decimal(bytes as f64 / 1000.0, 1)),
        };
        parts.push(format!("RSS {}{per_client}", text::bytes(generator.rss_bytes as f64)));
    }
    if generator.steal_pct >= 0.1 {
        parts.push(format!("steal {:.1} %", generator.steal_pct));
    }
    line(out, "Generator", &parts);
    let calibrated = result.host.calibrated_msgs_per_s.filter(|_| result.run.mode != "calibrate");
    if let Some(calibrated) = calibrated.filter(|rate| *rate > 0.0) {
        let used = result.rates.sent.max(result.rates.received) / calibrated * 100.0;
        let (used, ceiling) = (text::decimal(used, 1), text::rate(calibrated));
        line(out, "", &[format!("used {used} % of this machine's calibrated {ceiling}")]);
    }
}

fn clock(out: &mut String, result: &RunResult) {
    let clock = &result.clock;
    let mut parts = vec![match clock.mode {
        _ if result.run.mode == "reflect" => "round trips are taken on the other side".to_owned(),
        ClockMode::Shared => "one process, monotonic".to_owned(),
        ClockMode::Reflect => "round trips on one clock".to_owned(),
        ClockMode::Estimated => {
            format!("two clocks, offset known to ±{}", text::latency(clock.error_us as f64))
        }
    }];
    if clock.negative > 0 {
        let fate = if clock.mode == ClockMode::Estimated { "counted as zero" } else { "left out" };
        parts.push(format!("{} latencies below zero {fate}", text::grouped(clock.negative)));
    }
    line(out, "Clock", &parts);
}

fn cross_check(out: &mut String, check: &CrossCheck, style: Style) {
    let counted = |count: Option<u64>| count.map_or("unknown".to_owned(), text::grouped);
    let word = if check.agrees { "agrees" } else { "DIFFERS" };
    line(
        out,
        "$SYS",
        &[
            style.paint(word, Some(check.agrees)),
            format!("sent {}, broker received {}", text::grouped(check.sent), counted(check.broker_received)),
            format!("received {}, broker sent {}", text::grouped(check.received), counted(check.broker_sent)),
        ],
    );
}

fn checks(out: &mut String, thresholds: &[Threshold], style: Style) {
    if thresholds.is_empty() {
        return;
    }
    let one = |threshold: &Threshold| {
        let word = style.paint(if threshold.pass { "pass" } else { "FAIL" }, Some(threshold.pass));
        format!("{}  {}  {word}", threshold.expr, threshold.text)
    };
    let all: Vec<_> = thresholds.iter().map(one).collect();
    let _ = writeln!(out, " {:LABEL_COLUMNS$} {}", "Checks", all.join("      "));
}

/// Errors and what else the reader should know.
fn remarks(out: &mut String, result: &RunResult) {
    for error in &result.errors {
        let _ = writeln!(
            out,
            " {:LABEL_COLUMNS$} {} {}: {}",
            "Error",
            text::grouped(error.count),
            error.kind,
            error.example
        );
    }
    for warning in &result.warnings {
        let _ = writeln!(out, " {:LABEL_COLUMNS$} {warning}", "Warning");
    }
}

#[cfg(test)]
mod tests;

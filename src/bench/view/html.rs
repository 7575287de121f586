//! One self-contained HTML page: the summary, latency by percentile, and the timeline, drawn as inline SVG.
//!
//! No script, no font and no picture from elsewhere; the page reads the same from a mail attachment in ten years.

mod chart;

use crate::bench::histogram::Histogram;
use crate::bench::result::{Phase, RunResult, SeriesPoint};
use crate::bench::summary::{self, Style, status_word};
use chart::{Axis, Chart, Line};
use std::io::{self, Write};

/// Colours that stay apart for people who see few, in light and in dark.
const COLORS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"];

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;\
color:#222;background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}pre{overflow-x:auto;padding:1rem;\
background:#f4f4f4;font-size:13px}svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#444}\
.axis{stroke:#888}.grid{stroke:#ddd}.line{fill:none;stroke-width:2}.phase{fill:#8882}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}pre{background:#242424}\
svg text{fill:#bbb}.grid{stroke:#333}}";

/// Writes the page; several results (repeated runs, or a base and its successor) are drawn into the same charts.
///
/// # Errors
///
/// When `out` fails.
pub fn write(results: &[RunResult], mut out: impl Write) -> io::Result<()> {
    let title = results.first().map_or("culex bench", |result| result.run.title.as_str());
    let title = escape(title);
    writeln!(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>{title}</title>")?;
    writeln!(out, "<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>")?;
    for (index, result) in results.iter().enumerate() {
        let word = status_word(result.verdict.status);
        writeln!(out, "<h2>{}: {word}</h2>", name(result, index, results.len()))?;
        writeln!(out, "<pre>{}</pre>", escape(&summary::render(result, Style::default())))?;
    }
    writeln!(out, "<h2>Latency by percentile</h2>\n{}", by_percentile(results))?;
    writeln!(out, "<h2>Throughput</h2>\n{}", throughput(results))?;
    writeln!(out, "<h2>Latency over time</h2>\n{}", over_time(results))?;
    for result in results {
        let config = serde_json::to_string_pretty(&result.run.config)?;
        writeln!(out, "<h2>What was asked for</h2>\n<pre>{}</pre>", escape(&config))?;
    }
    writeln!(out, "</body>\n</html>")?;
    out.flush()
}

fn name(result: &RunResult, index: usize, of: usize) -> String {
    let started = escape(&result.run.started);
    if of > 1 { format!("Run {} of {of}, {started}", index + 1) } else { format!("Run of {started}") }
}

/// Text inside elements and attributes; characters that XML does not have become the replacement character.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}')
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// The latencies of a run that have a curve.
fn curves(result: &RunResult) -> Vec<(&'static str, &Histogram)> {
    let latency = &result.latency_us;
    let all = [
        ("end to end", &latency.e2e),
        ("service", &latency.service),
        ("publish to acknowledgement", &latency.ack),
        ("connect", &latency.connect),
    ];
    all.into_iter().filter(|(_, histogram)| !histogram.is_empty()).collect()
}

/// One more nine is one step to the right: 0, 90, 99, 99.9 ... percent.
fn by_percentile(results: &[RunResult]) -> String {
    let mut lines = Vec::new();
    for (index, result) in results.iter().enumerate() {
        for (kind, (name, histogram)) in curves(result).into_iter().enumerate() {
            let label =
                if results.len() > 1 { format!("{name}, run {}", index + 1) } else { name.to_owned() };
            let color = COLORS[(if results.len() > 1 { index } else { kind }) % COLORS.len()];
            lines.push(Line { label, color, points: percentile_curve(histogram) });
        }
    }
    let nines = lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x).fold(1.0, f64::max).ceil();
    let labels = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %", "99.99999 %"];
    let ticks = labels.iter().enumerate().map(|(at, label)| (at as f64, (*label).to_owned()));
    let x = Axis { from: 0.0, to: nines, ticks: ticks.filter(|(at, _)| *at <= nines).collect() };
    chart::render(&Chart { title: "Latency in ms by percentile", x, unit: "ms", lines, shaded: Vec::new() })
}

/// Points (nines, milliseconds), one for each bucket, the last at the largest value.
fn percentile_curve(histogram: &Histogram) -> Vec<(f64, f64)> {
    let total = histogram.count() as f64;
    let mut below = 0.0;
    let mut points = vec![(0.0, histogram.min() as f64 / 1000.0)];
    for (microseconds, count) in histogram.buckets() {
        below += count as f64;
        // The last value is drawn where one in so many lies.
        let above = (total - below).max(0.5);
        points.push((-(above / total).log10(), microseconds as f64 / 1000.0));
    }
    thinned(points)
}

/// At most a thousand points: the first and last of each part of the axis.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    const POINTS_MAX: usize = 1000;
    if points.len() <= POINTS_MAX {
        return points;
    }
    let last = points.len() - 1;
    (0..POINTS_MAX).map(|index| points[index * last / (POINTS_MAX - 1)]).collect()
}

fn throughput(results: &[RunResult]) -> String {
    let of = |point: &SeriesPoint| [("sent", point.sent as f64), ("received", point.received as f64)];
    timeline(results, "Messages per second", "/s", &of)
}

fn over_time(results: &[RunResult]) -> String {
    let milliseconds = |value: u64| value as f64 / 1000.0;
    let of = |point: &SeriesPoint| {
        [("p50", milliseconds(point.p50)), ("p99", milliseconds(point.p99)), ("max", milliseconds(point.max))]
    };
    timeline(results, "Latency in ms", "ms", &of)
}

/// One line for each figure that `of` names, over the seconds of the runs.
fn timeline<const N: usize>(
    results: &[RunResult],
    title: &'static str,
    unit: &'static str,
    of: &dyn Fn(&SeriesPoint) -> [(&'static str, f64); N],
) -> String {
    let mut lines = Vec::new();
    let mut shaded = Vec::new();
    for (index, result) in results.iter().enumerate() {
        for kind in 0..N {
            let Some(first) = result.series.first() else { continue };
            let name = of(first)[kind].0;
            let label =
                if results.len() > 1 { format!("{name}, run {}", index + 1) } else { name.to_owned() };
            let points = thinned(result.series.iter().map(|point| (point.t, of(point)[kind].1)).collect());
            if points.iter().any(|(_, value)| *value > 0.0) {
                lines.push(Line { label, color: COLORS[(index * N + kind) % COLORS.len()], points });
            }
        }
        let warm_up = result.series.iter().filter(|point| point.phase == Phase::Warmup).map(|point| point.t);
        shaded.extend(warm_up.reduce(f64::max).filter(|_| index == 0).map(|end| (0.0, end + 1.0)));
    }
    let seconds = lines.iter().flat_map(|line| &line.points).map(|(t, _)| *t).fold(1.0, f64::max);
    let x = Axis::seconds(seconds);
    chart::render(&Chart { title, x, unit, lines, shaded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::result::sample;

    fn page(results: &[RunResult]) -> String {
        let mut out = Vec::new();
        write(results, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_page_has_all_its_charts_and_nothing_from_elsewhere() {
        let page = page(&[sample::run()]);
        assert_eq!(page.matches("<svg").count(), 3);
        assert_eq!(page.matches("class=\"line\"").count(), 4 + 2 + 3);
        for foreign in ["<script", "src=", "href=", "url(", "@import", "NaN", "inf"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn texts_from_a_file_do_not_become_markup() {
        let mut result = sample::run();
        result.run.title = "<script>alert(1)</script>\u{0}".into();
        result.verdict.reasons.push("</pre><img>".into());
        result.run.started = "<b>".into();
        let page = page(&[result]);
        for markup in ["<script", "<img", "<b>", "\u{0}"] {
            assert!(!page.contains(markup), "{markup}");
        }
    }

    #[test]
    fn an_empty_result_still_makes_a_page() {
        let page = page(&[RunResult::default(), sample::run()]);
        assert!(page.contains("Run 2 of 2") && !page.contains("NaN"));
    }

    #[test]
    fn the_curve_ends_at_the_largest_value() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|value| histogram.record_microseconds(value * 1000));
        let points = percentile_curve(&histogram);
        assert_eq!(points.last().unwrap().1, histogram.max() as f64 / 1000.0);
        assert!(points.len() <= 1000 && points.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
        let near_99 = points.iter().rfind(|(nines, _)| *nines <= 2.0).unwrap();
        assert!((near_99.1 - 990.0).abs() < 3.0, "{near_99:?}");
    }
}

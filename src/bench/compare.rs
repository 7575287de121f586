//! Two runs, or two sets of repeated runs, side by side.
//!
//! A run is one sample: its messages share a broker, a warm-up and a machine's mood, so that a million of them prove less
//! than five runs do. With two runs or more on each side the ratio of the geometric means has a 95 % confidence interval and
//! a p-value, by Welch's t-test on the logarithms (two-sided; runs may vary more on one side than on the other). With one
//! run on a side nothing is tested, and the table says so.

use super::result::RunResult;
use super::text;
use super::threshold::{self, Condition, Metric};
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::fmt::Write as _;

/// A difference with a smaller p-value is called one.
pub const SIGNIFICANCE: f64 = 0.05;

/// What the table shows; the conditions' limits are not looked at.
const ROWS: [(&str, &str); 14] = [
    ("sent", "rate>0"),
    ("received", "received_rate>0"),
    ("latency p50", "p50<0"),
    ("latency p90", "p90<0"),
    ("latency p99", "p99<0"),
    ("latency p99.9", "p99.9<0"),
    ("latency max", "max<0"),
    ("service p99", "service.p99<0"),
    ("ack p99", "ack.p99<0"),
    ("connect p99", "connect.p99<0"),
    ("lag p99", "lag.p99<0"),
    ("lost", "loss=0"),
    ("unsent", "unsent=0"),
    ("disconnects", "disconnects=0"),
];

/// One figure of both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What the figure is called.
    pub name: String,
    /// What was compared.
    pub metric: Metric,
    /// The geometric mean of the base, or the mean where a value is zero.
    pub base: f64,
    /// The same of the other side.
    pub new: f64,
    /// `new / base`; `None` when the base is zero.
    pub ratio: Option<f64>,
    /// The 95 % confidence interval of the ratio, with two runs or more on each side.
    pub interval: Option<(f64, f64)>,
    /// The probability of a difference like this between equal systems, with two runs or more on each side.
    pub p: Option<f64>,
}

/// What is to be said of a comparison.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finding {
    /// The test finds a difference, and it is an improvement.
    Better,
    /// The test finds a difference, and it is none.
    Worse,
    /// The test finds no difference.
    Same,
    /// There was nothing to test.
    Untested,
}

impl Comparison {
    /// Compares one figure; `None` when a side did not measure it.
    #[must_use]
    pub fn of(name: &str, metric: Metric, base: &[RunResult], new: &[RunResult]) -> Option<Self> {
        let values =
            |runs: &[RunResult]| runs.iter().map(|run| metric.measure(run)).collect::<Option<Vec<f64>>>();
        let (base, new) = (values(base)?, values(new)?);
        if base.is_empty() || new.is_empty() {
            return None;
        }
        let positive = base.iter().chain(&new).all(|value| *value > 0.0);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let logarithms = |values: &[f64]| values.iter().map(|value| value.ln()).collect::<Vec<_>>();
        let (name, mut comparison) = (name.to_owned(), None);
        if positive {
            let (base, new) = (logarithms(&base), logarithms(&new));
            comparison = welch(&base, &new).map(|(low, high, p)| ((low.exp(), high.exp()), p));
        }
        let center = |values: &[f64]| if positive { mean(&logarithms(values)).exp() } else { mean(values) };
        let (base, new) = (center(&base), center(&new));
        let ratio = (base > 0.0).then_some(new / base);
        let (interval, p) = comparison.unzip();
        Some(Self { name, metric, base, new, ratio, interval, p })
    }

    /// What the test says.
    #[must_use]
    pub fn finding(&self) -> Finding {
        match self.p {
            None => Finding::Untested,
            Some(p) if p >= SIGNIFICANCE => Finding::Same,
            Some(_) if (self.new < self.base) == self.metric.smaller_is_better() => Finding::Better,
            Some(_) => Finding::Worse,
        }
    }

    /// By which share the other side is worse; below zero when it is better.
    #[must_use]
    pub fn worse_by(&self) -> f64 {
        match self.ratio {
            Some(ratio) if self.metric.smaller_is_better() => ratio - 1.0,
            Some(ratio) => 1.0 - ratio,
            // From nothing to something.
            None if self.new > 0.0 && self.metric.smaller_is_better() => f64::INFINITY,
            None => 0.0,
        }
    }
}

/// Low and high end of the 95 % confidence interval of `mean(new) - mean(base)`, and the two-sided p-value.
fn welch(base: &[f64], new: &[f64]) -> Option<(f64, f64, f64)> {
    let moments = |values: &[f64]| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (count, mean, squares / (count - 1.0) / count)
    };
    if base.len() < 2 || new.len() < 2 {
        return None;
    }
    let ((count_base, mean_base, error_base), (count_new, mean_new, error_new)) =
        (moments(base), moments(new));
    let difference = mean_new - mean_base;
    let error = (error_base + error_new).sqrt();
    // Runs that are equal to the last digit: the difference is what it is.
    if error <= f64::EPSILON {
        return Some((difference, difference, if difference.abs() <= f64::EPSILON { 1.0 } else { 0.0 }));
    }
    let freedom = (error_base + error_new).powi(2)
        / (error_base.powi(2) / (count_base - 1.0) + error_new.powi(2) / (count_new - 1.0));
    let distribution = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let p = 2.0 * (1.0 - distribution.cdf((difference / error).abs()));
    let reach = distribution.inverse_cdf(0.975) * error;
    Some((difference - reach, difference + reach, p))
}

/// Everything that both sides measured.
#[must_use]
pub fn compare(base: &[RunResult], new: &[RunResult]) -> Vec<Comparison> {
    let one = |(name, condition): (&str, &str)| {
        let conditions = threshold::parse(condition).expect("the rows are conditions");
        let [Condition { metric, .. }] = conditions.as_slice() else { return None };
        let found = Comparison::of(name, *metric, base, new)?;
        (found.base > 0.0 || found.new > 0.0).then_some(found)
    };
    ROWS.into_iter().filter_map(one).collect()
}

/// The table of a comparison.
#[must_use]
pub fn render(base: &[RunResult], new: &[RunResult]) -> String {
    let rows = compare(base, new);
    let mut out = String::new();
    let title = |runs: &[RunResult]| runs.first().map_or_else(String::new, |run| run.run.title.clone());
    let runs = |count: usize| format!("{count} run{}", if count == 1 { "" } else { "s" });
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(out, " Base   {}, {}", title(base), runs(base.len()));
    let _ = writeln!(out, " New    {}, {}\n", title(new), runs(new.len()));
    let _ = writeln!(out, " {:14}{:>14}{:>14}{:>9}   {:16}{:>9}", "", "base", "new", "ratio", "95 %", "p");
    for row in &rows {
        let ratio = row.ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.3}"));
        let interval = row.interval.map_or("–".to_owned(), |(low, high)| format!("{low:.3} to {high:.3}"));
        let p = row
            .p
            .map_or("–".to_owned(), |p| if p < 0.0001 { "<0.0001".to_owned() } else { format!("{p:.4}") });
        let word = match row.finding() {
            Finding::Better => "   better",
            Finding::Worse => "   WORSE",
            Finding::Same | Finding::Untested => "",
        };
        let (base, new) = (row.metric.text(row.base), row.metric.text(row.new));
        let _ = writeln!(out, " {:14}{base:>14}{new:>14}{ratio:>9}   {interval:16}{p:>9}{word}", row.name);
    }
    out.push('\n');
    out.push_str(&method(base, new, &rows));
    out
}

/// How repeated runs of one load differ; empty for fewer than two.
#[must_use]
pub fn spread(runs: &[RunResult]) -> String {
    if runs.len() < 2 {
        return String::new();
    }
    let mut out = format!(
        " {:14}{:>14}{:>14}{:>14}{:>14}\n",
        format!("{} runs", runs.len()),
        "mean",
        "deviation",
        "least",
        "most"
    );
    for (name, condition) in ROWS {
        let conditions = threshold::parse(condition).expect("the rows are conditions");
        let Some(Condition { metric, .. }) = conditions.first() else { continue };
        let Some(values) = runs.iter().map(|run| metric.measure(run)).collect::<Option<Vec<f64>>>() else {
            continue;
        };
        let (least, most) = values
            .iter()
            .fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
        if most <= 0.0 {
            continue;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let texts = [mean, (squares / (count - 1.0)).sqrt(), least, most].map(|value| metric.text(value));
        let [mean, deviation, least, most] = texts;
        // Writing to a string cannot fail.
        let _ = writeln!(out, " {name:14}{mean:>14}{deviation:>14}{least:>14}{most:>14}");
    }
    out
}

/// How the table came about, and what speaks against it.
fn method(base: &[RunResult], new: &[RunResult], rows: &[Comparison]) -> String {
    let mut out = String::new();
    if base.len() < 2 || new.len() < 2 {
        out.push_str(
            " One run on a side: nothing is tested. --repeat 5 makes differences worth believing.\n",
        );
    } else {
        let _ = writeln!(
            out,
            " Ratios of geometric means; Welch's t-test on the logarithms of {} and {} runs, two-sided, at {} %.",
            base.len(),
            new.len(),
            text::decimal(SIGNIFICANCE * 100.0, 1)
        );
        let tested = rows.iter().filter(|row| row.p.is_some()).count();
        let chance = 1.0 - (1.0 - SIGNIFICANCE).powi(i32::try_from(tested).unwrap_or(i32::MAX));
        let _ = writeln!(
            out,
            " Of {tested} tests on equal systems at least one would speak up with a chance of up to {:.0} %.",
            chance * 100.0
        );
    }
    let hashes =
        |runs: &[RunResult]| runs.iter().map(|run| run.run.config_sha256.clone()).collect::<Vec<_>>();
    let mut all = hashes(base);
    all.extend(hashes(new));
    all.dedup();
    if all.len() > 1 {
        out.push_str(" The loads were not the same: their configurations differ.\n");
    }
    if base.iter().chain(new).any(|run| run.generator.status != super::result::GeneratorStatus::Ok) {
        out.push_str(" In some runs the generator was at its limit, so that they may compare generators.\n");
    }
    out
}

#[cfg(test)]
mod tests;

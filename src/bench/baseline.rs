//! Gates that look back: `--baseline FILE --fail-regress 'p99>10%'`.

use super::compare::{Comparison, Finding};
use super::result::{RunResult, Threshold};
use super::text;
use super::threshold::{self, Metric, ThresholdError};

/// A figure that may get worse by so much.
#[derive(Clone, Debug, PartialEq)]
pub struct Regression {
    /// As it was written.
    pub text: String,
    /// Which figure.
    pub metric: Metric,
    /// By which share it may get worse: 0.1 for 10 %.
    pub worse_max: f64,
}

/// Reads `p99>10%,rate>5%`: fails when the figure is worse (a latency longer, a rate lower) by more than that.
///
/// # Errors
///
/// [`ThresholdError`] with the place of the first fault.
pub fn parse(expression: &str) -> Result<Vec<Regression>, ThresholdError> {
    let mut found = Vec::new();
    let mut column = 0;
    for part in expression.split(',') {
        found.push(parse_one(expression, part, column)?);
        column += part.chars().count() + 1;
    }
    Ok(found)
}

fn parse_one(expression: &str, part: &str, column: usize) -> Result<Regression, ThresholdError> {
    let blanks = part.chars().take_while(|letter| letter.is_whitespace()).count();
    let fault = |problem: &str| ThresholdError {
        expression: expression.to_owned(),
        column: column + blanks,
        width: part.trim().chars().count().max(1),
        problem: problem.to_owned(),
    };
    let (name, share) = part.split_once('>').ok_or_else(|| fault("a regression is written as p99>10%"))?;
    let number = share.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let percent = number.filter(|number| number.is_finite() && *number >= 0.0);
    let percent = percent.ok_or_else(|| fault("a regression is a share in percent, such as p99>10%"))?;
    let metric = threshold::parse_metric(name.trim()).map_err(|error| ThresholdError {
        expression: expression.to_owned(),
        column: column + blanks + error.column,
        ..error
    })?;
    Ok(Regression { text: part.trim().to_owned(), metric, worse_max: percent / 100.0 })
}

impl Regression {
    /// Whether `new` is no worse than `base` by more than it may be.
    ///
    /// With two runs or more on both sides a difference counts when the test of [`Comparison`] finds one; else any does,
    /// and the text says that nothing was tested.
    #[must_use]
    pub fn check(&self, base: &[RunResult], new: &[RunResult]) -> Threshold {
        let compared = Comparison::of(&self.text, self.metric, base, new);
        let expr = format!("regress {}", self.text);
        let Some(compared) = compared else {
            return Threshold { expr, baseline: true, text: "not measured".into(), ..Threshold::default() };
        };
        let worse = compared.worse_by();
        let is_found = matches!(compared.finding(), Finding::Worse | Finding::Untested);
        let tested = match compared.p {
            Some(p) => format!("p {p:.3}"),
            None => "not tested".to_owned(),
        };
        let share = if worse.is_finite() { text::decimal(worse * 100.0, 1) } else { "∞".to_owned() };
        let text = format!(
            "{} to {}, {share} % worse, {tested}",
            self.metric.text(compared.base),
            self.metric.text(compared.new)
        );
        let pass = worse <= self.worse_max || !is_found;
        let value = worse.is_finite().then_some(worse * 100.0);
        Threshold { expr, value, pass, baseline: true, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::result::sample;

    fn runs(rates: &[f64]) -> Vec<RunResult> {
        let run = |rate: &f64| {
            let mut run = sample::run();
            run.rates.sent = *rate;
            run
        };
        rates.iter().map(run).collect()
    }

    fn passes(expression: &str, base: &[f64], new: &[f64]) -> bool {
        parse(expression).unwrap()[0].check(&runs(base), &runs(new)).pass
    }

    #[test]
    fn what_got_worse_by_more_than_allowed_fails() {
        assert!(passes("rate>10%", &[100.0], &[91.0]));
        assert!(!passes("rate>10%", &[100.0], &[89.0]));
        assert!(passes("rate>10%", &[100.0], &[200.0]), "more is better");
        assert!(passes("p99>0%", &[1.0], &[1.0]), "the latencies are the same");
        assert!(!passes("tls.p99>10%", &[1.0], &[1.0]), "not measured");
    }

    #[test]
    fn repeated_runs_fail_only_when_the_test_finds_a_difference() {
        assert!(!passes("rate>10%", &[100.0, 101.0, 99.0], &[80.0, 81.0, 80.0]));
        assert!(passes("rate>10%", &[100.0, 190.0, 60.0], &[80.0, 150.0, 50.0]), "noise");
        assert!(passes("rate>30%", &[100.0, 101.0, 99.0], &[80.0, 81.0, 80.0]), "found, but allowed");
    }

    #[test]
    fn faults_are_pointed_at() {
        let text = |expression| parse(expression).unwrap_err().to_string();
        assert!(
            text("p99>10%, pp>5%").ends_with("\n  p99>10%, pp>5%\n           ^^"),
            "{}",
            text("p99>10%, pp>5%")
        );
        assert!(text("p99<10%").starts_with("a regression is written as p99>10%"));
        assert!(text("p99>10ms").starts_with("a regression is a share in percent"));
    }
}

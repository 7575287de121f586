//! Conditions on a result, in the grammar that users of k6 know: `p99<50ms,loss=0`, `rate>=0.99*asked`.
//!
//! A condition on something that was not measured does not hold: a gate must not open because nobody looked.

mod metric;
mod parse;

pub use metric::{Count, Figure, Kind, Metric, Rate};

use crate::bench::result::{RunResult, Threshold};
use crate::bench::text;
use std::fmt;

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// As it was written, without the blanks round it.
    pub text: String,
    /// What is looked at.
    pub metric: Metric,
    /// How it is compared.
    pub relation: Relation,
    /// What with.
    pub limit: Limit,
}

/// How a measured value is compared with the limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Relation {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `=` or `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// What a measured value is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// In microseconds, messages, or messages per second, as the metric has it.
    Value(f64),
    /// A share of what the metric can be at most, 0 to 1: `loss<0.1%`.
    Share(f64),
    /// A multiple of the rate that was asked for: `0.99*asked`.
    OfAsked(f64),
}

/// What is wrong with a condition, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ThresholdError {
    /// The whole expression.
    pub expression: String,
    /// Where the fault begins, in characters.
    pub column: usize,
    /// How many characters it has, at least one.
    pub width: usize,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for ThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (blanks, carets) = (" ".repeat(self.column), "^".repeat(self.width));
        write!(f, "{}\n  {}\n  {blanks}{carets}", self.problem, self.expression)
    }
}

impl std::error::Error for ThresholdError {}

/// Reads conditions separated by commas.
///
/// # Errors
///
/// [`ThresholdError`] with the place of the first fault.
pub fn parse(expression: &str) -> Result<Vec<Condition>, ThresholdError> {
    parse::conditions(expression)
}

/// Reads the name of what is measured alone, such as `p99` or `connect.max`.
///
/// # Errors
///
/// [`ThresholdError`] when nothing has that name.
pub fn parse_metric(name: &str) -> Result<Metric, ThresholdError> {
    parse::metric_named(name)
}

impl Condition {
    /// Whether the condition holds for `result`, with what was measured.
    #[must_use]
    pub fn check(&self, result: &RunResult) -> Threshold {
        let measured = self.metric.measure(result);
        let (value, limit) = match self.limit {
            Limit::Value(limit) => (measured, Some(limit)),
            Limit::OfAsked(factor) => (measured, result.rates.asked.map(|asked| asked * factor)),
            Limit::Share(limit) => {
                let whole = self.metric.whole(result);
                (
                    measured.zip(whole).map(|(part, whole)| if whole > 0.0 { part / whole } else { 0.0 }),
                    Some(limit),
                )
            }
        };
        let pass = value.zip(limit).is_some_and(|(value, limit)| self.relation.holds(value, limit));
        let text = match (value, self.limit) {
            (None, _) => "not measured".to_owned(),
            (Some(share), Limit::Share(_)) => format!("{} %", text::decimal(share * 100.0, 3)),
            (Some(value), _) => self.metric.text(value),
        };
        Threshold { expr: self.text.clone(), value, pass, text, baseline: false }
    }
}

impl Relation {
    fn holds(self, value: f64, limit: f64) -> bool {
        // 99.9 % written as a number is not quite 0.999 counted out.
        let equal = (value - limit).abs() <= 1e-9 * limit.abs();
        match self {
            Self::Less => value < limit && !equal,
            Self::LessOrEqual => value < limit || equal,
            Self::Greater => value > limit && !equal,
            Self::GreaterOrEqual => value > limit || equal,
            Self::Equal => equal,
            Self::NotEqual => !equal,
        }
    }
}

#[cfg(test)]
mod tests;

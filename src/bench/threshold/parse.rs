//! From text to conditions, with the place of the first fault.

use super::metric::{COUNTS, Figure, KINDS, Kind, Rate};
use super::{Condition, Limit, Metric, Relation, ThresholdError};

const OPERATORS: [(&str, Relation); 7] = [
    ("<=", Relation::LessOrEqual),
    (">=", Relation::GreaterOrEqual),
    ("==", Relation::Equal),
    ("!=", Relation::NotEqual),
    ("<", Relation::Less),
    (">", Relation::Greater),
    ("=", Relation::Equal),
];

/// Units of time in microseconds, longest first so that `ms` is not read as `m`.
const DURATIONS: [(&str, f64); 6] =
    [("ns", 0.001), ("us", 1.0), ("µs", 1.0), ("ms", 1000.0), ("min", 60e6), ("s", 1e6)];

const MULTIPLES: [(char, f64); 3] = [('k', 1e3), ('M', 1e6), ('G', 1e9)];

/// A part of the expression: its text and where it begins, in bytes.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Part<'a> {
    fn trim(self) -> Self {
        let text = self.text.trim_start();
        Self { text: text.trim_end(), at: self.at + self.text.len() - text.len() }
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        let (left, right) = self.text.split_at(middle);
        (Self { text: left, at: self.at }, Self { text: right, at: self.at + middle })
    }

    fn fault(self, expression: &str, problem: impl Into<String>) -> ThresholdError {
        ThresholdError {
            expression: expression.to_owned(),
            column: expression[..self.at].chars().count(),
            width: self.text.chars().count().max(1),
            problem: problem.into(),
        }
    }
}

pub(super) fn conditions(expression: &str) -> Result<Vec<Condition>, ThresholdError> {
    let mut found = Vec::new();
    let mut at = 0;
    for text in expression.split(',') {
        found.push(condition(expression, Part { text, at }.trim())?);
        at += text.len() + 1;
    }
    Ok(found)
}

pub(super) fn metric_named(name: &str) -> Result<Metric, ThresholdError> {
    metric(name, Part { text: name, at: 0 })
}

fn condition(expression: &str, part: Part<'_>) -> Result<Condition, ThresholdError> {
    if part.text.is_empty() {
        return Err(part.fault(expression, "a condition is missing here, such as p99<50ms or loss=0"));
    }
    if part.text == "steady" {
        let (text, metric) = (part.text.to_owned(), Metric::Steady);
        return Ok(Condition { text, metric, relation: Relation::Equal, limit: Limit::Value(1.0) });
    }
    let Some(end) = part.text.find(['<', '>', '=', '!']) else {
        metric(expression, part)?;
        let end = Part { text: "", at: part.at + part.text.len() };
        return Err(end.fault(expression, "a comparison is missing here: < <= > >= = !="));
    };
    let (name, rest) = part.split_at(end);
    let found = OPERATORS.iter().find(|(text, _)| rest.text.starts_with(text));
    let Some((operator, relation)) = found else {
        let (operator, _) = rest.split_at(1);
        return Err(operator.fault(expression, "not a comparison: < <= > >= = !="));
    };
    let metric = metric(expression, name.trim())?;
    let value = rest.split_at(operator.len()).1.trim();
    let limit = limit(expression, metric, value)?;
    Ok(Condition { text: part.text.to_owned(), metric, relation: *relation, limit })
}

fn metric(expression: &str, part: Part<'_>) -> Result<Metric, ThresholdError> {
    let name = part.text;
    let count =
        COUNTS.iter().find(|(_, names)| names.contains(&name)).map(|(count, _)| Metric::Count(*count));
    let simple = match name {
        "rate" | "sent_rate" => Some(Metric::Rate(Rate::Sent)),
        "received_rate" => Some(Metric::Rate(Rate::Received)),
        "steady" => Some(Metric::Steady),
        _ => count,
    };
    if let Some(metric) = simple {
        return Ok(metric);
    }
    if let Some(figure) = figure(name) {
        return Ok(Metric::Latency(Kind::Headline, figure));
    }
    if let Some((prefix, rest)) = name.split_once('.')
        && let Some((kind, _)) = KINDS.iter().find(|(_, word)| *word == prefix)
    {
        let (_, behind) = part.split_at(prefix.len() + 1);
        return match figure(rest) {
            Some(figure) => Ok(Metric::Latency(*kind, figure)),
            None => {
                Err(behind.fault(expression, "not a figure of a latency: p50, p99.9, min, mean, max, stdev"))
            }
        };
    }
    let problem = if name.is_empty() {
        "what is to be compared is missing here, such as p99, loss or rate".to_owned()
    } else {
        format!("'{name}' is nothing that is measured; there are {}", names())
    };
    Err(part.fault(expression, problem))
}

/// `p99`, `p(99)`, `p99.9`, `p99_9`, `min`, `mean` ...
fn figure(name: &str) -> Option<Figure> {
    match name {
        "min" => return Some(Figure::Min),
        "mean" | "avg" => return Some(Figure::Mean),
        "med" | "median" => return Some(Figure::Percentile(50.0)),
        "max" => return Some(Figure::Max),
        "stdev" => return Some(Figure::StandardDeviation),
        _ => {}
    }
    let digits = name.strip_prefix('p')?;
    let digits = digits.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(digits);
    if !digits.starts_with(|digit: char| digit.is_ascii_digit()) {
        return None;
    }
    let percent: f64 = digits.replacen('_', ".", 1).parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(Figure::Percentile(percent))
}

fn names() -> String {
    let counts = COUNTS.iter().map(|(_, names)| names[0]);
    let prefixes = KINDS.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(", ");
    let words: Vec<_> =
        ["p99", "mean", "max", "rate", "received_rate", "steady"].into_iter().chain(counts).collect();
    format!("{}, and the latencies also by name: {prefixes} (connect.p99)", words.join(", "))
}

fn limit(expression: &str, metric: Metric, part: Part<'_>) -> Result<Limit, ThresholdError> {
    let digits = part.text.find(|letter: char| !(letter.is_ascii_digit() || letter == '.' || letter == '_'));
    let (digits, unit) = part.split_at(digits.unwrap_or(part.text.len()));
    let number = digits.text.replace('_', "").parse::<f64>().ok().filter(|number| number.is_finite());
    let unit = unit.trim();
    let Some(number) = number else {
        let at = if digits.text.is_empty() { part } else { digits };
        return Err(at.fault(expression, "a number is missing here"));
    };
    let wrong = |wants: &str| Err(unit.fault(expression, wants));
    match metric {
        Metric::Latency(..) => match DURATIONS.iter().find(|(name, _)| *name == unit.text) {
            Some((_, microseconds)) => Ok(Limit::Value(number * microseconds)),
            None if unit.text.is_empty() && number == 0.0 => Ok(Limit::Value(0.0)),
            None => wrong("a latency has a unit: ns, us, ms, s or min"),
        },
        Metric::Count(count) => match unit.text {
            "%" if count == super::metric::Count::Errors => wrong("errors are counted, not shared out"),
            "%" => Ok(Limit::Share(number / 100.0)),
            other => match multiple(other) {
                Some(factor) => Ok(Limit::Value(number * factor)),
                None => wrong("a count is a number (0, 5k) or a share (0.1%)"),
            },
        },
        Metric::Rate(_) => match unit.text.strip_prefix('*').map(str::trim) {
            Some("asked") => Ok(Limit::OfAsked(number)),
            Some(_) => wrong("a rate is compared with a number (50k/s) or with 0.99*asked"),
            None => match multiple(unit.text.strip_suffix("/s").unwrap_or(unit.text)) {
                Some(factor) => Ok(Limit::Value(number * factor)),
                None => wrong("a rate is a number per second, such as 50k/s, or 0.99*asked"),
            },
        },
        Metric::Steady if unit.text.is_empty() => Ok(Limit::Value(number)),
        Metric::Steady => wrong("steady is 1 or 0"),
    }
}

/// `k`, `M`, `G` or nothing.
fn multiple(unit: &str) -> Option<f64> {
    if unit.is_empty() {
        return Some(1.0);
    }
    MULTIPLES.iter().find(|(letter, _)| unit.chars().eq([*letter])).map(|(_, factor)| *factor)
}

//! Comparing JSON, with a difference for each place.

use super::{Captures, Difference};
use regex::Regex;
use serde_json::Value;

/// The types of JSON, with integers apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs)] // the words of JSON Schema
pub enum JsonType {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl JsonType {
    /// The type of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::String,
            "array" => Self::Array,
            "object" => Self::Object,
            _ => return None,
        })
    }

    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Boolean => value.is_boolean(),
            Self::Integer => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
            }
            Self::Number => value.is_number(),
            Self::String => value.is_string(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// What must hold at one place of a JSON document.
#[derive(Clone, Debug, Default)]
pub struct At {
    /// The place, as RFC 6901 writes it; empty for the whole.
    pub pointer: String,
    /// This value.
    pub equals: Option<Value>,
    /// At least this in it.
    pub subset: Option<Value>,
    /// A number this near to another: value and tolerance.
    pub near: Option<(f64, f64)>,
    /// A number of at least this.
    pub min: Option<f64>,
    /// A number of at most this.
    pub max: Option<f64>,
    /// A value of this type.
    pub json_type: Option<JsonType>,
    /// So many elements, members or characters.
    pub len: Option<usize>,
    /// A string in which this is found.
    pub regex: Option<Regex>,
    /// An array of these elements in any order.
    pub unordered: Option<Vec<Value>>,
    /// Whether there is anything at all.
    pub exists: Option<bool>,
    /// Under which name the value is kept.
    pub save: Option<String>,
}

impl At {
    /// Checks the place and keeps its value.
    pub(super) fn check(&self, document: &Value, captures: &mut Captures, differences: &mut Vec<Difference>) {
        let place = if self.pointer.is_empty() { "/" } else { &self.pointer };
        let Some(value) = document.pointer(&self.pointer) else {
            if self.exists != Some(false) {
                differences.push(Difference::new(place, "is missing"));
            }
            return;
        };
        if self.exists == Some(false) {
            return differences.push(Difference::new(place, format!("is {value}, must not be there")));
        }
        if let Some(wanted) = &self.equals {
            equal(wanted, value, &self.pointer, differences);
        }
        if let Some(wanted) = &self.subset {
            subset(wanted, value, &self.pointer, differences);
        }
        let mut must = |holds: bool, wanted: String| {
            if !holds {
                differences.push(Difference::new(place, format!("is {value}, must be {wanted}")));
            }
        };
        let number = value.as_f64();
        if let Some((wanted, tolerance)) = self.near {
            // 7.7 is within 0.2 of 7.5, although none of the three has just that value in binary.
            let is_near = number.is_some_and(|number| {
                let slack = 4.0 * f64::EPSILON * number.abs().max(wanted.abs());
                (number - wanted).abs() <= tolerance + slack
            });
            must(is_near, format!("{wanted} ± {tolerance}"));
        }
        if let Some(min) = self.min {
            must(number.is_some_and(|number| number >= min), format!("at least {min}"));
        }
        if let Some(max) = self.max {
            must(number.is_some_and(|number| number <= max), format!("at most {max}"));
        }
        if let Some(wanted) = self.json_type {
            must(wanted.holds(value), format!("of type {}", format!("{wanted:?}").to_lowercase()));
        }
        if let Some(wanted) = self.len {
            must(length(value) == Some(wanted), format!("{wanted} long"));
        }
        if let Some(pattern) = &self.regex {
            must(value.as_str().is_some_and(|text| pattern.is_match(text)), format!("like /{pattern}/"));
        }
        if let Some(wanted) = &self.unordered {
            let is_same = value.as_array().is_some_and(|elements| is_permutation(wanted, elements));
            must(is_same, format!("{} in any order", Value::Array(wanted.clone())));
        }
        if let Some(name) = &self.save {
            captures.insert(name.clone(), value.clone());
        }
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Array(elements) => Some(elements.len()),
        Value::Object(members) => Some(members.len()),
        Value::String(text) => Some(text.chars().count()),
        _ => None,
    }
}

fn is_permutation(wanted: &[Value], elements: &[Value]) -> bool {
    let mut left: Vec<&Value> = elements.iter().collect();
    wanted.len() == elements.len()
        && wanted.iter().all(|wanted| match left.iter().position(|element| is_equal(wanted, element)) {
            Some(at) => {
                left.swap_remove(at);
                true
            }
            None => false,
        })
}

/// Whether two values are the same; 1 and 1.0 are.
fn is_equal(wanted: &Value, value: &Value) -> bool {
    let mut differences = Vec::new();
    equal(wanted, value, "", &mut differences);
    differences.is_empty()
}

/// Adds a difference for each place at which `value` is not `wanted`.
pub fn equal(wanted: &Value, value: &Value, pointer: &str, differences: &mut Vec<Difference>) {
    compare(wanted, value, pointer, true, differences);
}

/// Adds a difference for each place at which `value` lacks what `wanted` has; objects may have more members. Arrays must
/// have the same elements.
pub fn subset(wanted: &Value, value: &Value, pointer: &str, differences: &mut Vec<Difference>) {
    compare(wanted, value, pointer, false, differences);
}

fn compare(wanted: &Value, value: &Value, pointer: &str, is_whole: bool, differences: &mut Vec<Difference>) {
    let place = if pointer.is_empty() { "/" } else { pointer };
    match (wanted, value) {
        (Value::Object(wanted), Value::Object(members)) => {
            for (name, wanted) in wanted {
                let pointer = format!("{pointer}/{}", escaped(name));
                match members.get(name) {
                    Some(value) => compare(wanted, value, &pointer, is_whole, differences),
                    None => {
                        differences.push(Difference::new(pointer, format!("is missing, must be {wanted}")))
                    }
                }
            }
            if is_whole {
                for (name, value) in members.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
                    let pointer = format!("{pointer}/{}", escaped(name));
                    differences.push(Difference::new(pointer, format!("is {value}, must not be there")));
                }
            }
        }
        (Value::Array(wanted), Value::Array(elements)) => {
            if wanted.len() != elements.len() {
                let text = format!("has {} elements, must have {}", elements.len(), wanted.len());
                differences.push(Difference::new(place, text));
            }
            for (at, (wanted, value)) in wanted.iter().zip(elements).enumerate() {
                compare(wanted, value, &format!("{pointer}/{at}"), is_whole, differences);
            }
        }
        (Value::Number(wanted_number), Value::Number(number)) => {
            // Integers beyond 2^53 are compared as they are.
            let is_same = wanted_number == number
                || (wanted_number.is_f64() || number.is_f64()) && wanted_number.as_f64() == number.as_f64();
            if !is_same {
                differences.push(Difference::new(place, format!("is {value}, must be {wanted}")));
            }
        }
        _ if wanted == value => {}
        _ => differences.push(Difference::new(place, format!("is {value}, must be {wanted}"))),
    }
}

/// A name inside a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(
        compare: fn(&Value, &Value, &str, &mut Vec<Difference>),
        wanted: &Value,
        value: &Value,
    ) -> Vec<String> {
        let mut differences = Vec::new();
        compare(wanted, value, "", &mut differences);
        differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_subset_may_lack_members_and_differences_name_their_place() {
        let value = json!({"on": true, "level": {"a/b": 3, "c": 1.0}, "list": [1, 2]});
        assert!(told(subset, &json!({"level": {"c": 1}}), &value).is_empty());
        assert_eq!(
            told(subset, &json!({"on": false, "level": {"a/b": 4, "x": 1}, "list": [1]}), &value),
            [
                "/on: is true, must be false",
                "/level/a~1b: is 3, must be 4",
                "/level/x: is missing, must be 1",
                "/list: has 2 elements, must have 1",
            ]
        );
    }

    #[test]
    fn equal_is_about_everything() {
        let value = json!({"on": true, "x": 1});
        assert_eq!(told(equal, &json!({"on": true}), &value), ["/x: is 1, must not be there"]);
        assert_eq!(
            told(equal, &json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)).len(),
            1
        );
        assert!(told(equal, &json!(2), &json!(2.0)).is_empty());
    }

    #[test]
    fn a_place_is_checked_and_kept() {
        let document = json!({"power": 7.6, "tags": ["b", "a"], "ts": 3});
        let mut captures = Captures::new();
        let mut differences = Vec::new();
        let ats = [
            At { pointer: "/power".into(), near: Some((7.5, 0.2)), ..At::default() },
            At {
                pointer: "/tags".into(),
                unordered: Some(vec![json!("a"), json!("b")]),
                len: Some(2),
                ..At::default()
            },
            At {
                pointer: "/ts".into(),
                json_type: Some(JsonType::Integer),
                save: Some("t0".into()),
                ..At::default()
            },
            At { pointer: "/gone".into(), exists: Some(false), ..At::default() },
        ];
        ats.iter().for_each(|at| at.check(&document, &mut captures, &mut differences));
        assert_eq!(differences, []);
        assert_eq!(captures["t0"], 3);
        let wrong = At {
            pointer: "/power".into(),
            max: Some(7.0),
            json_type: Some(JsonType::String),
            ..At::default()
        };
        wrong.check(&document, &mut captures, &mut differences);
        let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["/power: is 7.6, must be at most 7", "/power: is 7.6, must be of type string"]);
    }
}

//! Payloads that are no JSON, made into JSON.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Number, Value};

/// The deepest nesting that is read.
const DEPTH_MAX: usize = 128;

/// CBOR (RFC 8949) as JSON: byte strings become Base64, keys text, tags are left out.
///
/// # Errors
///
/// When it is none, or more than one value, in words.
pub fn cbor(payload: &[u8]) -> Result<Value, String> {
    let mut rest = payload;
    let value: ciborium::Value = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH_MAX)
        .map_err(|error| match error {
            ciborium::de::Error::Io(_) => "it ends too early".to_owned(),
            ciborium::de::Error::Syntax(at) => format!("byte {at} is wrong"),
            ciborium::de::Error::Semantic(_, text) => text,
            ciborium::de::Error::RecursionLimitExceeded => "it is nested too deep".to_owned(),
        })?;
    if rest.is_empty() { Ok(from_cbor(&value)) } else { Err(format!("{} bytes too many", rest.len())) }
}

fn from_cbor(value: &ciborium::Value) -> Value {
    match value {
        ciborium::Value::Integer(number) => {
            let number = i128::from(*number);
            let small =
                i64::try_from(number).map(Number::from).or_else(|_| u64::try_from(number).map(Number::from));
            small.map_or_else(|_| Value::String(number.to_string()), Value::Number)
        }
        ciborium::Value::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
        ciborium::Value::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        ciborium::Value::Text(text) => Value::String(text.clone()),
        ciborium::Value::Bool(is_true) => Value::Bool(*is_true),
        ciborium::Value::Tag(_, value) => from_cbor(value),
        ciborium::Value::Array(elements) => elements.iter().map(from_cbor).collect(),
        ciborium::Value::Map(members) => {
            let members = members.iter().map(|(key, value)| (key_text(&from_cbor(key)), from_cbor(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}

/// MessagePack as JSON: binary data and extensions become Base64, keys text.
///
/// # Errors
///
/// When it is none, or more than one value, in words.
pub fn msgpack(payload: &[u8]) -> Result<Value, String> {
    let mut rest = payload;
    let value =
        rmpv::decode::read_value_with_max_depth(&mut rest, DEPTH_MAX).map_err(|error| error.to_string())?;
    if rest.is_empty() { Ok(from_msgpack(&value)) } else { Err(format!("{} bytes too many", rest.len())) }
}

fn from_msgpack(value: &rmpv::Value) -> Value {
    match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(is_true) => Value::Bool(*is_true),
        rmpv::Value::Integer(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (_, Some(number)) => number.into(),
            _ => Value::Null,
        },
        rmpv::Value::F32(number) => Number::from_f64(f64::from(*number)).map_or(Value::Null, Value::Number),
        rmpv::Value::F64(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        rmpv::Value::String(text) => match text.as_str() {
            Some(text) => Value::String(text.to_owned()),
            None => Value::String(STANDARD.encode(text.as_bytes())),
        },
        rmpv::Value::Binary(bytes) | rmpv::Value::Ext(_, bytes) => Value::String(STANDARD.encode(bytes)),
        rmpv::Value::Array(elements) => elements.iter().map(from_msgpack).collect(),
        rmpv::Value::Map(members) => {
            let members =
                members.iter().map(|(key, value)| (key_text(&from_msgpack(key)), from_msgpack(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

fn key_text(key: &Value) -> String {
    match key {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cbor_and_messagepack_become_json() {
        // {"on": true, "raw": h'ff', "n": [1, -2]}
        let packed = b"\xa3\x62on\xf5\x63raw\x41\xff\x61n\x82\x01\x21";
        assert_eq!(cbor(packed).unwrap(), json!({"on": true, "raw": "/w==", "n": [1, -2]}));
        let packed = b"\x83\xa2on\xc3\xa3raw\xc4\x01\xff\xa1n\x92\x01\xfe";
        assert_eq!(msgpack(packed).unwrap(), json!({"on": true, "raw": "/w==", "n": [1, -2]}));
    }

    #[test]
    fn what_is_none_is_refused_however_deep() {
        assert!(cbor(b"\x63on").is_err());
        assert!(cbor(b"\x01\x02").unwrap_err().contains("too many"));
        assert!(msgpack(b"\x92\x01").is_err());
        assert!(msgpack(b"\x01\x02").unwrap_err().contains("too many"));
        assert!(cbor(&[0x81; 100_000]).is_err());
        assert!(msgpack(&[0x91; 100_000]).is_err());
    }
}

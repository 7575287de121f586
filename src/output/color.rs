//! JSON in colours, for terminals: names, strings, numbers and words apart, indented.

const RESET: &str = "\x1b[0m";
const NAME: &str = "\x1b[34;1m";
const STRING: &str = "\x1b[32m";
const NUMBER: &str = "\x1b[33m";
const WORD: &str = "\x1b[35m";

/// The colour of topics.
pub(super) const TOPIC: &str = "\x1b[36m";

/// Appends `text` in `color`.
pub(super) fn paint(text: &[u8], color: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(color.as_bytes());
    out.extend_from_slice(text);
    out.extend_from_slice(RESET.as_bytes());
}

/// Appends a payload that is a JSON object or array indented and in colours, its numbers as they are written; false, and
/// nothing, for any other.
pub(super) fn put_payload(payload: &[u8], out: &mut Vec<u8>) -> bool {
    let is_candidate = matches!(payload.trim_ascii_start().first(), Some(b'{' | b'['));
    if !is_candidate || serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_err() {
        return false;
    }
    put_json(payload, Some(0), out);
    true
}

/// Appends JSON, which must be valid, in colours; with a depth indented from there on, else as it is.
pub(super) fn put_json(json: &[u8], depth: Option<usize>, out: &mut Vec<u8>) {
    let mut depth = depth;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        let length = match byte {
            b'"' => string_length(&json[at..]),
            b'-' | b'0'..=b'9' => run_length(&json[at..], is_of_number),
            b'a'..=b'z' => run_length(&json[at..], u8::is_ascii_lowercase),
            _ => 0,
        };
        if length == 0 {
            match &mut depth {
                Some(depth) => put_mark(*byte, &json[at + 1..], depth, out),
                None => out.push(*byte),
            }
            at += 1;
            continue;
        }
        let end = at + length;
        let color = match byte {
            b'"' if is_name(&json[end..]) => NAME,
            b'"' => STRING,
            b'a'..=b'z' => WORD,
            _ => NUMBER,
        };
        paint(&json[at..end], color, out);
        at = end;
    }
}

/// Appends a mark between values, with the line ends and spaces that belong to it instead of those that were there.
fn put_mark(mark: u8, rest: &[u8], depth: &mut usize, out: &mut Vec<u8>) {
    let is_empty = matches!(rest.trim_ascii_start().first(), Some(b'}' | b']'));
    match mark {
        b'{' | b'[' => {
            out.push(mark);
            *depth += 1;
            if !is_empty {
                put_line_end(*depth, out);
            }
        }
        b'}' | b']' => {
            *depth = depth.saturating_sub(1);
            if !matches!(out.last(), Some(b'{' | b'[')) {
                put_line_end(*depth, out);
            }
            out.push(mark);
        }
        b',' => {
            out.push(mark);
            put_line_end(*depth, out);
        }
        b':' => out.extend_from_slice(b": "),
        _ => {}
    }
}

fn put_line_end(depth: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', 2 * depth));
}

fn is_of_number(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

/// Bytes of the string at the front, its quotation marks included.
fn string_length(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    json.len()
}

fn run_length(json: &[u8], is_part: impl Fn(&u8) -> bool) -> usize {
    json.iter().take_while(|byte| is_part(byte)).count()
}

/// Whether what follows makes the string before it a name.
fn is_name(rest: &[u8]) -> bool {
    rest.trim_ascii_start().first() == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colored(json: &str) -> String {
        let mut out = Vec::new();
        put_json(json.as_bytes(), None, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_of_value_has_its_colour() {
        assert_eq!(
            colored(r#"{"a": "b\"c", "d": -1.5e3, "e": [true, null]}"#),
            "{\x1b[34;1m\"a\"\x1b[0m: \x1b[32m\"b\\\"c\"\x1b[0m, \x1b[34;1m\"d\"\x1b[0m: \x1b[33m-1.5e3\x1b[0m, \
             \x1b[34;1m\"e\"\x1b[0m: [\x1b[35mtrue\x1b[0m, \x1b[35mnull\x1b[0m]}"
        );
    }

    #[test]
    fn colours_add_nothing_but_themselves() {
        let json = r#"{"x":[1,"two",{"y":false}],"z":"\u00e9\\"}"#;
        let mut plain = colored(json);
        for color in [RESET, NAME, STRING, NUMBER, WORD] {
            plain = plain.replace(color, "");
        }
        assert_eq!(plain, json);
    }

    #[test]
    fn payloads_are_indented_and_keep_their_numbers() {
        let mut out = Vec::new();
        assert!(put_payload(b"{\"a\":[1,{}],\"n\":12345678901234567890.0}", &mut out));
        let mut plain = String::from_utf8(out).unwrap();
        for color in [RESET, NAME, STRING, NUMBER, WORD] {
            plain = plain.replace(color, "");
        }
        assert_eq!(plain, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"n\": 12345678901234567890.0\n}");
    }

    #[test]
    fn only_objects_and_arrays_are_taken_for_json() {
        for payload in ["on", "21.5", "\"x\"", "{", "{broken}", ""] {
            let mut out = Vec::new();
            assert!(!put_payload(payload.as_bytes(), &mut out), "{payload}");
            assert_eq!(out, b"");
        }
        let mut out = Vec::new();
        assert!(put_payload(b" {\"a\":1}", &mut out));
    }
}

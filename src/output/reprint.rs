//! A JSON text read and printed again as cJSON does: key order and duplicates stay, numbers are rounded, escapes decoded.
//!
//! It is read exactly as leniently as cJSON reads; each leniency is named where it happens.

use super::json::JsonWriter;
use super::number::put_json_number;

/// Arrays and objects inside one another, at most.
const NESTING_MAX: usize = 1_000;

/// The text is not JSON; what was printed so far is worthless.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotJson;

/// Prints the one value that is the whole of `text`.
///
/// # Errors
///
/// [`NotJson`], with part of the value printed.
pub(super) fn reprint(text: &[u8], writer: &mut JsonWriter<'_>) -> Result<(), NotJson> {
    // C strings end at a NUL, and the value must be the whole payload.
    if text.contains(&0) {
        return Err(NotJson);
    }
    let rest = match text.strip_prefix(b"\xEF\xBB\xBF") {
        Some(behind_mark) if !behind_mark.is_empty() => behind_mark,
        _ => text,
    };
    let mut reader = Reader { rest, depth: 0 };
    reader.skip_space();
    reader.value(writer)?;
    reader.skip_space();
    if reader.rest.is_empty() { Ok(()) } else { Err(NotJson) }
}

struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl Reader<'_> {
    /// Every control character counts as space.
    fn skip_space(&mut self) {
        while let Some((&first, rest)) = self.rest.split_first()
            && first <= b' '
        {
            self.rest = rest;
        }
    }

    fn take(&mut self, wanted: &[u8]) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: &[u8]) -> Result<(), NotJson> {
        if self.take(wanted) { Ok(()) } else { Err(NotJson) }
    }

    fn value(&mut self, writer: &mut JsonWriter<'_>) -> Result<(), NotJson> {
        match self.rest.first().ok_or(NotJson)? {
            b'"' => self.string(writer),
            b'-' | b'0'..=b'9' => self.number(writer),
            b'[' => self.array(writer),
            b'{' => self.object(writer),
            _ => self.literal(writer),
        }
    }

    fn literal(&mut self, writer: &mut JsonWriter<'_>) -> Result<(), NotJson> {
        let literals: [&[u8]; 3] = [b"null", b"true", b"false"];
        let found = literals.into_iter().find(|literal| self.take(literal)).ok_or(NotJson)?;
        writer.out.extend_from_slice(found);
        Ok(())
    }

    /// The longest front that strtod reads: `01`, `1.` and `-.5` are numbers too.
    fn number(&mut self, writer: &mut JsonWriter<'_>) -> Result<(), NotJson> {
        let (number, rest) = self.rest.split_at(number_length(self.rest));
        match plain_decimal(number) {
            Some(shortest) => writer.out.extend_from_slice(shortest),
            None => {
                let number = std::str::from_utf8(number).map_err(|_| NotJson)?;
                put_json_number(writer.out, number.parse().map_err(|_| NotJson)?);
            }
        }
        self.rest = rest;
        Ok(())
    }

    fn enter(&mut self) -> Result<(), NotJson> {
        if self.depth >= NESTING_MAX {
            return Err(NotJson);
        }
        self.depth += 1;
        self.rest = self.rest.get(1..).ok_or(NotJson)?;
        self.skip_space();
        Ok(())
    }

    fn array(&mut self, writer: &mut JsonWriter<'_>) -> Result<(), NotJson> {
        self.enter()?;
        writer.begin_array();
        if !self.take(b"]") {
            loop {
                self.value(writer)?;
                self.skip_space();
                if !self.take(b",") {
                    break;
                }
                self.skip_space();
                writer.next_element();
            }
            self.expect(b"]")?;
        }
        self.depth -= 1;
        writer.end_array();
        Ok(())
    }

    fn object(&mut self, writer: &mut JsonWriter<'_>) -> Result<(), NotJson> {
        self.enter()?;
        writer.begin_object();
        let empty = self.take(b"}");
        if !empty {
            let mut first = true;
            loop {
                writer.begin_key(first);
                first = false;
                self.string(writer)?;
                self.skip_space();
                self.expect(b":")?;
                self.skip_space();
                writer.end_key();
                self.value(writer)?;
                self.skip_space();
                if !self.take(b",") {
                    break;
                }
                self.skip_space();
            }
            self.expect(b"}")?;
        }
        self.depth -= 1;
        writer.end_object(empty);
        Ok(())
    }

    fn string(&mut self, writer: &mut JsonWriter<'_>) -> Result<(), NotJson> {
        self.expect(b"\"")?;
        let (content, rest) = self.rest.split_at(string_length(self.rest).ok_or(NotJson)?);
        self.rest = rest;
        self.expect(b"\"")?;
        put_string(content, writer)
    }
}

/// How many bytes lie before the quote that ends a string.
fn string_length(text: &[u8]) -> Option<usize> {
    let mut length = 0;
    loop {
        let rest = text.get(length..)?;
        length += rest.iter().position(|&byte| byte == b'"' || byte == b'\\')?;
        if text[length] == b'"' {
            return Some(length);
        }
        length += 2;
    }
}

/// Prints a string's content; control characters may stand in it, and a `\u0000` hides what follows.
fn put_string(content: &[u8], writer: &mut JsonWriter<'_>) -> Result<(), NotJson> {
    let mut rest = content;
    let mut hidden = false;
    writer.out.push(b'"');
    while let Some(end) = rest.iter().position(|&byte| byte == b'\\') {
        let (plain, escape) = rest.split_at(end);
        let (character, behind) = escape_sequence(escape)?;
        if !hidden {
            writer.escape(plain);
        }
        hidden |= character == '\0';
        if !hidden {
            writer.escape(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        rest = behind;
    }
    if !hidden {
        writer.escape(rest);
    }
    writer.out.push(b'"');
    Ok(())
}

/// The character that the escape at the front of `text` means, and what lies behind the escape.
fn escape_sequence(text: &[u8]) -> Result<(char, &[u8]), NotJson> {
    let (&letter, rest) = text[1..].split_first().ok_or(NotJson)?;
    let character = match letter {
        b'b' => '\x08',
        b'f' => '\x0C',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'"' | b'\\' | b'/' => char::from(letter),
        b'u' => return code_point(text),
        _ => return Err(NotJson),
    };
    Ok((character, rest))
}

/// `\u` and four digits, or two of them that make a surrogate pair.
fn code_point(text: &[u8]) -> Result<(char, &[u8]), NotJson> {
    let (first, rest) = code_unit(text)?;
    if !(0xD800..0xDC00).contains(&first) {
        return Ok((char::from_u32(first).ok_or(NotJson)?, rest));
    }
    let (second, rest) = code_unit(rest)?;
    if !(0xDC00..0xE000).contains(&second) {
        return Err(NotJson);
    }
    let code = 0x1_0000 + ((first & 0x3FF) << 10 | second & 0x3FF);
    Ok((char::from_u32(code).ok_or(NotJson)?, rest))
}

/// Four places that are not all hexadecimal digits count as zero.
fn code_unit(text: &[u8]) -> Result<(u32, &[u8]), NotJson> {
    let (places, rest) =
        text.strip_prefix(b"\\u").and_then(|text| text.split_at_checked(4)).ok_or(NotJson)?;
    let unit = places.iter().try_fold(0, |unit, &place| Some(unit << 4 | char::from(place).to_digit(16)?));
    Ok((unit.unwrap_or(0), rest))
}

/// What `number` prints as, when that can be seen without making a double of it: up to 15 significant digits survive one,
/// so a plain decimal loses the zeros at its end and nothing else.
fn plain_decimal(number: &[u8]) -> Option<&[u8]> {
    const DIGITS_MAX: usize = 15;
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    if digits.len() > DIGITS_MAX || digits.iter().any(|byte| !byte.is_ascii_digit() && *byte != b'.') {
        return None;
    }
    let point = digits.iter().position(|&byte| byte == b'.');
    // A leading zero would be dropped, and a value below one may need an exponent.
    if !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    if point.is_none() {
        return Some(number);
    }
    let last = number.iter().rposition(|&byte| byte != b'0')?;
    let end = if number[last] == b'.' { last } else { last + 1 };
    Some(&number[..end])
}

/// How many bytes of `text` strtod takes for a decimal number; 0 for none.
fn number_length(text: &[u8]) -> usize {
    let digits_from = |start: usize| text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = digits_from(sign);
    let mut end = sign + whole;
    let mut digits = whole;
    if text.get(end) == Some(&b'.') {
        let fraction = digits_from(end + 1);
        digits += fraction;
        end += 1 + fraction;
    }
    if digits == 0 {
        return 0;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let signed = end + 1 + usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = if signed <= text.len() { digits_from(signed) } else { 0 };
        if exponent > 0 {
            end = signed + exponent;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(text: &str, pretty: bool) -> Result<String, NotJson> {
        let mut out = Vec::new();
        reprint(text.as_bytes(), &mut JsonWriter::new(&mut out, pretty))?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn order_duplicates_and_nesting_survive_on_one_line() {
        let text = " { \"b\" : [ 1 , { } , [ ] ] ,\n\"a\":null,\"b\":true }\t";
        assert_eq!(print(text, false).unwrap(), r#"{"b":[1,{},[]],"a":null,"b":true}"#);
    }

    #[test]
    fn pretty_indents_objects_and_keeps_arrays_on_their_line() {
        let text = r#"{"a":[1,{"b":2},{}],"c":[],"d":{}}"#;
        let pretty =
            "{\n\t\"a\":\t[1, {\n\t\t\t\"b\":\t2\n\t\t}, {\n\t\t}],\n\t\"c\":\t[],\n\t\"d\":\t{\n\t}\n}";
        assert_eq!(print(text, true).unwrap(), pretty);
    }

    #[test]
    fn leniencies_are_those_of_cjson() {
        for (text, printed) in [
            ("01", "1"),
            ("-.5", "-0.5"),
            ("1.", "1"),
            ("1e999", "null"),
            ("\u{feff}1", "1"),
            ("\x01[\x02]\x03", "[]"),
            ("\"a\tb\"", "\"a\\tb\""),
            ("\"a\\u0000b\"", "\"a\""),
            ("\"a\\uZZZZb\"", "\"a\""),
            ("\"a\\u\\\"\\\"b\"", "\"a\""),
            ("\"\\u00e9\\ud83d\\ude00\\/\"", "\"é😀/\""),
        ] {
            assert_eq!(print(text, false).as_deref(), Ok(printed), "{text}");
        }
    }

    #[test]
    fn what_cjson_refuses_is_refused() {
        let refused = [
            "",
            " ",
            "-",
            "+1",
            ".5",
            "1 2",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "[1",
            "\"a",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\u12\"",
            "nul",
            "True",
            "{\"a\"}",
            "\u{feff}",
            "1e",
            "1x",
            "{}\0",
            "\"\\\"",
        ];
        for text in refused {
            assert_eq!(print(text, false), Err(NotJson), "{text:?}");
        }
        assert_eq!(print(&"1".repeat(65), false).unwrap(), "1.1111111111111111e+64");
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(print(&nested(1_000), false).is_ok());
        assert_eq!(print(&nested(1_001), false), Err(NotJson));
        assert_eq!(print(&"[".repeat(1_000_000), false), Err(NotJson));
    }
}

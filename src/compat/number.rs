//! Numbers as C's library reads them, because mosquitto's options do.

/// `atol`: spaces, a sign and leading digits; the rest is ignored, no digit is 0, and what is too large stops at the
/// limits of `long`.
///
/// `"18x"` is 18, `"x"` is 0.
pub(crate) fn leading_number(text: &[u8]) -> i64 {
    let (negative, digits) = split_sign(text);
    let mut value = 0_i64;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        let digit = i64::from(digit - b'0');
        value = value.saturating_mul(10);
        value = if negative { value.saturating_sub(digit) } else { value.saturating_add(digit) };
    }
    value
}

/// `atoi`, which is `atol` cut to 32 bits: `"4294967296"` is 0.
#[allow(clippy::cast_possible_truncation)] // the cut is what the reference does
pub(crate) fn leading_int(text: &[u8]) -> i32 {
    leading_number(text) as i32
}

/// `strtoll` with base 0, all of the text: `0x10` is 16, `010` is 8, `10` is 10; `None` when anything is left over.
pub(crate) fn whole_number_of_any_base(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    let (negative, digits) = split_sign(text);
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', rest @ ..] if !rest.is_empty() => (8, rest),
        _ => (10, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for &byte in digits {
        let digit = i64::from(char::from(byte).to_digit(base)?);
        value = value.saturating_mul(i64::from(base));
        value = if negative { value.saturating_sub(digit) } else { value.saturating_add(digit) };
    }
    Some(value)
}

/// `atof`: the longest prefix that is a decimal number, else 0.
///
/// `"1.5s"` is 1.5, `"1e3"` is 1000, `"x"` is 0.
pub(crate) fn leading_float(text: &[u8]) -> f64 {
    let text = trim_spaces(text);
    let mut end = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    end += digits(end);
    if text.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    std::str::from_utf8(&text[..end]).ok().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match trim_spaces(text) {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    }
}

/// What C's `isspace` skips.
fn trim_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    &text[spaces..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_digits_count_and_garbage_is_zero() {
        for (text, number) in
            [("18x", 18), ("x", 0), ("", 0), (" \t-7", -7), ("+3", 3), ("99999999999999999999", i64::MAX)]
        {
            assert_eq!(leading_number(text.as_bytes()), number, "{text:?}");
        }
        assert_eq!(leading_int(b"4294967296"), 0);
        assert_eq!(leading_int(b"99999999999999999999"), -1);
    }

    #[test]
    fn a_number_of_any_base_must_be_whole() {
        for (text, number) in [("0x10", 16), ("010", 8), ("10", 10), ("-1", -1), ("0", 0)] {
            assert_eq!(whole_number_of_any_base(text.as_bytes()), Some(number), "{text:?}");
        }
        for text in ["", "x", "10s", "08", "0x", "-"] {
            assert_eq!(whole_number_of_any_base(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_float_is_its_longest_prefix() {
        for (text, number) in
            [("1.5s", 1.5), ("1e3", 1000.0), ("1e", 1.0), (".5", 0.5), ("-2", -2.0), ("x", 0.0)]
        {
            assert!((leading_float(text.as_bytes()) - number).abs() < 1e-12, "{text:?}");
        }
    }
}

//! Numbers as C's printf writes them.

/// Appends `value` in decimal.
pub(super) fn put_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = digit(value % 10);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends the last `width` decimal digits of `value`, zeros in front; `width` is at most 20.
pub(super) fn put_padded(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    for place in digits[..width].iter_mut().rev() {
        *place = digit(value % 10);
        value /= 10;
    }
    out.extend_from_slice(&digits[..width]);
}

#[allow(clippy::cast_possible_truncation)] // below ten
const fn digit(value: u64) -> u8 {
    b'0' + value as u8
}

/// `%.{precision}f`: infinities and not-a-numbers in lower case and without zeros.
pub(super) fn fixed(value: f64, precision: usize) -> String {
    // No double has more fractional digits; what a precision asks beyond them is zeros.
    const FRACTION_DIGITS_MAX: usize = 1_074;
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    let mut text = format!("{value:.*}", precision.min(FRACTION_DIGITS_MAX));
    if value.is_finite() && precision > FRACTION_DIGITS_MAX {
        text.extend(std::iter::repeat_n('0', precision - FRACTION_DIGITS_MAX));
    }
    text
}

/// Appends a JSON number as cJSON prints it: 15 significant digits, or 17 where 15 lose something; `null` where JSON
/// has no number.
pub(super) fn put_json_number(out: &mut Vec<u8>, value: f64) {
    const EXACT_BELOW: f64 = 1e15;
    if !value.is_finite() {
        out.extend_from_slice(b"null");
    } else if value.abs() < EXACT_BELOW
        && value.trunc() == value
        && (value != 0.0 || value.is_sign_positive())
    {
        if value < 0.0 {
            out.push(b'-');
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an integer below 1e15
        put_decimal(out, value.abs() as u64);
    } else {
        let short = format!("{value:.14e}");
        if short.parse().is_ok_and(|back: f64| counts_as_equal(back, value)) {
            put_general(out, &short, 15);
        } else {
            put_general(out, &format!("{value:.16e}"), 17);
        }
    }
}

/// cJSON's comparison: neighbouring doubles count as equal, so 0.30000000000000004 prints as 0.3.
fn counts_as_equal(a: f64, b: f64) -> bool {
    (a - b).abs() <= a.abs().max(b.abs()) * f64::EPSILON
}

/// `%.{precision}g`, made of the same number in the form `1.5e-7` with `precision` digits.
fn put_general(out: &mut Vec<u8>, scientific: &str, precision: i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let digits: Vec<u8> = mantissa.bytes().filter(|&byte| byte != b'.').collect();
    let significant = digits.iter().rposition(|&byte| byte != b'0').map_or(1, |last| last + 1);
    let digits = &digits[..significant];

    out.extend_from_slice(sign.as_bytes());
    if exponent < -4 || exponent >= precision {
        put_point(out, digits, 1);
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        let exponent = u64::from(exponent.unsigned_abs());
        put_padded(out, exponent, if exponent < 100 { 2 } else { 3 });
    } else if let Ok(before_point) = usize::try_from(exponent + 1)
        && before_point > 0
    {
        put_point(out, digits, before_point);
    } else {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', exponent.unsigned_abs() as usize - 1));
        out.extend_from_slice(digits);
    }
}

/// `digits` with a point behind the first `before_point`, and zeros up to it.
fn put_point(out: &mut Vec<u8>, digits: &[u8], before_point: usize) {
    if digits.len() <= before_point {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', before_point - digits.len()));
    } else {
        out.extend_from_slice(&digits[..before_point]);
        out.push(b'.');
        out.extend_from_slice(&digits[before_point..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: f64) -> String {
        let mut out = Vec::new();
        put_json_number(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_numbers_have_15_digits_or_17() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.50, "1.5"),
            (-3.25, "-3.25"),
            (1e21, "1e+21"),
            (1e-7, "1e-07"),
            (0.0001, "0.0001"),
            (0.000_012_5, "1.25e-05"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1e+15"),
            (12_345_678_901_234_567_890.0, "1.2345678901234567e+19"),
            (0.1 + 0.2, "0.3"),
            (1.0 / 3.0, "0.33333333333333331"),
            (9_007_199_254_740_993.0, "9.00719925474099e+15"),
            (f64::MAX, "1.79769313486232e+308"),
            (5e-324, "4.94065645841247e-324"),
            (f64::INFINITY, "null"),
        ] {
            assert_eq!(json(value), text);
        }
    }

    #[test]
    fn fixed_is_exact_at_every_precision() {
        assert_eq!(fixed(0.1, 20), "0.10000000000000000555");
        assert_eq!(fixed(2.5, 0), "2");
        assert_eq!(fixed(-0.0, 1), "-0.0");
        assert_eq!(fixed(f64::NEG_INFINITY, 3), "-inf");
        assert_eq!(fixed(f64::NAN.copysign(-1.0), 3), "-nan");
        assert_eq!(fixed(1.5, 70_000).len(), 70_002);
    }
}

//! Numbers as people read them: thousands apart, three digits, the unit that fits.

/// Digits in groups of three: `1,500,000`.
#[must_use]
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate per second: whole and grouped from 100 on, with up to two decimals below.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if per_second >= 99.5 {
        // The largest rates are far below 2^53.
        format!("{}/s", grouped(per_second.round() as u64))
    } else {
        format!("{}/s", decimal(per_second, 2))
    }
}

/// At most `digits` decimals, without zeros at the end.
#[must_use]
pub fn decimal(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Microseconds as milliseconds with two decimals: `1.80`.
#[must_use]
pub fn milliseconds(microseconds: u64) -> String {
    format!("{:.2}", microseconds as f64 / 1000.0)
}

/// Microseconds with the unit that fits: `35 µs`, `1.8 ms`, `12 s`.
#[must_use]
pub fn latency(microseconds: f64) -> String {
    if microseconds < 1000.0 {
        format!("{} µs", three_digits(microseconds))
    } else if microseconds < 1_000_000.0 {
        format!("{} ms", three_digits(microseconds / 1000.0))
    } else {
        format!("{} s", three_digits(microseconds / 1_000_000.0))
    }
}

/// Bytes in binary units: `9 MiB`, `3.05 MiB`.
#[must_use]
pub fn bytes(count: f64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024.0 {
        return format!("{} B", decimal(count, 0));
    }
    let mut value = count / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// Seconds: one decimal from ten on, else two digits that say something.
#[must_use]
pub fn seconds(value: f64) -> String {
    if value >= 9.95 { format!("{value:.1} s") } else { format!("{} s", three_digits(value)) }
}

/// Three significant digits, without zeros at the end.
fn three_digits(value: f64) -> String {
    let decimals = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    decimal(value, decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let groups: Vec<_> = [0, 999, 1000, 1_500_000].map(grouped).into();
        assert_eq!(groups, ["0", "999", "1,000", "1,500,000"]);
        let rates: Vec<_> = [0.0, 0.5, 99.0, 99.7, 50_000.4].map(rate).into();
        assert_eq!(rates, ["0/s", "0.5/s", "99/s", "100/s", "50,000/s"]);
        let latencies: Vec<_> = [7.0, 999.0, 1800.0, 999_600.0, 12_340_000.0].map(latency).into();
        assert_eq!(latencies, ["7 µs", "999 µs", "1.8 ms", "1000 ms", "12.3 s"]);
        let sizes: Vec<_> = [12.0, 1024.0, 3_198_156.8, 9_437_184.0, 1e15].map(bytes).into();
        assert_eq!(sizes, ["12 B", "1 KiB", "3.05 MiB", "9 MiB", "909 TiB"]);
        assert_eq!([30.0, 0.03].map(seconds), ["30.0 s", "0.03 s"]);
    }
}

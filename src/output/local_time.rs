//! Local time, taken apart once a second, and strftime's conversions as the C locale has them.

use super::number::{put_decimal, put_padded};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// A moment of the wall clock.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WallTime {
    /// Seconds since 1970-01-01 00:00:00 UTC, without leap seconds.
    pub seconds: i64,
    /// Nanoseconds of that second, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl From<SystemTime> for WallTime {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self {
                seconds: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                nanoseconds: after.subsec_nanos(),
            },
            Err(before) => Self::before_epoch(before.duration()),
        }
    }
}

impl WallTime {
    fn before_epoch(distance: Duration) -> Self {
        let seconds = i64::try_from(distance.as_secs()).unwrap_or(i64::MAX);
        match distance.subsec_nanos() {
            0 => Self { seconds: -seconds, nanoseconds: 0 },
            nanoseconds => Self { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
        }
    }
}

/// No time zone is written like that.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not a POSIX time zone")]
pub struct ZoneError;

/// A time zone, and the second that was shown last.
#[derive(Clone, Debug)]
pub struct LocalTime {
    /// `None` is the system's, which is not read before a time is shown.
    zone: Option<TimeZone>,
    /// The second that `fields` and `date_time` stand for; `None` before the first.
    second: Option<i64>,
    fields: Fields,
    date_time: Vec<u8>,
}

impl LocalTime {
    /// The zone of the environment variable `TZ`, or of the system; UTC where neither says.
    #[must_use]
    pub fn system() -> Self {
        Self::new(None)
    }

    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self::new(Some(TimeZone::UTC))
    }

    /// A zone written as in POSIX's `TZ`: `CET-1CEST,M3.5.0,M10.5.0/3`.
    ///
    /// # Errors
    ///
    /// [`ZoneError`] for everything else.
    pub fn posix(zone: &str) -> Result<Self, ZoneError> {
        let zone = TimeZone::posix(zone).map_err(|_| ZoneError)?;
        Ok(Self::new(Some(zone)))
    }

    fn new(zone: Option<TimeZone>) -> Self {
        let fields = Fields::of(0, &TimeZone::UTC);
        Self { zone, second: None, fields, date_time: Vec::new() }
    }

    #[inline]
    fn turn_to(&mut self, second: i64) {
        if self.second != Some(second) {
            self.show(second);
        }
    }

    fn show(&mut self, second: i64) {
        let zone = self.zone.get_or_insert_with(|| TimeZone::try_system().unwrap_or(TimeZone::UTC));
        self.second = Some(second);
        self.fields = Fields::of(second, zone);
        self.date_time = self.fields.date_time();
    }

    /// Appends `2026-11-22T07:02:12`.
    #[inline]
    pub(super) fn put_date_time(&mut self, out: &mut Vec<u8>, time: WallTime) {
        self.turn_to(time.seconds);
        out.extend_from_slice(&self.date_time);
    }

    /// Appends the zone's offset, `+0100`.
    #[inline]
    pub(super) fn put_offset(&mut self, out: &mut Vec<u8>, time: WallTime) {
        self.turn_to(time.seconds);
        out.extend_from_slice(&self.fields.offset);
    }

    /// Appends strftime's conversion `%{letter}`.
    pub(super) fn put_conversion(&mut self, out: &mut Vec<u8>, time: WallTime, letter: u8) {
        self.turn_to(time.seconds);
        self.fields.put(out, letter, time.seconds);
    }
}

/// One second of local time, taken apart; ranges are those of the calendar.
#[derive(Clone, Debug)]
struct Fields {
    year: i16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    /// Days since the last Sunday, 0 to 6.
    weekday: u8,
    /// Days since the first of January, 0 to 365.
    day_of_year: u16,
    iso_year: i16,
    iso_week: u8,
    offset: [u8; 5],
    abbreviation: String,
}

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Fields {
    /// Seconds that the calendar does not reach show as its origin.
    fn of(second: i64, zone: &TimeZone) -> Self {
        let timestamp = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        let local: Zoned = timestamp.to_zoned(zone.clone());
        let iso = local.date().iso_week_date();
        Self {
            year: local.year(),
            month: local.month().unsigned_abs(),
            day: local.day().unsigned_abs(),
            hour: local.hour().unsigned_abs(),
            minute: local.minute().unsigned_abs(),
            second: local.second().unsigned_abs(),
            weekday: local.weekday().to_sunday_zero_offset().unsigned_abs(),
            day_of_year: local.day_of_year().unsigned_abs() - 1,
            iso_year: iso.year(),
            iso_week: iso.week().unsigned_abs(),
            offset: offset(local.offset().seconds()),
            abbreviation: zone.to_offset_info(timestamp).abbreviation().to_owned(),
        }
    }

    fn date_time(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(19);
        self.put(&mut out, b'F', 0);
        out.push(b'T');
        self.put(&mut out, b'T', 0);
        out
    }

    /// Appends the conversion `letter`; `unix_second` is the moment itself.
    fn put(&self, out: &mut Vec<u8>, letter: u8, unix_second: i64) {
        let weekday = WEEKDAYS[usize::from(self.weekday) % 7];
        let month = MONTHS[usize::from(self.month).saturating_sub(1) % 12];
        let noon = if self.hour < 12 { ["AM", "am"] } else { ["PM", "pm"] };
        match letter {
            b'%' => out.push(b'%'),
            b'A' => out.extend_from_slice(weekday.as_bytes()),
            b'a' => out.extend_from_slice(&weekday.as_bytes()[..3]),
            b'B' => out.extend_from_slice(month.as_bytes()),
            b'b' | b'h' => out.extend_from_slice(&month.as_bytes()[..3]),
            b'C' => put_two(out, i32::from(self.year).div_euclid(100)),
            b'c' => self.put_all(out, b"a b e T Y", unix_second),
            b'D' | b'x' => self.put_all(out, b"m/d/y", unix_second),
            b'd' => put_two(out, i32::from(self.day)),
            b'e' => put_blank(out, self.day),
            b'F' => self.put_all(out, b"Y-m-d", unix_second),
            b'G' => put_signed(out, i64::from(self.iso_year)),
            b'g' => put_two(out, i32::from(self.iso_year).rem_euclid(100)),
            b'H' => put_two(out, i32::from(self.hour)),
            b'I' => put_two(out, i32::from(twelve(self.hour))),
            b'j' => put_padded(out, u64::from(self.day_of_year) + 1, 3),
            b'k' => put_blank(out, self.hour),
            b'l' => put_blank(out, twelve(self.hour)),
            b'M' => put_two(out, i32::from(self.minute)),
            b'm' => put_two(out, i32::from(self.month)),
            b'n' => out.push(b'\n'),
            b'P' => out.extend_from_slice(noon[1].as_bytes()),
            b'p' => out.extend_from_slice(noon[0].as_bytes()),
            b'R' => self.put_all(out, b"H:M", unix_second),
            b'r' => self.put_all(out, b"I:M:S p", unix_second),
            b'S' => put_two(out, i32::from(self.second)),
            b's' => put_signed(out, unix_second),
            b'T' | b'X' => self.put_all(out, b"H:M:S", unix_second),
            b't' => out.push(b'\t'),
            b'U' => put_two(out, self.week_from(self.weekday)),
            b'u' => out.push(b'1' + (self.weekday + 6) % 7),
            b'V' => put_two(out, i32::from(self.iso_week)),
            b'W' => put_two(out, self.week_from((self.weekday + 6) % 7)),
            b'w' => out.push(b'0' + self.weekday),
            b'Y' => put_signed(out, i64::from(self.year)),
            b'y' => put_two(out, i32::from(self.year).rem_euclid(100)),
            b'Z' => out.extend_from_slice(self.abbreviation.as_bytes()),
            b'z' => out.extend_from_slice(&self.offset),
            unknown => put_unknown(out, unknown),
        }
    }

    /// Appends the conversions that `letters` name and the punctuation between them.
    fn put_all(&self, out: &mut Vec<u8>, letters: &[u8], unix_second: i64) {
        for &letter in letters {
            if letter.is_ascii_alphabetic() {
                self.put(out, letter, unix_second);
            } else {
                out.push(letter);
            }
        }
    }

    /// Full weeks of the year so far, when today is `weekday` days into its week.
    fn week_from(&self, weekday: u8) -> i32 {
        (i32::from(self.day_of_year) + 7 - i32::from(weekday)) / 7
    }
}

/// The GNU C library prints what it does not know, a digit (which it takes for a width) at the right of its field.
fn put_unknown(out: &mut Vec<u8>, letter: u8) {
    if letter.is_ascii_digit() {
        let width = usize::from(letter - b'0');
        out.extend(std::iter::repeat_n(b' ', width.saturating_sub(2)));
    }
    out.extend_from_slice(&[b'%', letter]);
}

const fn twelve(hour: u8) -> u8 {
    match hour % 12 {
        0 => 12,
        hour => hour,
    }
}

fn put_two(out: &mut Vec<u8>, number: i32) {
    if number < 0 {
        out.push(b'-');
    }
    put_padded(out, u64::from(number.unsigned_abs()), 2);
}

fn put_blank(out: &mut Vec<u8>, number: u8) {
    if number < 10 {
        out.push(b' ');
    }
    put_decimal(out, u64::from(number));
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    put_decimal(out, number.unsigned_abs());
}

fn offset(seconds: i32) -> [u8; 5] {
    let minutes = seconds.unsigned_abs() / 60;
    let mut out = Vec::with_capacity(5);
    out.push(if seconds < 0 { b'-' } else { b'+' });
    put_padded(&mut out, u64::from(minutes / 60), 2);
    put_padded(&mut out, u64::from(minutes % 60), 2);
    out.try_into().unwrap_or(*b"+0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(zone: &str, seconds: i64, letters: &str) -> String {
        let mut local = LocalTime::posix(zone).unwrap();
        let mut out = Vec::new();
        for letter in letters.bytes() {
            local.put_conversion(&mut out, WallTime { seconds, nanoseconds: 0 }, letter);
            out.push(b'|');
        }
        String::from_utf8(out).unwrap()
    }

    /// Printed by the GNU C library in the C locale.
    #[test]
    fn every_conversion_is_as_the_c_library_has_it() {
        let zone = "CET-1CEST,M3.5.0,M10.5.0/3";
        assert_eq!(
            show(zone, 1_767_250_983, "ABCDFGHIMPRSTUVWXYZ"),
            "Thursday|January|20|01/01/26|2026-01-01|2026|08|08|03|am|08:03|03|08:03:03|00|01|00|08:03:03|2026|CET|"
        );
        assert_eq!(
            show(zone, 1_767_250_983, "abcdeghjklmnprstuwxyz"),
            "Thu|Jan|Thu Jan  1 08:03:03 2026|01| 1|26|Jan|001| 8| 8|01|\n|AM|08:03:03 AM|1767250983|\t|4|4|01/01/26|26|+0100|"
        );
        assert_eq!(show(zone, 1_767_250_983, "QEO-0129"), "%Q|%E|%O|%-|%0|%1|%2|       %9|");
        assert_eq!(show(zone, 1_782_900_000, "ZzHIp"), "CEST|+0200|12|12|PM|");
        assert_eq!(show("<-0330>3:30", 0, "FTzZUVWG"), "1969-12-31|20:30:00|-0330|-0330|52|01|52|1970|");
    }

    #[test]
    fn the_second_is_recomputed_when_it_changes_in_either_direction() {
        let mut local = LocalTime::utc();
        let mut out = Vec::new();
        for seconds in [1, 0, 1, -1] {
            local.put_date_time(&mut out, WallTime { seconds, nanoseconds: 5 });
            out.push(b' ');
        }
        assert_eq!(out, b"1970-01-01T00:00:01 1970-01-01T00:00:00 1970-01-01T00:00:01 1969-12-31T23:59:59 ");
    }

    #[test]
    fn moments_before_the_epoch_count_their_nanoseconds_forwards() {
        let time = SystemTime::UNIX_EPOCH - Duration::from_millis(1);
        assert_eq!(WallTime::from(time), WallTime { seconds: -1, nanoseconds: 999_000_000 });
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_001);
        assert_eq!(WallTime::from(time), WallTime { seconds: 1, nanoseconds: 1_000_000 });
    }
}

//! Dates and times as FHIR writes them, read as spans of microseconds.
//!
//! `2026-11` is the whole of November; `10:00:00.5` lasts a tenth of a second.

/// The offset of dates and times that carry none: the hub's hospitals keep Beijing (and Hong Kong) time.
/// Used for stored values and for search values alike, so that both mean the same moment.
pub const ZONELESS_OFFSET_SECONDS: i64 = 8 * 3600;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// How exactly a moment is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Precision {
    Year,
    Month,
    Day,
    Minute,
    Second,
    Fraction,
}

/// A date or time and the span it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The first microsecond since 1970 UTC.
    pub low: i64,
    /// The first microsecond after it.
    pub high: i64,
    /// How exactly it was given.
    pub precision: Precision,
    /// Whether it named its offset.
    pub zoned: bool,
}

/// Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD` and `YYYY-MM-DDThh:mm[:ss[.f..]][Z|+hh:mm]`. Only days that exist.
pub fn read(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    let year = i64::from(number(bytes.get(0..4)?)?);
    if year == 0 {
        return None;
    }
    let date = |low_days: i64, high_days: i64, precision| {
        let shift = ZONELESS_OFFSET_SECONDS * SECOND;
        Some(Moment { low: low_days * DAY - shift, high: high_days * DAY - shift, precision, zoned: false })
    };
    if bytes.len() == 4 {
        return date(days(year, 1, 1), days(year + 1, 1, 1), Precision::Year);
    }
    let month = part(bytes, 4, b'-', 1, 12)?;
    if bytes.len() == 7 {
        let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        return date(days(year, month, 1), days(next_year, next_month, 1), Precision::Month);
    }
    let day = part(bytes, 7, b'-', 1, days_in_month(year, month))?;
    let first = days(year, month, day);
    if bytes.len() == 10 {
        return date(first, first + 1, Precision::Day);
    }
    let hour = part(bytes, 10, b'T', 0, 23)?;
    let minute = part(bytes, 13, b':', 0, 59)?;
    let (second, fraction, width, precision, rest) = seconds(bytes.get(16..)?)?;
    let (offset, zoned) = match rest {
        b"" => (ZONELESS_OFFSET_SECONDS, false),
        b"Z" => (0, true),
        _ => (offset(rest)?, true),
    };
    let whole = hour * 3600 + minute * 60 + second - offset;
    let low = first * DAY + whole * SECOND + fraction;
    Some(Moment { low, high: low + width, precision, zoned })
}

/// Whether `text` is a time of day: `hh:mm:ss[.f..]`.
pub fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let hour = bytes.get(0..2).and_then(number).filter(|hour| *hour < 24);
    hour.is_some()
        && part(bytes, 2, b':', 0, 59).is_some()
        && bytes
            .get(5..)
            .and_then(seconds)
            .is_some_and(|(.., precision, rest)| precision >= Precision::Second && rest.is_empty())
}

/// Reads `[:ss[.f..]]` and gives back second, fraction, width of the span, precision and what follows.
fn seconds(rest: &[u8]) -> Option<(i64, i64, i64, Precision, &[u8])> {
    if rest.first() != Some(&b':') {
        return Some((0, 0, 60 * SECOND, Precision::Minute, rest));
    }
    let second = part(rest, 0, b':', 0, 60)?;
    let rest = &rest[3..];
    if rest.first() != Some(&b'.') {
        return Some((second, 0, SECOND, Precision::Second, rest));
    }
    let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let (mut fraction, mut width) = (0, SECOND);
    for digit in rest[1..].iter().take(digits.min(6)) {
        width /= 10;
        fraction += i64::from(digit - b'0') * width;
    }
    Some((second, fraction, width.max(1), Precision::Fraction, &rest[1 + digits..]))
}

fn offset(rest: &[u8]) -> Option<i64> {
    let sign = match rest.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    if rest.len() != 6 {
        return None;
    }
    let hours = i64::from(number(&rest[1..3])?);
    let minutes = part(rest, 3, b':', 0, 59)?;
    let fits = hours < 14 || (hours == 14 && minutes == 0);
    fits.then_some(sign * (hours * 3600 + minutes * 60))
}

/// Two digits after `mark` at `at`, within bounds.
fn part(bytes: &[u8], at: usize, mark: u8, least: i64, most: i64) -> Option<i64> {
    if bytes.get(at) != Some(&mark) {
        return None;
    }
    let value = i64::from(number(bytes.get(at + 1..at + 3)?)?);
    (least..=most).contains(&value).then_some(value)
}

fn number(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0u32, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of the proleptic Gregorian calendar (years count from March, eras of 400 years).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::format_description::well_known::Rfc3339;

    fn micros(text: &str) -> i64 {
        let moment = time::OffsetDateTime::parse(text, &Rfc3339).unwrap();
        i64::try_from(moment.unix_timestamp_nanos() / 1000).unwrap()
    }

    #[test]
    fn a_partial_date_is_a_span_in_beijing_time() {
        let november = read("2026-11").unwrap();
        assert_eq!(november.low, micros("2026-11-01T00:00:00+08:00"));
        assert_eq!(november.high, micros("2026-12-01T00:00:00+08:00"));
        let year = read("2024").unwrap();
        assert_eq!(year.high - year.low, 366 * DAY);
        assert_eq!(read("2026-12").unwrap().high, micros("2027-01-01T00:00:00+08:00"));
        assert_eq!(read("9999-12-31").unwrap().high - read("9999-12-31").unwrap().low, DAY);
    }

    #[test]
    fn a_time_lasts_as_long_as_its_last_digit() {
        let second = read("2026-11-22T08:30:00+08:00").unwrap();
        assert_eq!(
            (second.low, second.high),
            (micros("2026-11-22T00:30:00Z"), micros("2026-11-22T00:30:01Z"))
        );
        let tenth = read("2026-11-22T08:30:00.5Z").unwrap();
        assert_eq!(tenth.high - tenth.low, SECOND / 10);
        let nanos = read("2026-11-22T08:30:00.123456789Z").unwrap();
        assert_eq!((nanos.low, nanos.high - nanos.low), (micros("2026-11-22T08:30:00.123456Z"), 1));
        assert!(!read("2026-11-22T08:30").unwrap().zoned);
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for bad in [
            "",
            "2026-",
            "0000",
            "2026-13",
            "2026-02-29",
            "2026-1-1",
            "20261122",
            "2026-11-22T",
            "2026-11-22T24:00:00Z",
            "2026-11-22T10:00:00+14:01",
            "2026-11-22T10:00:00.Z",
            "2026-11-22T10:00:00 Z",
            "2026-11-22 10:00:00Z",
            "二〇二六",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(is_time("23:59:60.1") && !is_time("23:59") && !is_time("24:00:00") && !is_time("10:00:00Z"));
    }

    proptest! {
        #[test]
        fn every_moment_agrees_with_the_time_crate(seconds in -60_000_000_000i64..250_000_000_000, nanos in 0i128..1_000_000) {
            let moment = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(seconds) * 1_000_000_000 + nanos * 1000).unwrap();
            let text = moment.format(&Rfc3339).unwrap();
            prop_assert_eq!(read(&text).unwrap().low, i64::try_from(moment.unix_timestamp_nanos() / 1000).unwrap());
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,32}") {
            let _ = (read(&text), is_time(&text));
        }
    }
}

//! Dates and times: HL7 v2 DT, TM, DTM and TS, and the ISO forms other partners write.

use compact_str::CompactString;
use hub_fhir::Json;

use super::{Context, Misfit, Outcome};
use crate::read::Value;

/// A date with as much time as was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp<'a> {
    year: &'a str,
    month: Option<&'a str>,
    day: Option<&'a str>,
    clock: Option<Clock<'a>>,
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock<'a> {
    hour: &'a str,
    minute: &'a str,
    second: &'a str,
    fraction: Option<&'a str>,
    zone: Zone<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone<'a> {
    Unsaid,
    Utc,
    /// Sign, hours and minutes.
    Offset(&'a str, &'a str, &'a str),
}

pub(super) fn date(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let Some(text) = value.text() else { return Ok(None) };
    match read(&text) {
        Some(stamp) => {
            let mut written = CompactString::default();
            write_date(&stamp, &mut written);
            Ok(Some(Json::String(written)))
        }
        None => Err(Misfit::new(value, "expected a date: YYYY[MM[DD]]")),
    }
}

pub(super) fn date_time(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let Some(text) = value.text() else { return Ok(None) };
    match read(&text) {
        Some(stamp) => Ok(Some(Json::String(write(&stamp, context.zone)))),
        None => Err(Misfit::new(value, "expected a date or time: YYYY[MM[DD[HH[MM[SS[.S]]]]]][+ZZZZ]")),
    }
}

pub(super) fn instant(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let Some(text) = value.text() else { return Ok(None) };
    match read(&text) {
        Some(stamp) if stamp.clock.is_some() => Ok(Some(Json::String(write(&stamp, context.zone)))),
        _ => Err(Misfit::new(value, "expected a date with a time: YYYYMMDDHH[MM[SS[.S]]][+ZZZZ]")),
    }
}

/// A time of FHIR has no zone: one that names another than the mapping's would become another time.
pub(super) fn time(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let Some(text) = value.text() else { return Ok(None) };
    match read_clock(&text) {
        Some(clock) if !is_of(&clock, context.zone) => {
            Err(Misfit::new(value, format!("expected a time in the mapping's zone, {}", context.zone)))
        }
        Some(clock) => {
            let mut written = CompactString::default();
            write_clock(&clock, &mut written);
            Ok(Some(Json::String(written)))
        }
        None => Err(Misfit::new(value, "expected a time: HH[MM[SS[.S]]]")),
    }
}

/// Whether a mapping's `zone` is one: `+08:00`, `Z`.
pub(crate) fn is_zone(text: &str) -> bool {
    matches!(read_zone(text), Some(Zone::Utc)) || (text.len() == 6 && read_zone(text).is_some())
}

/// Takes `length` digits off the start.
fn digits<'a>(text: &mut &'a str, length: usize) -> Option<&'a str> {
    let taken = text.get(..length)?;
    if !taken.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    *text = &text[length..];
    Some(taken)
}

fn within(text: &str, low: u8, high: u8) -> Option<&str> {
    text.parse::<u8>().is_ok_and(|number| (low..=high).contains(&number)).then_some(text)
}

fn read(text: &str) -> Option<Stamp<'_>> {
    let mut rest = text;
    let year = digits(&mut rest, 4).filter(|year| *year != "0000")?;
    let mut stamp = Stamp { year, month: None, day: None, clock: None };
    if rest.is_empty() {
        return Some(stamp);
    }
    let iso = rest.starts_with(['-', '/']) && rest[1..].starts_with(|c: char| c.is_ascii_digit());
    // `2024-0500` is the year 2024 in a zone, not a month: HL7 allows a zone after a year. `1988-1112` may be either, so it is neither.
    let zone_only = rest.starts_with(['+', '-']) && rest.len() == 5;
    if zone_only && !iso_month(rest) {
        return (!is_month_and_day(year, rest)).then(|| read_zone(rest)).flatten().map(|_| stamp);
    }
    let separator = if iso { &rest[..1] } else { "" };
    rest = rest.strip_prefix(separator)?;
    stamp.month = Some(within(digits(&mut rest, 2)?, 1, 12)?);
    if rest.is_empty() || is_zone_text(rest, iso) {
        return Some(stamp);
    }
    rest = rest.strip_prefix(separator)?;
    let day = digits(&mut rest, 2)?;
    if !exists(stamp.year, stamp.month?, day) {
        return None;
    }
    stamp.day = Some(day);
    if rest.is_empty() || is_zone_text(rest, false) {
        return Some(stamp);
    }
    let clock = rest.strip_prefix(['T', ' ']).unwrap_or(rest);
    stamp.clock = Some(read_clock(clock)?);
    Some(stamp)
}

/// `-05-0`... cannot be a zone; `-0500` can.
fn iso_month(rest: &str) -> bool {
    rest.as_bytes().get(3).is_some_and(|byte| !byte.is_ascii_digit())
}

/// `-1112` behind a year: the twelfth of November, if anything.
fn is_month_and_day(year: &str, rest: &str) -> bool {
    let digits = rest.strip_prefix('-');
    digits.and_then(|digits| digits.split_at_checked(2)).is_some_and(|(month, day)| exists(year, month, day))
}

fn is_zone_text(rest: &str, iso: bool) -> bool {
    !iso && rest.len() == 5 && rest.starts_with(['+', '-']) && read_zone(rest).is_some()
}

fn exists(year: &str, month: &str, day: &str) -> bool {
    let parsed = (year.parse::<i32>(), month.parse::<u8>(), day.parse::<u8>());
    let (Ok(year), Ok(month), Ok(day)) = parsed else { return false };
    let Ok(month) = time::Month::try_from(month) else { return false };
    time::Date::from_calendar_date(year, month, day).is_ok()
}

fn read_clock(text: &str) -> Option<Clock<'_>> {
    let mut rest = text;
    let hour = within(digits(&mut rest, 2)?, 0, 23)?;
    let mut clock = Clock { hour, minute: "00", second: "00", fraction: None, zone: Zone::Unsaid };
    let separator = if rest.starts_with(':') { ":" } else { "" };
    if starts_number(rest, separator) {
        rest = &rest[separator.len()..];
        clock.minute = within(digits(&mut rest, 2)?, 0, 59)?;
        if starts_number(rest, separator) {
            rest = &rest[separator.len()..];
            clock.second = within(digits(&mut rest, 2)?, 0, 59)?;
            if let Some(after) = rest.strip_prefix('.') {
                let length = after.bytes().take_while(u8::is_ascii_digit).count();
                if length == 0 || length > 9 {
                    return None;
                }
                clock.fraction = Some(&after[..length]);
                rest = &after[length..];
            }
        }
    }
    if !rest.is_empty() {
        clock.zone = read_zone(rest)?;
    }
    Some(clock)
}

fn starts_number(rest: &str, separator: &str) -> bool {
    rest.strip_prefix(separator).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn read_zone(text: &str) -> Option<Zone<'_>> {
    if text == "Z" {
        return Some(Zone::Utc);
    }
    let sign = text.get(..1).filter(|sign| matches!(*sign, "+" | "-"))?;
    let mut rest = &text[1..];
    let hours = within(digits(&mut rest, 2)?, 0, 14)?;
    rest = rest.strip_prefix(':').unwrap_or(rest);
    let minutes = within(digits(&mut rest, 2)?, 0, 59)?;
    let in_range = hours != "14" || minutes == "00";
    (rest.is_empty() && in_range).then_some(Zone::Offset(sign, hours, minutes))
}

/// Whether a time of day is as it is in `zone`: it names no zone, or one that is the same.
fn is_of(clock: &Clock<'_>, zone: &str) -> bool {
    clock.zone == Zone::Unsaid || offset(clock.zone) == read_zone(zone).and_then(offset)
}

fn write(stamp: &Stamp<'_>, zone: &str) -> CompactString {
    let mut written = CompactString::with_capacity(25);
    write_date(stamp, &mut written);
    let Some(clock) = &stamp.clock else { return written };
    written.push('T');
    write_clock(clock, &mut written);
    match clock.zone {
        Zone::Unsaid => written.push_str(zone),
        Zone::Utc => written.push('Z'),
        Zone::Offset(sign, hours, minutes) => {
            for part in [sign, hours, ":", minutes] {
                written.push_str(part);
            }
        }
    }
    written
}

fn write_date(stamp: &Stamp<'_>, written: &mut CompactString) {
    written.push_str(stamp.year);
    for part in [stamp.month, stamp.day].into_iter().flatten() {
        written.push('-');
        written.push_str(part);
    }
}

fn write_clock(clock: &Clock<'_>, written: &mut CompactString) {
    for part in [clock.hour, ":", clock.minute, ":", clock.second] {
        written.push_str(part);
    }
    if let Some(fraction) = clock.fraction {
        written.push('.');
        written.push_str(fraction);
    }
}

/// A date and a time of day in the mapping's zone, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Local {
    /// Year, month and day.
    pub(super) day: Option<(u16, u8, u8)>,
    /// Hour, minute and second.
    pub(super) clock: Option<(u8, u8, u8)>,
}

/// Reads a moment, a date or a time of day as it is in `zone`. A moment that names another zone is moved there; a time of day cannot be.
pub(super) fn local(text: &str, zone: &str) -> Option<Local> {
    if text.len() >= 3 && text.as_bytes()[2] == b':' {
        let clock = read_clock(text).filter(|clock| is_of(clock, zone))?;
        return Some(Local { day: None, clock: numbers_of(&clock) });
    }
    let stamp = read(text)?;
    let (Some(_), Some(clock)) = (stamp.day, &stamp.clock) else {
        return Some(Local { day: day_of(&stamp), clock: None });
    };
    if clock.zone == Zone::Unsaid {
        return Some(Local { day: day_of(&stamp), clock: numbers_of(clock) });
    }
    let there = moment(text, zone)?.to_offset(offset(read_zone(zone)?)?);
    let day = (u16::try_from(there.year()).ok()?, u8::from(there.month()), there.day());
    Some(Local { day: Some(day), clock: Some((there.hour(), there.minute(), there.second())) })
}

/// Reads a moment; one that names no zone is in `zone`.
pub(super) fn moment(text: &str, zone: &str) -> Option<time::OffsetDateTime> {
    let stamp = read(text)?;
    let clock = stamp.clock?;
    let (year, month, day) = day_of(&stamp)?;
    let (hour, minute, second) = numbers_of(&clock)?;
    let date = time::Date::from_calendar_date(year.into(), time::Month::try_from(month).ok()?, day).ok()?;
    let nanos = match clock.fraction {
        Some(fraction) => format!("{fraction:0<9}").parse().ok()?,
        None => 0,
    };
    let time = time::Time::from_hms_nano(hour, minute, second, nanos).ok()?;
    let said = if clock.zone == Zone::Unsaid { read_zone(zone)? } else { clock.zone };
    Some(date.with_time(time).assume_offset(offset(said)?))
}

/// The HL7 v2 form of a FHIR date or moment, as precise as it is: `2026-11-20T08:15:00+08:00` is `20261120081500+0800`.
pub(super) fn compact(text: &str, zone: &str) -> Option<CompactString> {
    let stamp = read(text)?;
    let mut written = CompactString::with_capacity(24);
    for part in [Some(stamp.year), stamp.month, stamp.day].into_iter().flatten() {
        written.push_str(part);
    }
    let Some(clock) = &stamp.clock else { return Some(written) };
    for part in [clock.hour, clock.minute, clock.second] {
        written.push_str(part);
    }
    if let Some(fraction) = clock.fraction {
        // HL7 v2 has four digits for parts of a second (§2.A.22).
        written.push('.');
        written.push_str(&fraction[..fraction.len().min(4)]);
    }
    match if clock.zone == Zone::Unsaid { read_zone(zone)? } else { clock.zone } {
        Zone::Unsaid => {}
        Zone::Utc => written.push_str("+0000"),
        Zone::Offset(sign, hours, minutes) => {
            for part in [sign, hours, minutes] {
                written.push_str(part);
            }
        }
    }
    Some(written)
}

fn day_of(stamp: &Stamp<'_>) -> Option<(u16, u8, u8)> {
    Some((stamp.year.parse().ok()?, stamp.month?.parse().ok()?, stamp.day?.parse().ok()?))
}

fn numbers_of(clock: &Clock<'_>) -> Option<(u8, u8, u8)> {
    Some((clock.hour.parse().ok()?, clock.minute.parse().ok()?, clock.second.parse().ok()?))
}

fn offset(zone: Zone<'_>) -> Option<time::UtcOffset> {
    let Zone::Offset(sign, hours, minutes) = zone else { return Some(time::UtcOffset::UTC) };
    let (hours, minutes): (i8, i8) = (hours.parse().ok()?, minutes.parse().ok()?);
    let turn = if sign == "-" { -1 } else { 1 };
    time::UtcOffset::from_hms(turn * hours, turn * minutes, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_as_precise_as_it_was_written() {
        for (text, written) in [
            ("1989", "1989"),
            ("198901", "1989-01"),
            ("19890118", "1989-01-18"),
            ("1989-01-18", "1989-01-18"),
            ("1989-01", "1989-01"),
            ("1989/01/18", "1989-01-18"),
            ("1989011807", "1989-01-18T07:00:00+08:00"),
            ("198901180730", "1989-01-18T07:30:00+08:00"),
            ("19890118073015", "1989-01-18T07:30:15+08:00"),
            ("19890118073015.1234", "1989-01-18T07:30:15.1234+08:00"),
            ("19890118073015-0500", "1989-01-18T07:30:15-05:00"),
            ("1989-01-18 07:30:15", "1989-01-18T07:30:15+08:00"),
            ("1989-01-18T07:30:15Z", "1989-01-18T07:30:15Z"),
            ("1989-01-18T07:30+01:00", "1989-01-18T07:30:00+01:00"),
            ("20240229", "2024-02-29"),
            ("2024+0800", "2024"),
            ("2024-0500", "2024"),
            ("1988-1200", "1988"),
            ("1988+1112", "1988"),
            ("202401+0800", "2024-01"),
        ] {
            let stamp = read(text).unwrap_or_else(|| panic!("{text} is not read"));
            assert_eq!(write(&stamp, "+08:00"), written, "{text}");
        }
    }

    #[test]
    fn a_date_that_does_not_exist_is_refused() {
        for text in [
            "",
            "0000",
            "198",
            "19891301",
            "19890230",
            "20230229",
            "1989010124",
            "198901012460",
            "19890101235960",
            "19890000",
            "1989011",
            "abc",
            "1989-1-8",
            "19890118070000.",
            "19890118+1500",
            "１９８９",
            "1989-01-18T",
            "1989年",
            "1988-1112", // a day without one of its signs, or a year in a zone
            "1988-0330",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
    #[test]
    fn a_time_of_day_in_another_zone_is_none_here() {
        let is_here = |text: &str| is_of(&read_clock(text).unwrap(), "+08:00");
        assert!(is_here("0815") && is_here("0815+0800") && is_here("08:15:00+08:00"));
        assert!(!is_here("0815+0900") && !is_here("0815Z"));
        assert!(is_of(&read_clock("0815+0000").unwrap(), "Z"));
        assert_eq!(local("08:15:00+09:00", "+08:00"), None);
        assert_eq!(local("08:15:00+08:00", "+08:00").unwrap().clock, Some((8, 15, 0)));
    }
}

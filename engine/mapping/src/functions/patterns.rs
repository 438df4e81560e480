//! Dates and times in the patterns partners ask for, in the mapping's zone.

use std::fmt::Write as _;

use compact_str::CompactString;
use hub_fhir::Json;
use time::OffsetDateTime;

use super::dates::{self, Local};
use super::{Context, Misfit, Outcome};
use crate::read::Value;

macro_rules! patterns {
    ($($name:ident $pattern:literal;)*) => {
        $(pub(super) fn $name(value: Value<'_>, context: &Context<'_>) -> Outcome {
            written(value, context, $pattern)
        })*
    };
}

patterns! {
    compact_date "yyyyMMdd";
    dashed_date "yyyy-MM-dd";
    compact_minute "yyyyMMddHHmm";
    dashed_minute "yyyy-MM-dd HH:mm";
    compact_moment "yyyyMMddHHmmss";
    dashed_moment "yyyy-MM-dd HH:mm:ss";
    compact_time "HHmmss";
    colon_time "HH:mm:ss";
    colon_minute "HH:mm";
}

/// Seconds since 1970-01-01 UTC.
pub(super) fn unix_seconds(value: Value<'_>, context: &Context<'_>) -> Outcome {
    epoch(value, context, |at| at.unix_timestamp().into())
}

/// Milliseconds since 1970-01-01 UTC.
pub(super) fn unix_millis(value: Value<'_>, context: &Context<'_>) -> Outcome {
    epoch(value, context, |at| at.unix_timestamp_nanos() / 1_000_000)
}

fn epoch(value: Value<'_>, context: &Context<'_>, count: fn(OffsetDateTime) -> i128) -> Outcome {
    let Some(text) = value.text() else { return Ok(None) };
    match dates::moment(&text, context.zone) {
        Some(at) => Ok(Some(Json::Number(compact_str::format_compact!("{}", count(at))))),
        None => Err(Misfit::new(value, "expected a date with a time")),
    }
}

/// Of a Period its start is meant.
fn written(value: Value<'_>, context: &Context<'_>, pattern: &str) -> Outcome {
    let at = value.child("start").unwrap_or(value);
    let Some(text) = at.text() else { return Ok(None) };
    let (needs_date, needs_time) = (pattern.contains("yyyy"), pattern.contains("HH"));
    let local = dates::local(&text, context.zone);
    let is_enough =
        |local: &Local| (!needs_date || local.day.is_some()) && (!needs_time || local.clock.is_some());
    let Some(local) = local.filter(is_enough) else {
        let expected = match (needs_date, needs_time) {
            (true, false) => "expected a date with its day",
            (false, _) => "expected a time",
            (true, true) => "expected a date with a time",
        };
        return Err(Misfit::new(at, expected));
    };
    Ok(Some(Json::String(filled(pattern, &local))))
}

fn filled(pattern: &str, at: &Local) -> CompactString {
    let (year, month, day) = at.day.unwrap_or_default();
    let (hour, minute, second) = at.clock.unwrap_or_default();
    let mut written = CompactString::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let length = rest.len() - rest.trim_start_matches(letter).len();
        let number = match letter {
            'y' => u32::from(year),
            'M' => month.into(),
            'd' => day.into(),
            'H' => hour.into(),
            'm' => minute.into(),
            's' => second.into(),
            other => {
                written.push(other);
                rest = &rest[other.len_utf8()..];
                continue;
            }
        };
        write!(written, "{number:0length$}").expect("writing to a string does not fail");
        rest = &rest[length..];
    }
    written
}

//! Times as banks write them: Beijing's, with and without a zone.

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::{format_description, offset};
use time::{Date, OffsetDateTime, PrimitiveDateTime};

const COMPACT: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day][hour][minute][second]");
const SPACED: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// `2026-03-02T08:00:00+08:00`, to the second.
pub(crate) fn rfc3339(at: OffsetDateTime) -> String {
    let at = at.to_offset(offset!(+8));
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

/// A time with its zone.
pub(crate) fn read_rfc3339(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// `20260302080000`.
pub(crate) fn compact(at: OffsetDateTime) -> String {
    at.to_offset(offset!(+8)).format(COMPACT).unwrap_or_default()
}

/// Reads `20260302080000`.
pub(crate) fn read_compact(text: &str) -> Option<OffsetDateTime> {
    PrimitiveDateTime::parse(text, COMPACT).ok().map(|at| at.assume_offset(offset!(+8)))
}

/// Reads `2026-03-02 08:00:00`.
pub(crate) fn read_spaced(text: &str) -> Option<OffsetDateTime> {
    PrimitiveDateTime::parse(text, SPACED).ok().map(|at| at.assume_offset(offset!(+8)))
}

/// The day it is in Beijing.
pub(crate) fn day(at: OffsetDateTime) -> Date {
    at.to_offset(offset!(+8)).date()
}

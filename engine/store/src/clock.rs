//! Moments as the database has them: microseconds since 1970 UTC.

use time::OffsetDateTime;

/// The moment as microseconds; moments outside what fits are cut to the ends.
pub(crate) fn micros(moment: OffsetDateTime) -> i64 {
    let micros = moment.unix_timestamp_nanos().div_euclid(1_000);
    i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX })
}

/// Microseconds as a moment; what no calendar has becomes 1970.
pub(crate) fn moment(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Now, in microseconds.
pub(crate) fn now() -> i64 {
    micros(OffsetDateTime::now_utc())
}

//! Days and half-days of the hospital: Beijing's, whatever the clock of who asks (BK-1, interfaces §0.4).

use time::macros::offset;
use time::{Date, Duration, Month, OffsetDateTime, Time};

/// The day in the hospital.
pub fn day(at: OffsetDateTime) -> Date {
    at.to_offset(offset!(+8)).date()
}

/// A day as FHIR writes it, whole: `1988-11-12`.
pub fn read_day(text: &str) -> Option<Date> {
    Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).ok()
}

/// The moment a day of the hospital begins.
pub fn begins(day: Date) -> OffsetDateTime {
    day.with_time(Time::MIDNIGHT).assume_offset(offset!(+8))
}

/// Whether a moment is before noon in the hospital: visits of one half-day are one session (午别).
pub fn is_morning(at: OffsetDateTime) -> bool {
    at.to_offset(offset!(+8)).hour() < 12
}

/// Whether two moments are in the same half of the same day.
pub fn same_half_day(one: OffsetDateTime, other: OffsetDateTime) -> bool {
    day(one) == day(other) && is_morning(one) == is_morning(other)
}

/// The first moment after the window of bookable days that begins today: D0 to D(days - 1) (BK-1).
pub fn window_ends(now: OffsetDateTime, days: u16) -> OffsetDateTime {
    begins(day(now)) + Duration::days(days.into())
}

/// The same day of a later month, or its last day where it has none such.
pub fn months_later(at: OffsetDateTime, months: u16) -> OffsetDateTime {
    let month = i32::from(u8::from(at.month())) - 1 + i32::from(months);
    let year = at.year() + month / 12;
    let month = Month::January.nth_next(u8::try_from(month % 12).unwrap_or(0));
    let day = at.day().min(month.length(year));
    match Date::from_calendar_date(year, month, day) {
        Ok(date) => at.replace_date(date),
        // Ten thousand years from now.
        Err(_) => at,
    }
}

/// Whether two stretches of time share a moment; those that touch do not (EX-6).
pub fn overlap(one: (OffsetDateTime, OffsetDateTime), other: (OffsetDateTime, OffsetDateTime)) -> bool {
    one.0 < other.1 && other.0 < one.1
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn bk_1_the_window_is_of_the_hospitals_days() {
        // 00:30 in Beijing is still the day before in London.
        let now = datetime!(2026-11-25 16:30 UTC);
        assert_eq!(window_ends(now, 14), datetime!(2026-12-10 00:00 +8));
        assert_eq!(window_ends(datetime!(2026-11-25 15:59 UTC), 14), datetime!(2026-12-09 00:00 +8));
    }

    #[test]
    fn halves_of_a_day_are_the_hospitals() {
        let (morning, noon) = (datetime!(2026-11-26 11:30 +8), datetime!(2026-11-26 04:00 UTC));
        assert!(is_morning(morning) && !is_morning(noon));
        assert!(!same_half_day(morning, noon));
        assert!(same_half_day(morning, datetime!(2026-11-26 00:10 UTC)));
    }

    #[test]
    fn a_month_later_is_the_same_day_or_the_last_one() {
        let at = datetime!(2026-01-31 10:00 +8);
        assert_eq!(months_later(at, 1), datetime!(2026-02-28 10:00 +8));
        assert_eq!(months_later(at, 12), datetime!(2027-01-31 10:00 +8));
        assert_eq!(months_later(datetime!(2026-12-01 0:00 +8), 14), datetime!(2028-02-01 0:00 +8));
    }

    #[test]
    fn ex_6_what_touches_does_not_overlap() {
        let at = |hour: u8| begins(day(datetime!(2026-11-26 04:00 UTC))) + Duration::hours(hour.into());
        assert!(!overlap((at(10), at(11)), (at(11), at(12))));
        assert!(overlap((at(10), at(11)), (at(10) + Duration::minutes(59), at(12))));
    }
}

//! Chapters 6.1, 6.2 and 6.7 for dates: precision, time zones, and arithmetic with the calendar.

use super::{observation, patient};

#[test]
fn what_is_not_known_makes_the_answer_empty() {
    patient(&[
        ("@2026-11-26 = @2026-11-26", "true"),
        ("@2026-11-26 = @2026-11", "{}"),
        ("@2026-11-26 = @2025-11", "false"),
        ("@2026-11 < @2026-12-01", "true"),
        ("@2026-11 < @2026-11-26", "{}"),
        ("@2026 <= @2026", "true"),
        ("@2026-11-26 = @2026-11-26T", "true"),
        ("@2026-11-26 = @2026-11-26T08:30", "{}"),
        ("@2026-11-26T08:30 < @2026-11-26T08:30:10", "{}"),
        ("@2026-11-26T08:30:00 = @2026-11-26T08:30:00.000", "true"),
        ("@T08:30 = @T08:30:00", "{}"),
        ("@T08:30:15 < @T08:30:16", "true"),
        ("@2026 = @T08:30", "false"),
        ("@2026 < @T08", "error at character 7: `System.Date` cannot be compared with `System.Time`"),
        ("@2026-11-26 ~ @2026-11-26", "true"),
        ("birthDate < @1975", "true"),
        ("birthDate = @1974", "{}"),
    ]);
}

#[test]
fn moments_are_compared_in_one_time_zone() {
    patient(&[
        ("@2026-11-26T08:30:00+08:00 = @2026-11-26T00:30:00Z", "true"),
        ("@2026-11-26T00:30:00+08:00 < @2026-11-25T20:00:00Z", "true"),
        // Where one says no offset, every offset there is must give the same answer.
        ("@2026-11-26T08:30:00 = @2026-11-26T00:30:00Z", "{}"),
        ("@2026-11-26T08:30:00 < @2026-11-28T00:30:00Z", "true"),
        ("@2026-11-26T08:30:00 = @2026-11-28T00:30:00Z", "false"),
        // A date is compared with a moment as it is written.
        ("@2026-11-26 = @2026-11-26T01:00:00+08:00", "{}"),
        ("@2026-11-27 > @2026-11-26T23:00:00-10:00", "true"),
        ("now() > today()", "{}"),
        ("@2026-11-26T00:00:00+14:00 = @2026-11-25T10:00:00Z", "true"),
    ]);
    observation(&[("effective = @2026-11-26T00:30:00Z", "true"), ("effective <= now()", "true")]);
}

#[test]
fn dates_move_by_the_calendar() {
    patient(&[
        ("@2024-02-29 + 1 year", "@2025-02-28"),
        ("@2026-01-31 + 1 month", "@2026-02-28"),
        ("@2026-12-31 + 1 day", "@2027-01-01"),
        ("@2026-01-01 - 1 day", "@2025-12-31"),
        ("@2026-11-26 + 2 weeks", "@2026-12-10"),
        ("@2026-11-26 + 1.9 days", "@2026-11-27"),
        ("@2026 + 24 months", "@2028"),
        ("@2026 + 11 months", "@2026"),
        ("@2026-11 + 40 days", "@2026-12"),
        ("@2026-11-26T23:30:00+08:00 + 1 hour", "@2026-11-27T00:30:00+08:00"),
        ("@2026-11-26T08:30 + 90 seconds", "@2026-11-26T08:31"),
        ("@2026-11-26T08:30:00.000 + 1500 milliseconds", "@2026-11-26T08:30:01.500"),
        ("@2026-11-26 + 1 's'", "@2026-11-26"),
        ("@2026-11-26T08:30:00Z + 90 's'", "@2026-11-26T08:31:30Z"),
        ("@T23:30 + 1 hour", "@00:30"),
        ("@T00:15 - 30 minutes", "@23:45"),
        ("@9999-12-31 + 1 day", "{}"),
        ("@0001-01-01 - 1 day", "{}"),
        ("@2026-11-26 + {}", "{}"),
        ("@2026-11-26 - 1 'month'", "@2026-10-26"),
        (
            "@2026-11-26 + 1 'mo'",
            "error at character 13: expected a unit of the calendar: year, month, week, day, hour, minute, second",
        ),
        (
            "@2026-11-26 + 1 'mg'",
            "error at character 13: expected a unit of the calendar: year, month, week, day, hour, minute, second",
        ),
        ("@2026-11-26 + 1", "error at character 13: `+` does not go with `System.Date` and `System.Integer`"),
    ]);
    observation(&[("effective + component.value.ofType(Quantity)", "@2026-11-29T08:30:00+08:00")]);
}

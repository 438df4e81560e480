//! The numbers that a hospital may set: what domain-rules.md marks `[D]`.

use serde::Deserialize;
use time::{Duration, OffsetDateTime};

/// The rules' numbers, with the defaults of the rules.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Days a patient can book ahead, today among them (BK-1).
    pub window_days: u16,
    /// Minutes before its start from which a slot cannot be booked any more (BK-2).
    pub closes_minutes: u16,
    /// Minutes a slot is held until it is paid for: 5 to 30 (BK-4).
    pub hold_minutes: u16,
    /// Seconds before the end of a hold at which the bank's order ends: at least 60 (BK-5).
    pub order_ends_before_secs: u16,
    /// Hours before its start until which a patient cancels a visit himself (BK-8).
    pub cancel_hours: u16,
    /// Appointments of a visit person on one day, and within a week (BK-6).
    pub per_day: u16,
    /// The same within seven days.
    pub per_week: u16,
    /// So many visits missed within [`Policy::missed_days`]... (BK-9)
    pub missed_most: u16,
    /// ...days...
    pub missed_days: u16,
    /// ...keep a person from booking for so many days.
    pub blocked_days: u16,
    /// Minutes a registration may stay unconfirmed before somebody is told (BK-4).
    pub unconfirmed_minutes: u16,
    /// Hours a person has to choose when a session is stopped; then he is refunded (BK-4).
    pub stopped_hours: u16,
    /// Hours before its start at which a visit is reminded of (BK-13).
    pub remind_hours: u16,
    /// Minutes a doctor needs between two campuses (EX-6).
    pub travel_minutes: u16,
    /// Hours a request of an exclusive booking may wait before somebody is told (EX-4).
    pub exclusive_hours: u16,
    /// From this hour on people are not told of what can wait (MSG-5)...
    pub quiet_from: u16,
    /// ...until this one.
    pub quiet_to: u16,
    /// Months a consent holds (CON-2).
    pub consent_months: u16,
    /// Strokes that a signature by hand has at least (CON-3).
    pub signature_strokes: u16,
    /// Visit persons of an account (ACC-1).
    pub visit_persons: u16,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            window_days: 14,
            closes_minutes: 30,
            hold_minutes: 15,
            order_ends_before_secs: 60,
            cancel_hours: 24,
            per_day: 2,
            per_week: 4,
            missed_most: 3,
            missed_days: 90,
            blocked_days: 30,
            unconfirmed_minutes: 10,
            stopped_hours: 24,
            remind_hours: 24,
            travel_minutes: 30,
            exclusive_hours: 2,
            quiet_from: 22,
            quiet_to: 8,
            consent_months: 12,
            signature_strokes: 2,
            visit_persons: 10,
        }
    }
}

impl Policy {
    /// The end of a hold that begins now.
    pub fn hold_ends(&self, now: OffsetDateTime) -> OffsetDateTime {
        now + Duration::minutes(self.hold_minutes.clamp(5, 30).into())
    }

    /// The end of the bank's order for a hold that ends then.
    pub fn order_ends(&self, hold_ends: OffsetDateTime) -> OffsetDateTime {
        hold_ends - Duration::seconds(self.order_ends_before_secs.max(60).into())
    }
}

//! The settings of signing in.

use anyhow::ensure;
use hub_auth::Lives;
use serde::Deserialize;
use time::Duration as Span;

/// The authorization server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    access_minutes: u16,
    patient_days: u16,
    patient_most: u16,
    staff_minutes: u16,
    staff_hours: u16,
    invite_days: u16,
    /// The channel that carries codes to phones.
    pub codes: String,
}

impl SignIn {
    /// How long things live.
    pub fn lives(&self) -> Lives {
        let (minutes, hours, days) =
            (|n: u16| Span::minutes(n.into()), |n: u16| Span::hours(n.into()), |n: u16| Span::days(n.into()));
        Lives {
            access: minutes(self.access_minutes),
            public_idle: days(self.patient_days),
            public_most: days(self.patient_most),
            staff_idle: minutes(self.staff_minutes),
            staff_most: hours(self.staff_hours),
            invitation: days(self.invite_days),
        }
    }

    /// What no type can say.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Self {
            access_minutes, patient_days, patient_most, staff_minutes, staff_hours, invite_days, ..
        } = *self;
        for (name, value) in [
            ("access_minutes", access_minutes),
            ("patient_days", patient_days),
            ("patient_most", patient_most),
            ("staff_minutes", staff_minutes),
            ("staff_hours", staff_hours),
            ("invite_days", invite_days),
        ] {
            ensure!(value > 0, "`sign_in.{name}`: expected 1 or more");
        }
        ensure!(access_minutes <= 60, "`sign_in.access_minutes`: expected at most 60");
        Ok(())
    }
}

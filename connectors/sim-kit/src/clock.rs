//! The simulated hospital's clock: it starts where the settings say and moves only when something happens.

use time::macros::format_description;
use time::{Duration, PrimitiveDateTime};

use crate::SimError;
use crate::dice::Dice;

/// Beijing time without a zone, as partners send it.
#[derive(Clone, Debug)]
pub struct Clock(PrimitiveDateTime);

impl Clock {
    /// A clock that shows `start`: `20260302080000`.
    pub fn at(start: &str) -> Result<Self, SimError> {
        let format = format_description!("[year][month][day][hour][minute][second]");
        PrimitiveDateTime::parse(start, format).map(Self).map_err(|_| SimError::Setting {
            setting: "start",
            what: format!("`{start}` is not a time like `20260302080000`"),
        })
    }

    /// The time shown.
    pub fn now(&self) -> PrimitiveDateTime {
        self.0
    }

    /// Moves on by one to five minutes.
    pub fn tick(&mut self, dice: &mut Dice) {
        let seconds = i64::try_from(dice.between(60, 300)).unwrap_or(60);
        // At the end of time (the year 9999) it stands still.
        self.0 = self.0.checked_add(Duration::seconds(seconds)).unwrap_or(self.0);
    }
}

/// `YYYYMMDDHHMMSS`.
pub fn hl7_time(at: PrimitiveDateTime) -> String {
    format!("{}{:02}{:02}{:02}", hl7_date(at.date()), at.hour(), at.minute(), at.second())
}

/// `YYYYMMDD`.
pub fn hl7_date(date: time::Date) -> String {
    format!("{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day())
}

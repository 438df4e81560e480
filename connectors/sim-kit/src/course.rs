//! How a patient's stay goes: the HIS plays it, the laboratory knows from it where the patient lies.

use crate::dice::Dice;

/// How a patient's stay goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Planned, admitted, moved, sent home.
    Planned,
    /// Comes to a clinic and goes.
    Outpatient,
    /// Moved by mistake, sent home by mistake.
    Mistaken,
    /// Admitted by mistake.
    Cancelled,
    /// Comes to a clinic and has to stay.
    Kept,
    /// Admitted, then treated as an outpatient.
    Released,
    /// Only registered; details change later.
    Registered,
    /// Registered twice, and found out.
    Doubled,
}

impl Course {
    /// All of them: the first patients of a seed take one each, so that a short run shows every trigger.
    pub const ALL: [Self; 8] = [
        Self::Planned,
        Self::Outpatient,
        Self::Mistaken,
        Self::Cancelled,
        Self::Kept,
        Self::Released,
        Self::Registered,
        Self::Doubled,
    ];

    /// The course of the patient of this number.
    pub fn of(seed: u64, number: u64) -> Self {
        let opening = usize::try_from(number).ok().and_then(|at| Self::ALL.get(at));
        match opening {
            Some(course) => *course,
            None => match Dice::new(seed, "course", number).below(100) {
                0..=29 => Self::Planned,
                30..=64 => Self::Outpatient,
                65..=72 => Self::Mistaken,
                73..=77 => Self::Cancelled,
                78..=86 => Self::Kept,
                87..=91 => Self::Released,
                92..=96 => Self::Registered,
                _ => Self::Doubled,
            },
        }
    }

    /// Whether the first place is a bed.
    pub fn begins_in_a_ward(self) -> bool {
        matches!(self, Self::Planned | Self::Mistaken | Self::Cancelled | Self::Released)
    }
}

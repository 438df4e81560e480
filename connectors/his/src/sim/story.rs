//! The life of one patient in the hospital: what happens, in order.

use sim_kit::course::Course;
use sim_kit::dice::Dice;
use sim_kit::person::Person;
use sim_kit::visit::{Place, Visit, bed};

/// What happens, by the trigger that tells of it (HL7 table 0003).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    A01,
    A02,
    A03,
    A04,
    A05,
    A06,
    A07,
    A08,
    A11,
    A12,
    A13,
    A28,
    A31,
    A40,
}

impl Trigger {
    /// Its name, and the message structure of HL7 v2.5.1 that carries it.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::A01 => ("A01", "ADT_A01"),
            Self::A02 => ("A02", "ADT_A02"),
            Self::A03 => ("A03", "ADT_A03"),
            Self::A04 => ("A04", "ADT_A01"),
            Self::A05 => ("A05", "ADT_A05"),
            Self::A06 => ("A06", "ADT_A06"),
            Self::A07 => ("A07", "ADT_A06"),
            Self::A08 => ("A08", "ADT_A01"),
            Self::A11 => ("A11", "ADT_A09"),
            Self::A12 => ("A12", "ADT_A12"),
            Self::A13 => ("A13", "ADT_A01"),
            Self::A28 => ("A28", "ADT_A05"),
            Self::A31 => ("A31", "ADT_A05"),
            Self::A40 => ("A40", "ADT_A39"),
        }
    }
}

/// What happens in a course of this kind, in order.
fn triggers(course: Course, dice: &mut Dice) -> Vec<Trigger> {
    use Trigger::{A01, A02, A03, A04, A05, A06, A07, A08, A11, A12, A13, A28, A31, A40};
    let mut triggers = match course {
        Course::Planned => vec![A05, A01, A08, A02, A03],
        Course::Outpatient => vec![A04, A08, A03],
        Course::Mistaken => vec![A01, A02, A12, A03, A13, A03],
        Course::Cancelled => vec![A01, A11],
        Course::Kept => vec![A04, A06, A02, A03],
        Course::Released => vec![A01, A07, A03],
        Course::Registered => vec![A28, A31],
        Course::Doubled => vec![A28, A04, A40, A08, A03],
    };
    // A life is not always by the book: details change between two events.
    let lasts = triggers.len() > 2;
    if lasts && dice.percent(30) {
        let at = dice.between(2, triggers.len() as u64 - 1) as usize;
        triggers.insert(at, *dice.pick(&[A08, A31]));
    }
    triggers
}

/// Whether the patient lies in a ward (PV1-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Inpatient,
    Outpatient,
    Emergency,
    Preadmitted,
}

impl Class {
    /// HL7 table 0004.
    pub fn code(self) -> &'static str {
        match self {
            Self::Inpatient => "I",
            Self::Outpatient => "O",
            Self::Emergency => "E",
            Self::Preadmitted => "P",
        }
    }
}

/// One event of a story, with everything the HIS knows at that moment.
#[derive(Clone)]
pub struct Event {
    pub trigger: Trigger,
    pub person: Person,
    pub visit: Visit,
    pub class: Class,
    /// Where the patient was before (PV1-6).
    pub prior: Option<Place>,
    /// The patient number that is given up (MRG-1).
    pub merged: Option<String>,
    /// Whether the patient has left: a discharge time is known.
    pub discharged: bool,
    /// Admitted, as far as it has come.
    pub admitted: bool,
}

/// The life of one patient.
pub struct Story {
    person: Person,
    /// The number the same person was registered under before.
    double: Option<String>,
    visit: Visit,
    class: Class,
    before: Option<Place>,
    /// What is still to happen, the next one last.
    ahead: Vec<Trigger>,
    discharged: bool,
    admitted: bool,
    dice: Dice,
}

impl Story {
    /// The story of the patient of this number.
    pub fn of(seed: u64, number: u64) -> Self {
        let mut dice = Dice::new(seed, "story", number);
        let course = Course::of(seed, number);
        let mut ahead = triggers(course, &mut dice);
        ahead.reverse();
        let inpatient = course.begins_in_a_ward();
        let person = Person::of(seed, number);
        let visit = Visit::of(seed, number, inpatient);
        let class = match (course, inpatient, visit.place.unit) {
            (Course::Planned, ..) => Class::Preadmitted,
            (_, true, _) => Class::Inpatient,
            (_, false, "ED") => Class::Emergency,
            (_, false, _) => Class::Outpatient,
        };
        let double = (course == Course::Doubled).then(|| format!("9{}", &person.patient_id[1..]));
        Self { person, double, visit, class, before: None, ahead, discharged: false, admitted: false, dice }
    }

    /// Whether nothing more happens.
    pub fn is_over(&self) -> bool {
        self.ahead.is_empty()
    }

    /// What happens next.
    pub fn next(&mut self) -> Option<Event> {
        let trigger = self.ahead.pop()?;
        let mut prior = None;
        let mut merged = None;
        match trigger {
            Trigger::A01 => self.class = Class::Inpatient,
            Trigger::A02 => prior = Some(self.move_to_a_bed()),
            Trigger::A12 => {
                if let Some(before) = self.before.take() {
                    prior = Some(std::mem::replace(&mut self.visit.place, before));
                }
            }
            Trigger::A06 => {
                prior = Some(self.move_to_a_bed());
                self.class = Class::Inpatient;
            }
            Trigger::A07 => self.class = Class::Outpatient,
            Trigger::A08 | Trigger::A31 => self.person.phone = format!("136{}", self.dice.digits(8)),
            Trigger::A03 => self.discharged = true,
            Trigger::A13 => self.discharged = false,
            Trigger::A40 => merged = self.double.take(),
            Trigger::A04 | Trigger::A05 | Trigger::A11 | Trigger::A28 => {}
        }
        self.admitted |= matches!(trigger, Trigger::A01 | Trigger::A04 | Trigger::A06);
        let mut person = self.person.clone();
        // Registered under the wrong number first, before the desk finds out.
        if trigger == Trigger::A28
            && let Some(double) = &self.double
        {
            person.patient_id.clone_from(double);
        }
        Some(Event {
            trigger,
            person,
            visit: self.visit.clone(),
            class: self.class,
            prior,
            merged,
            discharged: self.discharged,
            admitted: self.admitted,
        })
    }

    fn move_to_a_bed(&mut self) -> Place {
        let mut to = bed(&mut self.dice);
        while to == self.visit.place {
            to = bed(&mut self.dice);
        }
        let from = std::mem::replace(&mut self.visit.place, to);
        self.before = Some(from.clone());
        from
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_first_patients_live_through_every_trigger() {
        let mut seen = BTreeSet::new();
        for number in 0..Course::ALL.len() as u64 {
            let mut story = Story::of(3, number);
            while let Some(event) = story.next() {
                seen.insert(event.trigger);
            }
        }
        assert_eq!(seen.len(), 14);
    }

    #[test]
    fn a_cancelled_transfer_brings_the_patient_back() {
        let mut story = Story::of(3, 2);
        let first = story.next().unwrap();
        let mut events = vec![first];
        while let Some(event) = story.next() {
            events.push(event);
        }
        let moved = events.iter().find(|event| event.trigger == Trigger::A02).unwrap();
        let back = events.iter().find(|event| event.trigger == Trigger::A12).unwrap();
        assert_eq!(back.visit.place, events[0].visit.place); // PV1-3
        assert_eq!(back.prior.as_ref(), Some(&moved.visit.place)); // PV1-6
    }

    #[test]
    fn a_merge_names_the_number_the_patient_was_registered_under() {
        let mut story = Story::of(3, 7);
        let mut registered = None;
        while let Some(event) = story.next() {
            match event.trigger {
                Trigger::A28 => registered = Some(event.person.patient_id),
                Trigger::A40 => assert_eq!(event.merged, registered), // MRG-1
                _ => {}
            }
        }
        assert!(registered.is_some());
    }
}

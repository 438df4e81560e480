//! A person's stay or call: the same in every simulator of the seed, so that the laboratory reports on whom the HIS admitted.

use crate::dice::Dice;
use crate::person::Person;
use crate::world::{Clinic, Diagnosis, Doctor, WORLD, Ward};

/// Where a patient lies or is seen (PV1-3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Place {
    pub unit: &'static str,
    pub unit_name: &'static str,
    pub room: String,
    pub bed: String,
    /// Department code and name.
    pub department: (&'static str, &'static str),
}

/// One visit of one person.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Visit {
    /// PV1-19.
    pub number: String,
    pub place: Place,
    pub attending: &'static Doctor,
    pub referring: &'static Doctor,
    pub diagnoses: Vec<&'static Diagnosis>,
}

impl Visit {
    /// The visit of the person of this number; `inpatient` decides where it is.
    pub fn of(seed: u64, number: u64, inpatient: bool) -> Self {
        let mut dice = Dice::new(seed, "visit", number);
        let attending = dice.pick(&WORLD.doctor);
        let referring = dice.pick(&WORLD.doctor);
        let person = Person::of(seed, number);
        let possible: Vec<&'static Diagnosis> =
            WORLD.diagnosis.iter().filter(|diagnosis| can_have(&person, diagnosis)).collect();
        let mut diagnoses: Vec<&'static Diagnosis> = vec![dice.choose(&possible)];
        let second = dice.choose(&possible);
        if second.code != diagnoses[0].code {
            diagnoses.push(second);
        }
        let place = if inpatient { bed(&mut dice) } else { clinic(&mut dice) };
        Self { number: visit_number(number), place, attending, referring, diagnoses }
    }
}

fn can_have(person: &Person, diagnosis: &Diagnosis) -> bool {
    diagnosis.women_born_from.is_none_or(|year| person.sex == "F" && person.born.year() >= year)
}

/// The HIS's number of the visit of this person.
pub fn visit_number(number: u64) -> String {
    format!("V26{:06}", number + 1)
}

/// A bed in some ward.
pub fn bed(dice: &mut Dice) -> Place {
    let ward: &'static Ward = dice.pick(&WORLD.ward);
    Place {
        unit: &ward.code,
        unit_name: &ward.name,
        room: dice.pick(&ward.rooms).clone(),
        bed: format!("{:02}", dice.between(1, 4)),
        department: (&ward.department, &ward.department_name),
    }
}

/// A room in some clinic.
pub fn clinic(dice: &mut Dice) -> Place {
    let clinic: &'static Clinic = dice.pick(&WORLD.clinic);
    Place {
        unit: &clinic.code,
        unit_name: &clinic.name,
        room: String::new(),
        bed: String::new(),
        department: (&clinic.department, &clinic.department_name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_women_of_the_age_give_birth() {
        for number in 0..300 {
            let person = Person::of(4, number);
            for diagnosis in Visit::of(4, number, true).diagnoses {
                assert!(can_have(&person, diagnosis), "{}", diagnosis.code);
            }
        }
    }
}

//! The people of a seed: the same number is the same person in every simulator.

use serde::Deserialize;
use time::{Date, Month};

use crate::check_digit;
use crate::dice::Dice;
use crate::world::{Allergy, Insurer, WORLD};

/// The first patient number the HIS gives out.
const FIRST_PATIENT: u64 = 1_000_001;

/// Where a person comes from: decides names, identity papers and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Origin {
    Mainland,
    Hongkong,
    Foreign,
}

/// A number on a paper: its value, who gave it out (PID-3.4) and of what kind it is (PID-3.5).
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Identifier {
    pub value: String,
    pub authority: String,
    pub kind: &'static str,
}

/// An address as XAD has it.
#[derive(Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Address {
    pub street: String,
    pub district: String,
    pub city: String,
    pub province: String,
    pub zip: String,
    /// ISO 3166-1 alpha-3.
    pub country: &'static str,
}

/// Somebody to be told.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Kin {
    pub name: String,
    /// HL7 table 0063, and the word the HIS shows.
    pub relationship: (&'static str, &'static str),
    pub phone: String,
}

/// Somebody who may fall ill. No `Debug`: even invented names look like patient data in a log.
#[derive(Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Person {
    /// From 0: the place in the seed's row of people.
    pub number: u64,
    /// The HIS's patient number.
    pub patient_id: String,
    pub origin: Origin,
    /// HL7 table 0001: M or F.
    pub sex: &'static str,
    pub born: Date,
    /// The name in ideographs, family and given in one.
    pub ideographs: Option<String>,
    pub family: String,
    pub given: String,
    pub middle: String,
    pub prefix: String,
    /// Without the patient number.
    pub identifiers: Vec<Identifier>,
    pub address: Address,
    pub phone: String,
    pub email: Option<String>,
    /// HL7 table 0002.
    pub marital: &'static str,
    /// GB/T 3304 code and name.
    pub ethnic: Option<(&'static str, &'static str)>,
    /// ISO 3166-1 alpha-3.
    pub nationality: String,
    /// ISO 639-1.
    pub language: String,
    pub kin: Kin,
    pub insurer: &'static Insurer,
    pub policy: String,
    pub allergies: Vec<&'static Allergy>,
}

impl Person {
    /// The person of this number.
    pub fn of(seed: u64, number: u64) -> Self {
        let mut dice = Dice::new(seed, "person", number);
        // The first three are one of each origin, so that a short run shows all.
        let origin = match (number, dice.below(10)) {
            (0, _) | (3.., 0..=5) => Origin::Mainland,
            (1, _) | (3.., 6..=7) => Origin::Hongkong,
            _ => Origin::Foreign,
        };
        let sex = if dice.percent(50) { "M" } else { "F" };
        let born = birth(&mut dice);
        let mut person = Self {
            number,
            patient_id: patient_id(number),
            origin,
            sex,
            born,
            ideographs: None,
            family: String::new(),
            given: String::new(),
            middle: String::new(),
            prefix: String::new(),
            identifiers: Vec::new(),
            address: Address::default(),
            phone: String::new(),
            email: None,
            marital: *dice.pick(&["S", "M", "M", "D", "W"]),
            ethnic: None,
            nationality: "CHN".to_owned(),
            language: "zh".to_owned(),
            kin: Kin { name: String::new(), relationship: ("SPO", "配偶"), phone: String::new() },
            insurer: &WORLD.insurer[0],
            policy: String::new(),
            allergies: Vec::new(),
        };
        match origin {
            Origin::Mainland => person.make_mainlander(&mut dice),
            Origin::Hongkong => person.make_hongkonger(&mut dice),
            Origin::Foreign => person.make_foreigner(&mut dice),
        }
        let payers: Vec<&'static Insurer> =
            WORLD.insurer.iter().filter(|insurer| insurer.for_origin.contains(&origin)).collect();
        person.insurer = dice.choose(&payers);
        person.policy = format!("{}{}", person.insurer.plan, dice.digits(8));
        if dice.percent(40) {
            person.allergies.push(dice.pick(&WORLD.allergy));
        }
        person
    }

    fn make_mainlander(&mut self, dice: &mut Dice) {
        let names = &WORLD.names;
        let [family, family_letters] = dice.pick(&names.mainland_families);
        let pool = if dice.percent(4) { &names.rare_given } else { &names.mainland_given };
        let [given, given_letters, _] = of_sex(dice, pool, self.sex);
        self.ideographs = Some(format!("{family}{given}"));
        self.family.clone_from(family_letters);
        self.given.clone_from(given_letters);
        let area = dice.pick(&WORLD.area);
        self.identifiers.push(card(dice, &area.code, self.born, self.sex));
        self.address = Address {
            street: dice.pick(&WORLD.streets.mainland).clone(),
            district: area.district.clone(),
            city: area.city.clone(),
            province: area.province.clone(),
            zip: area.zip.clone(),
            country: "CHN",
        };
        let ethnic = dice.pick(&WORLD.ethnic);
        self.ethnic = Some((&ethnic.code, &ethnic.name));
        self.phone = format!("138{}", dice.digits(8));
        let [kin_given, _, _] = dice.pick(&names.mainland_given);
        self.kin = Kin {
            name: format!("{family}{kin_given}"),
            relationship: *dice.pick(&[("SPO", "配偶"), ("FTH", "父亲"), ("MTH", "母亲"), ("CHD", "子女")]),
            phone: format!("139{}", dice.digits(8)),
        };
    }

    fn make_hongkonger(&mut self, dice: &mut Dice) {
        let names = &WORLD.names;
        let [family, family_letters] = dice.pick(&names.hongkong_families);
        let [given, given_letters, _] = of_sex(dice, &names.hongkong_given, self.sex);
        self.ideographs = Some(format!("{family}{given}"));
        self.family.clone_from(family_letters);
        self.given.clone_from(given_letters);
        let letter = *dice.pick(&["A", "C", "G", "K", "R", "Y", "Z", "WX"]);
        let first = format!("{letter}{}", dice.digits(6));
        let check = check_digit::hkic(&first).expect("one or two letters and six digits were just written");
        self.identifiers.push(Identifier {
            value: format!("{first}({check})"),
            authority: "HKSAR".to_owned(),
            kind: "NNHKG",
        });
        // Some also hold the mainland's residence permit, whose area code is 810000.
        if dice.percent(30) {
            self.identifiers.push(card(dice, "810000", self.born, self.sex));
        }
        self.address = Address {
            street: dice.pick(&WORLD.streets.hongkong).clone(),
            district: dice.pick(&WORLD.streets.hongkong_districts).clone(),
            city: "Hong Kong".to_owned(),
            country: "HKG",
            ..Address::default()
        };
        self.nationality = "HKG".to_owned();
        self.language = "yue".to_owned();
        self.phone = format!("+852{}", dice.digits(8));
        self.kin = Kin {
            name: format!("{family}{}", names.hongkong_given[dice.below(4) as usize][0]),
            relationship: *dice.pick(&[("SPO", "配偶"), ("SIB", "兄弟姐妹")]),
            phone: format!("+8529{}", dice.digits(7)),
        };
    }

    fn make_foreigner(&mut self, dice: &mut Dice) {
        let foreigner = dice.pick(&WORLD.foreigner);
        self.sex = if foreigner.sex == "M" { "M" } else { "F" };
        self.family.clone_from(&foreigner.family);
        self.given.clone_from(&foreigner.given);
        self.middle.clone_from(&foreigner.middle);
        self.prefix.clone_from(&foreigner.prefix);
        self.nationality.clone_from(&foreigner.nationality);
        self.language.clone_from(&foreigner.language);
        let letter = *dice.pick(&["P", "L", "C", "X"]);
        self.identifiers.push(Identifier {
            value: format!("{letter}{}", dice.digits(8)),
            authority: foreigner.nationality.clone(),
            kind: "PPN",
        });
        let area = dice.pick(&WORLD.area);
        self.address = Address {
            street: dice.pick(&WORLD.streets.foreign).clone(),
            district: area.district.clone(),
            city: area.city.clone(),
            province: area.province.clone(),
            zip: area.zip.clone(),
            country: "CHN",
        };
        self.phone = format!("137{}", dice.digits(8));
        self.email = Some(format!("{}@example.org", self.patient_id));
        self.kin = Kin {
            name: self.family.clone(),
            relationship: ("SPO", "Spouse"),
            phone: format!("+44{}", dice.digits(10)),
        };
    }
}

/// The HIS's number of a person.
pub fn patient_id(number: u64) -> String {
    (FIRST_PATIENT + number).to_string()
}

fn birth(dice: &mut Dice) -> Date {
    let year = dice.between(1936, 2004) as i32;
    let month = Month::try_from(dice.between(1, 12) as u8).expect("from 1 to 12");
    Date::from_calendar_date(year, month, dice.between(1, 28) as u8).expect("every month has 28 days")
}

fn of_sex<'a>(dice: &mut Dice, names: &'a [[String; 3]], sex: &str) -> &'a [String; 3] {
    let fitting: Vec<&[String; 3]> = names.iter().filter(|name| name[2] == sex).collect();
    dice.choose(&fitting)
}

/// A mainland identity card: area, birth date, a sequence odd for men, and the check character.
fn card(dice: &mut Dice, area: &str, born: Date, sex: &str) -> Identifier {
    let sequence = dice.between(1, 499) * 2 - u64::from(sex == "M");
    let birth = format!("{:04}{:02}{:02}", born.year(), u8::from(born.month()), born.day());
    let first = format!("{area}{birth}{sequence:03}");
    let check = check_digit::gb11643(&first).expect("17 digits were just written");
    Identifier { value: format!("{first}{check}"), authority: "PRC".to_owned(), kind: "NI" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identity_number_has_the_right_check_digit() {
        for number in 0..500 {
            for identifier in Person::of(42, number).identifiers {
                let right = match identifier.kind {
                    "NI" => check_digit::is_gb11643(&identifier.value),
                    "NNHKG" => check_digit::is_hkic(&identifier.value),
                    _ => true,
                };
                assert!(right, "{}", identifier.value);
            }
        }
    }

    #[test]
    fn a_mainland_man_has_an_odd_sequence_and_a_woman_an_even_one() {
        for number in 0..200 {
            let person = Person::of(1, number);
            for identifier in person.identifiers.iter().filter(|identifier| identifier.kind == "NI") {
                let sequence: u32 = identifier.value[14..17].parse().unwrap();
                assert_eq!(sequence % 2 == 1, person.sex == "M"); // GB 11643, digit 17
            }
        }
    }

    #[test]
    fn the_same_seed_and_number_is_the_same_person() {
        let [one, again] = [Person::of(9, 17), Person::of(9, 17)];
        assert!(one.patient_id == "1000018" && one.ideographs == again.ideographs);
        assert!(one.identifiers == again.identifiers && one.address == again.address);
    }

    #[test]
    fn the_first_three_are_one_of_each_origin() {
        let origins: Vec<Origin> = (0..3).map(|number| Person::of(5, number).origin).collect();
        assert_eq!(origins, [Origin::Mainland, Origin::Hongkong, Origin::Foreign]);
    }
}

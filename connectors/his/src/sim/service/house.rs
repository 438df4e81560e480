//! What the HIS keeps of the hospital: departments, doctors, rooms, what is charged, diagnoses; the same in every run.

use std::sync::LazyLock;

use pinyin::ToPinyin as _;
use serde::Deserialize;

use super::element::{Element, leaf, node};
use super::money::Fen;

/// When all of it was last changed: long before any simulator starts.
const UNCHANGED_SINCE: &str = "2020-01-01 00:00:00";

/// The house of all runs.
pub(super) static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let mut house: House = toml::from_str(include_str!("../../../data/house.toml"))
        .expect("the file is part of the program and a test reads it");
    let table: Diagnoses = toml::from_str(include_str!("../../../data/diagnoses.toml"))
        .expect("the file is part of the program and a test reads it");
    house.diagnoses = table.family;
    house
});

/// Everything in the files.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct House {
    campuses: [String; 2],
    departments: Vec<[String; 6]>,
    charge_items: Vec<[String; 7]>,
    #[serde(rename = "doctor")]
    pub(super) doctors: Vec<Doctor>,
    #[serde(skip)]
    diagnoses: Vec<Family>,
}

/// Who treats, and the sessions of a week.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Doctor {
    pub(super) code: String,
    name: String,
    sex: String,
    pub(super) title: String,
    pub(super) department: String,
    specialty: String,
    intro: String,
    pub(super) week: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Diagnoses {
    family: Vec<Family>,
}

/// Diagnoses: every stem with every ending.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    stems: Vec<[String; 2]>,
    endings: Vec<[String; 2]>,
    #[serde(default)]
    women: bool,
    #[serde(default)]
    men: bool,
}

/// What the HIS calls a title (GB/T 8561).
pub(super) fn title_name(code: &str) -> &'static str {
    match code {
        "231" => "主任医师",
        "232" => "副主任医师",
        "233" => "主治医师",
        _ => "医师",
    }
}

impl House {
    /// A doctor and the place in the department's row, from 1.
    pub(super) fn doctor(&self, code: &str) -> Option<(&Doctor, usize)> {
        let doctor = self.doctors.iter().find(|doctor| doctor.code == code)?;
        let colleagues = self.doctors.iter().filter(|other| other.department == doctor.department);
        let place = colleagues.take_while(|other| other.code != code).count() + 1;
        Some((doctor, place))
    }

    /// What an item of the price list costs: the ordinary price, and the international one where there is one.
    pub(super) fn price(&self, code: &str) -> Option<(Fen, Option<Fen>)> {
        let item = self.charge_items.iter().find(|item| item[0] == code)?;
        let [ordinary, international] = [&item[5], &item[6]].map(|fen| fen.parse().unwrap_or_default());
        Some((Fen(ordinary), (international > 0).then_some(Fen(international))))
    }

    /// The items of a master data function; none for another function.
    pub(super) fn items(&self, function: &str) -> Vec<Element> {
        match function {
            "H101" => self.departments.iter().enumerate().map(|(at, row)| self.department(at, row)).collect(),
            "H102" => self.doctors.iter().map(doctor).collect(),
            "H103" => self.rooms(),
            "H105" => self.charge_items.iter().map(charge_item).collect(),
            "H107" => self.diagnoses.iter().flat_map(Family::items).collect(),
            _ => Vec::new(),
        }
    }

    fn department(&self, at: usize, row: &[String; 6]) -> Element {
        let [code, name, kind, subject, campus, location] = row;
        item(vec![
            leaf("DeptCode", code),
            leaf("DeptName", name),
            leaf("ParentCode", ""),
            leaf("DeptType", kind),
            leaf("SubjectCode", subject),
            leaf("Campus", self.campus(campus)),
            leaf("Location", location),
            leaf("Phone", format!("0755-8888{:04}", 1000 + at)),
            leaf("Intro", format!("{name}，位于{location}。")),
            leaf("SortNo", at + 1),
        ])
    }

    fn campus(&self, at: &str) -> &str {
        &self.campuses[usize::from(at == "1")]
    }

    /// A room for each doctor of a department.
    fn rooms(&self) -> Vec<Element> {
        let mut rooms = Vec::new();
        for [code, name, _, _, campus, location] in &self.departments {
            let doctors = self.doctors.iter().filter(|doctor| doctor.department == *code).count();
            for number in 1..=doctors {
                rooms.push(item(vec![
                    leaf("RoomCode", room_code(code, number)),
                    leaf("RoomName", format!("{name}{number}诊室")),
                    leaf("DeptCode", code),
                    leaf("Campus", self.campus(campus)),
                    leaf("Floor", location),
                ]));
            }
        }
        rooms
    }
}

/// The code of a department's room.
pub(super) fn room_code(department: &str, number: usize) -> String {
    format!("R{department}{number:02}")
}

fn doctor(doctor: &Doctor) -> Element {
    let number = &doctor.code[1..];
    item(vec![
        leaf("StaffCode", &doctor.code),
        leaf("Name", &doctor.name),
        leaf("Sex", &doctor.sex),
        leaf("IdNo", format!("440***********{}", &number[1..])),
        leaf("TitleCode", &doctor.title),
        leaf("TitleName", title_name(&doctor.title)),
        leaf("DeptCode", &doctor.department),
        leaf("Specialty", &doctor.specialty),
        leaf("Intro", &doctor.intro),
        leaf("PhotoUrl", ""),
        leaf("LicenseNo", format!("11044030500{number}")),
        leaf("QualificationNo", format!("20034411044030500{number}")),
        leaf("RxRight", "1"),
    ])
}

fn charge_item(row: &[String; 7]) -> Element {
    let [code, name, english, unit, category, ordinary, international] = row;
    let yuan = |fen: &str| Fen(fen.parse().unwrap_or_default());
    let international = match yuan(international) {
        Fen(0) => String::new(),
        price => price.to_string(),
    };
    item(vec![
        leaf("ItemCode", code),
        leaf("ItemName", name),
        leaf("EnglishName", english),
        leaf("Unit", unit),
        leaf("Price", yuan(ordinary)),
        leaf("IntlPrice", international),
        leaf("PriceCode", code),
        leaf("Category", category),
        leaf("PinyinCode", initials(name)),
    ])
}

impl Family {
    fn items(&self) -> Vec<Element> {
        let sex = match (self.women, self.men) {
            (true, _) => "2",
            (_, true) => "1",
            _ => "",
        };
        let mut items = Vec::new();
        for [stem, name] in &self.stems {
            for [ending, more] in &self.endings {
                let name = format!("{name}{more}");
                items.push(item(vec![
                    leaf("IcdCode", format!("{stem}{ending}")),
                    leaf("IcdName", &name),
                    leaf("IcdVersion", "CLIN2"),
                    leaf("ParentCode", &stem[..3]),
                    leaf("PinyinCode", initials(&name)),
                    leaf("SexLimit", sex),
                    leaf("TcmFlag", "0"),
                ]));
            }
        }
        items
    }
}

fn item(mut fields: Vec<Element>) -> Element {
    fields.extend([leaf("ValidFlag", "1"), leaf("UpdateTime", UNCHANGED_SINCE)]);
    node("Item", fields)
}

/// The first letters of the readings, in upper case: what a clerk types.
fn initials(name: &str) -> String {
    let letter = |character: char| match character.to_pinyin() {
        Some(reading) => reading.plain().chars().next(),
        None => character.is_ascii_alphanumeric().then_some(character),
    };
    name.chars().filter_map(letter).collect::<String>().to_uppercase()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_hospital_is_as_large_as_the_acceptance_list_asks() {
        let house = &*HOUSE;
        assert!(house.doctors.len() >= 30);
        let waiting = |doctor: &&Doctor| doctor.week.is_empty() && matches!(&*doctor.title, "231" | "232");
        assert!(house.doctors.iter().filter(waiting).count() >= 8);
        let departments: BTreeSet<&str> =
            house.doctors.iter().map(|doctor| doctor.department.as_str()).collect();
        assert!(departments.len() >= 8);
        let campuses: BTreeSet<&str> = house.departments.iter().map(|row| row[4].as_str()).collect();
        assert_eq!(campuses.len(), 2);
        assert!(house.items("H107").len() >= 200, "{}", house.items("H107").len());
    }

    #[test]
    fn every_code_is_there_once_and_every_doctor_has_a_department() {
        let house = &*HOUSE;
        for function in ["H101", "H102", "H103", "H105", "H107"] {
            let items = house.items(function);
            let codes: BTreeSet<&str> = items.iter().map(|item| item.children[0].text.as_str()).collect();
            assert_eq!(codes.len(), items.len(), "{function}");
        }
        for doctor in &house.doctors {
            assert!(house.departments.iter().any(|row| row[0] == doctor.department), "{}", doctor.code);
        }
    }

    #[test]
    fn the_doctors_of_the_adt_feed_are_the_same_people() {
        for doctor in &sim_kit::world::WORLD.doctor {
            assert_eq!(HOUSE.doctor(&doctor.code).map(|(here, _)| &*here.name), Some(&*doctor.name));
        }
    }

    #[test]
    fn pinyin_codes_are_the_first_letters() {
        assert_eq!(initials("2型糖尿病"), "2XTNB");
    }
}

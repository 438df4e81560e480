//! The hospital the simulators live in, read from `data/world.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

/// The one world of all simulators.
pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    toml::from_str(include_str!("../data/world.toml"))
        .expect("the file is part of the program and a test reads it")
});

/// Everything in the file. The names say what they are; every list has at least one entry (a test holds it).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct World {
    pub hospital: Hospital,
    pub names: Names,
    pub foreigner: Vec<Foreigner>,
    pub area: Vec<Area>,
    pub streets: Streets,
    pub ethnic: Vec<Coded>,
    pub ward: Vec<Ward>,
    pub clinic: Vec<Clinic>,
    pub doctor: Vec<Doctor>,
    pub insurer: Vec<Insurer>,
    pub allergy: Vec<Allergy>,
    pub diagnosis: Vec<Diagnosis>,
}

/// The hospital itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Hospital {
    pub facility: String,
    pub name: String,
}

/// Family names (ideographs, letters) and given names (ideographs, letters, sex).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Names {
    pub mainland_families: Vec<[String; 2]>,
    pub mainland_given: Vec<[String; 3]>,
    pub rare_given: Vec<[String; 3]>,
    pub hongkong_families: Vec<[String; 2]>,
    pub hongkong_given: Vec<[String; 3]>,
}

/// A name from elsewhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Foreigner {
    pub family: String,
    pub given: String,
    #[serde(default)]
    pub middle: String,
    pub prefix: String,
    pub sex: String,
    /// ISO 3166-1 alpha-3.
    pub nationality: String,
    pub language: String,
}

/// An area of the mainland.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Area {
    pub code: String,
    pub province: String,
    pub city: String,
    pub district: String,
    pub zip: String,
}

/// Street lines. Some hold characters that HL7 must escape.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Streets {
    pub mainland: Vec<String>,
    pub hongkong: Vec<String>,
    pub hongkong_districts: Vec<String>,
    pub foreign: Vec<String>,
}

/// A code and its name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Coded {
    pub code: String,
    pub name: String,
}

/// Where inpatients lie.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Ward {
    pub code: String,
    pub name: String,
    pub department: String,
    pub department_name: String,
    pub rooms: Vec<String>,
}

/// Where outpatients are seen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Clinic {
    pub code: String,
    pub name: String,
    pub department: String,
    pub department_name: String,
}

/// Who treats.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Doctor {
    pub code: String,
    pub name: String,
    pub family: String,
    pub given: String,
}

/// Who pays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Insurer {
    pub plan: String,
    pub plan_name: String,
    pub company: String,
    pub company_name: String,
    pub for_origin: Vec<crate::person::Origin>,
}

/// What a person cannot bear (AL1).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Allergy {
    pub kind: String,
    pub code: String,
    pub name: String,
    pub severity: String,
    /// Reactions, several with `~` between them.
    pub reaction: String,
}

/// What a person suffers from (DG1) and says at the desk (PV2-3).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Diagnosis {
    pub code: String,
    pub name: String,
    pub complaint: String,
    /// Only women born in this year or later have it.
    pub women_born_from: Option<i32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_of_the_world_has_an_entry() {
        let world = &*WORLD;
        let names = &world.names;
        for length in [
            names.mainland_families.len(),
            names.mainland_given.len(),
            names.rare_given.len(),
            names.hongkong_families.len(),
            names.hongkong_given.len(),
            world.foreigner.len(),
            world.area.len(),
            world.streets.mainland.len(),
            world.streets.hongkong.len(),
            world.streets.hongkong_districts.len(),
            world.streets.foreign.len(),
            world.ethnic.len(),
            world.ward.len(),
            world.clinic.len(),
            world.doctor.len(),
            world.insurer.len(),
            world.allergy.len(),
            world.diagnosis.len(),
        ] {
            assert!(length > 0);
        }
        assert!(world.ward.iter().all(|ward| !ward.rooms.is_empty()));
    }
}

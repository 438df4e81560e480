//! H201 to H203: archives. A paper has one archive, and what stands on the paper is not changed from outside.

use sim_kit::check_digit::{is_gb11643, is_hkic};
use sim_kit::clock::hl7_date;
use sim_kit::person::Person;

use super::super::clock::{read_day, stamped};
use super::super::codes::{Answer, refuse, wrong};
use super::super::element::{Element, leaf, node};
use super::Hospital;

/// Younger patients come with a guardian.
const OF_AGE: i32 = 14;
/// What a caller may tell of a patient, in the order the archive has it.
const TOLD: [&str; 14] = [
    "Name",
    "NameEn",
    "Sex",
    "BirthDate",
    "IdType",
    "IdNo",
    "Phone",
    "Nation",
    "Nationality",
    "Address",
    "GuardianName",
    "GuardianIdNo",
    "GuardianPhone",
    "PatientClass",
];
/// What stands on the paper.
const ON_PAPER: [&str; 5] = ["Name", "Sex", "BirthDate", "IdType", "IdNo"];

/// The archive of somebody who was here before.
pub(super) fn card_of(person: &Person) -> Element {
    let paper = person.identifiers.first();
    let value = paper.map(|paper| paper.value.as_str()).unwrap_or_default();
    let kind = match paper.map(|paper| paper.kind) {
        Some("NI") => "01",
        Some("NNHKG") => "09",
        _ => "03",
    };
    let letters = format!("{} {}", person.family, person.given);
    let born = person.born.to_string();
    let told = |name: &str| match name {
        "Name" => person.ideographs.clone().unwrap_or_else(|| letters.clone()),
        "NameEn" => letters.clone(),
        "Sex" => if person.sex == "M" { "1" } else { "2" }.to_owned(),
        "BirthDate" => born.clone(),
        "IdType" => kind.to_owned(),
        "IdNo" => plain(value),
        "Phone" => person.phone.clone(),
        "Nation" => person.ethnic.map(|(code, _)| code.to_owned()).unwrap_or_default(),
        "Nationality" => person.nationality.clone(),
        "Address" => person.address.street.clone(),
        "PatientClass" => "2".to_owned(),
        _ => String::new(),
    };
    card(&person.patient_id, "2020-01-01 00:00:00", told)
}

fn card(patient_id: &str, archived: &str, told: impl Fn(&str) -> String) -> Element {
    let mut fields = vec![leaf("PatientId", patient_id)];
    fields.extend(TOLD.iter().map(|name| leaf(name, told(name))));
    fields.extend([
        leaf("OutpatientNo", format!("M{patient_id}")),
        leaf("CardNo", format!("8{patient_id}")),
        leaf("ArchiveTime", archived),
        leaf("Blacklist", "0"),
    ]);
    node("Patient", fields)
}

/// An identity number as it is kept: in upper case, without the brackets of a Hong Kong card.
fn plain(number: &str) -> String {
    number.replace(['(', ')'], "").to_uppercase()
}

impl Hospital {
    /// The archive of a patient, where there is one.
    pub(super) fn patient(&self, patient_id: &str) -> Option<&Element> {
        self.memory.patients.get(patient_id)
    }

    pub(super) fn query_patient(&mut self, body: &Element) -> Answer {
        let [kind, number, id, card] = ["IdType", "IdNo", "PatientId", "CardNo"].map(|name| body.get(name));
        let found = match (id, card, number) {
            ("", "", "") => return Err(wrong("`IdNo`, `PatientId` or `CardNo` is missing")),
            ("", "", _) if kind.is_empty() => return Err(wrong("`IdType` is missing")),
            ("", "", number) => self.of_paper(kind, number),
            ("", card, _) => self.memory.patients.values().find(|patient| patient.get("CardNo") == card),
            (id, ..) => self.patient(id),
        };
        let patient = found.ok_or_else(|| refuse("2001"))?;
        let name = body.get("Name");
        if !name.is_empty() && name != patient.get("Name") {
            return Err(refuse("2003"));
        }
        Ok(patient.children.clone())
    }

    fn of_paper(&self, kind: &str, number: &str) -> Option<&Element> {
        let number = plain(number);
        let is_it = |patient: &&Element| patient.get("IdType") == kind && patient.get("IdNo") == number;
        self.memory.patients.values().find(is_it)
    }

    pub(super) fn create_patient(&mut self, body: &Element) -> Answer {
        self.check_person(body)?;
        let number = plain(body.get("IdNo"));
        if let Some(patient) = self.of_paper(body.get("IdType"), &number) {
            let same = ["Name", "Sex", "BirthDate"].iter().all(|name| patient.get(name) == body.get(name));
            let known = vec![leaf("PatientId", patient.get("PatientId"))];
            return Err(if same { refuse("2002").with(known) } else { refuse("2003") });
        }
        let patient_id = self.memory.next("2");
        let told = |name: &str| if name == "IdNo" { number.clone() } else { body.get(name).to_owned() };
        let card = card(&patient_id, &stamped(self.now()), told);
        let [outpatient_no, card_no] = ["OutpatientNo", "CardNo"].map(|name| card.get(name).to_owned());
        self.memory.patients.insert(patient_id.clone(), card);
        Ok(vec![
            leaf("BarCode", format!("B{patient_id}")),
            leaf("CardNo", card_no),
            leaf("OutpatientNo", outpatient_no),
            leaf("PatientId", patient_id),
        ])
    }

    /// The paper agrees with what is told of the person, and a child has a guardian.
    fn check_person(&self, body: &Element) -> Result<(), super::super::codes::Refusal> {
        let Some(born) = read_day(body.get("BirthDate")) else { return Err(wrong("`BirthDate` is no date")) };
        let today = self.now().date();
        if born > today {
            return Err(wrong("`BirthDate` is to come"));
        }
        let number = plain(body.get("IdNo"));
        let has_letters = |low: usize, high| {
            (low..=high).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let is_right = match body.get("IdType") {
            "01" | "08" => is_gb11643(&number),
            "03" => has_letters(5, 15),
            "06" => {
                let digits = number.strip_prefix(['H', 'M']).unwrap_or_default();
                matches!(digits.len(), 8..=10) && has_letters(9, 11)
            }
            "07" => number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_digit()),
            "09" => {
                let (first, check) =
                    number.split_at_checked(number.len().saturating_sub(1)).unwrap_or_default();
                is_hkic(&format!("{first}({check})"))
            }
            _ => has_letters(1, 40),
        };
        if !is_right {
            return Err(wrong("`IdNo` does not fit its type"));
        }
        if matches!(body.get("IdType"), "01" | "08") {
            // GB 11643: the birth date from the 7th digit, the 17th digit odd for a man.
            let is_male = number.as_bytes()[16] % 2 == 1;
            let sex = if is_male { "1" } else { "2" };
            if number[6..14] != hl7_date(born)
                || matches!(body.get("Sex"), "1" | "2") && body.get("Sex") != sex
            {
                return Err(refuse("2003"));
            }
        }
        let birthday = born.replace_year(born.year() + OF_AGE).unwrap_or(born);
        let guardian = ["GuardianName", "GuardianIdNo", "GuardianPhone"];
        if birthday > today && guardian.iter().any(|name| body.get(name).is_empty()) {
            return Err(wrong("a guardian is missing"));
        }
        Ok(())
    }

    pub(super) fn update_patient(&mut self, body: &Element) -> Answer {
        let patient = self.memory.patients.get_mut(body.get("PatientId")).ok_or_else(|| refuse("2001"))?;
        let differs = |name: &&str| {
            let told = if *name == "IdNo" { plain(body.get(name)) } else { body.get(name).to_owned() };
            !told.is_empty() && told != patient.get(name)
        };
        // Who somebody is changes at a window of the hospital, with the paper.
        if ON_PAPER.iter().any(differs) {
            return Err(refuse("2003"));
        }
        for field in &mut patient.children {
            if TOLD.contains(&field.name.as_str()) && body.child(&field.name).is_some() {
                body.get(&field.name).clone_into(&mut field.text);
            }
        }
        Ok(Vec::new())
    }

    /// Whether the patient may book; changed from outside.
    pub(in super::super) fn set_blacklist(&mut self, patient_id: &str, is_on: bool) -> bool {
        let patient = self.memory.patients.get_mut(patient_id);
        patient.is_some_and(|patient| patient.set("Blacklist", if is_on { "1" } else { "0" }))
    }
}

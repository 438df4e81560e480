//! The hospital that the FHIR server is measured on: invented people as Synthea makes them, each with an encounter, an
//! appointment and observations.

use serde_json::{Value, json};

/// How many observations each person has.
pub const OBSERVATIONS: usize = 20;
/// The code of all of them.
pub const CODE: &str = "8302-2";

const FAMILIES: [(&str, &str); 10] = [
    ("Zhang", "张"),
    ("Wang", "王"),
    ("Li", "李"),
    ("Zhao", "赵"),
    ("Chen", "陈"),
    ("Beer", "毕"),
    ("Rogahn", "罗"),
    ("Johns", "江"),
    ("Müller", "缪"),
    ("O'Connell", "欧"),
];
const CITIES: [&str; 5] = ["Shenzhen", "Hong Kong", "Springfield", "Boston", "Guangzhou"];

/// The business key of a person.
pub fn key(nth: usize) -> String {
    format!("7dc94cc0-8c2e-4835-9994-{nth:012}")
}

/// The day an appointment of the `nth` person is on: five appointments a day.
pub fn appointment_day(nth: usize) -> String {
    let day = nth / 5;
    format!("{}-{:02}-{:02}", 2026 + day / 336, 1 + day / 28 % 12, 1 + day % 28)
}

/// A person of about two kilobytes.
pub fn patient(nth: usize) -> Value {
    let (family, chinese) = FAMILIES[nth % FAMILIES.len()];
    let (given, city) = (format!("San{nth}"), CITIES[nth / 3 % CITIES.len()]);
    let coded = |code: &str, display: &str| {
        json!({ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": code, "display": display }],
            "text": display })
    };
    json!({
        "resourceType": "Patient",
        "text": { "status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">Generated for a benchmark.</div>" },
        "extension": [
            { "url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": "Rochell Sawayn" },
            { "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
                "valueAddress": { "city": city, "state": "Guangdong", "country": "CN" } },
            { "url": "http://synthetichealth.github.io/synthea/quality-adjusted-life-years", "valueDecimal": 41.69863977743675 }
        ],
        "identifier": [
            { "system": "https://github.com/synthetichealth/synthea", "value": key(nth) },
            { "type": coded("MR", "Medical Record Number"), "system": "http://hospital.smarthealthit.org", "value": key(nth) },
            { "type": coded("SS", "Social Security Number"), "system": "http://hl7.org/fhir/sid/us-ssn",
                "value": format!("999-{nth:06}") },
            { "type": coded("PPN", "Passport Number"), "system": "http://standardhealthrecord.org/fhir/StructureDefinition/passportNumber",
                "value": format!("X{nth:08}X") }
        ],
        "name": [
            { "use": "official", "family": family, "given": [given], "prefix": ["Mr."] },
            { "use": "usual", "text": format!("{chinese}三{}", nth % 97) }
        ],
        "telecom": [{ "system": "phone", "value": format!("+86 755 {:08}", 20_000_000 + nth), "use": "home" }],
        "gender": if nth.is_multiple_of(2) { "male" } else { "female" },
        "birthDate": format!("{}-{:02}-{:02}", 1940 + nth % 70, 1 + nth % 12, 1 + nth % 28),
        "address": [{ "line": [format!("{} Keyuan Road", nth % 900)], "city": city, "state": "Guangdong", "postalCode": "518057",
            "country": "CN" }],
        "maritalStatus": coded("M", "M"),
        "multipleBirthBoolean": false,
        "communication": [{ "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": "zh", "display": "Chinese" }],
            "text": "Chinese" } }]
    })
}

/// What was seen of a person, the `kth` time.
pub fn observation(subject: &str, encounter: &str, nth: usize, kth: usize) -> Value {
    let moment = format!("20{:02}-{:02}-{:02}T08:11:58+08:00", 4 + kth, 1 + (nth + kth) % 12, 1 + nth % 28);
    json!({
        "resourceType": "Observation",
        "status": "final",
        "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs", "display": "vital-signs" }] }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": CODE, "display": "Body Height" }], "text": "Body Height" },
        "subject": { "reference": subject },
        "encounter": { "reference": encounter },
        "effectiveDateTime": moment,
        "issued": moment,
        "valueQuantity": { "value": 150.0 + (nth + kth) as f64 / 7.0, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm" }
    })
}

/// A transaction for one person: the person, an encounter, an appointment and observations; 23 entries with 20 of them.
pub fn bundle(nth: usize, observations: usize) -> Value {
    let (person, visit) =
        ("urn:uuid:00000000-0000-4000-8000-000000000001", "urn:uuid:00000000-0000-4000-8000-000000000002");
    let entry = |full_url: Option<&str>, resource: Value| {
        let mut entry =
            json!({ "request": { "method": "POST", "url": resource["resourceType"] }, "resource": resource });
        if let Some(full_url) = full_url {
            entry["fullUrl"] = json!(full_url);
        }
        entry
    };
    let encounter = json!({
        "resourceType": "Encounter",
        "status": "finished",
        "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB" },
        "type": [{ "coding": [{ "system": "http://snomed.info/sct", "code": "185345009", "display": "Encounter for symptom" }],
            "text": "Encounter for symptom" }],
        "subject": { "reference": person },
        "period": { "start": "2026-07-12T08:11:58+08:00", "end": "2026-07-12T08:41:58+08:00" }
    });
    let day = appointment_day(nth);
    let appointment = json!({
        "resourceType": "Appointment",
        "status": "booked",
        "start": format!("{day}T09:{:02}:00+08:00", nth % 60),
        "end": format!("{day}T10:{:02}:00+08:00", nth % 60),
        "participant": [{ "actor": { "reference": person }, "status": "accepted" }]
    });
    let mut entries =
        vec![entry(Some(person), patient(nth)), entry(Some(visit), encounter), entry(None, appointment)];
    entries.extend((0..observations).map(|kth| entry(None, observation(person, visit, nth, kth))));
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries })
}

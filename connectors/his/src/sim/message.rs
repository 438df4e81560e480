//! Writes an event as the HIS writes it: MSH EVN PID PD1 NK1 PV1 PV2 AL1 DG1 IN1 MRG, as the structure allows.

use sim_kit::clock::{hl7_date, hl7_time};
use sim_kit::person::{Origin, Person};
use sim_kit::visit::Place;
use sim_kit::world::{Doctor, WORLD};
use sim_kit::writer::{Segment, components, escape, repetitions};
use time::PrimitiveDateTime;

use super::story::{Class, Event, Trigger};

/// What stands in every header.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) control_id: &'a str,
    pub(super) version: &'a str,
    /// MSH-18.
    pub(super) charset: &'a str,
}

/// The segments of an event that happens `now`; the patient was admitted at `admitted`.
pub(super) fn segments(
    event: &Event,
    head: Head<'_>,
    now: PrimitiveDateTime,
    admitted: PrimitiveDateTime,
) -> Vec<Segment> {
    let (_, structure) = event.trigger.names();
    let mut segments = vec![msh(event, head, now), evn(event, now), pid(&event.person), pd1(event)];
    if let Some(number) = &event.merged {
        segments.push(mrg(number, &event.person));
        return segments;
    }
    let full = matches!(structure, "ADT_A01" | "ADT_A05" | "ADT_A06");
    if full || structure == "ADT_A03" && head.version != "2.4" {
        segments.push(nk1(&event.person));
    }
    let person_only = matches!(event.trigger, Trigger::A28 | Trigger::A31);
    if person_only {
        // A person without a visit: the structure asks for PV1 all the same (HL7 v2.5.1 §3.3.28).
        segments.push(Segment::new("PV1").set(1, "1").set(2, "N"));
    } else {
        segments.push(pv1(event, now, admitted));
        segments.push(pv2(event));
    }
    if full {
        segments.extend(event.person.allergies.iter().enumerate().map(|(at, allergy)| {
            Segment::new("AL1")
                .set(1, (at + 1).to_string())
                .set(2, allergy.kind.as_str())
                .set(3, components(&[&allergy.code, &allergy.name, "HISALG"]))
                .set(4, allergy.severity.as_str())
                .set(5, repetitions(&allergy.reaction.split('~').map(escape).collect::<Vec<_>>()))
        }));
    }
    if !person_only && (full || structure == "ADT_A03") {
        segments.extend(event.visit.diagnoses.iter().enumerate().map(|(at, diagnosis)| {
            let kind = if event.discharged { "F" } else { "A" };
            Segment::new("DG1")
                .set(1, (at + 1).to_string())
                .set(3, components(&[&diagnosis.code, &diagnosis.name, "ICD10CLIN"]))
                .set(5, hl7_time(admitted))
                .set(6, kind)
                .set(15, (at + 1).to_string())
                .set(16, doctor(event.visit.attending))
        }));
    }
    if full {
        segments.push(in1(&event.person));
    }
    segments
}

fn msh(event: &Event, head: Head<'_>, now: PrimitiveDateTime) -> Segment {
    let (trigger, structure) = event.trigger.names();
    let kind = match head.version {
        "2.4" => format!("ADT^{trigger}"),
        _ => format!("ADT^{trigger}^{structure}"),
    };
    Segment::new("MSH")
        .set(3, "HIS")
        .text(4, &WORLD.hospital.facility)
        .set(5, "HUITONG")
        .text(6, &WORLD.hospital.facility)
        .set(7, hl7_time(now))
        .set(9, kind)
        .set(10, head.control_id)
        .set(11, "P")
        .set(12, head.version)
        .set(17, "CHN")
        .set(18, head.charset)
}

fn evn(event: &Event, now: PrimitiveDateTime) -> Segment {
    let (trigger, _) = event.trigger.names();
    Segment::new("EVN").set(1, trigger).set(2, hl7_time(now)).set(5, doctor(event.visit.referring))
}

fn pid(person: &Person) -> Segment {
    let mut numbers = vec![patient_number(&person.patient_id)];
    numbers.extend(
        person
            .identifiers
            .iter()
            .map(|paper| components(&[&paper.value, "", "", &paper.authority, paper.kind])),
    );
    let mut names = Vec::new();
    if let Some(ideographs) = &person.ideographs {
        names.push(components(&[ideographs, "", "", "", "", "", "L", "I"]));
    }
    let letters = [&person.family, &person.given, &person.middle, "", &person.prefix];
    names.push(components(&[letters[0], letters[1], letters[2], letters[3], letters[4], "", "L", "A"]));
    let home = &person.address;
    let address =
        components(&[&home.street, &home.district, &home.city, &home.province, &home.zip, home.country, "H"]);
    let mut phones = vec![components(&[&person.phone, "PRN", "CP"])];
    phones.extend(person.email.iter().map(|email| components(&["", "NET", "Internet", email])));
    let segment = Segment::new("PID")
        .set(1, "1")
        .set(3, repetitions(&numbers))
        .set(5, repetitions(&names))
        .set(7, hl7_date(person.born))
        .set(8, person.sex)
        .set(11, address)
        .set(13, repetitions(&phones))
        .set(15, components(&[&person.language, "", "ISO639"]))
        .set(16, person.marital)
        .set(28, components(&[&person.nationality, "", "ISO3166"]))
        .set(30, "N");
    match person.ethnic {
        Some((code, name)) => segment.set(22, components(&[code, name, "GB3304"])),
        None => segment,
    }
}

fn pd1(event: &Event) -> Segment {
    let hospital = &WORLD.hospital;
    Segment::new("PD1")
        .set(3, components(&[&hospital.name, "D", &hospital.facility]))
        .set(4, doctor(event.visit.referring))
}

fn mrg(number: &str, person: &Person) -> Segment {
    let name = match (&person.origin, &person.ideographs) {
        (Origin::Mainland | Origin::Hongkong, Some(ideographs)) => escape(ideographs),
        _ => components(&[&person.family, &person.given]),
    };
    Segment::new("MRG").set(1, patient_number(number)).set(7, name)
}

fn nk1(person: &Person) -> Segment {
    let kin = &person.kin;
    Segment::new("NK1")
        .set(1, "1")
        .text(2, &kin.name)
        .set(3, components(&[kin.relationship.0, kin.relationship.1, "HL70063"]))
        .set(5, components(&[&kin.phone, "PRN", "CP"]))
        .set(7, components(&["C", "紧急联系人", "HL70131"]))
}

fn pv1(event: &Event, now: PrimitiveDateTime, admitted: PrimitiveDateTime) -> Segment {
    let visit = &event.visit;
    let kind = if event.class == Class::Emergency { "E" } else { "R" };
    let mut segment = Segment::new("PV1")
        .set(1, "1")
        .set(2, event.class.code())
        .set(3, place(&visit.place))
        .set(4, kind)
        .set(7, doctor(visit.attending))
        .set(8, doctor(visit.referring))
        .text(10, visit.place.department.0)
        .set(19, components(&[&visit.number, "", "", "HIS", "VN"]))
        .text(39, &WORLD.hospital.facility);
    if let Some(prior) = &event.prior {
        segment = segment.set(6, place(prior));
    }
    if event.admitted {
        segment = segment.set(44, hl7_time(admitted));
    }
    if event.discharged {
        segment = segment.set(36, "01").set(45, hl7_time(now));
    }
    segment
}

fn pv2(event: &Event) -> Segment {
    let complaint = event.visit.diagnoses.first().map(|diagnosis| diagnosis.complaint.as_str());
    Segment::new("PV2").set(3, components(&["", complaint.unwrap_or_default()]))
}

fn in1(person: &Person) -> Segment {
    let insurer = person.insurer;
    let insured = match &person.ideographs {
        Some(ideographs) => escape(ideographs),
        None => components(&[&person.family, &person.given]),
    };
    Segment::new("IN1")
        .set(1, "1")
        .set(2, components(&[&insurer.plan, &insurer.plan_name, "HISPLAN"]))
        .set(3, components(&[&insurer.company, "", "", "HISPAYER"]))
        .text(4, &insurer.company_name)
        .set(12, "20260101")
        .set(13, "20261231")
        .set(16, insured)
        .set(17, components(&["SEL", "本人", "HL70063"]))
        .set(18, hl7_date(person.born))
        .text(36, &person.policy)
}

fn patient_number(number: &str) -> String {
    components(&[number, "", "", "HIS", "PI"])
}

fn doctor(doctor: &Doctor) -> String {
    components(&[&doctor.code, &doctor.name, "", "", "", "", "", "", "HIS"])
}

fn place(place: &Place) -> String {
    let facility = WORLD.hospital.facility.as_str();
    components(&[place.unit, &place.room, &place.bed, facility, "", "", "", "", place.unit_name])
}

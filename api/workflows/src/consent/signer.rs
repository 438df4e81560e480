//! Who signs (CON-5): the adult visit person, a child's guardian, or an adult's authorised agent, with relation and paper.

use hub_fhir::{Json, Object, Reference, tree};

use crate::calendar;
use crate::command::Command;
use crate::facts::{Fact, Facts};
use crate::fhir::{extension, points_at};
use crate::person::{self, Paper};
use crate::refused::{Refused, Stop};

/// Somebody as the signing service knows him.
pub(super) struct Somebody {
    pub name: String,
    /// The HIS's code of the paper, and its number.
    pub paper: (&'static str, String),
    pub phone: String,
}

/// Who signs.
pub(super) enum Signer {
    /// The visit person.
    Himself,
    /// Another: as he is stored, who he is, and what he is to the visit person.
    Another { tree: Object, key: String, somebody: Somebody, relation: String },
}

/// The visit person, as far as a signature needs.
pub(super) fn visit_person(patient: &Fact) -> Result<Somebody, Refused> {
    somebody(patient.tree(), "patient")
}

fn somebody(tree: &Object, field: &str) -> Result<Somebody, Refused> {
    let required = |element: &str| Refused::field("REQUIRED", format!("{field}.{element}"));
    let papers = tree.get("identifier").map(Json::items).unwrap_or_default();
    let paper = papers.iter().find_map(|one| {
        let paper = Paper::of_system(one.get("system")?.as_str()?)?;
        Some((paper, one.get("value")?.as_str()?))
    });
    let (paper, number) = paper.ok_or_else(|| required("identifier"))?;
    let number =
        paper.number(number).ok_or_else(|| Refused::field("ID_NUMBER", format!("{field}.identifier")))?;
    let phones = tree.get("telecom").map(Json::items).unwrap_or_default().iter();
    let mut phones = phones.filter(|one| one.get("system").and_then(Json::as_str) == Some("phone"));
    let phone = phones.find_map(|one| one.get("value")?.as_str()).unwrap_or_default();
    Ok(Somebody {
        name: person::name(tree).ok_or_else(|| required("name"))?,
        paper: (paper.his_code(), number),
        phone: phone.to_owned(),
    })
}

/// Who signs for this visit person, and whether he may.
pub(super) fn signer(command: &Command, patient: &Fact, facts: &Facts) -> Result<Signer, Stop> {
    let birth = patient.text(&["birthDate"]).and_then(calendar::read_day);
    let birth = birth.ok_or_else(|| Refused::field("REQUIRED", "patient.birthDate"))?;
    let is_adult = person::years(birth, facts.now) >= person::ADULT_YEARS;
    let not_allowed = || Stop::from(Refused::field("SIGNER", "signer"));
    let Some(_) = command.object("signer") else {
        let may = is_adult && (is_self(command, patient, facts)? || has_shown_his_face(command));
        return if may { Ok(Signer::Himself) } else { Err(not_allowed()) };
    };
    let given = command.need_resource("signer", "RelatedPerson")?;
    let relation = relation(given).ok_or_else(|| Refused::field("REQUIRED", "signer.relationship"))?;
    if is_adult && !is_authorised(command, patient, facts)? {
        return Err(not_allowed());
    }
    let somebody = somebody(given, "signer")?;
    let mut tree = tree! { "active" => true, "patient" => &patient.reference() };
    for member in ["identifier", "relationship", "name", "telecom"] {
        tree.put(member, given.get(member).cloned());
    }
    let key = format!("{}/{}", somebody.paper.0, somebody.paper.1);
    Ok(Signer::Another { tree, key, somebody, relation })
}

fn relation(given: &Object) -> Option<String> {
    let relationship = given.get("relationship")?.items().first()?;
    let code = relationship.at(&["coding", "0", "code"]).or_else(|| relationship.get("text"));
    code?.as_str().filter(|code| !code.is_empty()).map(str::to_owned)
}

/// Whether the visit person is the account's owner himself.
fn is_self(command: &Command, patient: &Fact, facts: &Facts) -> Result<bool, Stop> {
    let Some(own) = command.agent() else { return Ok(false) };
    let Some(own) = facts.read(own)? else { return Ok(false) };
    let links = own.tree().get("link").map(Json::items).unwrap_or_default().iter();
    let mut links = links.filter(|link| points_at(link.get("target")) == Some(patient.reference()));
    Ok(links.any(|link| {
        let relation = link.as_object().and_then(|link| extension(link, person::RELATION));
        relation.and_then(|relation| relation.get("valueCode")?.as_str()) == Some("self")
    }))
}

/// The service holds the face against the visit person's paper: then it is he, on whosever device.
fn has_shown_his_face(command: &Command) -> bool {
    command.text("identity-method") == Some("FACE")
}

/// Whether there is a power of attorney of the visit person.
fn is_authorised(command: &Command, patient: &Fact, facts: &Facts) -> Result<bool, Stop> {
    let Some(paper): Option<Reference> = command.reference("authorization", "DocumentReference")? else {
        return Ok(false);
    };
    Ok(facts.read(&paper)?.is_some_and(|paper| {
        paper.text(&["status"]) == Some("current")
            && points_at(paper.tree().get("subject")) == Some(patient.reference())
            && crate::fhir::code(paper.tree().get("type"), super::sign::DOCUMENT) == Some("power-of-attorney")
    }))
}

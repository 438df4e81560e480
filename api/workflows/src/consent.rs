//! Informed consent 知情同意 (rules CON): what must be signed before an international booking.

use time::OffsetDateTime;

use crate::calendar;
use crate::facts::{Fact, Facts};
use crate::fhir::{escaped, moment};
use crate::refused::{Refused, Stop};

/// The code of the consent that bookings need.
pub const BOOKING: &str = "booking";
/// The canonical address of its template, whose versions are Questionnaires.
pub const TEMPLATE: &str = "urn:impf:consent:booking";
/// The code system of consents.
pub const CONSENT: &str = "urn:impf:cs:consent";

/// The published template of the consent that bookings need; none where the hospital has not published one.
pub fn template(facts: &Facts) -> Result<Option<&Fact>, Stop> {
    let mut found = facts.search("Questionnaire", &[("url", TEMPLATE), ("status", "active")])?;
    // The newest, where an older one was not retired.
    found.sort_by_key(|template| template.text(&["date"]).map(str::to_owned));
    Ok(found.pop())
}

/// The name of a template with its version: what a signature says it is of.
pub fn canonical(template: &Fact) -> Option<String> {
    Some(format!("{}|{}", template.text(&["url"])?, template.text(&["version"])?))
}

/// CON-1, CON-2: there is a consent in force, of the template that is published now.
pub fn required(patient: &Fact, facts: &Facts) -> Result<(), Stop> {
    let template = template(facts)?;
    let missing = || match template {
        Some(template) => Refused::of("CONSENT_REQUIRED").with(template.reference()),
        None => Refused::of("CONSENT_REQUIRED").with("-"),
    };
    let canonical = template.and_then(canonical).ok_or_else(missing)?;
    let patient = escaped(&patient.reference().to_string());
    let category = format!("{CONSENT}|{BOOKING}");
    let signed =
        facts.search("Consent", &[("patient", &patient), ("status", "active"), ("category", &category)])?;
    let holds = |consent: &&Fact| {
        consent.text(&["policy", "0", "uri"]) == Some(canonical.as_str())
            && moment(consent.text(&["dateTime"])).is_some_and(|at| !is_over(at, facts))
    };
    if signed.iter().any(holds) { Ok(()) } else { Err(missing().into()) }
}

/// Whether so many months have gone since then.
fn is_over(signed: OffsetDateTime, facts: &Facts) -> bool {
    facts.now >= calendar::months_later(signed, facts.policy.consent_months)
}

//! Notices: that something has happened, to whom it matters (BK-13, MSG). What is decided here is that somebody is told; in which
//! words, by which channel and when follows by `notice.due`.

use hub_fhir::{Id, Reference, tree};
use time::OffsetDateTime;

use crate::decision::Decision;
use crate::facts::Fact;
use crate::fhir::{concept, instant};
use crate::refused::Stop;

/// A visit is booked.
pub const BOOKED: &str = "booking-confirmed";
/// A visit is cancelled.
pub const CANCELLED: &str = "booking-cancelled";
/// The doctor does not come.
pub const STOPPED: &str = "booking-stopped";
/// A paid visit could not be booked; the money goes back.
pub const NOT_BOOKED: &str = "booking-failed";
/// The money is back.
pub const REFUNDED: &str = "refund-done";
/// The money cannot go back by itself.
pub const REFUND_FAILED: &str = "refund-failed";

/// The code system of the events that people are told of.
pub const EVENT: &str = "urn:impf:cs:notice";

/// Tells a patient, once for each event and resource (MSG-4).
pub fn send(
    decision: &mut Decision,
    event: &'static str,
    about: &Fact,
    patient: &Reference,
    now: OffsetDateTime,
) -> Result<(), Stop> {
    let tree = tree! {
        "status" => "active",
        "category" => [concept(EVENT, event)],
        "subject" => patient,
        "about" => [&about.reference()],
        "recipient" => [patient],
        "authoredOn" => instant(now),
    };
    let id = Id::of_parts(["notice", event, &about.reference().to_string(), &patient.to_string()]);
    let request = decision.ensure("CommunicationRequest", id, tree)?;
    decision.raise(now, "notice.due", &request);
    Ok(())
}

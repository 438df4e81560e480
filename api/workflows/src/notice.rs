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
/// Another doctor comes.
pub const SUBSTITUTED: &str = "booking-substituted";
/// It is in another room.
pub const ROOM: &str = "booking-room";
/// It is at another time.
pub const TIME: &str = "booking-time";
/// It is tomorrow.
pub const REMINDER: &str = "booking-reminder";
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
    tell(decision, event, about, patient, now, "")
}

/// Tells a patient of what may happen several times to a resource: once for each of its versions.
pub fn send_again(
    decision: &mut Decision,
    event: &'static str,
    about: &Fact,
    patient: &Reference,
    now: OffsetDateTime,
) -> Result<(), Stop> {
    tell(decision, event, about, patient, now, &about.version.to_string())
}

fn tell(
    decision: &mut Decision,
    event: &'static str,
    about: &Fact,
    patient: &Reference,
    now: OffsetDateTime,
    time: &str,
) -> Result<(), Stop> {
    let tree = tree! {
        "status" => "active",
        "category" => [concept(EVENT, event)],
        "subject" => patient,
        "about" => [&about.reference()],
        "recipient" => [patient],
        "authoredOn" => instant(now),
    };
    let id = Id::of_parts(["notice", event, &about.reference().to_string(), &patient.to_string(), time]);
    let request = decision.ensure("CommunicationRequest", id, tree)?;
    decision.raise(now, "notice.due", &request);
    Ok(())
}

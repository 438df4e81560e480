//! What is to be said of a message: from the hub's receipt and outcome to HL7's error codes.

use std::time::Duration;

use hub_core::fault::{Fault, FaultStep};
use hub_core::id::MessageId;
use hub_core::source::{Intake, NoReply, Outcome, Receipt, Refusal, Replied};
use hub_formats::hl7v2::{AckError, ErrorKind, Header};
use tokio::time::timeout;

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is taken.
    Taken,
    /// It is understood and could not be processed, or not now: AE, CE.
    Failed(AckError),
    /// It is not for us or cannot be read: AR, CR.
    Rejected(AckError),
}

/// What the door said: an id to ask the outcome by, or the verdict at once.
pub(super) fn at_the_door(receipt: Receipt, header: Option<&Header>) -> Result<MessageId, Verdict> {
    match receipt {
        Receipt::Accepted(id) | Receipt::Duplicate(id) => Ok(id),
        Receipt::Refused(_, refusal) => Err(refused(&refusal, header)),
    }
}

/// Waits, bounded, until the message has ended.
pub(super) async fn of_outcome(intake: &Intake, id: MessageId, wait: Duration) -> Verdict {
    match timeout(wait, intake.outcome(id)).await {
        Ok(Some(Outcome::Committed | Outcome::Filtered { .. })) => Verdict::Taken,
        Ok(Some(Outcome::Split { set_aside: 0, .. })) => Verdict::Taken,
        Ok(Some(Outcome::Split { pieces, set_aside })) => {
            Verdict::Failed(internal(format!("{set_aside} of {pieces} were set aside")))
        }
        Ok(Some(Outcome::Quarantined(fault))) => Verdict::Failed(of_fault(&fault)),
        // The message is safe, but AA would say that it has been processed, and AR that it never will be. AE makes the
        // sender send it again: that copy is a duplicate, is not processed twice, and is answered by the outcome.
        Ok(None) | Err(_) => {
            Verdict::Failed(internal("it is stored and not finished yet; send it again to hear its outcome"))
        }
    }
}

/// What is said of a request that is not answered in the partner's own words.
pub(super) fn of_reply(kind: &Replied, header: Option<&Header>) -> Verdict {
    match kind {
        Replied::Answered => Verdict::Taken,
        Replied::Busy => Verdict::Failed(internal("it cannot be answered now; send it again later")),
        Replied::Refused(NoReply::Door(refusal)) => refused(refusal, header),
        Replied::Refused(NoReply::Filtered { rule }) => {
            Verdict::Failed(internal(format!("the channel's rule `{rule}` stopped it")))
        }
        Replied::Refused(NoReply::Fault(fault)) => Verdict::Failed(of_fault(fault)),
    }
}

fn internal(message: impl Into<String>) -> AckError {
    AckError { kind: ErrorKind::Internal, location: None, message: message.into() }
}

/// What is said of a message that was set aside: the place and the reason, never content.
pub(super) fn of_fault(fault: &Fault) -> AckError {
    let kind = match fault.step {
        FaultStep::Parse => ErrorKind::SegmentSequence,
        FaultStep::Map | FaultStep::Validate => ErrorKind::DataType,
        FaultStep::Filter | FaultStep::Commit => ErrorKind::Internal,
    };
    let message = match &fault.place {
        Some(place) => format!("{place}: {}", fault.reason),
        None => fault.reason.clone(),
    };
    AckError { kind, location: fault.place.clone(), message }
}

fn refused(refusal: &Refusal, header: Option<&Header>) -> Verdict {
    let plain = |kind| AckError { kind, location: None, message: refusal.to_string() };
    match refusal {
        Refusal::Unreadable(fault) => Verdict::Rejected(of_fault(fault)),
        Refusal::Unsupported { expected } => {
            // The channel takes other events of this message: then the event is what is not supported.
            let code = header.map(|header| header.message_code.as_str()).unwrap_or_default();
            let of_this_code = |kind: &str| !code.is_empty() && kind.split('^').next() == Some(code);
            let words = expected.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '^');
            let kind = match words.into_iter().any(of_this_code) {
                true => ErrorKind::UnsupportedEventCode,
                false => ErrorKind::UnsupportedMessageType,
            };
            Verdict::Rejected(AckError { location: Some("MSH-9".to_owned()), ..plain(kind) })
        }
        Refusal::Forbidden => Verdict::Rejected(plain(ErrorKind::Internal)),
        Refusal::Busy => Verdict::Failed(plain(ErrorKind::Internal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(expected: &str) -> ErrorKind {
        let header = Header::read(b"MSH|^~\\&|A|B|C|D|1||ADT^A17|1|P|2.5.1").unwrap();
        match refused(&Refusal::Unsupported { expected: expected.to_owned() }, Some(&header)) {
            Verdict::Rejected(error) => error.kind,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn another_event_of_a_known_message_is_an_unsupported_event() {
        assert_eq!(kind_of("ADT^A01, ADT^A08"), ErrorKind::UnsupportedEventCode); // table 0357: 201
        assert_eq!(kind_of("ORU^R01"), ErrorKind::UnsupportedMessageType); // table 0357: 200
    }

    #[test]
    fn a_busy_hub_says_that_it_failed_and_not_that_it_refuses() {
        assert!(matches!(refused(&Refusal::Busy, None), Verdict::Failed(_)));
        assert!(matches!(refused(&Refusal::Forbidden, None), Verdict::Rejected(_)));
    }
}

//! How a message ends, in the words of the store and of the source.

use hub_core::source::Outcome;
use hub_core::store::{End, MessageState};

/// The outcome of a state; `None` while the message has not ended.
pub fn outcome_of(state: MessageState) -> Option<Outcome> {
    match state {
        MessageState::Received => None,
        MessageState::Committed => Some(Outcome::Committed),
        MessageState::Filtered { rule } => Some(Outcome::Filtered { rule }),
        MessageState::Quarantined(fault) => Some(Outcome::Quarantined(fault)),
        // How its pieces end is for whoever asks to find out.
        MessageState::Split { pieces } => Some(Outcome::Split { pieces, set_aside: 0 }),
    }
}

/// The outcome of an end without a commit.
pub fn outcome_of_end(end: &End) -> Outcome {
    match end {
        End::Filtered { rule } => Outcome::Filtered { rule: rule.clone() },
        End::Quarantined(fault) => Outcome::Quarantined(fault.clone()),
    }
}

//! What a gateway's code means for a notice, whatever the style.

use std::time::Duration;

use hub_core::destination::DeliveryError;

use crate::gateway::{in_doubt, later, shown};
use crate::notice::{Notice, Told, never};

/// What a code means.
pub(super) enum Meaning {
    /// Too many to this number or from us: not before that time, where it is known.
    Limit(Option<Duration>),
    /// The gateway is busy, or shut for a while.
    Busy,
    /// It does not know itself what became of it.
    Unknown,
    /// This person cannot have it: of [`crate::notice::code`].
    Refused(&'static str),
    /// Wrong signature, template, account: a person must look at it.
    Wrong,
}

impl Meaning {
    /// What becomes of the notice.
    pub(super) fn told(self, notice: &Notice, code: &str) -> Result<Told, DeliveryError> {
        let reason = format!("the gateway says `{}`", shown(code));
        match self {
            Self::Limit(after) => Err(later(reason, after)),
            Self::Busy => Err(later(reason, None)),
            Self::Unknown => Err(in_doubt(reason)),
            Self::Refused(code) => Ok(Told::refused(notice, code)),
            Self::Wrong => Err(never(reason)),
        }
    }
}

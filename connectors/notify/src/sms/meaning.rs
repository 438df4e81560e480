//! What a gateway's code means for a notice, whatever the style.

use std::time::Duration;

use hub_core::destination::DeliveryError;

use crate::gateway::{in_doubt, later, shown};
use crate::notice::{Notice, Told, never};

/// What a code means.
pub(super) enum Meaning {
    /// Too many to this number, not before that time; without a time: too many from us.
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
            // Others are sent meanwhile.
            Self::Limit(Some(after)) => Err(DeliveryError::NotYet { reason, after: Some(after) }),
            Self::Limit(None) => Err(later(reason, None)),
            Self::Busy => Err(later(reason, None)),
            Self::Unknown => Err(in_doubt(reason)),
            Self::Refused(code) => Ok(Told::refused(notice, code)),
            Self::Wrong => Err(never(reason)),
        }
    }
}

//! The audit trail of the doors: each access becomes an AuditEvent (R4B §6.4, IHE BALP) in a chain, each link of which holds the digest of
//! the one before: whoever changes or takes out one breaks it.
//!
//! An access is answered after it has been written down. Chains begin anew with each start of the hub, at the newest event there is.

mod chain;
mod clerk;
mod event;
mod verify;

pub use self::clerk::Clerk;
pub(crate) use self::clerk::NotNoted;
pub(crate) use self::event::{Done, event};
pub(crate) use self::verify::{Report, verify};

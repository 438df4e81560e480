//! The authorization server of the hub (OAuth 2.1), and who asks: access tokens, and what they prove.
//!
//! Patients sign in by a code sent to their phone, staff by staff number, password and one-time password, systems by a key. What it
//! remembers is in [`hub_core::accounts::Accounts`]; it decides nothing else. Beside it are the tokens of the command line ([`local`]).
//! Invariant: no token, code, key, phone number or name of a person gets into a log or an error. In reading order:

mod settings;

mod jwk;
mod jws;
mod keys;
mod token;

mod password;
mod secret;
mod totp;

mod gate;
pub mod local;
mod server;

mod assertion;
mod client;
mod exchange;
mod metadata;
mod request;
mod revoke;

mod desk;
pub mod manage;
mod pages;
mod parameters;
mod sign_in;

mod router;

use std::sync::Arc;

use time::OffsetDateTime;

pub use desk::desk;
pub use gate::Gate;
pub use jwk::JwkError;
pub use router::router;
pub use server::{CodeSender, Server};
pub use settings::{AuthSettings, Lives, SettingsError};
pub use sign_in::CODE_LIVES;

/// Tells the time.
pub type Now = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

//! Signatures and ciphers that partners ask for: each in a few words over a library that others keep. What is signed is the
//! dialect's own affair; no text and no key is ever told.

use thiserror::Error;

pub mod aead;
mod der;
pub mod hosp_sign;
pub mod rsa;
pub mod sm;

/// Why a key cannot be used. Never its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Expected 16, 32 or 65 bytes, Base64, hexadecimal digits or PEM, as the key's kind has it.
    #[error("the key cannot be read: expected {0}")]
    Form(&'static str),
    /// The bytes are of the right form and no key.
    #[error("the key is not one of this kind: expected {0}")]
    Kind(&'static str),
}

//! Accounts: who may sign in, and by what.

use std::fmt;

use compact_str::CompactString;
use hub_fhir::{Id, Reference};
use time::{Duration, OffsetDateTime};

use super::TokenDigest;
use crate::who::Role;

/// What a person signs in with. Never shown: it says who somebody is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum SignInName {
    /// A phone number (E.164): `+8613800138000`.
    Phone(CompactString),
    /// A staff number 工号.
    Staff(CompactString),
}

impl fmt::Debug for SignInName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Phone(_) => "Phone(..)",
            Self::Staff(_) => "Staff(..)",
        })
    }
}

/// An account of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id, which says nothing of the person.
    pub id: Id,
    /// What the person signs in with.
    pub name: SignInName,
    /// What it may be; at least one.
    pub roles: Vec<Role>,
    /// Who it is among the resources.
    pub is: Option<Reference>,
    /// Since when it is disabled 停用.
    pub disabled: Option<OffsetDateTime>,
}

/// A change to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// It is disabled; its sessions end (ACC-10).
    Disable,
    /// It may sign in again.
    Enable,
    /// It has these roles from now on.
    Roles(Vec<Role>),
    /// It is this one among the resources.
    Is(Reference),
}

/// What a member of staff proves the account by.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The password as argon2id keeps it (a PHC string).
    pub password: String,
    /// The secret of the one-time passwords (RFC 6238).
    pub totp: Vec<u8>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// When an account that is guessed at is locked (ACC-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// After so many failures in a row.
    pub after: u32,
    /// For so long.
    pub lasts: Duration,
}

/// What lets a member of staff choose a password, once.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Of the secret in its link.
    pub digest: TokenDigest,
    /// Whose it is.
    pub account: Id,
    /// The secret of the one-time passwords that the account has once it is accepted.
    pub totp: Vec<u8>,
    /// How long it can be accepted.
    pub until: OffsetDateTime,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation({})", self.account)
    }
}

/// At most so many within so long.
pub type Limit = (u32, Duration);

/// A code that is to be sent to a phone.
#[derive(Clone)]
pub struct CodeOrder {
    /// Where to.
    pub phone: CompactString,
    /// Where the request for it came from, as far as it is known.
    pub address: Option<CompactString>,
    /// Of the code.
    pub digest: TokenDigest,
    /// How long it can be used.
    pub until: OffsetDateTime,
    /// How often it can be tried.
    pub tries: u32,
    /// How many codes a phone may be sent.
    pub phone_limits: Vec<Limit>,
    /// How many codes may be asked for from one address.
    pub address_limits: Vec<Limit>,
}

impl fmt::Debug for CodeOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeOrder(..)")
    }
}

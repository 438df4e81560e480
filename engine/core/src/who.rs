//! Who asks: an account with its roles, as a token proves it.

use async_trait::async_trait;
use compact_str::CompactString;
use hub_fhir::{Id, Reference};
use thiserror::Error;

use crate::store::StoreError;

/// What an account may be to the hospital.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A patient, or who looks after one (PAT).
    Patient,
    /// An enterprise client (ENT).
    Enterprise,
    /// A doctor (DOC).
    Doctor,
    /// A health manager 健康管理师 (HM).
    HealthManager,
    /// A leader of a department 高级管理人员/科主任 (SEN).
    Senior,
    /// A pharmacist (PHA).
    Pharmacist,
    /// Operations staff (OPS).
    Operations,
    /// Finance (FIN).
    Finance,
    /// Who looks through translations (TRV).
    Reviewer,
    /// The back office (ADM).
    Administrator,
    /// A system of the house or of a partner (SYS).
    System,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Patient,
        Self::Enterprise,
        Self::Doctor,
        Self::HealthManager,
        Self::Senior,
        Self::Pharmacist,
        Self::Operations,
        Self::Finance,
        Self::Reviewer,
        Self::Administrator,
        Self::System,
    ];

    /// Its name in tokens and on the command line: `health-manager`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Enterprise => "enterprise",
            Self::Doctor => "doctor",
            Self::HealthManager => "health-manager",
            Self::Senior => "senior",
            Self::Pharmacist => "pharmacist",
            Self::Operations => "operations",
            Self::Finance => "finance",
            Self::Reviewer => "reviewer",
            Self::Administrator => "administrator",
            Self::System => "system",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether it is one of the hospital's people, who sign in by staff number.
    pub fn is_staff(self) -> bool {
        !matches!(self, Self::Patient | Self::Enterprise | Self::System)
    }
}

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Who {
    /// The account. Never a name or a phone number.
    pub account: Id,
    /// What it may be; at least one.
    pub roles: Vec<Role>,
    /// Who it is among the resources: a `Person`, whose links are the visit persons 就诊人 of the account, or a `Practitioner`.
    pub is: Option<Reference>,
    /// The app it came by (OAuth's `client_id`).
    pub client: CompactString,
    /// The session; none of a system's token and of one made at the command line.
    pub session: Option<CompactString>,
}

impl Who {
    /// Whether it has this role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

impl std::fmt::Debug for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Who({} by {})", self.account, self.client)
    }
}

/// Why a token does not let in.
#[derive(Debug, Error)]
pub enum NotLetIn {
    /// It is no token of this hub's, or is over, or its session has been ended.
    #[error("the access token is not valid, or not any more")]
    Invalid,
    /// The account has been disabled.
    #[error("the account is disabled")]
    Disabled,
    /// Whether it lets in cannot be found out now.
    #[error("the store of accounts cannot be read")]
    Store(#[source] StoreError),
}

/// Tells who holds an access token. Asked for each request: a disabled account is out within a minute (ACC-10).
#[async_trait]
pub trait Gatekeeper: Send + Sync {
    /// Who the token was given to.
    async fn who(&self, token: &str) -> Result<Who, NotLetIn>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_found_by_its_name() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
        assert_eq!(Role::from_name("root"), None);
    }
}

//! Access tokens in the form of RFC 9068: what they say.

use hub_core::who::{Role, Who};
use hub_fhir::{Id, Reference};
use serde::{Deserialize, Serialize};

/// What a token says (RFC 9068 §2.2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub client_id: String,
    pub roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
    /// The session; none of a system's token and of one of the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl Claims {
    /// Who it is, as the token says; `None` where it names nobody that there can be.
    pub fn who(&self) -> Option<Who> {
        let roles: Option<Vec<Role>> = self.roles.iter().map(|name| Role::from_name(name)).collect();
        let is = self.is.as_deref().map(Reference::parse).transpose().ok()?;
        Some(Who {
            account: Id::new(&self.sub).ok()?,
            roles: roles.filter(|roles| !roles.is_empty())?,
            is,
            client: self.client_id.as_str().into(),
            session: self.sid.as_deref().map(Into::into),
        })
    }
}

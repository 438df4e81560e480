//! What the command line does: members of staff are invited, apps and systems registered. Accounts are disabled through
//! [`Accounts::change_account`].

use compact_str::CompactString;
use hub_core::accounts::{
    Account, AccountChange, Accounts, Client, ClientKind, Invitation, People, SignInName, TokenDigest,
};
use hub_core::store::StoreError;
use hub_core::who::Role;
use hub_fhir::{Id, Reference};
use thiserror::Error;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::jwk::{self, JwkError};
use crate::parameters::with_query;
use crate::secret::{self, NoRandomness};
use crate::settings::AuthSettings;
use crate::totp;

/// Why it is not done.
#[derive(Debug, Error)]
pub enum ManageError {
    /// It is no staff number.
    #[error("a staff number has 1 to 32 letters and digits")]
    Number,
    /// A role that such an account cannot have.
    #[error("`{0}` is not a role it can have")]
    Role(&'static str),
    /// No role at all.
    #[error("it needs a role")]
    NoRole,
    /// An address that nobody can be sent back to safely.
    #[error(
        "`{0}` cannot be sent back to: it must begin with `https://`, with `http://127.0.0.1`, `http://[::1]` or `http://localhost`, or with \
         the name of a phone's app, a domain turned round (`cn.hospital.app:/`); and have no `#` and no `*`"
    )]
    Redirect(String),
    /// No address.
    #[error("an app needs an address to send people back to")]
    NoRedirect,
    /// Its keys cannot be used.
    #[error("its keys cannot be used")]
    Keys(#[from] JwkError),
    /// The store cannot be read or written.
    #[error("the store of accounts cannot be read or written")]
    Store(#[from] StoreError),
    /// The system gives no random numbers.
    #[error("no secret can be made")]
    Chance(#[from] NoRandomness),
}

/// A member of staff who is invited.
#[derive(Clone, Debug)]
pub struct Invited {
    /// The staff number.
    pub number: CompactString,
    /// What he may be, from now on.
    pub roles: Vec<Role>,
    /// Who he is among the resources.
    pub is: Option<Reference>,
}

/// Invites a member of staff, who chooses a password behind the address that is told, once. Whoever has an account already gets a new
/// password that way; the old one holds until then.
pub async fn invite(
    accounts: &dyn Accounts,
    settings: &AuthSettings,
    invited: Invited,
    now: OffsetDateTime,
) -> Result<String, ManageError> {
    let number = &invited.number;
    let fits = (1..=32).contains(&number.len()) && number.bytes().all(|sign| sign.is_ascii_alphanumeric());
    if !fits {
        return Err(ManageError::Number);
    }
    check_roles(&invited.roles, Role::is_staff)?;
    let account = Account {
        id: Id::new(&Uuid::new_v4().to_string()).map_err(|_| ManageError::Number)?,
        name: SignInName::Staff(number.clone()),
        roles: invited.roles.clone(),
        is: invited.is.clone(),
        disabled: None,
    };
    let id = accounts.open_account(account, now).await?.id;
    accounts.change_account(&id, AccountChange::Roles(invited.roles), now).await?;
    if let Some(is) = invited.is {
        accounts.change_account(&id, AccountChange::Is(is), now).await?;
    }
    let token = secret::text()?;
    let invitation = Invitation {
        digest: TokenDigest::of(&token),
        account: id,
        totp: totp::new_secret()?,
        until: now + settings.lives.invitation,
    };
    accounts.invite(invitation).await?;
    Ok(with_query(&settings.address("/oauth/invitation"), &[("token", &token)]))
}

/// An app, as it is registered.
#[derive(Clone, Debug)]
pub struct App {
    /// Its `client_id`.
    pub id: Id,
    /// What people are told it is called.
    pub name: CompactString,
    /// Whom it is for.
    pub people: People,
    /// Where people may be sent back to.
    pub redirects: Vec<String>,
    /// Its public keys, where it is no app that everybody can look into.
    pub keys: Option<String>,
}

/// Registers an app, in place of the one of this id.
pub async fn register_app(accounts: &dyn Accounts, app: App, now: OffsetDateTime) -> Result<(), ManageError> {
    if app.redirects.is_empty() {
        return Err(ManageError::NoRedirect);
    }
    if let Some(wrong) = app.redirects.iter().find(|redirect| !is_redirect(redirect)) {
        return Err(ManageError::Redirect(wrong.clone()));
    }
    app.keys.as_deref().map(jwk::read).transpose()?;
    let kind = ClientKind::App { people: app.people, redirects: app.redirects };
    let client = Client { id: app.id, name: app.name, kind, keys: app.keys, is_disabled: false };
    Ok(accounts.register(client, now).await?)
}

/// A system, as it is registered.
#[derive(Clone, Debug)]
pub struct System {
    /// Its `client_id`.
    pub id: Id,
    /// What it is called.
    pub name: CompactString,
    /// What it may be.
    pub roles: Vec<Role>,
    /// Who it is among the resources.
    pub is: Option<Reference>,
    /// Its public keys, as a JWK Set.
    pub keys: String,
}

/// Registers a system, in place of the one of this id.
pub async fn register_system(
    accounts: &dyn Accounts,
    system: System,
    now: OffsetDateTime,
) -> Result<(), ManageError> {
    check_roles(&system.roles, |_| true)?;
    jwk::read(&system.keys)?;
    let kind = ClientKind::System { roles: system.roles, is: system.is };
    let (id, name, keys) = (system.id, system.name, Some(system.keys));
    Ok(accounts.register(Client { id, name, kind, keys, is_disabled: false }, now).await?)
}

fn check_roles(roles: &[Role], may_be: impl Fn(Role) -> bool) -> Result<(), ManageError> {
    if roles.is_empty() {
        return Err(ManageError::NoRole);
    }
    match roles.iter().find(|role| !may_be(**role)) {
        Some(role) => Err(ManageError::Role(role.name())),
        None => Ok(()),
    }
}

/// Whether people can be sent back there (RFC 8252 §7, RFC 9700 §4.1).
fn is_redirect(address: &str) -> bool {
    let Some((scheme, rest)) = address.split_once(':') else { return false };
    let is_plain = address.bytes().all(|sign| sign.is_ascii_graphic() && !b"#*\\\"<>".contains(&sign));
    let host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|sign| sign.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    let is_safe = match scheme {
        "https" => {
            !host.is_empty()
                && host.bytes().all(|sign| sign.is_ascii_alphanumeric() || b"-.:[]".contains(&sign))
        }
        "http" => ["127.0.0.1", "[::1]", "localhost"].contains(&name),
        // A domain turned round: nobody else's app has it by accident.
        app => {
            app.contains('.')
                && app
                    .bytes()
                    .all(|sign| sign.is_ascii_lowercase() || sign.is_ascii_digit() || b".-".contains(&sign))
        }
    };
    is_plain && is_safe
}

#[cfg(test)]
mod tests {
    use super::is_redirect;

    #[test]
    fn people_are_sent_back_to_safe_addresses_only() {
        for safe in [
            "https://app.example/back",
            "https://app.example:8443/back?x=1",
            "http://127.0.0.1:3000/back",
            "http://[::1]/back",
            "http://localhost/back",
            "cn.hospital.app:/back",
        ] {
            assert!(is_redirect(safe), "{safe}");
        }
        for unsafe_one in [
            "http://app.example/back",
            "http://127.0.0.1.evil.example/back",
            "http://localhost:80@evil.example/",
            "https://app.example@evil.example/",
            "https://*.example/back",
            "https://app.example/back#fragment",
            "https://app.example/\\evil",
            "javascript:alert(1)",
            "data:text/html,x",
            "https:///back",
            "/back",
            "",
        ] {
            assert!(!is_redirect(unsafe_one), "{unsafe_one}");
        }
    }
}

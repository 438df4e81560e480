//! Accounts as rows: what stands in which column.

use compact_str::CompactString;
use hub_core::accounts::{
    Account, Client, ClientKind, Credentials, Grant, Invitation, People, Session, SignInName, SigningKey,
    TokenDigest,
};
use hub_core::store::StoreError;
use hub_core::who::Role;
use hub_fhir::json::{self, Json};
use hub_fhir::{Id, Reference};
use time::OffsetDateTime;

use crate::clock;
use crate::database::Record;
use crate::error::{damaged, unavailable};

/// What somebody signs in with, as the column `name` has it.
pub(crate) fn name_text(name: &SignInName) -> String {
    match name {
        SignInName::Phone(phone) => format!("phone:{phone}"),
        SignInName::Staff(number) => format!("staff:{number}"),
    }
}

fn name_of(text: &str) -> Option<SignInName> {
    match text.split_once(':')? {
        ("phone", phone) => Some(SignInName::Phone(phone.into())),
        ("staff", number) => Some(SignInName::Staff(number.into())),
        _ => None,
    }
}

/// A digest as the columns `digest` have it.
pub(crate) fn digest_text(digest: &TokenDigest) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Roles as a column has them.
pub(crate) fn roles_text(roles: &[Role]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(" ")
}

/// The number of a sort of client.
pub(crate) fn kind_number(kind: &ClientKind) -> i64 {
    match kind {
        ClientKind::App { people: People::Public, .. } => 0,
        ClientKind::App { people: People::Staff, .. } => 1,
        ClientKind::System { .. } => 2,
    }
}

fn text(row: &Record, column: usize) -> Result<String, StoreError> {
    row.get(column).map_err(unavailable)
}

fn text_or_none(row: &Record, column: usize) -> Result<Option<String>, StoreError> {
    row.get(column).map_err(unavailable)
}

fn number(row: &Record, column: usize) -> Result<i64, StoreError> {
    row.get(column).map_err(unavailable)
}

fn moment(row: &Record, column: usize) -> Result<OffsetDateTime, StoreError> {
    Ok(clock::moment(number(row, column)?))
}

fn bytes(row: &Record, column: usize) -> Result<Vec<u8>, StoreError> {
    row.get(column).map_err(unavailable)
}

fn id(row: &Record, column: usize) -> Result<Id, StoreError> {
    Id::new(&text(row, column)?).map_err(|_| damaged("id of an account or a client"))
}

fn roles(row: &Record, column: usize) -> Result<Vec<Role>, StoreError> {
    let roles = text(row, column)?;
    let roles: Option<Vec<Role>> = roles.split_whitespace().map(Role::from_name).collect();
    roles.ok_or_else(|| damaged("role"))
}

fn reference(row: &Record, column: usize) -> Result<Option<Reference>, StoreError> {
    let is = text_or_none(row, column)?.as_deref().map(Reference::parse).transpose();
    is.map_err(|_| damaged("reference of an account"))
}

/// An account, from this column on.
pub(super) fn account(row: &Record, at: usize) -> Result<Account, StoreError> {
    let disabled: Option<i64> = row.get(at + 4).map_err(unavailable)?;
    Ok(Account {
        id: id(row, at)?,
        name: name_of(&text(row, at + 1)?).ok_or_else(|| damaged("name of an account"))?,
        roles: roles(row, at + 2)?,
        is: reference(row, at + 3)?,
        disabled: disabled.map(clock::moment),
    })
}

pub(super) fn credentials(row: &Record) -> Result<Credentials, StoreError> {
    Ok(Credentials { password: text(row, 0)?, totp: bytes(row, 1)? })
}

pub(super) fn invitation(row: &Record, digest: TokenDigest) -> Result<Invitation, StoreError> {
    Ok(Invitation { digest, account: id(row, 0)?, totp: bytes(row, 1)?, until: moment(row, 2)? })
}

pub(super) fn client(row: &Record) -> Result<Client, StoreError> {
    let app = |people| -> Result<ClientKind, StoreError> {
        Ok(ClientKind::App { people, redirects: redirects(&text(row, 3)?)? })
    };
    let kind = match number(row, 2)? {
        0 => app(People::Public)?,
        1 => app(People::Staff)?,
        2 => ClientKind::System { roles: roles(row, 4)?, is: reference(row, 5)? },
        _ => return Err(damaged("sort of a client")),
    };
    Ok(Client {
        id: id(row, 0)?,
        name: text(row, 1)?.into(),
        kind,
        keys: text_or_none(row, 6)?,
        is_disabled: number(row, 7)? != 0,
    })
}

fn redirects(array: &str) -> Result<Vec<String>, StoreError> {
    let Ok(Json::Array(addresses)) = json::parse(array) else { return Err(damaged("address of a client")) };
    let addresses = addresses.iter().map(|address| address.as_str().map(str::to_owned));
    addresses.collect::<Option<_>>().ok_or_else(|| damaged("address of a client"))
}

pub(super) fn grant(row: &Record, digest: TokenDigest) -> Result<Grant, StoreError> {
    Ok(Grant {
        digest,
        account: id(row, 0)?,
        client: id(row, 1)?,
        redirect: text(row, 2)?,
        challenge: text(row, 3)?,
        scope: text(row, 4)?,
        nonce: text_or_none(row, 5)?,
        signed_in: moment(row, 6)?,
        until: moment(row, 7)?,
        session: CompactString::from(text(row, 8)?),
        is_spent: number(row, 9)? != 0,
    })
}

pub(super) fn session(row: &Record) -> Result<Session, StoreError> {
    Ok(Session {
        id: CompactString::from(text(row, 0)?),
        account: id(row, 1)?,
        client: id(row, 2)?,
        scope: text(row, 3)?,
        signed_in: moment(row, 4)?,
        until: moment(row, 5)?,
        ends: moment(row, 6)?,
        is_ended: number(row, 7)? != 0,
    })
}

pub(super) fn signing_key(row: &Record) -> Result<SigningKey, StoreError> {
    Ok(SigningKey { id: text(row, 0)?.into(), secret: bytes(row, 1)?, made: moment(row, 2)? })
}

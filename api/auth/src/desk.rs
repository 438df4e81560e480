//! What the operators' door offers of accounts: members of staff are invited, accounts disabled, apps and systems registered. It lets in
//! whoever the door lets in.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use compact_str::CompactString;
use hub_core::accounts::{AccountChange, People, SignInName};
use hub_core::who::Role;
use hub_fhir::{Id, Reference};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::manage::{self, App, Invited, ManageError, System};
use crate::server::Server;
use crate::sign_in::phone_of;

/// The routes, to be put below the operators' door.
pub fn desk(server: Arc<Server>) -> Router {
    Router::new()
        .route("/ops/accounts/invite", post(invite))
        .route("/ops/accounts/disable", post(disable))
        .route("/ops/accounts/enable", post(enable))
        .route("/ops/clients/app", post(app))
        .route("/ops/clients/system", post(system))
        .route("/ops/clients/disable", post(disable_client))
        .with_state(server)
}

/// Why it is not done.
enum Wrong {
    /// A field.
    Field(&'static str, String),
    /// There is no such account or client.
    Nobody,
    /// As the rest says it.
    Managing(ManageError),
}

impl From<ManageError> for Wrong {
    fn from(error: ManageError) -> Self {
        Self::Managing(error)
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let (status, message, field) = match self {
            Self::Field(name, expected) => {
                (StatusCode::BAD_REQUEST, format!("`{name}` cannot be used: expected {expected}"), Some(name))
            }
            Self::Nobody => (StatusCode::NOT_FOUND, "there is no such account or client".to_owned(), None),
            Self::Managing(error) => {
                let status = match &error {
                    ManageError::Store(_) | ManageError::Chance(_) => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::BAD_REQUEST,
                };
                let causes =
                    std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
                let causes: Vec<String> = causes.map(ToString::to_string).collect();
                (status, causes.join(": "), None)
            }
        };
        (status, Json(json!({ "error": { "message": message, "field": field } }))).into_response()
    }
}

type Answer = Result<Json<Value>, Wrong>;

fn roles(names: &[String]) -> Result<Vec<Role>, Wrong> {
    let known = || format!("of {}", Role::ALL.map(Role::name).join(", "));
    names.iter().map(|name| Role::from_name(name).ok_or_else(|| Wrong::Field("roles", known()))).collect()
}

fn reference(text: Option<String>) -> Result<Option<Reference>, Wrong> {
    let wrong = |_| Wrong::Field("is", "a reference such as `Practitioner/7`".to_owned());
    text.map(|text| Reference::parse(&text).map_err(wrong)).transpose()
}

fn id(text: &str) -> Result<Id, Wrong> {
    Id::new(text).map_err(|_| Wrong::Field("id", "1 to 64 letters, digits, `-` and `.`".to_owned()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invitee {
    number: CompactString,
    roles: Vec<String>,
    is: Option<String>,
}

async fn invite(State(server): State<Arc<Server>>, Json(given): Json<Invitee>) -> Answer {
    let invited = Invited { number: given.number, roles: roles(&given.roles)?, is: reference(given.is)? };
    let address = manage::invite(&*server.accounts, &server.settings, invited, server.now()).await?;
    let until = server.now() + server.settings.lives.invitation;
    Ok(Json(json!({ "address": address, "until": until.unix_timestamp() })))
}

/// What somebody signs in with.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Named {
    Staff(CompactString),
    Phone(String),
}

async fn change(server: &Server, named: Named, change: AccountChange) -> Answer {
    let name = match named {
        Named::Staff(number) => SignInName::Staff(number),
        Named::Phone(phone) => {
            let phone = phone_of(&phone);
            SignInName::Phone(phone.ok_or_else(|| Wrong::Field("phone", "a phone number".to_owned()))?)
        }
    };
    let accounts = &server.accounts;
    let account = accounts.account_of(&name).await.map_err(ManageError::from)?.ok_or(Wrong::Nobody)?;
    accounts.change_account(&account.id, change, server.now()).await.map_err(ManageError::from)?;
    Ok(Json(json!({ "account": account.id.as_str() })))
}

async fn disable(State(server): State<Arc<Server>>, Json(named): Json<Named>) -> Answer {
    change(&server, named, AccountChange::Disable).await
}

async fn enable(State(server): State<Arc<Server>>, Json(named): Json<Named>) -> Answer {
    change(&server, named, AccountChange::Enable).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppGiven {
    id: String,
    name: CompactString,
    people: String,
    redirects: Vec<String>,
    keys: Option<Value>,
}

async fn app(State(server): State<Arc<Server>>, Json(given): Json<AppGiven>) -> Answer {
    let people = match given.people.as_str() {
        "patients" => People::Public,
        "staff" => People::Staff,
        _ => return Err(Wrong::Field("people", "`patients` or `staff`".to_owned())),
    };
    let (id, keys) = (id(&given.id)?, given.keys.map(|keys| keys.to_string()));
    let app = App { id, name: given.name, people, redirects: given.redirects, keys };
    manage::register_app(&*server.accounts, app, server.now()).await?;
    Ok(Json(json!({ "client": given.id })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SystemGiven {
    id: String,
    name: CompactString,
    roles: Vec<String>,
    is: Option<String>,
    keys: Value,
}

async fn system(State(server): State<Arc<Server>>, Json(given): Json<SystemGiven>) -> Answer {
    let (id, roles, is) = (id(&given.id)?, roles(&given.roles)?, reference(given.is)?);
    let system = System { id, name: given.name, roles, is, keys: given.keys.to_string() };
    manage::register_system(&*server.accounts, system, server.now()).await?;
    Ok(Json(json!({ "client": given.id })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    id: String,
}

async fn disable_client(State(server): State<Arc<Server>>, Json(given): Json<Client>) -> Answer {
    let accounts = &server.accounts;
    let client = accounts.client(&id(&given.id)?).await.map_err(ManageError::from)?.ok_or(Wrong::Nobody)?;
    let disabled = hub_core::accounts::Client { is_disabled: true, ..client };
    accounts.register(disabled, server.now()).await.map_err(ManageError::from)?;
    Ok(Json(json!({ "client": given.id })))
}

//! Reads what an operator orders: a replay, a skip, a retry, a deployment, as a JSON object.

use hub_core::id::{DestinationId, MessageId, ParcelId};
use hub_core::operations::{DeployOrder, DeployWhat, ReplayWhat};
use hub_core::store::{MessageQuery, RetryWhich};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::ops::error::OpsError;
use crate::ops::parameters::set;

/// The most messages one replay may name or match.
const MAX_REPLAY: u32 = 10_000;
/// The messages a replay by filter takes when nothing is said.
const DEFAULT_REPLAY: u32 = 1_000;
/// Letters of a reason, and of a name.
const MAX_WHY: usize = 2_000;
pub(crate) const MAX_WHO: usize = 200;
/// Who asks for a deployment when nobody says who he is.
const NOBODY: &str = "unknown";

/// Reads the body of `POST /ops/replay`: `{"ids":[..]}` or `{"filter":{..},"limit":100}`.
pub(crate) fn replay(body: &[u8], now: OffsetDateTime) -> Result<ReplayWhat, OpsError> {
    let order = object(body, &["ids", "filter", "limit"])?;
    match (order.get("ids"), order.get("filter")) {
        (Some(ids), None) if !order.contains_key("limit") => ids_of(ids).map(ReplayWhat::Messages),
        (Some(_), None) => Err(OpsError::field("limit", "it only beside `filter`")),
        (None, Some(filter)) => {
            let mut query = filter_of(filter, now)?;
            query.limit = limit_of(order.get("limit"))?;
            Ok(ReplayWhat::Matching(query))
        }
        _ => Err(OpsError::field("ids", "either `ids` or `filter`")),
    }
}

/// Reads the body of `POST /ops/skip`: `{"ids":[..]}`.
pub(crate) fn skip(body: &[u8]) -> Result<Vec<MessageId>, OpsError> {
    let order = object(body, &["ids"])?;
    ids_of(order.get("ids").unwrap_or(&Value::Null))
}

/// Reads the body of `POST /ops/retry`: `{"parcel":".."}` or `{"destination":".."}`.
pub(crate) fn retry(body: &[u8]) -> Result<RetryWhich, OpsError> {
    let order = object(body, &["parcel", "destination"])?;
    match (order.get("parcel"), order.get("destination")) {
        (Some(parcel), None) => {
            let id: Option<ParcelId> = parcel.as_str().and_then(|text| text.parse().ok());
            id.map(RetryWhich::Parcel).ok_or_else(|| OpsError::field("parcel", "the id of a parcel"))
        }
        (None, Some(destination)) => {
            let name = destination.as_str().filter(|name| (1..=256).contains(&name.len()));
            let name = name.ok_or_else(|| OpsError::field("destination", "the name of a destination"))?;
            Ok(RetryWhich::Destination(DestinationId::from(name)))
        }
        _ => Err(OpsError::field("parcel", "either `parcel` or `destination`")),
    }
}

/// Reads the body of `POST /ops/deploy`: `{"why":"..","who":"..","dry_run":false,"abandon":false}`, each of them optional.
pub(crate) fn deploy(body: &[u8], user: Option<String>) -> Result<DeployOrder, OpsError> {
    let order = object(body, &["why", "who", "dry_run", "abandon"])?;
    order_of(&order, DeployWhat::Folder, user)
}

/// Reads the body of `POST /ops/rollback`: `{"to":7,"why":".."}`, and beside them what a deployment takes, and `leave_folder`.
pub(crate) fn rollback(body: &[u8], user: Option<String>) -> Result<DeployOrder, OpsError> {
    let order = object(body, &["to", "why", "who", "dry_run", "abandon", "leave_folder"])?;
    let to = order.get("to").and_then(Value::as_u64).filter(|to| *to > 0);
    let to = to.ok_or_else(|| OpsError::field("to", "the number of a deployment"))?;
    let what = DeployWhat::Earlier { to, leave_folder: flag(&order, "leave_folder")? };
    let order = order_of(&order, what, user)?;
    if order.why.is_empty() && !order.dry_run {
        return Err(OpsError::field("why", "why it is rolled back, for those who look later"));
    }
    Ok(order)
}

/// `user` is who the proxy before the hub says it is: then nobody can say otherwise.
fn order_of(
    order: &Map<String, Value>,
    what: DeployWhat,
    user: Option<String>,
) -> Result<DeployOrder, OpsError> {
    let who = match user {
        Some(user) => user,
        None => words(order, "who", MAX_WHO)?.unwrap_or_else(|| NOBODY.to_owned()),
    };
    Ok(DeployOrder {
        what,
        who,
        why: words(order, "why", MAX_WHY)?.unwrap_or_default(),
        dry_run: flag(order, "dry_run")?,
        abandon: flag(order, "abandon")?,
    })
}

fn words(order: &Map<String, Value>, name: &str, most: usize) -> Result<Option<String>, OpsError> {
    let Some(value) = order.get(name) else { return Ok(None) };
    let text = value.as_str().map(str::trim).filter(|text| text.chars().count() <= most);
    let text = text.filter(|text| !text.chars().any(|letter| letter.is_control() && letter != '\n'));
    let text = text.ok_or_else(|| OpsError::field(name, format!("a text of at most {most} letters")))?;
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn flag(order: &Map<String, Value>, name: &str) -> Result<bool, OpsError> {
    let Some(value) = order.get(name) else { return Ok(false) };
    value.as_bool().ok_or_else(|| OpsError::field(name, "true or false"))
}

pub(super) fn object(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, OpsError> {
    let order = match serde_json::from_slice(body) {
        Ok(Value::Object(order)) => order,
        _ => return Err(OpsError::field("body", "a JSON object")),
    };
    match order.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(OpsError::unknown_field(unknown, known)),
        None => Ok(order),
    }
}

pub(super) fn ids_of(ids: &Value) -> Result<Vec<MessageId>, OpsError> {
    let expected = || OpsError::field("ids", format!("1 to {MAX_REPLAY} ids of messages"));
    let ids = ids.as_array().filter(|ids| (1..=MAX_REPLAY as usize).contains(&ids.len()));
    let ids = ids.ok_or_else(expected)?;
    let unreadable =
        |at: usize| OpsError::field("ids", format!("the id of a message, a UUID, as number {}", at + 1));
    let parsed = ids.iter().enumerate();
    parsed.map(|(at, id)| id.as_str().and_then(|id| id.parse().ok()).ok_or_else(|| unreadable(at))).collect()
}

/// A filter must say something: replaying everything that was ever received is asked for by a `since` of long ago, not
/// by leaving things out.
pub(super) fn filter_of(filter: &Value, now: OffsetDateTime) -> Result<MessageQuery, OpsError> {
    let fields = filter.as_object().filter(|fields| !fields.is_empty());
    let fields = fields.ok_or_else(|| OpsError::field("filter", "an object with at least one field"))?;
    let mut query = MessageQuery::default();
    for (name, value) in fields {
        let value = value.as_str().filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| OpsError::field(name, "a text that is not empty"))?;
        set(&mut query, name, value, now)?;
    }
    Ok(query)
}

pub(super) fn limit_of(limit: Option<&Value>) -> Result<u32, OpsError> {
    let Some(limit) = limit else { return Ok(DEFAULT_REPLAY) };
    let limit = limit.as_u64().and_then(|limit| u32::try_from(limit).ok());
    let limit = limit.filter(|limit| (1..=MAX_REPLAY).contains(limit));
    limit.ok_or_else(|| OpsError::field("limit", format!("a number from 1 to {MAX_REPLAY}")))
}

//! Reads what an operator orders: a replay or a retry, as a JSON object.

use hub_core::id::{DestinationId, MessageId, ParcelId};
use hub_core::operations::ReplayWhat;
use hub_core::store::{MessageQuery, RetryWhich};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::ops::error::OpsError;
use crate::ops::parameters::set;

/// The most messages one replay may name or match.
const MAX_REPLAY: u32 = 10_000;
/// The messages a replay by filter takes when nothing is said.
const DEFAULT_REPLAY: u32 = 1_000;

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

//! Reads the order of a replay: which messages, and how.

use hub_core::operations::ReplayWhat;
use hub_core::replay::{Newer, Owing, ReplayOrder};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::ops::commands::{filter_of, ids_of, limit_of, object};
use crate::ops::error::OpsError;

const FIELDS: [&str; 8] = ["ids", "filter", "limit", "newer", "parcels", "rate", "dry_run", "show"];
/// Messages a second when nothing is said.
const DEFAULT_RATE: u32 = 200;
/// The most that may be asked for.
const MAX_RATE: u32 = 100_000;

/// What `POST /ops/replays` asks for.
pub(crate) struct Asked {
    pub order: ReplayOrder,
    /// Only to say what it would do.
    pub dry_run: bool,
    /// With the content that would differ.
    pub show: bool,
}

/// Reads the body of `POST /ops/replays`.
pub(crate) fn asked(body: &[u8], now: OffsetDateTime) -> Result<Asked, OpsError> {
    let fields = object(body, &FIELDS)?;
    let what = what(&fields, now)?;
    let newer = named(&fields, "newer", Newer::from_name, Newer::ALL.iter().map(|one| one.name()))?;
    let owing = named(&fields, "parcels", Owing::from_name, Owing::ALL.iter().map(|one| one.name()))?;
    let (dry_run, show) = (flag(&fields, "dry_run")?, flag(&fields, "show")?);
    if show && !dry_run {
        return Err(OpsError::field("show", "it only beside `dry_run`"));
    }
    let (newer, owing) = (newer.unwrap_or_default(), owing.unwrap_or_default());
    Ok(Asked { order: ReplayOrder { what, newer, owing, rate: rate(&fields)? }, dry_run, show })
}

fn what(fields: &Map<String, Value>, now: OffsetDateTime) -> Result<ReplayWhat, OpsError> {
    match (fields.get("ids"), fields.get("filter")) {
        (Some(ids), None) if !fields.contains_key("limit") => ids_of(ids).map(ReplayWhat::Messages),
        (Some(_), None) => Err(OpsError::field("limit", "it only beside `filter`")),
        (None, Some(filter)) => {
            let mut query = filter_of(filter, now)?;
            if query.before.is_some() {
                return Err(OpsError::field("before", "`until` instead: a replay has no pages"));
            }
            query.limit = match fields.get("limit") {
                // All that it finds.
                None => 0,
                limit => limit_of(limit)?,
            };
            Ok(ReplayWhat::Matching(query))
        }
        _ => Err(OpsError::field("ids", "either `ids` or `filter`")),
    }
}

fn named<T>(
    fields: &Map<String, Value>,
    field: &str,
    from_name: impl Fn(&str) -> Option<T>,
    names: impl Iterator<Item = &'static str>,
) -> Result<Option<T>, OpsError> {
    let Some(value) = fields.get(field) else { return Ok(None) };
    let found = value.as_str().and_then(from_name);
    found
        .map(Some)
        .ok_or_else(|| OpsError::field(field, format!("one of {}", names.collect::<Vec<_>>().join(", "))))
}

fn flag(fields: &Map<String, Value>, field: &str) -> Result<bool, OpsError> {
    let Some(value) = fields.get(field) else { return Ok(false) };
    value.as_bool().ok_or_else(|| OpsError::field(field, "true or false"))
}

fn rate(fields: &Map<String, Value>) -> Result<u32, OpsError> {
    let Some(rate) = fields.get("rate") else { return Ok(DEFAULT_RATE) };
    let rate = rate.as_u64().and_then(|rate| u32::try_from(rate).ok());
    rate.filter(|rate| (1..=MAX_RATE).contains(rate))
        .ok_or_else(|| OpsError::field("rate", format!("messages a second, from 1 to {MAX_RATE}")))
}

//! The shapes of replays in the operators' JSON.

use std::collections::BTreeMap;

use hub_core::fault::Fault;
use hub_core::operations::ReplayWhat;
use hub_core::replay::{Came, Foreseen, ForeseenResource, ForeseenSum, ReplayRow, ReplayState, ReplaySum};
use hub_core::store::MessageQuery;
use serde::Serialize;
use time::OffsetDateTime;
use time::serde::rfc3339;

/// A replay.
#[derive(Serialize)]
pub(crate) struct ReplayShape {
    number: u64,
    state: &'static str,
    #[serde(with = "rfc3339")]
    ordered_at: OffsetDateTime,
    #[serde(with = "rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
    order: OrderShape,
    /// How much of the way is done, from 0 to 1; with a filter that of the journal's messages, whether they match or not.
    way: f64,
    #[serde(flatten)]
    sum: SumShape,
}

/// All replays that were asked for.
#[derive(Serialize)]
pub(crate) struct ReplaysShape {
    pub replays: Vec<ReplayShape>,
}

#[derive(Serialize)]
struct OrderShape {
    /// How many messages were named.
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<FilterShape>,
    newer: &'static str,
    parcels: &'static str,
    rate: u32,
}

/// A filter, with the names it is asked by.
#[derive(Serialize)]
struct FilterShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    message_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    control_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    since: Option<OffsetDateTime>,
    #[serde(with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    until: Option<OffsetDateTime>,
}

/// The counts of a replay.
#[derive(Serialize)]
struct SumShape {
    seen: u64,
    messages: BTreeMap<&'static str, u64>,
    resources: BTreeMap<&'static str, u64>,
    parcels: BTreeMap<&'static str, u64>,
}

impl From<ReplayRow> for ReplayShape {
    fn from(row: ReplayRow) -> Self {
        let way = match row.state {
            ReplayState::Done => 1.0,
            _ if row.last <= 0 => 0.0,
            _ => (row.place.at as f64 / row.last as f64).clamp(0.0, 1.0),
        };
        let (ids, filter) = match row.order.what {
            ReplayWhat::Messages(ids) => (Some(ids.len()), None),
            ReplayWhat::Matching(query) => (None, Some(filter(query))),
        };
        let (newer, parcels) = (row.order.newer.name(), row.order.owing.name());
        Self {
            number: row.number,
            state: row.state.name(),
            ordered_at: row.ordered_at,
            ended_at: row.ended_at,
            order: OrderShape { ids, filter, newer, parcels, rate: row.order.rate },
            way: (way * 1_000.0).floor() / 1_000.0,
            sum: sum(&row.sum),
        }
    }
}

fn filter(query: MessageQuery) -> FilterShape {
    let key = query.key.map(|(name, value)| format!("{}:{value}", name.unwrap_or_default()));
    FilterShape {
        channel: query.channel.map(|channel| channel.to_string()),
        state: query.state.map(|state| state.name()),
        message_type: query.message_type.map(Into::into),
        control_id: query.control_id.map(Into::into),
        key,
        parent: query.parent.map(|parent| parent.to_string()),
        since: query.since,
        until: query.until,
    }
}

fn sum(sum: &ReplaySum) -> SumShape {
    SumShape {
        seen: sum.seen(),
        messages: Came::ALL.iter().map(|came| (came.name(), sum.of(*came))).collect(),
        resources: BTreeMap::from([
            ("created", sum.created),
            ("updated", sum.updated),
            ("same", sum.same),
            ("older", sum.older),
        ]),
        parcels: BTreeMap::from([("owed", sum.owed), ("there", sum.owed_before)]),
    }
}

/// What a replay would do to one message: a line of a dry run.
#[derive(Serialize)]
pub(crate) struct ForeseenShape {
    message: String,
    channel: String,
    state: &'static str,
    would: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<FaultShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    resources: Vec<ResourceShape>,
    /// Resources that would stay as they are.
    same: u64,
    parcels: Vec<ParcelShape>,
}

#[derive(Serialize)]
struct FaultShape {
    step: &'static str,
    place: Option<String>,
    rule: Option<String>,
    reason: String,
}

#[derive(Serialize)]
struct ResourceShape {
    reference: String,
    /// The version stored; 0: none.
    version: u64,
    differences: Vec<DifferenceShape>,
    /// Elements of which older content would go over newer.
    older: Vec<String>,
}

#[derive(Serialize)]
struct DifferenceShape {
    path: String,
    how: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<String>,
}

#[derive(Serialize)]
struct ParcelShape {
    to: String,
    /// Whether it is there already, so that it would not be owed again.
    there: bool,
}

impl From<Foreseen> for ForeseenShape {
    fn from(foreseen: Foreseen) -> Self {
        let fault = |fault: Fault| FaultShape {
            step: fault.step.name(),
            place: fault.place,
            rule: fault.rule,
            reason: fault.reason,
        };
        let parcels = foreseen.parcels.into_iter();
        Self {
            message: foreseen.id.to_string(),
            channel: foreseen.channel.to_string(),
            state: foreseen.state.name(),
            would: foreseen.came.name(),
            fault: foreseen.fault.map(fault),
            rule: foreseen.rule.map(Into::into),
            resources: foreseen.resources.into_iter().map(resource).collect(),
            same: foreseen.same,
            parcels: parcels.map(|(to, there)| ParcelShape { to: to.to_string(), there }).collect(),
        }
    }
}

fn resource(resource: ForeseenResource) -> ResourceShape {
    let differences = resource.differences.into_iter().map(|one| DifferenceShape {
        path: one.path,
        how: one.how.name(),
        old: one.old,
        new: one.new,
    });
    ResourceShape {
        reference: resource.reference.to_string(),
        version: resource.version,
        differences: differences.collect(),
        older: resource.older.into_iter().map(Into::into).collect(),
    }
}

/// The last line of a dry run.
#[derive(Serialize)]
pub(crate) struct ForeseenSumShape {
    sum: WholeShape,
}

#[derive(Serialize)]
struct WholeShape {
    #[serde(flatten)]
    sum: SumShape,
    /// In how many messages each element would differ.
    elements: BTreeMap<String, u64>,
    /// In how many messages older content would go over newer.
    older: BTreeMap<String, u64>,
    faults: Vec<FaultCount>,
    rules: BTreeMap<String, u64>,
    destinations: Vec<DestinationCount>,
}

#[derive(Serialize)]
struct FaultCount {
    step: &'static str,
    rule: Option<String>,
    reason: String,
    messages: u64,
}

#[derive(Serialize)]
struct DestinationCount {
    to: String,
    owed: u64,
    there: u64,
}

impl From<ForeseenSum> for ForeseenSumShape {
    fn from(all: ForeseenSum) -> Self {
        let faults = all.faults.into_iter().map(|(name, messages)| FaultCount {
            step: name.step,
            rule: name.rule,
            reason: name.reason,
            messages,
        });
        let destinations = all.parcels.into_iter().map(|(to, (owed, there))| DestinationCount {
            to: to.to_string(),
            owed,
            there,
        });
        let sum = WholeShape {
            sum: sum(&all.sum),
            elements: all.elements,
            older: all.older,
            faults: faults.collect(),
            rules: all.rules,
            destinations: destinations.collect(),
        };
        Self { sum }
    }
}

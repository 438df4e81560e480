//! The shapes of the operators' JSON: snake_case, times in RFC 3339, states by name.

use std::collections::BTreeMap;

use hub_core::cluster::Node;
use hub_core::commit::{Key, Note};
use hub_core::fault::Fault;
use hub_core::operations::{ChannelStatus, DestinationStatus, HeldLane, HubStatus, ReplayReport, SkipReport};
use hub_core::store::{
    MessageDetail, MessageRow, MessageState, ParcelRow, ParcelState, QueueDepth, StateName,
};
use serde::Serialize;
use time::OffsetDateTime;
use time::serde::rfc3339;

/// So many lanes that are held are shown, of each channel.
const MAX_HELD_SHOWN: usize = 100;

/// How the hub stands.
#[derive(Serialize)]
pub(crate) struct StatusAnswer {
    version: &'static str,
    #[serde(with = "rfc3339")]
    started_at: OffsetDateTime,
    #[serde(with = "rfc3339")]
    at: OffsetDateTime,
    ready: bool,
    /// The number of the deployment that runs.
    deployment: Option<u64>,
    /// Resources still to be indexed for searches that came with an update or by a new search parameter.
    unindexed: u64,
    /// The nodes that share the database; none where it stands alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<NodeAnswer>,
    channels: Vec<ChannelAnswer>,
    destinations: Vec<DestinationAnswer>,
}

#[derive(Serialize)]
struct NodeAnswer {
    number: u64,
    name: String,
    #[serde(with = "rfc3339")]
    joined_at: OffsetDateTime,
    /// Whether it is the one that answers.
    this: bool,
    /// What it does: `channel his/adt`, `destination his/adt/lis-feed`, `jobs`.
    does: Vec<String>,
}

#[derive(Serialize)]
struct ChannelAnswer {
    id: String,
    about: String,
    address: Option<String>,
    running: bool,
    /// The channels it waits for before it starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waits_for: Vec<String>,
    messages: BTreeMap<&'static str, u64>,
    in_flight: usize,
    /// How many lanes stand at a message until a person decides.
    lanes_standing: usize,
    /// Lanes that are held at a message that failed: the first hundred.
    held: Vec<HeldAnswer>,
}

/// A lane that is held at a message that failed.
#[derive(Serialize)]
pub(crate) struct HeldAnswer {
    message: String,
    fault: FaultAnswer,
    #[serde(with = "rfc3339")]
    since: OffsetDateTime,
    /// When it is tried again by itself; null: the lane stands until a person decides.
    #[serde(with = "rfc3339::option")]
    again_at: Option<OffsetDateTime>,
    /// How many messages wait behind it.
    behind: usize,
}

impl From<HeldLane> for HeldAnswer {
    fn from(lane: HeldLane) -> Self {
        Self {
            message: lane.message.to_string(),
            fault: lane.fault.into(),
            since: lane.since,
            again_at: lane.again_at,
            behind: lane.behind,
        }
    }
}

/// How a destination stands.
#[derive(Serialize)]
pub(crate) struct DestinationAnswer {
    id: String,
    /// Whether a channel still names it. One that no channel names may still be owed something.
    configured: bool,
    /// `closed`, `open` or `half-open`; null where nothing is sent at all.
    circuit: Option<&'static str>,
    parcels: BTreeMap<String, u64>,
    #[serde(with = "rfc3339::option")]
    oldest_pending_at: Option<OffsetDateTime>,
    last_error: Option<LastError>,
}

#[derive(Serialize)]
struct LastError {
    #[serde(with = "rfc3339")]
    at: OffsetDateTime,
    message: String,
}

impl StatusAnswer {
    pub(crate) fn new(
        status: HubStatus,
        depths: Vec<QueueDepth>,
        at: OffsetDateTime,
        ready: bool,
        deployment: Option<u64>,
    ) -> Self {
        Self {
            version: status.version,
            started_at: status.started_at,
            at,
            ready,
            deployment,
            unindexed: status.unindexed,
            nodes: status.nodes.into_iter().map(node).collect(),
            channels: status.channels.into_iter().map(channel).collect(),
            destinations: destinations(status.destinations, depths),
        }
    }
}

fn node(node: Node) -> NodeAnswer {
    NodeAnswer {
        number: node.number,
        name: node.name,
        joined_at: node.joined_at,
        this: node.is_this,
        does: node.shares.iter().map(|share| share.0.to_string()).collect(),
    }
}

fn channel(channel: ChannelStatus) -> ChannelAnswer {
    let mut messages: BTreeMap<&'static str, u64> =
        StateName::ALL.iter().map(|state| (state.name(), 0)).collect();
    for tally in &channel.tally {
        *messages.entry(tally.state.name()).or_default() += tally.count;
    }
    ChannelAnswer {
        id: channel.id.to_string(),
        about: channel.about,
        address: channel.address.map(|address| address.to_string()),
        running: channel.running,
        waits_for: channel.waits_for.iter().map(ToString::to_string).collect(),
        messages,
        in_flight: channel.in_flight,
        lanes_standing: channel.held.iter().filter(|lane| lane.stands()).count(),
        held: channel.held.into_iter().take(MAX_HELD_SHOWN).map(HeldAnswer::from).collect(),
    }
}

/// The destinations of the channels, and those that no channel names any more but are still owed something.
pub(crate) fn destinations(known: Vec<DestinationStatus>, depths: Vec<QueueDepth>) -> Vec<DestinationAnswer> {
    let forgotten: Vec<QueueDepth> = depths
        .iter()
        .filter(|depth| known.iter().all(|destination| destination.id != depth.to))
        .cloned()
        .collect();
    let named = known.into_iter().map(|destination| {
        let depth =
            destination.depth.or_else(|| depths.iter().find(|depth| depth.to == destination.id).cloned());
        DestinationAnswer {
            id: destination.id.to_string(),
            configured: true,
            circuit: Some(destination.circuit),
            parcels: parcels(depth.as_ref()),
            oldest_pending_at: depth.and_then(|depth| depth.oldest),
            last_error: destination.last_error.map(|(at, message)| LastError { at, message }),
        }
    });
    let left = forgotten.into_iter().map(|depth| DestinationAnswer {
        id: depth.to.to_string(),
        configured: false,
        circuit: None,
        parcels: parcels(Some(&depth)),
        oldest_pending_at: depth.oldest,
        last_error: None,
    });
    named.chain(left).collect()
}

fn parcels(depth: Option<&QueueDepth>) -> BTreeMap<String, u64> {
    let counts = depth.map_or([0; 4], |depth| depth.counts);
    ParcelState::ALL
        .iter()
        .zip(counts)
        .map(|(state, count)| (state.name().replace('-', "_"), count))
        .collect()
}

/// One page of messages.
#[derive(Serialize)]
pub(crate) struct MessagesAnswer {
    messages: Vec<MessageAnswer>,
    /// What to hand over as `before` for the next page; null on the last one.
    next: Option<String>,
}

impl MessagesAnswer {
    /// A page of at most `limit` rows. A full page may have a next one.
    pub(crate) fn new(rows: Vec<MessageRow>, limit: u32) -> Self {
        let full = rows.len() >= limit as usize;
        let next = rows.last().filter(|_| full).map(|row| row.id.to_string());
        Self { messages: rows.into_iter().map(message).collect(), next }
    }
}

#[derive(Serialize)]
struct MessageAnswer {
    id: String,
    channel: String,
    #[serde(rename = "type")]
    message_type: Option<String>,
    control_id: Option<String>,
    sender: Option<String>,
    #[serde(with = "rfc3339")]
    received_at: OffsetDateTime,
    #[serde(with = "rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
    state: &'static str,
    /// The rule that stopped a filtered message.
    #[serde(skip_serializing_if = "Option::is_none")]
    filtered_by: Option<String>,
    /// Why a message stands in quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<FaultAnswer>,
    /// How many messages it held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pieces: Option<u64>,
    /// The message it is a piece of.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    /// Which of its pieces, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    nth: Option<u32>,
    /// What its sender was answered, where that was more than a receipt: `answered`, `busy`, `refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered: Option<&'static str>,
    #[serde(with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    answered_at: Option<OffsetDateTime>,
    /// When it was taken back in from an archive.
    #[serde(with = "rfc3339::option", skip_serializing_if = "Option::is_none")]
    imported_at: Option<OffsetDateTime>,
    size_bytes: u64,
    reused_control_id: bool,
    replays: u32,
    keys: Vec<KeyAnswer>,
}

#[derive(Serialize)]
struct FaultAnswer {
    step: &'static str,
    place: Option<String>,
    rule: Option<String>,
    reason: String,
}

impl From<Fault> for FaultAnswer {
    fn from(fault: Fault) -> Self {
        Self { step: fault.step.name(), place: fault.place, rule: fault.rule, reason: fault.reason }
    }
}

#[derive(Serialize)]
struct KeyAnswer {
    name: String,
    value: String,
}

fn message(row: MessageRow) -> MessageAnswer {
    let pieces = match row.state {
        MessageState::Split { pieces } => Some(pieces),
        _ => None,
    };
    let (state, filtered_by, fault) = match row.state {
        MessageState::Received => ("received", None, None),
        MessageState::Committed => ("committed", None, None),
        MessageState::Split { .. } => ("split", None, None),
        MessageState::Filtered { rule } => ("filtered", Some(rule), None),
        MessageState::Quarantined(fault) => ("quarantined", None, Some(fault.into())),
    };
    MessageAnswer {
        id: row.id.to_string(),
        channel: row.channel.to_string(),
        message_type: row.label.message_type.map(Into::into),
        control_id: row.label.control_id.map(Into::into),
        sender: row.label.sender.map(Into::into),
        received_at: row.received_at,
        ended_at: row.ended_at,
        state,
        filtered_by,
        fault,
        pieces,
        parent: row.parent.map(|parent| parent.id.to_string()),
        nth: row.parent.map(|parent| parent.nth),
        answered: row.answered.map(|answered| answered.kind.name()),
        answered_at: row.answered.map(|answered| answered.at),
        imported_at: row.imported_at,
        size_bytes: row.size,
        reused_control_id: row.reused_control_id,
        replays: row.replays,
        keys: row.keys.into_iter().map(key).collect(),
    }
}

fn key(key: Key) -> KeyAnswer {
    KeyAnswer { name: key.name.into(), value: key.value.into() }
}

/// One message without its body.
#[derive(Serialize)]
pub(crate) struct DetailAnswer {
    #[serde(flatten)]
    message: MessageAnswer,
    /// Why its lane is held at it, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<HeldAnswer>,
    peer: String,
    notes: Vec<NoteAnswer>,
    wrote: Vec<WroteAnswer>,
    parcels: Vec<ParcelAnswer>,
    /// How many of its pieces are in each state.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pieces_by_state: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct NoteAnswer {
    place: String,
    reason: String,
}

#[derive(Serialize)]
struct WroteAnswer {
    reference: String,
    version: u64,
}

#[derive(Serialize)]
struct ParcelAnswer {
    id: String,
    to: String,
    state: &'static str,
    attempts: u32,
    #[serde(with = "rfc3339::option")]
    next_at: Option<OffsetDateTime>,
    error: Option<String>,
}

impl DetailAnswer {
    /// A message, and how its lane is held at it.
    pub(crate) fn new(detail: MessageDetail, held: Option<HeldLane>) -> Self {
        let note = |note: Note| NoteAnswer { place: note.place, reason: note.reason };
        let parcel = |parcel: ParcelRow| ParcelAnswer {
            id: parcel.id.to_string(),
            to: parcel.to.to_string(),
            state: parcel.state.name(),
            attempts: parcel.attempts,
            next_at: parcel.next_at,
            error: parcel.error,
        };
        let is_split = detail.pieces.iter().any(|count| *count > 0);
        let counts = StateName::ALL.iter().map(|state| state.name()).zip(detail.pieces);
        Self {
            pieces_by_state: if is_split {
                counts.filter(|(_, n)| *n > 0).collect()
            } else {
                BTreeMap::new()
            },
            message: message(detail.row),
            held: held.map(HeldAnswer::from),
            peer: detail.peer,
            notes: detail.notes.into_iter().map(note).collect(),
            wrote: detail
                .wrote
                .into_iter()
                .map(|(reference, version)| WroteAnswer { reference: reference.to_string(), version })
                .collect(),
            parcels: detail.parcels.into_iter().map(parcel).collect(),
        }
    }
}

/// What a replay did.
#[derive(Serialize)]
pub(crate) struct ReplayAnswer {
    replayed: Vec<String>,
    left: Vec<String>,
}

impl From<ReplayReport> for ReplayAnswer {
    fn from(report: ReplayReport) -> Self {
        let texts = |ids: Vec<hub_core::id::MessageId>| ids.iter().map(ToString::to_string).collect();
        Self { replayed: texts(report.replayed), left: texts(report.left) }
    }
}

/// What a skip did.
#[derive(Serialize)]
pub(crate) struct SkipAnswer {
    skipped: Vec<String>,
    left: Vec<String>,
}

impl From<SkipReport> for SkipAnswer {
    fn from(report: SkipReport) -> Self {
        let texts = |ids: Vec<hub_core::id::MessageId>| ids.iter().map(ToString::to_string).collect();
        Self { skipped: texts(report.skipped), left: texts(report.left) }
    }
}

/// What a retry did.
#[derive(Serialize)]
pub(crate) struct RetryAnswer {
    /// How many parcels are back in the queue.
    pub(crate) retried: u64,
}

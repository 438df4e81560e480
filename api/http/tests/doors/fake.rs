//! A hub in memory behind the doors, which can be told to misbehave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use hub_core::commit::{Commit, Key};
use hub_core::deployments::{
    Deployment, DeploymentEnd, DeploymentKind, DeploymentResult, DeploymentRow, Deployments, FileChange,
    Files, NewDeployment, TextDigest, digests,
};
use hub_core::envelope::{Envelope, Label, Raw};
use hub_core::fault::{Fault, FaultStep};
use hub_core::finding::{Finding, FindingKind};
use hub_core::id::{ChannelId, DestinationId, MessageId, ParcelId};
use hub_core::operations::{
    ChannelChange, ChannelStatus, DeployError, DeployOrder, DeployReport, Deploying, DestinationChange,
    DestinationStatus, HeldLane, HubStatus, Operations, ReplayReport, ReplayWhat, SkipReport,
};
use hub_core::replay::{ReplayOrder, ReplayTurn};
use hub_core::store::*;
use hub_fhir::search::{Cursor, CursorValue, Page, Search, Stored};
use hub_fhir::{Reference, ResourceType};
use hub_http::{Access, Doors, FhirSettings, router};
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::datetime;
use tower::ServiceExt as _;

pub const UPDATED: OffsetDateTime = datetime!(2026-11-23 08:00:00.25 UTC);
pub const MESSAGE: &str = "019a0000-0000-7000-8000-000000000001";
pub const RAW: &str = "MSH|^~\\&|HIS\rPID|||P1\r";

/// Every version ever written, oldest first, and what was asked.
#[derive(Default)]
pub struct Fake {
    pub versions: Vec<Stored>,
    pub down: AtomicBool,
    pub panics: AtomicBool,
    pub not_ready: AtomicBool,
    pub stands: AtomicBool,
    pub searches: Mutex<Vec<Search>>,
    pub queries: Mutex<Vec<MessageQuery>>,
    pub replays: Mutex<Vec<ReplayWhat>>,
    pub retries: Mutex<Vec<RetryWhich>>,
    pub orders: Mutex<Vec<DeployOrder>>,
    pub replay_orders: Mutex<Vec<(ReplayOrder, bool)>>,
    pub turns: Mutex<Vec<(u64, ReplayTurn)>>,
}

/// A lane that stands.
pub fn standing() -> HeldLane {
    let fault = Fault {
        step: FaultStep::Map,
        place: Some("PID-8".into()),
        rule: None,
        reason: "expected a code".into(),
    };
    let message = MESSAGE.parse().unwrap();
    HeldLane { message, fault, since: UPDATED, again_at: None, behind: 3 }
}

pub fn kind(name: &str) -> ResourceType {
    ResourceType::from_name(name).unwrap()
}

pub fn stored(reference: &str, version: u64, rest: &str) -> Stored {
    let reference = Reference::parse(reference).unwrap();
    let body = format!(
        r#"{{"resourceType":"{}","id":"{}","meta":{{"versionId":"{version}"}}{rest}}}"#,
        reference.kind, reference.id
    );
    Stored { reference, version, updated: UPDATED, deleted: false, body: body.into() }
}

pub fn deletion(reference: &str, version: u64) -> Stored {
    Stored { deleted: true, body: Vec::new().into(), ..stored(reference, version, "") }
}

impl Fake {
    pub fn new() -> Arc<Self> {
        let versions = vec![
            stored("Patient/1", 1, r#","active":false"#),
            stored("Patient/1", 2, r#","active":true,"birthDate":"1970-01-01""#),
            stored("Patient/1", 3, r#","active":true,"birthDate":"1970-01-02","name":[{"family":"张"}]"#),
            stored("Patient/2", 1, ""),
            deletion("Patient/2", 2),
            stored("Patient/3", 1, ""),
            stored("Observation/k", 1, r#","status":"final","valueQuantity":{"value":6.10}"#),
        ];
        Arc::new(Self { versions, ..Self::default() })
    }

    pub fn gate(&self) -> Result<(), StoreError> {
        assert!(!self.panics.load(Ordering::Relaxed), "told to panic over patient 张三");
        match self.down.load(Ordering::Relaxed) {
            true => Err(StoreError::Unavailable("disk full at /secret/path".into())),
            false => Ok(()),
        }
    }

    fn of<'a>(&'a self, reference: &'a Reference) -> impl DoubleEndedIterator<Item = &'a Stored> {
        self.versions.iter().filter(move |stored| stored.reference == *reference)
    }
}

#[async_trait]
impl Searches for Fake {
    /// Pages through the living resources of the type; filters are not applied: that is the store's own test.
    async fn search_across(&self, searches: &[Search]) -> Result<Page, StoreError> {
        self.gate()?;
        self.searches.lock().unwrap().extend_from_slice(searches);
        let Some(search) = searches.first() else { return Ok(Page::default()) };
        let after = search.after.as_ref().map_or(0, |cursor| cursor.row as usize);
        let of_kind: Vec<&Stored> = self
            .versions
            .iter()
            .filter(|stored| searches.iter().any(|search| search.kind == stored.reference.kind))
            .collect();
        let living: Vec<Stored> = of_kind
            .iter()
            .filter(|stored| !stored.deleted)
            .filter(|stored| {
                of_kind.iter().all(|o| o.reference != stored.reference || o.version <= stored.version)
            })
            .map(|stored| (*stored).clone())
            .collect();
        let matches: Vec<Stored> = living.iter().skip(after).take(search.count as usize).cloned().collect();
        let end = after + matches.len();
        let next = (search.count > 0 && end < living.len()).then(|| Cursor {
            values: vec![Some(CursorValue::Integer(0)); search.sort.len().max(1)],
            row: end as i64,
        });
        let included = match search.includes.is_empty() {
            true => Vec::new(),
            false => vec![stored("Patient/3", 1, ""), stored("Organization/o", 1, "")],
        };
        let total = search.total.then_some(living.len() as u64);
        Ok(Page { matches, included, next, total, ..Page::default() })
    }
}

#[async_trait]
impl Resources for Fake {
    async fn read(&self, reference: &Reference) -> Result<Option<Stored>, StoreError> {
        self.gate()?;
        Ok(self.of(reference).next_back().cloned())
    }

    async fn vread(&self, reference: &Reference, version: u64) -> Result<Option<Stored>, StoreError> {
        self.gate()?;
        Ok(self.of(reference).find(|stored| stored.version == version).cloned())
    }

    async fn history(
        &self,
        reference: &Reference,
        before: Option<u64>,
        count: u32,
    ) -> Result<Vec<Stored>, StoreError> {
        self.gate()?;
        let versions = self.of(reference).rev().filter(|stored| before.is_none_or(|b| stored.version < b));
        Ok(versions.take(count as usize).cloned().collect())
    }

    async fn changes(&self, query: &ChangesQuery) -> Result<Vec<(Stored, VersionPlace)>, StoreError> {
        self.gate()?;
        let place = |stored: &Stored| VersionPlace {
            updated_us: 0,
            row: stored.reference.id.as_str().len() as i64,
            version: stored.version as i64,
        };
        let is_of = |stored: &&Stored| match &query.of {
            ChangesOf::Resource(reference) => stored.reference == *reference,
            ChangesOf::Type(kind) => stored.reference.kind == *kind,
            ChangesOf::All => true,
        };
        let versions = self.versions.iter().rev().filter(is_of);
        let versions = versions.filter(|stored| query.since.is_none_or(|since| stored.updated >= since));
        let versions = versions.filter(|stored| query.after.is_none_or(|after| place(stored) < after));
        Ok(versions.take(query.count as usize).map(|stored| (stored.clone(), place(stored))).collect())
    }

    async fn commit(&self, _cause: Cause, _commit: Commit) -> Result<Committed, StoreError> {
        panic!("the doors only read")
    }
}

pub fn row(state: MessageState) -> MessageRow {
    MessageRow {
        id: MESSAGE.parse().unwrap(),
        channel: "his/adt".into(),
        label: Label {
            message_type: Some("ADT^A01".into()),
            control_id: Some("C1".into()),
            sender: Some("HIS|H".into()),
        },
        received_at: UPDATED,
        ended_at: Some(UPDATED),
        state,
        size: RAW.len() as u64,
        reused_control_id: false,
        replays: 1,
        keys: vec![Key { name: "patient".into(), value: "P1".into() }],
        parent: None,
        answered: None,
        imported_at: None,
    }
}

fn quarantined() -> MessageState {
    MessageState::Quarantined(Fault {
        step: FaultStep::Map,
        place: Some("PID[1]-7".into()),
        rule: None,
        reason: "expected a date".into(),
    })
}

#[async_trait]
impl Journal for Fake {
    async fn receive(&self, _message: &Envelope<Raw>) -> Result<Received, StoreError> {
        panic!("the doors only read")
    }

    async fn end(&self, _id: MessageId, _end: End, _keys: Vec<Key>) -> Result<(), StoreError> {
        panic!("the doors only read")
    }

    async fn expand(
        &self,
        _id: MessageId,
        _pieces: Vec<Envelope<Raw>>,
    ) -> Result<Vec<MessageId>, StoreError> {
        panic!("the doors only read")
    }

    async fn family(&self, _parent: MessageId) -> Result<Counts, StoreError> {
        panic!("the doors never ask")
    }

    async fn answered(&self, _id: MessageId, _answered: Answered) -> Result<(), StoreError> {
        panic!("the doors only read")
    }

    async fn unfinished(
        &self,
        _channel: &ChannelId,
        _skip: &(dyn Fn(MessageId) -> bool + Sync),
        _limit: usize,
    ) -> Result<Vec<Envelope<Raw>>, StoreError> {
        panic!("the doors never ask")
    }

    async fn reopen(&self, _id: MessageId) -> Result<bool, StoreError> {
        panic!("the doors only read")
    }

    async fn find(&self, query: &MessageQuery) -> Result<Vec<MessageRow>, StoreError> {
        self.gate()?;
        self.queries.lock().unwrap().push(query.clone());
        Ok(vec![row(quarantined())])
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageDetail>, StoreError> {
        self.gate()?;
        let detail = || MessageDetail {
            row: row(MessageState::Committed),
            raw: Raw(RAW.into()),
            peer: "127.0.0.1:9".into(),
            notes: Vec::new(),
            wrote: vec![(Reference::parse("Patient/1").unwrap(), 3)],
            parcels: Vec::new(),
            pieces: Counts::default(),
        };
        Ok((id.to_string() == MESSAGE).then(detail))
    }

    async fn state(&self, _id: MessageId) -> Result<Option<MessageState>, StoreError> {
        panic!("the doors never ask")
    }

    async fn tally(&self) -> Result<Vec<Tally>, StoreError> {
        panic!("the doors never ask")
    }

    async fn prune(&self, _before: OffsetDateTime, _limit: u32) -> Result<u64, StoreError> {
        panic!("the doors never ask")
    }
}

#[async_trait]
impl Upkeep for Fake {
    async fn forget_audit(&self, _before: OffsetDateTime, _limit: u32) -> Result<u64, StoreError> {
        panic!("the doors never ask")
    }

    async fn forget_history(&self, _before: OffsetDateTime) -> Result<u64, StoreError> {
        panic!("the doors never ask")
    }

    async fn index_anew(&self, _limit: u32) -> Result<u64, StoreError> {
        panic!("the doors never ask")
    }

    async fn shrink(&self) -> Result<u64, StoreError> {
        panic!("the doors never ask")
    }

    async fn import(&self, archived: Bytes) -> Result<Imported, StoreError> {
        self.gate()?;
        match archived.strip_prefix(b"archived ") {
            Some(rest) => Ok(Imported { added: rest.len() as u64, known: 1 }),
            None => Err(StoreError::Invalid { what: "these are no archived messages".into() }),
        }
    }
}

#[async_trait]
impl Outbox for Fake {
    async fn lease(
        &self,
        _to: &DestinationId,
        _limit: usize,
        _hold: Duration,
    ) -> Result<Vec<Leased>, StoreError> {
        panic!("the doors never ask")
    }

    async fn settle(&self, _leased: &Leased, _settlement: Settlement) -> Result<bool, StoreError> {
        panic!("the doors never ask")
    }

    async fn answer(&self, _id: ParcelId) -> Result<Option<(ParcelState, Option<Bytes>)>, StoreError> {
        panic!("the doors never ask")
    }

    async fn next_due(&self, _to: &DestinationId) -> Result<Option<OffsetDateTime>, StoreError> {
        panic!("the doors never ask")
    }

    async fn retry(&self, _which: &RetryWhich) -> Result<u64, StoreError> {
        panic!("the doors ask the hub, not the outbox")
    }

    async fn depth(&self) -> Result<Vec<QueueDepth>, StoreError> {
        self.gate()?;
        let depth = |to: &str| QueueDepth { to: to.into(), counts: [2, 5, 1, 0], oldest: Some(UPDATED) };
        Ok(vec![depth("his/adt/copy"), depth("old/flow/gone")])
    }
}

#[async_trait]
impl Operations for Fake {
    async fn status(&self) -> Result<HubStatus, StoreError> {
        self.gate()?;
        let tally = Tally { channel: "his/adt".into(), state: StateName::Committed, count: 7 };
        Ok(HubStatus {
            version: "0.1.0",
            nodes: Vec::new(),
            started_at: UPDATED,
            unindexed: 3,
            channels: vec![ChannelStatus {
                id: "his/adt".into(),
                about: "ADT".into(),
                address: Some(([127, 0, 0, 1], 2575).into()),
                running: true,
                waits_for: Vec::new(),
                tally: vec![tally],
                in_flight: 0,
                held: self.stands.load(Ordering::Relaxed).then(standing).into_iter().collect(),
            }],
            destinations: vec![DestinationStatus {
                id: "his/adt/copy".into(),
                depth: None,
                circuit: "closed",
                last_error: None,
            }],
        })
    }

    async fn replay(&self, what: ReplayWhat) -> Result<ReplayReport, StoreError> {
        self.gate()?;
        self.replays.lock().unwrap().push(what);
        Ok(ReplayReport { replayed: vec![MESSAGE.parse().unwrap()], left: Vec::new() })
    }

    async fn skip(&self, ids: Vec<MessageId>) -> Result<SkipReport, StoreError> {
        self.gate()?;
        Ok(SkipReport { skipped: ids, left: Vec::new() })
    }

    async fn retry(&self, which: RetryWhich) -> Result<u64, StoreError> {
        self.gate()?;
        self.retries.lock().unwrap().push(which);
        Ok(3)
    }
}

pub fn deployed(number: u64) -> Files<String> {
    let table = format!("a\nb{number}\nc\n");
    let mut files = Files::from([("channels/his/adt.toml".to_owned(), "same\n".to_owned())]);
    files.insert("mappings/codes/t.toml".to_owned(), table);
    if number == 2 {
        files.insert("mappings/new.toml".to_owned(), "new\n".to_owned());
    }
    files
}

fn deployment(number: u64) -> Deployment {
    let files = digests(&deployed(number));
    let result = match number {
        1 => DeploymentResult::Applied,
        _ => DeploymentResult::Failed { reason: "a port is taken".to_owned() },
    };
    let row = DeploymentRow {
        number,
        at: UPDATED,
        who: "anna".to_owned(),
        why: "ticket 7".to_owned(),
        node: "hub-1".to_owned(),
        kind: if number == 1 { DeploymentKind::Start } else { DeploymentKind::Rollback { to: 1 } },
        end: Some(DeploymentEnd { at: UPDATED, result }),
        files: files.len() as u64,
    };
    Deployment { row, files }
}

/// Two deployments: the first runs, the second failed.
#[async_trait]
impl Deployments for Fake {
    async fn record(&self, _deployment: NewDeployment) -> Result<u64, StoreError> {
        panic!("the doors ask the hub, not the store")
    }

    async fn finish(&self, _number: u64, _end: DeploymentEnd) -> Result<bool, StoreError> {
        panic!("the doors ask the hub, not the store")
    }

    async fn list(&self, before: Option<u64>, limit: u32) -> Result<Vec<DeploymentRow>, StoreError> {
        self.gate()?;
        let rows = [2, 1].into_iter().filter(|number| before.is_none_or(|before| *number < before));
        Ok(rows.take(limit as usize).map(|number| deployment(number).row).collect())
    }

    async fn read(&self, number: u64) -> Result<Option<Deployment>, StoreError> {
        self.gate()?;
        Ok((1..=2).contains(&number).then(|| deployment(number)))
    }

    async fn applied(&self) -> Result<Option<Deployment>, StoreError> {
        panic!("the doors never ask")
    }

    async fn texts(&self, wanted: &BTreeSet<TextDigest>) -> Result<BTreeMap<TextDigest, String>, StoreError> {
        self.gate()?;
        let all = [1, 2].into_iter().flat_map(|number| deployed(number).into_values());
        Ok(all
            .map(|text| (TextDigest::of(&text), text))
            .filter(|(digest, _)| wanted.contains(digest))
            .collect())
    }
}

#[async_trait]
impl Deploying for Fake {
    async fn deploy(&self, order: DeployOrder) -> Result<DeployReport, DeployError> {
        self.gate().map_err(DeployError::Store)?;
        let why = order.why.clone();
        self.orders.lock().unwrap().push(order);
        match why.as_str() {
            "wrong files" => {
                let text = "name = \"a\"\nlane = 1\n";
                let found = Finding::at(
                    FindingKind::UnknownKey,
                    "channels/a.toml",
                    text,
                    11..15,
                    "unknown key `lane`",
                );
                Err(DeployError::Findings(vec![found]))
            }
            "slow" => std::future::pending().await,
            "owed" => Err(DeployError::Refused { reason: "parcels are owed".to_owned() }),
            "taken" => Err(DeployError::Failed { number: 3, reason: "a port is taken".to_owned() }),
            _ => Ok(DeployReport {
                number: Some(3),
                files: Files::from([("mappings/new.toml".to_owned(), FileChange::Added)]),
                channels: vec![("his/adt".into(), ChannelChange::Mended)],
                destinations: vec![("his/adt/copy".into(), DestinationChange::Replaced)],
                untouched: 2,
                kept: None,
                notices: vec!["mind the step".to_owned()],
            }),
        }
    }

    fn running(&self) -> Option<u64> {
        Some(1)
    }
}

pub fn doors(fake: &Arc<Fake>) -> Router {
    router(doors_of(fake), Router::new())
}

/// The doors onto the fake, which grant reading alone.
pub fn doors_of(fake: &Arc<Fake>) -> Doors {
    let hub = fake.clone();
    Doors {
        business: None,
        directory: None,
        resources: fake.clone(),
        journal: fake.clone(),
        outbox: fake.clone(),
        upkeep: fake.clone(),
        attachments: None,
        operations: fake.clone(),
        replays: fake.clone(),
        metrics: Arc::new(|| "hub_up 1\n".to_owned()),
        base_url: Some("http://hub".to_owned()),
        fhir: FhirSettings { writes: false, ..FhirSettings::default() },
        deployments: fake.clone(),
        deploying: fake.clone(),
        user_header: None,
        access: Access::open(),
        desk: Router::new(),
        ready: Arc::new(move || !hub.not_ready.load(Ordering::Relaxed)),
    }
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The text of the first issue, after checking that this is an OperationOutcome of FHIR's media type.
    pub fn diagnostics(&self) -> String {
        assert_eq!(self.header("content-type"), "application/fhir+json; charset=utf-8");
        let outcome = self.json();
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        outcome["issue"][0]["diagnostics"].as_str().unwrap().to_owned()
    }
}

/// Sends a request such as `GET /fhir/Patient` with these headers.
pub async fn send(fake: &Arc<Fake>, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    ask(doors(fake), line, headers, body).await
}

/// The same of any doors.
pub async fn ask(doors: Router, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let (method, target) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = doors.oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub async fn get(fake: &Arc<Fake>, target: &str) -> Answer {
    send(fake, &format!("GET {target}"), &[], "").await
}

//! The pure steps of the road: parse, filter, map, validate, route. Bytes go in, what must be committed comes out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use compact_str::CompactString;
use hub_core::attachment::Slip;
use hub_core::commit::{Change, Commit, Key, Note, Parcel, Wake};
use hub_core::document::{Document, Node, Parser, Writer};
use hub_core::envelope::{Envelope, Head, Mapped, Parsed, Raw};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{ChannelId, DestinationId, MessageId, ParcelId};
use hub_core::path::Path;
use hub_core::replay::ReplayNumber;
use hub_core::store::End;
use hub_fhir::{Object, Resource};
use hub_formats::FormatError;
use hub_formats::fhir::FhirDocument;
use hub_mapping::{Found, Mapping, Need};
use hub_spec::{Channel, Reads, Route};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::crash;
use crate::house::TypedCheck;
use crate::measure;

/// A message is found by at most so many values of one key.
const MAX_VALUES_PER_KEY: usize = 16;
/// A longer value is no business key.
const MAX_KEY_BYTES: usize = 128;

/// One message, or one answer, writes at most so many resources. The largest reports of a laboratory have some hundred.
const MAX_RESOURCES: usize = 10_000;
/// One message owes at most so many parcels, and at most so many bytes of them: they are written in one transaction.
const MAX_PARCELS: usize = 1_000;
const MAX_PARCEL_BYTES: usize = 64 << 20;
/// So many notes are kept; of the rest only how many there were.
const MAX_NOTES: usize = 200;

/// How one channel reads its messages. Holds no state: the same message gives the same commit, always.
pub struct Road {
    /// The channel file, compiled.
    pub channel: Channel,
    /// Bytes to document.
    pub parser: Arc<dyn Parser>,
    /// Trees to bytes, for each destination that has a mapping.
    pub writers: Writers,
    /// A last check against the typed model.
    pub typed_check: Option<TypedCheck>,
}

/// What makes bytes of the messages for destinations.
pub type Writers = BTreeMap<DestinationId, Arc<dyn Writer>>;

/// The writers of a channel's destinations.
pub fn writers(channel: &Channel) -> Result<Writers, FormatError> {
    let mapped = channel.to.iter().filter_map(|route| Some((route.id.clone(), route.mapping.as_ref()?)));
    mapped
        .map(|(id, mapping)| {
            let writer = hub_formats::writer(mapping.to().name(), mapping.message_layout())?;
            Ok((id, Arc::from(writer)))
        })
        .collect()
}

/// The parser of a channel's messages.
pub fn parser(channel: &Channel) -> Result<Arc<dyn Parser>, FormatError> {
    let parse = &channel.parse;
    let layout = channel.mapping.source_layout();
    hub_formats::parser(&parse.format, parse.charset.as_deref(), layout).map(Arc::from)
}

/// A message that has come to the end of the pure steps, with what it can be found by.
pub enum Walked {
    /// To be committed.
    Mapped(Envelope<Mapped>),
    /// To be ended otherwise.
    Ended(Head, End, Vec<Key>),
}

/// A message as far as it can go without the store.
pub enum Prepared {
    /// To the end: nothing has to be looked up.
    Walked(Box<Walked>),
    /// Up to its mapping, which must know something first.
    Asking(Box<Asking>),
}

impl Prepared {
    fn walked(walked: Walked) -> Self {
        Self::Walked(Box::new(walked))
    }
}

/// A message whose mapping must know something of the store.
pub struct Asking {
    message: Envelope<Parsed>,
    raw: Raw,
    keys: Vec<Key>,
    /// What must be looked up.
    pub needs: Vec<Need>,
    /// What keeps it in order: what messages with the same value have written must be seen. `None`: it has no order to keep.
    pub lane_key: Option<String>,
    /// The replay that owes its parcels once more.
    again: Option<ReplayNumber>,
}

impl Road {
    /// Whether something may have to be looked up before a message is walked.
    pub fn may_need(&self) -> bool {
        self.channel.mapping.may_need()
    }

    /// Walks a message through all steps. Its mapping looks nothing up, or finds nothing.
    pub fn walk(&self, message: Envelope<Raw>) -> Walked {
        match self.prepare(message) {
            Prepared::Walked(walked) => *walked,
            Prepared::Asking(asking) => self.walk_on(*asking, Found::default()),
        }
    }

    /// Walks a message as far as nothing has to be looked up: it is read once.
    pub fn prepare(&self, message: Envelope<Raw>) -> Prepared {
        self.prepare_again(message, None)
    }

    /// The same for a replay, which may owe the parcels once more under ids of its own.
    pub fn prepare_again(&self, message: Envelope<Raw>, again: Option<ReplayNumber>) -> Prepared {
        crash::reading(&message.body.0);
        let raw = message.body.clone();
        let started = Instant::now();
        if !self.channel.parse.takes(message.head.label.message_type.as_deref()) {
            let end = End::Filtered { rule: accept_rule(&self.channel.parse) };
            return Prepared::walked(Walked::Ended(message.head, end, Vec::new()));
        }
        let message = match parse(&*self.parser, message) {
            Ok(message) => message,
            Err(failed) => {
                return Prepared::walked(Walked::Ended(failed.0, End::Quarantined(failed.1), Vec::new()));
            }
        };
        crash::place("parsed");
        let keys = self.keys(&*message.body.0);
        measure::step(self.id(), "parse", started.elapsed());
        if let Some(rule) = self.stopped_by(&*message.body.0) {
            return Prepared::walked(Walked::Ended(message.head, End::Filtered { rule }, keys));
        }
        let lane_key = self.may_need().then(|| self.lane_key(&*message.body.0)).flatten();
        let needs = self.channel.mapping.needs(&*message.body.0);
        let asking = Asking { message, raw, keys, needs, lane_key, again };
        if asking.needs.is_empty() {
            return Prepared::walked(self.walk_on(asking, Found::default()));
        }
        Prepared::Asking(Box::new(asking))
    }

    /// Walks a message to the end, with what was looked up.
    pub fn walk_on(&self, asking: Asking, found: Found) -> Walked {
        let started = Instant::now();
        let Asking { message, raw, keys, again, .. } = asking;
        let walked = match self.map(message, &raw, &keys, found, again) {
            Ok(message) => {
                crash::place("mapped");
                Walked::Mapped(message)
            }
            Err(failed) => Walked::Ended(failed.0, End::Quarantined(failed.1), keys),
        };
        measure::step(self.id(), "map", started.elapsed());
        walked
    }

    /// The value that keeps messages in order. Without `lane_by` all of the channel are in one.
    fn lane_key(&self, document: &dyn Document) -> Option<String> {
        match &self.channel.from.lane_by {
            None => Some(String::new()),
            Some(path) => values(document, document.root(), path).into_iter().next(),
        }
    }

    fn id(&self) -> &ChannelId {
        &self.channel.id
    }

    /// The first rule of `[filter] keep` that does not hold.
    fn stopped_by(&self, document: &dyn Document) -> Option<String> {
        let stopping =
            self.channel.filter.iter().find(|rule| !rule.condition.holds(document, document.root()))?;
        Some(stopping.text.clone())
    }

    fn keys(&self, document: &dyn Document) -> Vec<Key> {
        let mut keys = Vec::new();
        for (name, path) in &self.channel.keys {
            for value in values(document, document.root(), path).into_iter().take(MAX_VALUES_PER_KEY) {
                let key = Key { name: name.clone(), value: value.into() };
                if key.value.len() <= MAX_KEY_BYTES && !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys
    }

    fn map(
        &self,
        message: Envelope<Parsed>,
        raw: &Raw,
        keys: &[Key],
        mut found: Found,
        again: Option<ReplayNumber>,
    ) -> Result<Envelope<Mapped>, Box<(Head, Fault)>> {
        let document = &*message.body.0;
        if self.channel.mapping.reads_facts() {
            tell(&mut found, &message.head, ParcelId(message.head.id.0));
        }
        let commit = self.channel.mapping.run_with(document, &found).and_then(|run| {
            let commit =
                Commit { changes: run.changes, notes: run.notes, keys: keys.to_vec(), ..Commit::default() };
            let commit = checked(commit, &self.channel.mapping, self.typed_check)?;
            let parcels = self.route(&message.head, document, raw, &commit, again)?;
            let wakes = raised(&self.channel.raise, &commit, message.head.received_at);
            Ok(Commit { parcels, wakes, ..commit })
        });
        match commit {
            Ok(commit) => Ok(message.advance(Mapped(commit))),
            Err(fault) => Err(Box::new((message.head, fault))),
        }
    }

    /// What is owed to whom because of this message.
    fn route(
        &self,
        head: &Head,
        document: &dyn Document,
        raw: &Raw,
        commit: &Commit,
        again: Option<ReplayNumber>,
    ) -> Result<Vec<Parcel>, Fault> {
        let mut parcels = Vec::new();
        let mut bytes = 0;
        if self.channel.to.is_empty() {
            return Ok(parcels);
        }
        let trees: Vec<&Object> =
            commit.changes.iter().filter_map(|change| change.resource().map(Resource::tree)).collect();
        let written = FhirDocument::new(trees);
        for route in &self.channel.to {
            let seen: &dyn Document = match route.reads() {
                Reads::Resources => &written,
                Reads::Message => document,
            };
            let mut scopes = Vec::new();
            match &route.each {
                Some(each) => seen.select(seen.root(), each, &mut scopes),
                None => scopes.push(seen.root()),
            }
            scopes.retain(|scope| route.when.as_ref().is_none_or(|when| when.holds(seen, *scope)));
            for (nth, scope) in scopes.into_iter().enumerate() {
                let first = ParcelId::of(head.id, &route.id, nth);
                let id = again.map_or(first, |replay| first.again(replay));
                let (body, content_type) = match &route.mapping {
                    Some(mapping) => {
                        let mut told = Found::default();
                        if mapping.reads_facts() {
                            tell(&mut told, head, id);
                        }
                        self.written(&route.id, mapping, seen, scope, &told)?
                    }
                    None => (raw.0.clone(), CompactString::const_new(media_type(&self.channel.parse.format))),
                };
                bytes += body.len();
                if parcels.len() == MAX_PARCELS || bytes > MAX_PARCEL_BYTES {
                    return Err(too_many(format!(
                        "more is owed because of it than {MAX_PARCELS} parcels or {MAX_PARCEL_BYTES} bytes; `{}` is one of those it goes to",
                        route.id
                    )));
                }
                parcels.push(Parcel {
                    id,
                    to: route.id.clone(),
                    body,
                    content_type,
                    correlation: head.correlation.clone(),
                    order_key: order_key(route, seen, scope),
                });
            }
        }
        Ok(parcels)
    }
}

impl Road {
    /// The body for a destination, and its media type.
    fn written(
        &self,
        to: &DestinationId,
        mapping: &Mapping,
        seen: &dyn Document,
        scope: Node,
        told: &Found,
    ) -> Result<(Bytes, CompactString), Fault> {
        let writer = self.writers.get(to).ok_or_else(|| Fault {
            step: FaultStep::Map,
            place: None,
            rule: None,
            reason: format!("`{to}` has no writer"),
        })?;
        rendered(mapping, &**writer, seen, scope, told)
    }
}

/// The media type of a message that is sent on as it came.
fn media_type(format: &str) -> &'static str {
    match format {
        "hl7v2" => "x-application/hl7-v2+er7",
        "xml" => "application/xml",
        "json" => "application/json",
        "fhir" => "application/fhir+json",
        "csv" => "text/csv",
        hub_formats::BINARY => Slip::MEDIA_TYPE,
        _ => "application/octet-stream",
    }
}

/// What a mapping makes for a partner, as bytes, and their media type.
pub(crate) fn rendered(
    mapping: &Mapping,
    writer: &dyn Writer,
    seen: &dyn Document,
    scope: Node,
    told: &Found,
) -> Result<(Bytes, CompactString), Fault> {
    let rendered = mapping.render_with(seen, scope, told)?;
    let bytes = writer.write(&rendered.tree).map_err(|error| Fault {
        step: FaultStep::Map,
        place: Some(error.place),
        rule: Some(format!("mappings/{}.toml", mapping.name())),
        reason: error.what,
    })?;
    Ok((bytes, writer.content_type()))
}

/// Tells a mapping the facts about a message; `parcel` is what its control id is made of.
pub(crate) fn tell(found: &mut Found, head: &Head, parcel: ParcelId) {
    found.tell("correlation", head.correlation.0.as_str());
    facts(found, head.id, head.received_at, parcel);
}

/// The same for a message of which its id and time are known.
pub fn facts(found: &mut Found, message: MessageId, received_at: OffsetDateTime, parcel: ParcelId) {
    found.tell("message_id", message.to_string());
    found.tell("control_id", parcel.control_id());
    found.tell("time", moment(received_at));
}

/// A moment as FHIR writes it.
pub(crate) fn moment(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

/// A mapping's commit once it is known to fit: not too large, and every resource right by the official tables of R4B and,
/// where that is switched on, by the typed model.
pub(crate) fn checked(
    mut commit: Commit,
    mapping: &Mapping,
    typed_check: Option<TypedCheck>,
) -> Result<Commit, Fault> {
    if commit.changes.len() > MAX_RESOURCES {
        let count = commit.changes.len();
        return Err(too_many(format!(
            "`{}` makes {count} resources of it; {MAX_RESOURCES} are allowed",
            mapping.name()
        )));
    }
    for resource in commit.changes.iter().filter_map(Change::resource) {
        let fault = |place: String, reason: String| Fault {
            step: FaultStep::Validate,
            place: Some(place),
            rule: Some(format!("mappings/{}.toml", mapping.name())),
            reason,
        };
        if let Some(issue) = hub_fhir::validate::validate(resource.tree()).into_iter().next() {
            return Err(fault(issue.path, issue.what));
        }
        if let Some(check) = typed_check {
            let text = hub_fhir::Json::Object(resource.tree().clone()).to_text();
            check(&text).map_err(|problems| {
                let place = format!("{}: {}", resource.kind(), problems.join(", "));
                fault(place, "does not survive the typed model of R4B".to_owned())
            })?;
        }
    }
    if commit.notes.len() > MAX_NOTES {
        let left_out = commit.notes.len() - MAX_NOTES;
        commit.notes.truncate(MAX_NOTES);
        commit
            .notes
            .push(Note { place: String::new(), reason: format!("{left_out} more notes were not kept") });
    }
    Ok(commit)
}

/// The events that a commit raises, due at `at`.
pub(crate) fn raised(
    raise: &[(CompactString, CompactString)],
    commit: &Commit,
    at: OffsetDateTime,
) -> Vec<Wake> {
    let written = commit.changes.iter().filter_map(Change::resource);
    let event = |resource: &Resource| {
        let (_, event) = raise.iter().find(|(kind, _)| kind == resource.kind().name())?;
        Some(Wake { at, event: event.clone(), subject: resource.reference() })
    };
    if raise.is_empty() { Vec::new() } else { written.filter_map(event).collect() }
}

fn too_many(reason: String) -> Fault {
    Fault { step: FaultStep::Validate, place: None, rule: None, reason }
}

/// The rule that stops a message of a kind the channel does not take, as an operator reads it.
pub fn accept_rule(parse: &hub_spec::Parse) -> String {
    format!("accept = [{}]", parse.expected())
}

/// Bytes to document.
pub fn parse(parser: &dyn Parser, message: Envelope<Raw>) -> Result<Envelope<Parsed>, Box<(Head, Fault)>> {
    match parser.parse(&message.body.0) {
        Ok(document) => Ok(message.advance(Parsed(document))),
        Err(error) => {
            let place = error.place.unwrap_or_else(|| format!("byte {}", error.at));
            let fault = Fault { step: FaultStep::Parse, place: Some(place), rule: None, reason: error.what };
            Err(Box::new((message.head, fault)))
        }
    }
}

fn order_key(route: &Route, document: &dyn Document, scope: Node) -> Option<CompactString> {
    let path = route.order_by.as_ref()?;
    values(document, scope, path).into_iter().next().map(Into::into)
}

fn values(document: &dyn Document, scope: Node, path: &Path) -> Vec<String> {
    let mut nodes = Vec::new();
    document.select(scope, path, &mut nodes);
    nodes
        .into_iter()
        .filter_map(|node| document.text(node)?.value().map(std::borrow::Cow::into_owned))
        .collect()
}

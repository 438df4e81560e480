//! What a mapping makes of a message, whichever way it goes: changes to the store, or messages for a partner.

use hub_core::commit::{Change, Note};
use hub_core::document::{Document, Node, Parser};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::DestinationId;
use hub_core::path::Path;
use hub_fhir::{Object, Resource};
use hub_formats::fhir::FhirDocument;
use hub_mapping::{Condition, Found, Target};

use super::door::Door;
use super::facts::Facts;
use super::given::{Given, Message};
use super::lookup::{Answers, Asked};
use super::subject::Subject;

/// A `[[to]]` of a channel: to whom what a mapping renders is sent, and of what.
#[derive(Clone, Debug)]
pub struct RouteFile {
    /// What its channel does before.
    pub door: Door,
    /// The mapping that makes the channel's resources.
    pub reads_after: String,
    /// `lis/oru-r01/ward-notice`
    id: DestinationId,
    each: Option<Path>,
    when: Option<Condition>,
}

impl RouteFile {
    /// Reads it. What cannot be read is left out: `huitong check` says so.
    pub fn of(door: &Door, reads_after: &str, route: &toml::Table) -> Self {
        let text = |key: &str| route.get(key).and_then(toml::Value::as_str);
        Self {
            door: door.clone(),
            reads_after: reads_after.to_owned(),
            id: DestinationId::from(
                format!("{}/{}", door.channel, text("name").unwrap_or_default()).as_str(),
            ),
            each: text("each").and_then(|each| Path::parse(each).ok()),
            when: text("when").and_then(|when| Condition::compile(when).ok()),
        }
    }

    /// The nodes of which something is sent.
    fn scopes(&self, document: &dyn Document) -> Vec<Node> {
        let mut scopes = Vec::new();
        match &self.each {
            Some(each) => document.select(document.root(), each, &mut scopes),
            None => scopes.push(document.root()),
        }
        scopes.retain(|scope| self.when.as_ref().is_none_or(|when| when.holds(document, *scope)));
        scopes
    }
}

/// A document, and what its channel says of it.
pub struct Read {
    pub document: Box<dyn Document>,
    /// Why the channel does not map the message.
    pub stopped: Option<String>,
}

/// What a message brings about.
#[derive(Default)]
pub struct Made {
    /// For a mapping to FHIR.
    pub changes: Vec<Change>,
    /// For a mapping to a partner's message: one for each node that is sent.
    pub messages: Vec<Object>,
    /// What was left out, and why.
    pub notes: Vec<Note>,
}

impl Subject {
    /// Whether it renders messages for a partner.
    pub fn renders(&self) -> bool {
        self.mapping.to() != Target::Fhir
    }

    /// Reads bytes as the mapping reads them. Where it reads resources and is given a message of the channel that sends what it
    /// renders, the channel's mapping makes the resources first. What that looks up is added to `asked`.
    pub fn read(
        &self,
        bytes: &[u8],
        facts: Facts,
        answers: &Answers,
        asked: &mut Vec<Asked>,
    ) -> Result<Read, Fault> {
        let own = self.parser.parse(bytes);
        let (error, upstream) = match (own, &self.upstream) {
            (Ok(document), None) => {
                let stopped = self.door().and_then(|door| door.stopped(&*document));
                return Ok(Read { document, stopped });
            }
            // The resources themselves: what was filtered never became any.
            (Ok(document), Some(_)) => return Ok(Read { document, stopped: None }),
            (Err(error), None) => (error, None),
            (Err(error), Some(upstream)) => (error, Some(upstream)),
        };
        let parsing = |error: hub_core::document::ParseError| Fault {
            step: FaultStep::Parse,
            place: error.place.clone(),
            rule: None,
            reason: error.what,
        };
        let Some(upstream) = upstream else { return Err(parsing(error)) };
        let document = upstream.parser.parse(bytes).map_err(parsing)?;
        let stopped = self.door().and_then(|door| door.stopped(&*document));
        let told = answers.tell(&upstream.mapping, document.as_ref(), facts, asked)?;
        let run = upstream.mapping.run_with(document.as_ref(), &told)?;
        let trees = run.changes.iter().filter_map(Change::resource).map(Resource::tree);
        Ok(Read { document: Box::new(FhirDocument::new(trees)), stopped })
    }

    /// What the channel does before its mapping reads: of several channels the first, which is the one that was named.
    fn door(&self) -> Option<&Door> {
        let routes = self.place.routes.iter().map(|route| &route.door);
        self.place.channels.iter().chain(routes).next()
    }

    /// The messages in what was given: as the channel takes it apart, where there is one.
    pub fn messages(&self, given: &Given) -> Result<Vec<Message>, Fault> {
        let parser: &dyn Parser = match &self.upstream {
            Some(_) if self.parser.parse(&given.bytes).is_ok() => return Ok(given.whole()),
            Some(upstream) => &*upstream.parser,
            None => &*self.parser,
        };
        match self.door() {
            Some(door) => given.messages(parser, door.split.as_ref()),
            None => given.messages_in(parser),
        }
    }

    /// The nodes of which a message is rendered, each with what the mapping is told; without a channel that sends it, the whole document.
    pub fn scopes(&self, document: &dyn Document, told: &Found, facts: Facts) -> Vec<(Node, Found)> {
        let Some(route) = self.place.routes.first() else { return vec![(document.root(), told.clone())] };
        let told = |(nth, scope)| {
            let mut told = told.clone();
            if self.mapping.reads_facts() {
                facts.tell_parcel(&route.id, nth, &mut told);
            }
            (scope, told)
        };
        route.scopes(document).into_iter().enumerate().map(told).collect()
    }

    /// What the mapping makes of a document. What it looks up is added to `asked`.
    pub fn make(
        &self,
        document: &dyn Document,
        facts: Facts,
        answers: &Answers,
        asked: &mut Vec<Asked>,
    ) -> Result<Made, Fault> {
        let told = answers.tell(&self.mapping, document, facts, asked)?;
        if !self.renders() {
            let run = self.mapping.run_with(document, &told)?;
            return Ok(Made { changes: run.changes, messages: Vec::new(), notes: run.notes });
        }
        let mut made = Made::default();
        for (scope, told) in self.scopes(document, &told, facts) {
            let rendered = self.mapping.render_with(document, scope, &told)?;
            made.messages.push(rendered.tree);
            made.notes.extend(rendered.notes);
        }
        Ok(made)
    }
}

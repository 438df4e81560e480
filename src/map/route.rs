//! What a mapping makes of a message, whichever way it goes: changes to the store, or messages for a partner.

use hub_core::commit::{Change, Note};
use hub_core::document::{Document, Node};
use hub_core::fault::{Fault, FaultStep};
use hub_core::path::Path;
use hub_fhir::{Object, Resource};
use hub_formats::fhir::FhirDocument;
use hub_mapping::{Condition, Target};

use super::lookup::{Answers, Asked};
use super::subject::Subject;

/// A `[[to]]` of a channel: to whom what a mapping renders is sent, and of what.
#[derive(Clone, Debug)]
pub struct RouteFile {
    /// The channel: `lis/oru-r01`.
    pub channel: String,
    /// The mapping that makes the channel's resources.
    pub reads_after: String,
    /// The character set of the channel's messages that do not name theirs.
    pub charset: Option<String>,
    each: Option<Path>,
    when: Option<Condition>,
}

impl RouteFile {
    /// Reads it. What cannot be read is left out: `huitong check` says so.
    pub fn of(channel: &str, reads_after: &str, charset: Option<&str>, route: &toml::Table) -> Self {
        let text = |key: &str| route.get(key).and_then(toml::Value::as_str);
        Self {
            channel: channel.to_owned(),
            reads_after: reads_after.to_owned(),
            charset: charset.map(str::to_owned),
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
        answers: &Answers,
        asked: &mut Vec<Asked>,
    ) -> Result<Box<dyn Document>, Fault> {
        let own = self.parser.parse(bytes);
        let (error, upstream) = match (own, &self.upstream) {
            (Ok(document), _) => return Ok(document),
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
        let told = answers.tell(&upstream.mapping, document.as_ref(), asked)?;
        let run = upstream.mapping.run_with(document.as_ref(), &told)?;
        let trees = run.changes.iter().filter_map(Change::resource).map(Resource::tree);
        Ok(Box::new(FhirDocument::new(trees)))
    }

    /// The nodes of which a message is rendered; without a channel that sends it, the whole document.
    pub fn scopes(&self, document: &dyn Document) -> Vec<Node> {
        match self.place.routes.first() {
            Some(route) => route.scopes(document),
            None => vec![document.root()],
        }
    }

    /// What the mapping makes of a document. What it looks up is added to `asked`.
    pub fn make(
        &self,
        document: &dyn Document,
        answers: &Answers,
        asked: &mut Vec<Asked>,
    ) -> Result<Made, Fault> {
        let told = answers.tell(&self.mapping, document, asked)?;
        if !self.renders() {
            let run = self.mapping.run_with(document, &told)?;
            return Ok(Made { changes: run.changes, messages: Vec::new(), notes: run.notes });
        }
        let mut made = Made::default();
        for scope in self.scopes(document) {
            let rendered = self.mapping.render_with(document, scope, &told)?;
            made.messages.push(rendered.tree);
            made.notes.extend(rendered.notes);
        }
        Ok(made)
    }
}

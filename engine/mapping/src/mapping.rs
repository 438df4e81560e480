//! A compiled mapping: what can be asked of it and what it makes.

use std::fmt;

use hub_core::commit::{Change, Note};
use hub_core::document::{Document, Node};
use hub_core::fault::Fault;
use hub_core::registry::Settings;
use hub_fhir::{Object, ResourceType};

use crate::find::{Found, Need};
use crate::plan::Plan;
use crate::read::Reader;
use crate::trace::Trace;
use crate::unread::{Unread, unread};
use crate::{render, run};

/// A compiled mapping. Running it changes nothing.
pub struct Mapping {
    plan: Plan,
}

/// What a mapping writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// FHIR resources, as changes to the store.
    Fhir,
    /// A JSON message for a partner.
    Json,
    /// An XML message for a partner.
    Xml,
    /// Delimited or fixed-width records for a partner.
    Csv,
    /// An HL7 v2 message for a partner.
    Hl7v2,
}

impl Target {
    /// The target of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// All of them.
    pub const ALL: [Self; 5] = [Self::Fhir, Self::Json, Self::Xml, Self::Csv, Self::Hl7v2];

    /// The format's name: `fhir`, `json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fhir => "fhir",
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Csv => "csv",
            Self::Hl7v2 => "hl7v2",
        }
    }
}

/// What a document brings about.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Writes to the store, in the order of the mapping.
    pub changes: Vec<Change>,
    /// What was left out, and why.
    pub notes: Vec<Note>,
}

/// A message for a partner, as a tree in the shape of its format ([`Target::name`]); a writer makes bytes of it.
#[derive(Clone)]
pub struct Rendered {
    /// What it says.
    pub tree: Object,
    /// What was left out, and why.
    pub notes: Vec<Note>,
}

impl fmt::Debug for Rendered {
    /// Never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rendered({} members)", self.tree.len())
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({} version {})", self.plan.name, self.plan.version)
    }
}

impl Mapping {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan }
    }

    /// Its name: `his/adt`.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// The version its file carries.
    pub fn version(&self) -> u32 {
        self.plan.version
    }

    /// The format it reads: `hl7v2`, `fhir`.
    pub fn from(&self) -> &str {
        &self.plan.from
    }

    /// What it writes.
    pub fn to(&self) -> Target {
        self.plan.to
    }

    /// How the format it reads is laid out: `[source]`.
    pub fn source_layout(&self) -> &Settings {
        &self.plan.source_layout
    }

    /// How the format it writes is laid out: `[message.layout]`.
    pub fn message_layout(&self) -> &Settings {
        &self.plan.message_layout
    }

    /// The format of the request that a reply answers: paths that begin with `request` are read from it.
    pub fn request(&self) -> Option<&str> {
        self.plan.request.as_deref()
    }

    /// The files it was compiled from: its own first, then its parts.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.plan.files.iter().map(String::as_str)
    }

    /// The types of resources it can write, each once, in their order.
    pub fn types(&self) -> Vec<ResourceType> {
        let mut types: Vec<_> = self.plan.resources.iter().map(|resource| resource.kind).collect();
        types.sort_unstable();
        types.dedup();
        types
    }

    /// Whether it reads facts of the hub: only then they have to be told.
    pub fn reads_facts(&self) -> bool {
        self.plan.reads_facts
    }

    /// Whether it ever needs something of the store: most mappings do not.
    pub fn may_need(&self) -> bool {
        self.plan.may_need
    }

    /// What must be looked up in the store before it can run on this document.
    pub fn needs(&self, doc: &dyn Document) -> Vec<Need> {
        if !self.plan.may_need {
            return Vec::new();
        }
        run::needs(&self.plan, &Reader::new(doc, &Found::default()))
    }

    /// Makes changes of a document. For a mapping to a partner's message: no changes.
    pub fn run(&self, doc: &dyn Document) -> Result<Run, Fault> {
        self.run_with(doc, &Found::default())
    }

    /// The same, with the answers to what it needs.
    pub fn run_with(&self, doc: &dyn Document, found: &Found) -> Result<Run, Fault> {
        run::run(&self.plan, &Reader::new(doc, found)).map(|(run, _)| run)
    }

    /// The same, and tells what was read and where every value comes from.
    pub fn run_traced(&self, doc: &dyn Document, found: &Found) -> Result<(Run, Trace), Fault> {
        let reader = Reader::traced(doc, found);
        let (run, lineage) = run::run(&self.plan, &reader)?;
        let read = reader.read_since(0).into_iter().collect();
        Ok((run, Trace { read, lineage: lineage.unwrap_or_default() }))
    }

    /// Every leaf of the document that holds a value and was not read.
    pub fn unread(&self, doc: &dyn Document, trace: &Trace) -> Vec<Unread> {
        unread(&self.plan, doc, trace)
    }

    /// Makes a partner's message of a document, its paths seen from `scope`. Of a mapping to FHIR: a transaction Bundle.
    pub fn render(&self, doc: &dyn Document, scope: Node) -> Result<Rendered, Fault> {
        self.render_with(doc, scope, &Found::default())
    }

    /// The same, with what it is told beside the document.
    pub fn render_with(&self, doc: &dyn Document, scope: Node, found: &Found) -> Result<Rendered, Fault> {
        render::render(&self.plan, &Reader::new(doc, found), scope).map(|(rendered, _)| rendered)
    }

    /// The same, and tells what was read and where every value comes from.
    pub fn render_traced(
        &self,
        doc: &dyn Document,
        scope: Node,
        found: &Found,
    ) -> Result<(Rendered, Trace), Fault> {
        let reader = Reader::traced(doc, found);
        let (rendered, lineage) = render::render(&self.plan, &reader, scope)?;
        let read = reader.read_since(0).into_iter().collect();
        Ok((rendered, Trace { read, lineage: lineage.unwrap_or_default() }))
    }
}

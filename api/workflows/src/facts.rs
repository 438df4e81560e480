//! What is known when something is decided, and what must be read first.

use std::collections::HashMap;
use std::sync::Arc;

use hub_fhir::{Id, Json, Object, Reference, Resource, ResourceType};
use time::OffsetDateTime;

use crate::policy::Policy;
use crate::refused::{Refused, Stop};

/// Something to be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// These resources.
    Read(Vec<Reference>),
    /// What a search finds.
    Search {
        /// The type.
        kind: ResourceType,
        /// The query: names and values. A value that somebody has said is escaped first ([`crate::fhir::escaped`]).
        query: Vec<(String, String)>,
        /// Whether the decision only holds as long as the search finds these same resources.
        guarded: bool,
    },
}

/// A resource as it was read.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The resource.
    pub resource: Resource,
    /// Its version.
    pub version: u64,
}

impl Fact {
    /// Where it is.
    pub fn reference(&self) -> Reference {
        self.resource.reference()
    }

    /// Its id.
    pub fn id(&self) -> &Id {
        self.resource.id()
    }

    /// Its tree.
    pub fn tree(&self) -> &Object {
        self.resource.tree()
    }

    /// A string at a path of member names and indices.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        at(self.tree(), path)?.as_str()
    }
}

/// The value at a path of member names and indices.
pub fn at<'a>(tree: &'a Object, path: &[&str]) -> Option<&'a Json> {
    let (first, rest) = path.split_first()?;
    tree.get(first)?.at(rest)
}

/// What is known. Asking for what is not yet known stops the decision with [`Stop::Ask`]; it is made again when that is known.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The moment.
    pub now: OffsetDateTime,
    /// The numbers that the hospital has set.
    pub policy: Arc<Policy>,
    read: HashMap<Reference, Option<Fact>>,
    found: HashMap<Need, Vec<Reference>>,
}

impl Facts {
    /// Nothing is known but the moment.
    pub fn new(now: OffsetDateTime, policy: Arc<Policy>) -> Self {
        Self { now, policy, read: HashMap::new(), found: HashMap::new() }
    }

    /// Tells how a resource stands; `None`: it is not there.
    pub fn tell(&mut self, reference: Reference, fact: Option<Fact>) {
        self.read.insert(reference, fact);
    }

    /// Tells what a search has found.
    pub fn tell_found(&mut self, need: Need, found: Vec<Fact>) {
        let references = found.iter().map(Fact::reference).collect();
        for fact in found {
            self.read.insert(fact.reference(), Some(fact));
        }
        self.found.insert(need, references);
    }

    /// The searches whose findings the decision hangs on, with what they found.
    pub fn guarded(&self) -> impl Iterator<Item = (ResourceType, &[(String, String)], &[Reference])> {
        self.found.iter().filter_map(|(need, found)| match need {
            Need::Search { kind, query, guarded: true } => Some((*kind, query.as_slice(), found.as_slice())),
            _ => None,
        })
    }

    /// A resource; `None`: it is not there.
    pub fn read(&self, reference: &Reference) -> Result<Option<&Fact>, Stop> {
        match self.read.get(reference) {
            Some(fact) => Ok(fact.as_ref()),
            None => Err(Stop::Ask(Need::Read(vec![reference.clone()]))),
        }
    }

    /// Several at once, in their order; those that are not there are left out.
    pub fn read_all(&self, references: &[Reference]) -> Result<Vec<&Fact>, Stop> {
        let missing: Vec<Reference> =
            references.iter().filter(|reference| !self.read.contains_key(reference)).cloned().collect();
        if !missing.is_empty() {
            return Err(Stop::Ask(Need::Read(missing)));
        }
        Ok(references.iter().filter_map(|reference| self.read.get(reference)?.as_ref()).collect())
    }

    /// A resource that somebody asks about: without it there is nothing to be done for him.
    pub fn asked(&self, reference: &Reference) -> Result<&Fact, Stop> {
        self.read(reference)?.ok_or_else(|| Refused::of("NOT_FOUND").into())
    }

    /// A resource that must be there.
    pub fn must(&self, reference: &Reference) -> Result<&Fact, Stop> {
        let missing = || Stop::Unfit(format!("`{reference}` is not there"));
        self.read(reference)?.ok_or_else(missing)
    }

    /// What a search finds.
    pub fn search(&self, kind: &str, query: &[(&str, &str)]) -> Result<Vec<&Fact>, Stop> {
        self.find(kind, query, false)
    }

    /// The same; what is decided is only written if the search then finds the same.
    pub fn search_guarded(&self, kind: &str, query: &[(&str, &str)]) -> Result<Vec<&Fact>, Stop> {
        self.find(kind, query, true)
    }

    fn find(&self, kind: &str, query: &[(&str, &str)], guarded: bool) -> Result<Vec<&Fact>, Stop> {
        let kind = ResourceType::from_name(kind).ok_or_else(|| Stop::Unfit(format!("no type `{kind}`")))?;
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let need = Need::Search { kind, query, guarded };
        match self.found.get(&need) {
            Some(found) => Ok(found.iter().filter_map(|at| self.read.get(at)?.as_ref()).collect()),
            None => Err(Stop::Ask(need)),
        }
    }
}

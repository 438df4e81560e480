//! What a mapping must know of the store before it runs. The mapping says what it needs, the runtime looks it up, the mapping stays
//! pure.

use std::collections::HashMap;

use compact_str::CompactString;
use hub_fhir::{Id, ResourceType};

/// One question to the store: the resources of a type with these values.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Need {
    /// Their type.
    pub kind: ResourceType,
    /// Search parameters and their values, as in a FHIR search: (`identifier`, `urn:id:HIS|H0000123`).
    pub criteria: Vec<(CompactString, CompactString)>,
}

impl std::fmt::Debug for Need {
    /// Never a value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.criteria.iter().map(|(name, _)| name.as_str()).collect();
        write!(f, "Need({} by {})", self.kind, names.join(", "))
    }
}

/// What a mapping is told beside its document: the answers to what it needs, and facts about the message itself.
#[derive(Clone, Default)]
pub struct Found {
    answers: HashMap<Need, Vec<Id>>,
    facts: Vec<(&'static str, CompactString)>,
}

/// The facts a mapping may read, as paths: `hub.message_id`.
pub const FACTS: [(&str, &str); 5] = [
    ("message_id", "the hub's id of the message: a UUID"),
    (
        "control_id",
        "a number of at most 20 characters for what is sent because of it (MSH-10); the same at every try",
    ),
    (
        "correlation",
        "what ties together all that follows from one thing; of what a workflow asks of a partner, the number of its task",
    ),
    ("time", "when the message was received; of a reply, when it is made"),
    ("reason", "of the refusal of a request: what is wrong with it, in words that hold no patient data"),
];

impl std::fmt::Debug for Found {
    /// Never a value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Found({} answers, {} facts)", self.answers.len(), self.facts.len())
    }
}

impl Found {
    /// Keeps the ids that were found for a need; two are enough to know that it is ambiguous. What was asked and not answered
    /// found nothing.
    pub fn put(&mut self, need: Need, ids: Vec<Id>) {
        self.answers.insert(need, ids);
    }

    /// The ids found for a need.
    pub fn ids(&self, need: &Need) -> &[Id] {
        self.answers.get(need).map_or(&[], Vec::as_slice)
    }

    /// Tells a fact about the message, one of [`FACTS`]; a later value replaces an earlier one.
    pub fn tell(&mut self, fact: &'static str, value: impl Into<CompactString>) {
        debug_assert!(FACTS.iter().any(|(known, _)| *known == fact), "there is no fact `{fact}`");
        self.facts.retain(|(known, _)| *known != fact);
        self.facts.push((fact, value.into()));
    }

    /// A fact, and its place among them.
    pub(crate) fn fact(&self, name: &str) -> Option<usize> {
        self.facts.iter().position(|(known, _)| *known == name)
    }

    pub(crate) fn fact_at(&self, place: usize) -> Option<(&'static str, &str)> {
        self.facts.get(place).map(|(name, value)| (*name, value.as_str()))
    }
}

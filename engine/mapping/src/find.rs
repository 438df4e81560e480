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

/// The answers. What was asked and is not there found nothing.
#[derive(Clone, Debug, Default)]
pub struct Found(HashMap<Need, Vec<Id>>);

impl Found {
    /// Keeps the ids that were found for a need; two are enough to know that it is ambiguous.
    pub fn put(&mut self, need: Need, ids: Vec<Id>) {
        self.0.insert(need, ids);
    }

    /// The ids found for a need.
    pub fn ids(&self, need: &Need) -> &[Id] {
        self.0.get(need).map_or(&[], Vec::as_slice)
    }
}

//! What the FHIR door grants those who write.

use std::collections::{HashMap, HashSet};

use hub_fhir::ResourceType;

/// The settings of the FHIR door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FhirSettings {
    /// Whether resources may be written through the door; otherwise it only reads.
    pub writes: bool,
    /// The largest body that is taken, in bytes.
    pub body_bytes: usize,
    /// How many entries a batch or transaction may have.
    pub bundle_entries: usize,
    /// Whether a conditional delete may delete several resources (R4B §3.1.0.7.1); otherwise it must find at most one.
    pub delete_several: bool,
    /// Whether the definitions of R4B's search parameters are kept as resources, which nobody else may write.
    pub definitions: bool,
    /// What is looked at before a resource is written.
    pub validate: Validation,
    /// The types whose texts the store searches, by `_text` and `_content`.
    pub full_text: HashSet<ResourceType>,
}

impl Default for FhirSettings {
    fn default() -> Self {
        Self {
            writes: true,
            body_bytes: 16 << 20,
            bundle_entries: 2_000,
            delete_several: false,
            definitions: true,
            validate: Validation::default(),
            full_text: HashSet::new(),
        }
    }
}

/// What is looked at before a resource is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// Where nothing is said of a type.
    pub all: Checks,
    /// Of single types.
    pub types: HashMap<ResourceType, Checks>,
}

impl Validation {
    /// What is looked at in resources of a type.
    pub fn of(&self, kind: ResourceType) -> Checks {
        self.types.get(&kind).copied().unwrap_or(self.all)
    }
}

/// What is looked at in a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Elements, their types and how often they stand, the form of values, and codes of required value sets.
    pub structure: bool,
    /// The rules of R4B's definitions, as FHIRPath.
    pub invariants: bool,
    /// Whether the resources of this server that it points at are there.
    pub references: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Self { structure: true, invariants: false, references: false }
    }
}

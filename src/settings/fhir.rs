//! The settings of the FHIR API.

use std::collections::{BTreeMap, HashSet};

use anyhow::Context;
use hub_fhir::ResourceType;
use hub_http::{Checks, FhirSettings, Validation};
use serde::Deserialize;

/// The FHIR API.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fhir {
    /// Whether resources may be written through it.
    pub writes: bool,
    /// The largest body it takes.
    pub body_bytes: usize,
    /// How many entries a batch or transaction may have.
    pub bundle_entries: usize,
    /// Whether a conditional delete may delete several resources.
    pub delete_several: bool,
    /// Whether the definitions of R4B's search parameters are kept as resources.
    pub definitions: bool,
    /// What is looked at before a resource is written.
    pub validate: Validate,
    /// What resources are found by, beside their search parameters.
    pub search: Search,
}

/// What resources are found by, beside their search parameters.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Whose texts are searched.
    pub text: Texts,
}

/// Whose texts are searched.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected true, false or a list of resource types")]
pub enum Texts {
    /// Those of all types, or of none.
    All(bool),
    /// Those of these types.
    Of(Vec<String>),
}

impl Texts {
    /// The types; an error names what is none.
    pub(super) fn types(&self) -> anyhow::Result<HashSet<ResourceType>> {
        match self {
            Texts::All(true) => Ok(ResourceType::all().collect()),
            Texts::All(false) => Ok(HashSet::new()),
            Texts::Of(names) => names
                .iter()
                .map(|name| {
                    let kind = ResourceType::from_name(name);
                    kind.with_context(|| format!("`fhir.search.text`: `{name}` is no resource type of R4B"))
                })
                .collect(),
        }
    }
}

/// What is looked at before a resource is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validate {
    /// Elements, types, cardinality, values and required codes.
    pub structure: bool,
    /// The rules of R4B's definitions.
    pub invariants: bool,
    /// Whether what it points at is there.
    pub references: bool,
    /// What is otherwise with single types.
    #[serde(default)]
    pub types: BTreeMap<String, ValidateType>,
}

/// What is otherwise with a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidateType {
    structure: Option<bool>,
    invariants: Option<bool>,
    references: Option<bool>,
}

impl Validate {
    /// The settings as the door takes them; an error names what is no type.
    fn settings(&self) -> anyhow::Result<Validation> {
        let Self { structure, invariants, references, .. } = *self;
        let all = Checks { structure, invariants, references };
        let types = self.types.iter().map(|(name, own)| {
            let kind = ResourceType::from_name(name);
            let kind =
                kind.with_context(|| format!("`fhir.validate.types.{name}`: R4B has no such resource type"))?;
            let checks = Checks {
                structure: own.structure.unwrap_or(structure),
                invariants: own.invariants.unwrap_or(invariants),
                references: own.references.unwrap_or(references),
            };
            anyhow::Ok((kind, checks))
        });
        Ok(Validation { all, types: types.collect::<Result<_, _>>()? })
    }
}

impl Fhir {
    /// The settings as the door takes them.
    pub fn settings(&self) -> anyhow::Result<FhirSettings> {
        let validate = self.validate.settings()?;
        let Self { writes, body_bytes, bundle_entries, delete_several, definitions, .. } = *self;
        let full_text = self.search.text.types()?;
        Ok(FhirSettings {
            writes,
            body_bytes,
            bundle_entries,
            delete_several,
            definitions,
            validate,
            full_text,
        })
    }
}

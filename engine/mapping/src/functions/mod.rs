//! The functions: a closed set, each named by the standard, each making one FHIR value of one source value.
//!
//! A name without brackets is the FHIR type it writes; `EI[Identifier]` says also which HL7 v2 type it reads, as the
//! official v2-to-FHIR maps do.

mod address;
mod annotation;
mod attachment;
mod build;
mod by;
mod coded;
mod contact;
mod context;
mod copy;
mod dates;
mod examples;
#[cfg(test)]
mod examples_tests;
mod hl7;
mod identifier;
mod lines;
mod mapped;
mod money;
mod names;
mod numbers;
mod parts;
mod patterns;
mod period;
mod plain;
mod quantity;
mod quantity_forms;
mod reference;
mod systems;
mod table;
mod v3;

use std::borrow::Cow;

use hub_core::document::Node;
use hub_fhir::Json;
use hub_fhir::primitive::Primitive;

pub(crate) use by::make as make_by;
pub(crate) use context::Context;
pub(crate) use dates::is_zone;
pub use examples::{EXAMPLES, Example};
pub(crate) use mapped::{Mapped, make as make_mapped};
pub(crate) use table::{FUNCTIONS, function, names};

use crate::read::Value;

/// One function.
#[derive(Debug)]
pub(crate) struct Function {
    /// As mappings name it: `HumanName`, `EI[Identifier]`.
    pub(crate) name: &'static str,
    /// What it reads, in the terms of HL7 v2: `XPN`.
    pub(crate) reads: &'static str,
    /// The type it writes.
    pub(crate) writes: &'static str,
    /// What it does, in a few words.
    pub(crate) about: &'static str,
    pub(crate) make: fn(Value<'_>, &Context<'_>) -> Outcome,
}

impl Function {
    /// What sort of value it makes.
    pub(crate) fn makes(&self) -> Makes {
        const SIMPLE: [&str; 8] = ["ST", "TX", "FT", "ID", "NM", "DT", "TM", "DTM"];
        if SIMPLE.contains(&self.writes) || Primitive::from_name(self.writes).is_some() {
            Makes::Text
        } else if self.writes.bytes().all(|letter| letter.is_ascii_uppercase()) {
            Makes::Hl7
        } else {
            Makes::Fhir
        }
    }
}

/// Sorts of values that functions make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Makes {
    /// A text, a number or a truth: it can stand anywhere.
    Text,
    /// An object of FHIR elements.
    Fhir,
    /// A field of HL7 v2 with its components.
    Hl7,
}

/// What a function makes of a value: `None` when there is nothing in it.
pub(crate) type Outcome = Result<Option<Json>, Misfit>;

/// A value that does not fit the type it should become. Holds no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Where the value stands.
    pub(crate) node: Node,
    /// What was expected.
    pub(crate) expected: Cow<'static, str>,
}

impl Misfit {
    pub(crate) fn new(value: Value<'_>, expected: impl Into<Cow<'static, str>>) -> Self {
        Self { node: value.node, expected: expected.into() }
    }
}

/// What is known about a function: its row in `docs/mapping.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    /// As mappings name it: `HumanName`, `EI[Identifier]`.
    pub name: &'static str,
    /// What it reads, in the terms of HL7 v2.
    pub reads: &'static str,
    /// The FHIR type it writes.
    pub writes: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
}

/// Every function, in the order of the documentation.
pub fn functions() -> impl Iterator<Item = FunctionInfo> {
    FUNCTIONS.iter().map(|function| FunctionInfo {
        name: function.name,
        reads: function.reads,
        writes: function.writes,
        about: function.about,
    })
}

//! FHIR R4B without I/O: resources as trees that keep every digit, the official tables of elements and
//! search parameters, search rows, searches and merging.
//!
//! * A resource is a [`Resource`]: a type, an id and a tree of [`Json`] that keeps the order of members and the
//!   characters of numbers. [`json::parse`] and [`json::write`] are total and linear.
//! * What R4B allows stands in tables made from the official definitions by `tables/generate.py`: [`elements`] (names,
//!   types, cardinality, bindings, targets), [`codes`] (the value sets bound as required), [`params`] (the search
//!   parameters). They are read at first use, in a few milliseconds.
//! * [`validate()`](validate::validate) checks a tree against them in microseconds; [`outcome`] says it in FHIR's words.
//! * [`Prepared`] is a resource ready for the store: its text with a gap for the version, its digest and its search
//!   rows. [`index::rows`] makes the rows with [`fhirpath`], whose expressions are compiled once.
//! * [`search::parse`] turns a query into a [`search::Search`]; [`bundle`] writes the answer from stored texts.
//! * [`merge()`](merge::merge) unites what a sender knows with what is stored; [`difference`] says what differs between two trees.
//!
//! Dates and times without an offset are Beijing time everywhere: [`moment::ZONELESS_OFFSET_SECONDS`].
//!
//! Invariant: no I/O, no clock, no panic on input; error texts and the Debug output of productive builds hold no
//! content, which may name a patient.

mod aspects;
pub mod bundle;
pub mod codes;
pub mod compartments;
pub mod composite;
pub mod contained;
mod cursor;
pub mod definition;
pub mod described;
pub mod difference;
pub mod elements;
pub mod expand;
pub mod fhirpath;
mod fhirpath_read;
pub mod full_text;
pub mod index;
mod index_numbers;
mod index_rows;
pub mod json;
mod json_read;
mod json_tree;
mod json_write;
pub mod language;
pub mod leaves;
pub mod links;
mod measure;
pub mod merge;
pub mod moment;
pub mod normal;
pub mod outcome;
mod own;
pub mod own_elements;
pub mod parameters;
pub mod params;
pub mod patch;
pub mod prepare;
pub mod primitive;
mod resource;
pub mod search;
mod search_filter;
mod search_links;
mod search_parse;
mod search_sort;
mod search_value;
pub mod sight;
mod simplified;
mod sought;
pub mod spelling;
pub mod terminology;
mod types;
pub mod unit;
pub mod validate;
mod veil;

pub use json::{Json, Object};
pub use merge::merge;
pub use prepare::Prepared;
pub use resource::{Id, Reference, Resource, ResourceError};
pub use types::ResourceType;
pub use validate::validate;

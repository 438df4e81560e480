//! FHIR R4B without I/O: resources as trees that keep every digit, the official tables of elements and
//! search parameters, search rows, searches and merging.

pub mod bundle;
pub mod codes;
mod cursor;
pub mod elements;
pub mod fhirpath;
mod fhirpath_read;
pub mod index;
mod index_rows;
pub mod json;
mod json_read;
mod json_write;
pub mod merge;
pub mod moment;
pub mod normal;
pub mod outcome;
pub mod params;
pub mod prepare;
pub mod primitive;
mod resource;
pub mod search;
mod search_parse;
mod search_value;
mod types;
pub mod validate;
mod veil;

pub use json::{Json, Object};
pub use merge::merge;
pub use prepare::Prepared;
pub use resource::{Id, Reference, Resource, ResourceError};
pub use types::ResourceType;
pub use validate::validate;

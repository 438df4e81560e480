//! FHIR R4B without I/O: resources as trees that keep every digit, the official tables of elements and
//! search parameters, search rows, searches and merging.

pub mod index;
pub mod json;
mod json_read;
mod json_write;
mod resource;
pub mod search;
mod search_parse;
mod types;

pub use json::{Json, Object};
pub use resource::{Id, Reference, Resource, ResourceError};
pub use types::ResourceType;

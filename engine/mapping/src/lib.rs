//! Compiles and runs mappings: one document becomes FHIR resources, or FHIR resources become a partner's message.
//!
//! Invariant: pure and deterministic. No I/O, no clock, no randomness: the same document gives the same result.
//! The language is described in `docs/mapping.md`. In reading order:

mod files;
mod reading;

mod codes;
mod concept_map;
mod condition;
mod condition_parse;
mod find;
mod functions;
mod json_places;
mod keys;
mod plan;

mod compile;
mod mapping;
mod read;
mod render;
mod run;
mod schema;
mod told;
mod trace;
mod unread;

pub use codes::check_code_table;
pub use compile::{compile, wrong_path};
pub use concept_map::concept_map;
pub use condition::Condition;
pub use condition_parse::ConditionError;
pub use files::{FileText, Files, misplaced};
pub use find::{FACTS, Found, Need};
pub use functions::{EXAMPLES, Example, FunctionInfo, functions};
pub use mapping::{Mapping, Rendered, Run, Target};
pub use schema::{code_table_schema, mapping_schema};
pub use trace::{Lineage, Trace};
pub use unread::Unread;

//! FHIRPath on resources of R4B: the normative release 2.0.0 (N1, <http://hl7.org/fhirpath/N1/>) with the additions of
//! R4B (<https://hl7.org/fhir/R4B/fhirpath.html>).
//!
//! * [`Expression`] is read and checked once: names against the tables of elements, functions, patterns. Every error has
//!   its character and says what was expected.
//! * It is evaluated on a [`Node`] of a resource with an [`Environment`]; values are handed out by reference.
//! * A [`Resolver`] answers what the resource alone does not say: references, value sets, profiles.
//! * [`invariants`] holds the rules of R4B's own definitions; [`validate`] checks a resource against structure and rules.
//!
//! The search parameters of a stored resource are read by `hub_fhir::fhirpath`, a smaller language that looks at
//! members only; this crate is for everything else. `docs/fhirpath.md` lists what is supported, function by function.
//!
//! Invariant: no I/O, no clock (`now()` is what the caller says), no panic on input; steps, values and depth are limited;
//! errors and Debug output hold no content.

mod arithmetic;
mod check;
mod environment;
mod equal;
mod error;
mod expression;
mod functions;
mod html;
pub mod invariants;
mod item;
mod kind;
mod navigate;
mod number;
mod patch;
mod patch_place;
mod patch_value;
mod quantity;
mod read;
mod run;
mod searching;
mod temporal;
mod temporal_read;
mod temporal_shift;
mod token;
mod tree;
mod validate;

pub use environment::{Coded, Environment, Limits, Resolver, Trace};
pub use error::{EvaluationError, SyntaxError};
pub use expression::{Expression, On};
pub use item::{Item, Items, ItemsIntoIter, Node};
pub use kind::{Kind, System};
pub use patch::FhirPatch;
pub use quantity::{Quantity, Unit};
pub use searching::SearchLanguage;
pub use temporal::{CalendarUnit, Sort, Temporal};
pub use validate::{Checked, check_invariants, validate};

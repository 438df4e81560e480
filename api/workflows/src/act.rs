//! What can be asked for: the operations of the business API (FHIR R4B, OperationDefinition).

use hub_core::who::Role;

/// One operation: `Appointment/$hold`.
#[derive(Debug)]
pub struct Act {
    /// Its name, without the `$`.
    pub name: &'static str,
    /// The type of resource it is called on.
    pub kind: &'static str,
    /// Whether it is called on a type or on one resource.
    pub on: On,
    /// Who may call it, as far as a role tells; the workflow looks whose the resource is.
    pub roles: &'static [Role],
    /// What it takes.
    pub takes: &'static [Parameter],
    /// What it answers: a type of resource, or `Parameters`.
    pub answers: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
}

/// What an operation is called on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// `Appointment/$hold`.
    Type,
    /// `Appointment/7/$cancel`.
    Instance,
}

/// One parameter of an operation.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its type: `Reference`, `string`, `Patient`.
    pub kind: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it may be there more than once.
    pub many: bool,
    /// What it means.
    pub about: &'static str,
}

impl Parameter {
    /// One that must be there, once.
    pub const fn one(name: &'static str, kind: &'static str, about: &'static str) -> Self {
        Self { name, kind, required: true, many: false, about }
    }

    /// One that may be there, once.
    pub const fn maybe(name: &'static str, kind: &'static str, about: &'static str) -> Self {
        Self { name, kind, required: false, many: false, about }
    }

    /// One that may be there several times.
    pub const fn some(name: &'static str, kind: &'static str, about: &'static str) -> Self {
        Self { name, kind, required: false, many: true, about }
    }
}

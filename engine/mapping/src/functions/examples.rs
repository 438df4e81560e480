//! An example of every function: what a field holds, and what becomes of it. Each is a test.

/// One example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The function, as mappings name it.
    pub function: &'static str,
    /// The field, as HL7 v2 writes it.
    pub field: &'static str,
    /// What the function makes of it, as JSON.
    pub json: &'static str,
}

/// At least one example of every function.
pub const EXAMPLES: &[Example] = &[];

//! What functions know besides the value: the mapping's zone and systems, and the line's own keys.

use std::collections::HashMap;

use compact_str::CompactString;

use crate::codes::CodeTable;
use crate::read::Value;

/// The surroundings of one call.
pub(crate) struct Context<'a> {
    /// The zone of times that name none.
    pub(crate) zone: &'a str,
    /// The sender's names of systems, and their URIs.
    pub(crate) systems: &'a HashMap<CompactString, CompactString>,
    /// The line's `system`.
    pub(crate) system: Option<&'a str>,
    /// What the line's `unit` path found.
    pub(crate) unit: Option<Value<'a>>,
    /// The line's `units` table.
    pub(crate) units: Option<&'a CodeTable>,
}

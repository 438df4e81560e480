//! The resource types of FHIR R4B.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// One of the resource types of R4B, as its place in the list of their names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceType(u8);

static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("../tables/types.txt").lines().collect());
static BY_NAME: LazyLock<HashMap<&'static str, ResourceType>> =
    LazyLock::new(|| NAMES.iter().enumerate().map(|(at, name)| (*name, ResourceType(at as u8))).collect());

impl ResourceType {
    /// The type of this name; case matters.
    pub fn from_name(name: &str) -> Option<Self> {
        BY_NAME.get(name).copied()
    }

    /// Its place in the order of the names.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its name: `Patient`.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// All types, in the order of their names.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..NAMES.len()).map(|at| Self(at as u8))
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

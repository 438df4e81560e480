//! What the laboratory can measure, read from `data/laboratory.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

/// The one laboratory.
pub(super) static LABORATORY: LazyLock<Laboratory> = LazyLock::new(|| {
    toml::from_str(include_str!("../../data/laboratory.toml"))
        .expect("the file is part of the program and a test reads it")
});

/// Everything in the file; every list has at least two entries (a test holds it).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Laboratory {
    pub(super) panel: Vec<Panel>,
    pub(super) organism: Vec<Coded>,
    pub(super) drug: Vec<Drug>,
    pub(super) staff: Vec<Coded>,
}

/// What is ordered together (OBR-4).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Panel {
    pub(super) code: String,
    pub(super) name: String,
    /// OBR-24.
    pub(super) section: String,
    pub(super) specimen: [String; 2],
    pub(super) item: Vec<Item>,
}

/// What is measured (OBX-3).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    pub(super) code: String,
    pub(super) name: String,
    pub(super) loinc: [String; 2],
    pub(super) unit: String,
    pub(super) decimals: usize,
    /// In the last printed digit.
    pub(super) usual: [u64; 2],
    /// OBX-7, as printed.
    pub(super) reference: String,
    /// Below the first or above the second a doctor is called.
    pub(super) critical: [u64; 2],
}

/// A code and its name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Coded {
    pub(super) code: String,
    pub(super) name: String,
}

/// What a germ is tested against: the concentrations for S, I and R.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drug {
    pub(super) code: String,
    pub(super) name: String,
    pub(super) concentrations: [String; 3],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_of_the_laboratory_has_two_entries() {
        let laboratory = &*LABORATORY;
        assert!(laboratory.panel.len() >= 2 && laboratory.organism.len() >= 2);
        assert!(laboratory.drug.len() >= 2 && laboratory.staff.len() >= 2);
        for item in laboratory.panel.iter().flat_map(|panel| &panel.item) {
            assert!(item.critical[0] < item.usual[0] && item.usual[1] < item.critical[1], "{}", item.code);
        }
    }
}

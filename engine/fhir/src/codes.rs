//! The value sets that R4B binds as required, with their systems and codes.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A value set to which some element is bound as required.
#[derive(Debug)]
pub struct ValueSet {
    /// The last part of its URL: `administrative-gender`.
    pub name: &'static str,
    systems: Vec<System>,
}

#[derive(Debug)]
struct System {
    url: &'static str,
    /// Sorted; `None`: the codes are not part of the FHIR definitions (UCUM, currencies, media types).
    codes: Option<Vec<&'static str>>,
}

static SETS: LazyLock<Vec<ValueSet>> = LazyLock::new(|| read(include_str!("../tables/codes.tsv")));
static BY_NAME: LazyLock<HashMap<&'static str, &'static ValueSet>> =
    LazyLock::new(|| SETS.iter().map(|set| (set.name, set)).collect());

fn read(table: &'static str) -> Vec<ValueSet> {
    let mut sets: Vec<ValueSet> = Vec::with_capacity(256);
    for line in table.lines() {
        if let Some(name) = line.strip_prefix('@') {
            sets.push(ValueSet { name, systems: Vec::new() });
            continue;
        }
        let mut cells = line.split('\t');
        let url = cells.next().unwrap_or_default();
        let mut codes: Vec<&str> = cells.collect();
        codes.sort_unstable();
        let listed = codes != ["*"];
        let set = sets.last_mut().expect("the table starts with a value set");
        set.systems.push(System { url, codes: listed.then_some(codes) });
    }
    sets
}

/// The value set of this name: `administrative-gender`.
pub fn value_set(name: &str) -> Option<&'static ValueSet> {
    BY_NAME.get(name).copied()
}

impl ValueSet {
    /// Whether every code is listed, so that an unlisted one is known to be wrong.
    pub fn is_closed(&self) -> bool {
        self.systems.iter().all(|system| system.codes.is_some())
    }

    /// Whether `code` of any of its systems is in the set. True for every code when the set is not closed.
    pub fn has_code(&self, code: &str) -> bool {
        self.systems.iter().any(|system| system.has(code))
    }

    /// Whether this code of this system is in the set.
    pub fn has(&self, system: &str, code: &str) -> bool {
        self.systems.iter().any(|own| (own.url == system || own.url.is_empty()) && own.has(code))
    }

    /// The system of its codes, when it has only one.
    pub fn sole_system(&self) -> Option<&'static str> {
        match self.systems.as_slice() {
            [only] if !only.url.is_empty() => Some(only.url),
            _ => None,
        }
    }

    /// The listed codes with their systems.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.systems.iter().flat_map(|system| system.codes.iter().flatten().map(|code| (system.url, *code)))
    }

    /// The listed codes, for help texts.
    pub fn codes(&self) -> impl Iterator<Item = &'static str> {
        self.systems.iter().flat_map(|system| system.codes.iter().flatten().copied())
    }
}

impl System {
    fn has(&self, code: &str) -> bool {
        self.codes.as_ref().is_none_or(|codes| codes.binary_search(&code).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_set_knows_its_codes_and_its_system() {
        let gender = value_set("administrative-gender").unwrap();
        assert!(gender.is_closed());
        assert!(gender.has_code("male") && !gender.has_code("Male"));
        assert_eq!(gender.sole_system(), Some("http://hl7.org/fhir/administrative-gender"));
        assert!(gender.has("http://hl7.org/fhir/administrative-gender", "male"));
        assert!(!gender.has("urn:other", "male"));
    }

    #[test]
    fn a_set_whose_codes_are_elsewhere_takes_every_code() {
        let currencies = value_set("currencies").unwrap();
        assert!(!currencies.is_closed());
        assert!(currencies.has_code("CNY"));
    }
}

//! What value sets mean: their expansions, as pairs of system and code; and what stands above and below a code (R4B §4.9, §4.8.2).
//!
//! Pure over what is given. Where something is missing the error names it, so that the caller fetches it and asks again.

use std::collections::{BTreeSet, HashMap, HashSet};

use compact_str::CompactString;
use thiserror::Error;

use crate::codes;
use crate::json::{Json, Object};

/// An expansion has so many codes at most.
pub const MOST_CODES: usize = 5_000;
/// Value sets within value sets.
const DEEPEST: usize = 16;
/// What the names of R4B's own value sets begin with.
const OF_FHIR: &str = "http://hl7.org/fhir/ValueSet/";

/// Why there is no expansion.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum ExpandError {
    #[error("the value set `{0}` is not known here")]
    NoValueSet(String),
    #[error("the code system `{0}` is not known here with all its codes")]
    NoCodeSystem(String),
    #[error("`{0}` has more than {MOST_CODES} codes")]
    TooLarge(String),
    #[error("`{0}` cannot be expanded here: {1}")]
    NotUnderstood(String, &'static str),
    #[error("the code system `{0}` has no such code")]
    NoCode(String),
}

/// A code with its system.
pub type Coded = (CompactString, CompactString);

/// The value sets and code systems that are at hand, by their URLs as they are asked for (with `|version` where it is).
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// `ValueSet` resources.
    pub value_sets: HashMap<String, Object>,
    /// `CodeSystem` resources.
    pub code_systems: HashMap<String, Object>,
}

impl Terms {
    /// The codes of a value set.
    pub fn expand(&self, url: &str) -> Result<BTreeSet<Coded>, ExpandError> {
        self.value_set(url, 0)
    }

    /// A code and all that are kinds of it.
    pub fn below(&self, system: &str, code: &str) -> Result<BTreeSet<Coded>, ExpandError> {
        let codes = self.codes_of(system)?;
        codes.known(code)?;
        codes.paired(|one| codes.is_a(one, code))
    }

    /// A code and all that it is a kind of.
    pub fn above(&self, system: &str, code: &str) -> Result<BTreeSet<Coded>, ExpandError> {
        let codes = self.codes_of(system)?;
        codes.known(code)?;
        codes.paired(|one| codes.is_a(code, one))
    }

    fn value_set(&self, url: &str, depth: usize) -> Result<BTreeSet<Coded>, ExpandError> {
        if depth > DEEPEST {
            return Err(ExpandError::NotUnderstood(url.into(), "value sets within value sets are too many"));
        }
        let Some(set) = self.value_sets.get(url) else {
            return of_fhir(url).ok_or_else(|| ExpandError::NoValueSet(url.into()));
        };
        let mut found = BTreeSet::new();
        if let Some(expansion) = set.get("expansion").and_then(Json::as_object) {
            contained(expansion, &mut found);
            return bounded(url, found);
        }
        let Some(compose) = set.get("compose").and_then(Json::as_object) else {
            return Err(ExpandError::NotUnderstood(
                url.into(),
                "it says neither what it includes nor its expansion",
            ));
        };
        for include in objects(compose, "include") {
            found.extend(self.included(url, include, depth)?);
            found = bounded(url, found)?;
        }
        for exclude in objects(compose, "exclude") {
            let gone = self.included(url, exclude, depth)?;
            found.retain(|coded| !gone.contains(coded));
        }
        Ok(found)
    }

    /// What one `include` or `exclude` says: its conditions all hold.
    fn included(&self, url: &str, part: &Object, depth: usize) -> Result<BTreeSet<Coded>, ExpandError> {
        let mut found: Option<BTreeSet<Coded>> = None;
        if let Some(system) = text(part, "system") {
            let listed: BTreeSet<Coded> = objects(part, "concept")
                .filter_map(|concept| Some((system.into(), text(concept, "code")?.into())))
                .collect();
            found = Some(match listed.is_empty() {
                false => listed,
                true => self.filtered(url, &versioned(system, text(part, "version")), part)?,
            });
        }
        for import in
            part.get("valueSet").map(Json::items).unwrap_or_default().iter().filter_map(Json::as_str)
        {
            let other = self.value_set(import, depth + 1)?;
            found = Some(match found {
                Some(found) => found.intersection(&other).cloned().collect(),
                None => other,
            });
        }
        found.ok_or_else(|| {
            ExpandError::NotUnderstood(url.into(), "it includes neither a system nor a value set")
        })
    }

    fn filtered(&self, url: &str, system: &str, part: &Object) -> Result<BTreeSet<Coded>, ExpandError> {
        let codes = self.codes_of(system)?;
        let mut filters = Vec::new();
        for filter in objects(part, "filter") {
            let told = (text(filter, "property"), text(filter, "op"), text(filter, "value"));
            let (Some(property), Some(op), Some(value)) = told else {
                return Err(ExpandError::NotUnderstood(url.into(), "a filter says not what it compares"));
            };
            let is_known = matches!(
                op,
                "=" | "in" | "not-in" | "exists" | "is-a" | "is-not-a" | "descendent-of" | "generalizes"
            );
            if !is_known {
                return Err(ExpandError::NotUnderstood(
                    url.into(),
                    "a filter compares in a way that is not offered",
                ));
            }
            filters.push((property, op, value));
        }
        codes.paired(|code| {
            filters.iter().all(|(property, op, value)| codes.passes(code, property, op, value))
        })
    }

    pub(crate) fn codes_of<'a>(&'a self, system: &'a str) -> Result<Codes<'a>, ExpandError> {
        let missing = || ExpandError::NoCodeSystem(system.into());
        let resource = self.code_systems.get(system).ok_or_else(missing)?;
        if text(resource, "content") != Some("complete") {
            return Err(missing());
        }
        Ok(Codes::of(system, resource))
    }
}

/// A value set of R4B that is in the tables, with all its codes.
fn of_fhir(url: &str) -> Option<BTreeSet<Coded>> {
    let (name, version) =
        url.strip_prefix(OF_FHIR)?.split_once('|').unwrap_or((url.strip_prefix(OF_FHIR)?, ""));
    let set = codes::value_set(name).filter(|set| set.is_closed() && matches!(version, "" | "4.3.0"))?;
    Some(set.pairs().map(|(system, code)| (system.into(), code.into())).collect())
}

fn bounded(url: &str, found: BTreeSet<Coded>) -> Result<BTreeSet<Coded>, ExpandError> {
    if found.len() > MOST_CODES { Err(ExpandError::TooLarge(url.into())) } else { Ok(found) }
}

/// The codes of an expansion that may be chosen.
fn contained(part: &Object, found: &mut BTreeSet<Coded>) {
    for one in objects(part, "contains") {
        let is_abstract = one.get("abstract") == Some(&Json::Bool(true));
        if let (Some(code), false) = (text(one, "code"), is_abstract) {
            found.insert((text(one, "system").unwrap_or_default().into(), code.into()));
        }
        contained(one, found);
    }
}

/// `url|version`
fn versioned(url: &str, version: Option<&str>) -> String {
    version.map_or_else(|| url.to_owned(), |version| format!("{url}|{version}"))
}

/// The codes of a code system.
pub(crate) struct Codes<'a> {
    system: &'a str,
    concepts: HashMap<&'a str, &'a Object>,
    parents: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Codes<'a> {
    pub(crate) fn of(system: &'a str, resource: &'a Object) -> Self {
        let mut codes = Self { system, concepts: HashMap::new(), parents: HashMap::new() };
        codes.add(resource, None);
        codes
    }

    /// Nested concepts, and the properties that name parents.
    fn add(&mut self, of: &'a Object, parent: Option<&'a str>) {
        for concept in objects(of, "concept") {
            let Some(code) = text(concept, "code") else { continue };
            self.concepts.insert(code, concept);
            let named = values(concept, "parent").chain(values(concept, "subsumedBy"));
            let named = named.filter_map(Json::as_str);
            self.parents.entry(code).or_default().extend(parent.into_iter().chain(named));
            for child in values(concept, "child").filter_map(Json::as_str) {
                self.parents.entry(child).or_default().push(code);
            }
            self.add(concept, Some(code));
        }
    }

    /// An error where it has no such code.
    pub(crate) fn known(&self, code: &str) -> Result<(), ExpandError> {
        match self.concepts.contains_key(code) {
            true => Ok(()),
            false => Err(ExpandError::NoCode(self.system.into())),
        }
    }

    /// What it says of a code.
    pub(crate) fn concept(&self, code: &str) -> Option<&'a Object> {
        self.concepts.get(code).copied()
    }

    /// The parents and the children of a code, in order.
    pub(crate) fn relatives(&self, code: &str) -> (Vec<&'a str>, Vec<&'a str>) {
        let mut parents = self.parents.get(code).cloned().unwrap_or_default();
        let is_parent = |(_, parents): &(&&str, &Vec<&str>)| parents.contains(&code);
        let mut children: Vec<&str> =
            self.parents.iter().filter(is_parent).map(|(child, _)| *child).collect();
        for relatives in [&mut parents, &mut children] {
            relatives.sort_unstable();
            relatives.dedup();
        }
        (parents, children)
    }

    /// Whether a code is another one or a kind of it.
    pub(crate) fn is_a(&self, code: &str, other: &str) -> bool {
        let (mut seen, mut next) = (HashSet::new(), vec![code]);
        while let Some(code) = next.pop() {
            if code == other {
                return true;
            }
            if seen.insert(code) {
                next.extend(self.parents.get(code).into_iter().flatten());
            }
        }
        false
    }

    fn passes(&self, code: &str, property: &str, op: &str, value: &str) -> bool {
        let has = |wanted: &str| match property {
            "concept" | "code" => code == wanted,
            "display" => self.concepts.get(code).and_then(|concept| text(concept, "display")) == Some(wanted),
            "parent" => self.parents.get(code).is_some_and(|parents| parents.contains(&wanted)),
            "child" => self.parents.get(wanted).is_some_and(|parents| parents.contains(&code)),
            _ => self.concepts.get(code).is_some_and(|concept| {
                values(concept, property).any(|value| crate::leaves::shown(value) == wanted)
            }),
        };
        match op {
            "=" => has(value),
            "in" => value.split(',').any(|value| has(value.trim())),
            "not-in" => !value.split(',').any(|value| has(value.trim())),
            "exists" => {
                let exists =
                    self.concepts.get(code).is_some_and(|concept| values(concept, property).next().is_some());
                exists == (value == "true")
            }
            "is-a" => self.is_a(code, value),
            "is-not-a" => !self.is_a(code, value),
            "descendent-of" => code != value && self.is_a(code, value),
            "generalizes" => self.is_a(value, code),
            _ => false,
        }
    }

    fn paired(&self, is_wanted: impl Fn(&str) -> bool) -> Result<BTreeSet<Coded>, ExpandError> {
        // The version belongs to the question, not to the codes.
        let system = self.system.split('|').next().unwrap_or_default();
        let wanted = self.concepts.keys().filter(|code| is_wanted(code));
        bounded(self.system, wanted.map(|code| (system.into(), (*code).into())).collect())
    }
}

/// The values of a concept's property.
fn values<'a>(concept: &'a Object, property: &str) -> impl Iterator<Item = &'a Json> {
    let of = objects(concept, "property").filter(move |one| text(one, "code") == Some(property));
    of.filter_map(|one| one.iter().find(|(name, _)| name.starts_with("value")).map(|(_, value)| value))
}

pub(crate) fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Json::as_str)
}

pub(crate) fn objects<'a>(object: &'a Object, name: &str) -> impl Iterator<Item = &'a Object> {
    object.get(name).map(Json::items).unwrap_or_default().iter().filter_map(Json::as_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        let Json::Object(object) = crate::json::parse(text).unwrap() else { panic!("no object") };
        object
    }

    fn terms(sets: &[(&str, &str)]) -> Terms {
        let system = object(
            r#"{"content":"complete","concept":[
                {"code":"a","concept":[{"code":"b","property":[{"code":"kind","valueCode":"x"}],"concept":[{"code":"c"}]}]},
                {"code":"d","property":[{"code":"parent","valueCode":"b"},{"code":"old","valueBoolean":true}]},
                {"code":"e","property":[{"code":"subsumedBy","valueCode":"d"}]},{"code":"f"}]}"#,
        );
        Terms {
            value_sets: sets.iter().map(|(url, text)| ((*url).to_owned(), object(text))).collect(),
            code_systems: HashMap::from([("s".to_owned(), system), ("empty".to_owned(), object("{}"))]),
        }
    }

    fn codes(found: Result<BTreeSet<Coded>, ExpandError>) -> String {
        found.unwrap().into_iter().map(|(_, code)| code.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_hierarchy_is_nested_or_told_by_properties() {
        let terms = terms(&[]);
        assert_eq!(codes(terms.below("s", "b")), "b c d e");
        assert_eq!(codes(terms.above("s", "e")), "a b d e");
        assert_eq!(terms.below("s", "z"), Err(ExpandError::NoCode("s".into())));
        assert_eq!(terms.below("t", "z"), Err(ExpandError::NoCodeSystem("t".into())));
        assert_eq!(terms.below("empty", "z"), Err(ExpandError::NoCodeSystem("empty".into())));
    }

    #[test]
    fn a_value_set_lists_filters_imports_and_excludes() {
        let expanded = |compose: &str| {
            let set = format!(r#"{{"compose":{compose}}}"#);
            let other = r#"{"compose":{"include":[{"system":"s","concept":[{"code":"c"},{"code":"f"}]}]}}"#;
            terms(&[("v", &set), ("o", other)]).expand("v")
        };
        let filter = |op: &str, property: &str, value: &str| {
            let filter = format!(r#"{{"property":"{property}","op":"{op}","value":"{value}"}}"#);
            codes(expanded(&format!(r#"{{"include":[{{"system":"s","filter":[{filter}]}}]}}"#)))
        };
        assert_eq!(codes(expanded(r#"{"include":[{"system":"s"}]}"#)), "a b c d e f");
        assert_eq!(codes(expanded(r#"{"include":[{"system":"t","concept":[{"code":"q"}]}]}"#)), "q");
        assert_eq!(filter("is-a", "concept", "b"), "b c d e");
        assert_eq!(filter("descendent-of", "concept", "b"), "c d e");
        assert_eq!(filter("is-not-a", "concept", "b"), "a f");
        assert_eq!(filter("generalizes", "concept", "c"), "a b c");
        assert_eq!(filter("=", "kind", "x"), "b");
        assert_eq!(filter("=", "old", "true"), "d");
        assert_eq!(filter("=", "parent", "b"), "c d");
        assert_eq!(filter("in", "code", "a, f"), "a f");
        assert_eq!(filter("not-in", "code", "a,f"), "b c d e");
        assert_eq!(filter("exists", "old", "true"), "d");
        assert_eq!(
            codes(expanded(r#"{"include":[{"system":"s"}],"exclude":[{"valueSet":["o"]}]}"#)),
            "a b d e"
        );
        // All that one part says must hold; any part may.
        assert_eq!(
            codes(expanded(
                r#"{"include":[{"system":"s","filter":[{"property":"concept","op":"is-a","value":"b"}],"valueSet":["o"]},{"system":"s","concept":[{"code":"a"}]}]}"#
            )),
            "a c"
        );
        let regex =
            r#"{"include":[{"system":"s","filter":[{"property":"code","op":"regex","value":".*"}]}]}"#;
        assert!(matches!(expanded(regex), Err(ExpandError::NotUnderstood(..))));
        let unknown = expanded(r#"{"include":[{"valueSet":["u"]}]}"#);
        assert_eq!(unknown, Err(ExpandError::NoValueSet("u".into())));
        let itself = expanded(r#"{"include":[{"valueSet":["v"]}]}"#);
        assert!(matches!(itself, Err(ExpandError::NotUnderstood(..))));
    }

    #[test]
    fn an_expansion_that_is_given_is_taken() {
        let set = r#"{"expansion":{"contains":[{"system":"s","code":"x","abstract":true,"contains":[{"system":"s","code":"y"}]}]}}"#;
        assert_eq!(codes(terms(&[("v", set)]).expand("v")), "y");
    }

    #[test]
    fn value_sets_of_r4b_are_known_and_large_ones_refused() {
        let gender = Terms::default().expand("http://hl7.org/fhir/ValueSet/administrative-gender");
        assert_eq!(codes(gender), "female male other unknown");
        let many: Vec<String> = (0..=MOST_CODES).map(|n| format!(r#"{{"code":"{n}"}}"#)).collect();
        let set = format!(r#"{{"compose":{{"include":[{{"system":"s","concept":[{}]}}]}}}}"#, many.join(","));
        assert_eq!(terms(&[("v", &set)]).expand("v"), Err(ExpandError::TooLarge("v".into())));
    }
}

//! What value sets, code systems and concept maps say of single codes (R4B §4.7, the terminology service): the words for them, what
//! they are kinds of, and what they are in another system.
//!
//! Pure over what is given, as [`crate::expand`] is.

use std::collections::HashMap;

use compact_str::CompactString;

use crate::expand::{Coded, Codes, ExpandError, Terms, objects, text};
use crate::json::{Json, Object};
use crate::normal::normal;
use crate::spelling::{spellings, spelt};

/// Value sets within value sets.
const DEEPEST: usize = 16;

/// A code of an expansion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The code system; empty where none is told.
    pub system: CompactString,
    /// The code.
    pub code: CompactString,
    /// The words for it, where some are known.
    pub display: Option<CompactString>,
}

impl Line {
    /// Whether a text that is being typed means it: a part of the code or of its words, in Chinese of either script, or as it is spelt.
    pub fn is_meant_by(&self, typed: &str) -> bool {
        let asked = normal(typed);
        let display = self.display.as_deref().unwrap_or_default();
        if normal(&self.code).contains(asked.as_str()) || normal(display).contains(asked.as_str()) {
            return true;
        }
        let Some(asked) = spelt(typed).filter(|asked| asked.len() > 1) else { return false };
        spellings(display, false).iter().any(|spelling| spelling.contains(asked.as_str()))
    }
}

/// How two codes of a system stand to each other (R4B value set `concept-subsumption-outcome`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Subsumption {
    Equivalent,
    Subsumes,
    SubsumedBy,
    NotSubsumed,
}

impl Subsumption {
    /// Its code.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equivalent => "equivalent",
            Self::Subsumes => "subsumes",
            Self::SubsumedBy => "subsumed-by",
            Self::NotSubsumed => "not-subsumed",
        }
    }
}

/// What a concept map says a code is in another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// How good it is: a code of the value set `concept-map-equivalence`.
    pub equivalence: CompactString,
    /// The code; `None` where the map says that there is none.
    pub to: Option<Line>,
}

impl Translation {
    /// Whether it leads to a code that may stand for the one asked for.
    pub fn is_match(&self) -> bool {
        self.to.is_some() && !matches!(self.equivalence.as_str(), "unmatched" | "disjoint")
    }
}

type Listed<'a> = HashMap<(&'a str, &'a str), &'a Object>;

impl Terms {
    /// The expansion of a value set, by system and code, with words in a language (BCP 47) where there are some.
    pub fn lines(&self, url: &str, language: Option<&str>) -> Result<Vec<Line>, ExpandError> {
        let expanded = self.expand(url)?;
        let mut listed = Listed::new();
        self.list(url, 0, &mut listed);
        let mut systems: HashMap<&str, Option<Codes<'_>>> = HashMap::new();
        let mut lines = Vec::with_capacity(expanded.len());
        for (system, code) in &expanded {
            let known = match systems.get(system.as_str()) {
                Some(known) => known,
                None => systems.entry(system).or_insert_with(|| self.system(system)),
            };
            let of_set = listed.get(&(system.as_str(), code.as_str())).copied();
            let of_system = known.as_ref().and_then(|known| known.concept(code));
            let display = words(&[of_set, of_system], language);
            lines.push(Line { system: system.clone(), code: code.clone(), display });
        }
        Ok(lines)
    }

    /// Which systems the codes of a value set are of, that are not at hand: their words are known only there.
    pub fn systems_without_words(&self, url: &str) -> Result<Vec<CompactString>, ExpandError> {
        let mut systems: Vec<CompactString> =
            self.expand(url)?.into_iter().map(|(system, _)| system).collect();
        systems.dedup();
        systems.retain(|system| !system.is_empty() && self.resource(system).is_none());
        Ok(systems)
    }

    /// What a code system says of a code, and the system itself; no concept where it has no such code.
    pub fn look_up<'a>(
        &'a self,
        system: &'a str,
        code: &str,
    ) -> Result<(&'a Object, Option<&'a Object>), ExpandError> {
        let codes = self.codes_of(system)?;
        let resource = self.resource(system).ok_or_else(|| ExpandError::NoCodeSystem(system.into()))?;
        Ok((resource, codes.concept(code)))
    }

    /// The parents and the children of a code.
    pub fn relatives<'a>(
        &'a self,
        system: &'a str,
        code: &str,
    ) -> Result<(Vec<&'a str>, Vec<&'a str>), ExpandError> {
        Ok(self.codes_of(system)?.relatives(code))
    }

    /// How two codes of a system stand to each other.
    pub fn subsumes(&self, system: &str, one: &str, other: &str) -> Result<Subsumption, ExpandError> {
        let codes = self.codes_of(system)?;
        codes.known(one)?;
        codes.known(other)?;
        Ok(match (codes.is_a(other, one), codes.is_a(one, other)) {
            (true, true) => Subsumption::Equivalent,
            (true, false) => Subsumption::Subsumes,
            (false, true) => Subsumption::SubsumedBy,
            (false, false) => Subsumption::NotSubsumed,
        })
    }

    /// The concepts that a value set lists itself, or by those it imports.
    fn list<'a>(&'a self, url: &str, depth: usize, listed: &mut Listed<'a>) {
        let Some(set) = self.value_sets.get(url).filter(|_| depth <= DEEPEST) else { return };
        if let Some(expansion) = set.get("expansion").and_then(Json::as_object) {
            list_contained(expansion, listed);
        }
        let Some(compose) = set.get("compose").and_then(Json::as_object) else { return };
        for include in objects(compose, "include") {
            let system = text(include, "system").unwrap_or_default();
            for concept in objects(include, "concept") {
                listed.entry((system, text(concept, "code").unwrap_or_default())).or_insert(concept);
            }
            let imports = include.get("valueSet").map(Json::items).unwrap_or_default();
            for import in imports.iter().filter_map(Json::as_str) {
                self.list(import, depth + 1, listed);
            }
        }
    }

    /// A code system that is at hand, in whatever version it was asked for.
    fn resource(&self, system: &str) -> Option<&Object> {
        self.code_systems.get(system).or_else(|| {
            let mut others = self.code_systems.iter();
            others.find(|(url, _)| url.split('|').next() == Some(system)).map(|(_, resource)| resource)
        })
    }

    /// Its codes; words are taken from a fragment as well.
    fn system<'a>(&'a self, system: &'a str) -> Option<Codes<'a>> {
        self.resource(system).map(|resource| Codes::of(system, resource))
    }
}

fn list_contained<'a>(part: &'a Object, listed: &mut Listed<'a>) {
    for one in objects(part, "contains") {
        let system = text(one, "system").unwrap_or_default();
        listed.entry((system, text(one, "code").unwrap_or_default())).or_insert(one);
        list_contained(one, listed);
    }
}

/// The words for a concept: in the language asked for, if any of those who name it has some; else in the same language as it is written
/// elsewhere (`zh-Hans` for `zh-Hant`); else the first there are.
pub fn words(concepts: &[Option<&Object>], language: Option<&str>) -> Option<CompactString> {
    let named = || concepts.iter().copied().flatten();
    let in_language = |language: &str| {
        let mut designations = named().flat_map(|concept| objects(concept, "designation"));
        let found = designations.find(|one| text(one, "language").is_some_and(|of| speaks(of, language)));
        found.and_then(|one| text(one, "value"))
    };
    let spoken = language.and_then(|language| {
        in_language(language).or_else(|| in_language(language.split('-').next().unwrap_or_default()))
    });
    spoken.or_else(|| named().find_map(|concept| text(concept, "display"))).map(CompactString::from)
}

/// Whether a language tag is the one asked for or a kind of it: `zh-Hans-CN` is `zh-Hans` and `zh`.
fn speaks(tag: &str, asked: &str) -> bool {
    let begins = tag.get(..asked.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(asked));
    begins && matches!(tag.as_bytes().get(asked.len()), None | Some(b'-'))
}

/// What a concept map says of a code, in a target system where one is asked for. The map's `source` and `target` of each group count.
pub fn translate(map: &Object, coded: &Coded, target: Option<&str>) -> Vec<Translation> {
    let (system, code) = coded;
    let mut found = Vec::new();
    let groups = objects(map, "group").filter(|group| {
        let is_source = text(group, "source").is_none_or(|source| source == system);
        is_source && target.is_none_or(|target| text(group, "target") == Some(target))
    });
    for group in groups {
        let of = text(group, "target").unwrap_or_default();
        let line = |part: &Object| {
            let code = text(part, "code")?.into();
            Some(Line { system: of.into(), code, display: text(part, "display").map(Into::into) })
        };
        let element = objects(group, "element").find(|element| text(element, "code") == Some(code.as_str()));
        if let Some(element) = element {
            found.extend(objects(element, "target").map(|to| Translation {
                equivalence: text(to, "equivalence").unwrap_or("relatedto").into(),
                to: line(to),
            }));
            continue;
        }
        let Some(unmapped) = group.get("unmapped").and_then(Json::as_object) else { continue };
        let (equivalence, to) = match text(unmapped, "mode") {
            Some("provided") => {
                ("equal", Some(Line { system: of.into(), code: code.clone(), display: None }))
            }
            Some("fixed") => ("inexact", line(unmapped)),
            _ => continue,
        };
        found.push(Translation { equivalence: equivalence.into(), to });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        let Json::Object(object) = crate::json::parse(text).unwrap() else { panic!("no object") };
        object
    }

    fn terms() -> Terms {
        let set = object(
            r#"{"compose":{"include":[
                {"system":"s","filter":[{"property":"concept","op":"is-a","value":"a"}]},
                {"system":"t","concept":[{"code":"q","display":"Q of the set","designation":[{"language":"zh-Hant","value":"高血壓"}]}]}]}}"#,
        );
        let system = object(
            r#"{"content":"complete","concept":[{"code":"a","display":"Hypertension",
                "designation":[{"language":"zh-Hans-CN","value":"高血压"}],"concept":[{"code":"b"}]},{"code":"c","display":"C"}]}"#,
        );
        Terms {
            value_sets: HashMap::from([("v".to_owned(), set)]),
            code_systems: HashMap::from([("s".to_owned(), system)]),
        }
    }

    #[test]
    fn an_expansion_has_the_words_of_the_set_or_of_the_system_in_a_language() {
        let lines = |language| {
            let lines = terms().lines("v", language).unwrap();
            lines.iter().map(|line| line.display.as_deref().unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(lines(None), ["Hypertension", "-", "Q of the set"]);
        assert_eq!(lines(Some("zh")), ["高血压", "-", "高血壓"]);
        assert_eq!(lines(Some("ZH-hant")), ["高血压", "-", "高血壓"]);
        assert_eq!(lines(Some("z")), ["Hypertension", "-", "Q of the set"]);
        assert_eq!(terms().systems_without_words("v").unwrap(), ["t"]);
    }

    #[test]
    fn a_line_is_meant_by_a_part_of_its_code_or_words_and_as_it_is_spelt() {
        let line =
            Line { system: "s".into(), code: "I10".into(), display: Some("原发性高血压".into()) };
        for typed in ["i1", "高血压", "高血壓", "gaoxueya", "Gao xue", "yfxgxy"] {
            assert!(line.is_meant_by(typed), "{typed}");
        }
        for typed in ["I2", "低", "dixue"] {
            assert!(!line.is_meant_by(typed), "{typed}");
        }
    }

    #[test]
    fn codes_stand_above_below_or_beside_each_other() {
        let terms = terms();
        for (one, other, expected) in [
            ("a", "a", Subsumption::Equivalent),
            ("a", "b", Subsumption::Subsumes),
            ("b", "a", Subsumption::SubsumedBy),
            ("b", "c", Subsumption::NotSubsumed),
        ] {
            assert_eq!(terms.subsumes("s", one, other), Ok(expected), "{one} {other}");
        }
        assert_eq!(terms.subsumes("s", "a", "z"), Err(ExpandError::NoCode("s".into())));
        assert_eq!(terms.relatives("s", "b"), Ok((vec!["a"], vec![])));
        assert_eq!(terms.relatives("s", "a"), Ok((vec![], vec!["b"])));
        assert!(terms.look_up("s", "z").unwrap().1.is_none());
    }

    #[test]
    fn a_map_translates_by_its_groups() {
        let map = object(
            r#"{"group":[
                {"source":"s","target":"t","element":[{"code":"a","target":[{"code":"1","display":"One","equivalence":"wider"},{"equivalence":"unmatched"}]}],
                 "unmapped":{"mode":"fixed","code":"0"}},
                {"source":"s","target":"u","unmapped":{"mode":"provided"}}]}"#,
        );
        let told = |system: &str, code: &str, target| {
            let found = translate(&map, &(system.into(), code.into()), target);
            let shown = |found: &Translation| {
                let to = found.to.as_ref().map_or("-", |line| line.code.as_str());
                format!("{} {to} {}", found.equivalence, found.is_match())
            };
            found.iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(told("s", "a", Some("t")), ["wider 1 true", "unmatched - false"]);
        assert_eq!(told("s", "b", None), ["inexact 0 true", "equal b true"]);
        assert_eq!(told("x", "a", None), [""; 0]);
        assert_eq!(told("s", "a", Some("x")), [""; 0]);
    }
}

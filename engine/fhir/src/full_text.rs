//! The words of a resource's texts, for `_text` and `_content` (R4B §3.1.1.5.3).
//!
//! Chinese is written without spaces: of a run of its characters each two that stand together are a word, and the last by itself. So a
//! run is found by any part of it, as a phrase of pairs; and a single character is what a pair, or the last word of a run, begins with.

use compact_str::CompactString;

use crate::elements::{TypeDef, TypeKind, of_resource};
use crate::json::{Json, Object};
use crate::normal::normal;
use crate::primitive::Primitive;
use crate::types::ResourceType;

/// Of each part of a resource so many words are found: PostgreSQL counts places up to 16,383 in both together.
const MOST: usize = 8_000;
/// Of a longer word the beginning counts.
const LONGEST: usize = 64;
/// Stands between texts that are not one; no word has it.
pub const BREAK: char = '\u{b6}';

/// The words of a resource, each part with spaces between them and [`BREAK`]s between its texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FullText {
    /// Of the narrative.
    pub narrative: String,
    /// Of everything else people read or type: strings, markdown and codes, at any depth. It begins with a break.
    pub rest: String,
}

impl FullText {
    /// The words of a resource.
    pub fn of(kind: ResourceType, tree: &Object) -> Self {
        let (mut narrative, mut rest) = (Gathered::default(), Gathered::default());
        let div = tree.get("text").and_then(|text| text.get("div")?.as_str());
        if let Some(div) = div {
            narrative.add(&plain(div));
        }
        rest.text.push(BREAK);
        strings(of_resource(kind), tree, &mut rest);
        Self { narrative: narrative.text, rest: rest.text }
    }
}

#[derive(Default)]
struct Gathered {
    text: String,
    count: usize,
}

impl Gathered {
    fn add(&mut self, text: &str) {
        if self.count >= MOST {
            return;
        }
        let before = self.count;
        words(text, &mut |word| {
            if self.count < MOST {
                self.text.push_str(if self.text.is_empty() { "" } else { " " });
                self.text.push_str(word);
                self.count += 1;
            }
        });
        if self.count > before {
            self.text.push(' ');
            self.text.push(BREAK);
            self.count += 1;
        }
    }
}

/// Goes over the strings of an object in its order; narratives are passed over.
fn strings(of: &'static TypeDef, object: &Object, to: &mut Gathered) {
    for (name, value) in object.iter() {
        let Some(of) = of.member(name).and_then(|member| member.of) else { continue };
        for value in value.items() {
            match (of.kind, value) {
                (
                    TypeKind::Primitive(Primitive::String | Primitive::Markdown | Primitive::Code),
                    Json::String(text),
                ) => {
                    to.add(text);
                }
                (TypeKind::Complex(inner), Json::Object(object)) => strings(inner.def(), object, to),
                (TypeKind::AnyResource, Json::Object(object)) => {
                    let kind =
                        object.get("resourceType").and_then(Json::as_str).and_then(ResourceType::from_name);
                    if let Some(kind) = kind {
                        strings(of_resource(kind), object, to);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Hands over the words of a text, in their order.
pub(crate) fn words(text: &str, take: &mut dyn FnMut(&str)) {
    let text = normal(text);
    for chunk in text.split(|letter: char| !letter.is_alphanumeric()) {
        let mut rest = chunk;
        while let Some(first) = rest.chars().next() {
            let is_run = is_unspaced(first);
            let end = rest.find(|letter| is_unspaced(letter) != is_run).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            if is_run {
                pairs(part, take);
            } else {
                take(&part[..part.floor_char_boundary(LONGEST)]);
            }
            rest = after;
        }
    }
}

/// Each two characters that stand together, and the last by itself.
fn pairs(run: &str, take: &mut dyn FnMut(&str)) {
    let mut places = run.char_indices().map(|(at, _)| at).chain([run.len()]);
    let (mut start, mut middle) = (places.next().unwrap_or_default(), places.next().unwrap_or_default());
    for end in places {
        take(&run[start..end]);
        (start, middle) = (middle, end);
    }
    take(&run[start..middle]);
}

/// Of the writings that have no spaces: Chinese and Japanese.
pub(crate) fn is_unspaced(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Elements that stand within a word.
const WITHIN: [&str; 12] = ["a", "b", "i", "em", "strong", "span", "u", "sub", "sup", "small", "big", "font"];

/// The text of a narrative: without tags and comments, its entities decoded.
fn plain(div: &str) -> CompactString {
    let mut text = CompactString::with_capacity(div.len());
    let mut rest = div;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, mark) = rest.split_at(at);
        text.push_str(before);
        let (end, length) = match mark {
            _ if mark.starts_with("<!--") => ("-->", 3),
            _ if mark.starts_with('<') => (">", 1),
            _ => (";", 1),
        };
        let Some(close) = mark.find(end) else {
            // What does not end is no mark.
            text.push_str(&mark[..1]);
            rest = &mark[1..];
            continue;
        };
        let inner = &mark[1..close];
        rest = &mark[close + length..];
        if mark.starts_with('<') {
            let name = inner.trim_start_matches('/').split(|letter: char| !letter.is_alphanumeric()).next();
            let is_within = name.is_some_and(|name| WITHIN.contains(&name)) || inner.starts_with('!');
            text.push_str(if is_within { "" } else { " " });
        } else {
            text.push(entity(inner).unwrap_or(' '));
        }
    }
    text.push_str(rest);
    text
}

/// The character of an entity; those that are not known are no letters.
fn entity(name: &str) -> Option<char> {
    let number = match name.strip_prefix('#') {
        Some(hex) if hex.starts_with(['x', 'X']) => u32::from_str_radix(&hex[1..], 16).ok(),
        Some(decimal) => decimal.parse().ok(),
        None => None,
    };
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => number.and_then(char::from_u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(text: &str) -> String {
        let mut found = Vec::new();
        words(text, &mut |word| found.push(word.to_owned()));
        found.join(" ")
    }

    #[test]
    fn words_are_those_of_letters_and_pairs_of_characters() {
        assert_eq!(words_of("Hämoglobin, 12.5 g/dL"), "hamoglobin 12 5 g dl");
        assert_eq!(words_of("高血压"), "高血 血压 压");
        assert_eq!(words_of("患高血壓3级 a"), "患高 高血 血压 压 3 级 a");
        assert_eq!(words_of("痛"), "痛");
        assert_eq!(words_of(""), "");
    }

    #[test]
    fn a_narrative_is_read_without_its_tags() {
        assert_eq!(
            plain("<div>高<b>血</b>压<br/>5 &lt; 6 &#x4E2D;&#22269; &nbsp;<!-- no -->x</div>").trim(),
            "高血压 5 < 6 中国  x"
        );
        assert_eq!(plain("a < b & c"), "a < b & c");
    }

    #[test]
    fn all_that_people_read_is_among_the_words() {
        let tree = crate::json::parse(
            r#"{"resourceType":"Observation","id":"x1","status":"final","text":{"status":"generated","div":"<div>Only here</div>"},
               "code":{"coding":[{"system":"http://loinc.org","code":"718-7","display":"Hb"}]},"effectiveDateTime":"2026-01-01",
               "valueQuantity":{"value":5.4,"unit":"g/L"},
               "contained":[{"resourceType":"Patient","text":{"div":"<div>hidden</div>"},"name":[{"family":"王"}]}]}"#,
        );
        let tree = tree.unwrap();
        let kind = ResourceType::from_name("Observation").unwrap();
        let found = FullText::of(kind, tree.as_object().unwrap());
        assert_eq!(found.narrative, "only here \u{b6}");
        assert_eq!(
            found.rest,
            "\u{b6} final \u{b6} generated \u{b6} 718 7 \u{b6} hb \u{b6} g l \u{b6} 王 \u{b6}"
        );
    }

    #[test]
    fn what_is_found_is_bounded() {
        let long = format!(r#"{{"resourceType":"Basic","text":{{"div":"{}"}}}}"#, "a b ".repeat(20_000));
        let tree = crate::json::parse(&long).unwrap();
        let kind = ResourceType::from_name("Basic").unwrap();
        let found = FullText::of(kind, tree.as_object().unwrap());
        assert!(found.narrative.split(' ').count() <= MOST + 1);
    }
}

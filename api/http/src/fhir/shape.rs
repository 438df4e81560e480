//! Gives an answer the looks a client wants. Without a wish, stored bytes go out untouched.

use bytes::Bytes;
use hub_fhir::elements::{Element, TypeDef, of_resource};
use hub_fhir::json::parse;
use hub_fhir::search::Stored;
use hub_fhir::{Json, Object, ResourceType};

use crate::fhir::problem::Problem;
use crate::fhir::wants::Part;

/// What a narrative stands in.
const NARRATIVE: &str = "text";
/// What every resource may carry whatever part of it is asked for.
const ALWAYS: [&str; 3] = ["resourceType", "id", "meta"];

/// Cuts a stored resource down to a part, and marks it as such (R4B §3.1.1.5.8).
pub(crate) fn cut(stored: Stored, part: &Part) -> Result<Stored, Problem> {
    if stored.deleted {
        return Ok(stored);
    }
    let body = cut_body(stored.reference.kind, stored.body, part)?;
    Ok(Stored { body, ..stored })
}

/// The same for a resource's text.
pub(crate) fn cut_body(kind: ResourceType, body: Bytes, part: &Part) -> Result<Bytes, Problem> {
    let text = std::str::from_utf8(&body).map_err(|_| Problem::broken())?;
    let Ok(Json::Object(tree)) = parse(text) else { return Err(Problem::broken()) };
    Ok(Json::Object(cut_tree(kind, tree, part)).to_text().into())
}

fn cut_tree(kind: ResourceType, tree: Object, part: &Part) -> Object {
    if *part == Part::Summary {
        let mut tree = summary(of_resource(kind), tree, &ALWAYS);
        mark(&mut tree);
        return tree;
    }
    let kept = tree.into_iter().filter(|(name, _)| {
        // `_birthDate` carries the extensions of `birthDate`.
        let name = name.strip_prefix('_').unwrap_or(name);
        match part {
            Part::Data => name != NARRATIVE,
            Part::Text => name == NARRATIVE || is_needed(kind, name),
            // Cut by itself, above.
            Part::Summary => false,
            Part::Elements(names) => {
                is_needed(kind, name) || names.iter().any(|asked| is_meant(kind, asked, name))
            }
        }
    });
    let mut tree: Object = kept.collect();
    mark(&mut tree);
    tree
}

/// What belongs to the summary of an object, what must be there and modifiers, all the way down (R4B §3.1.1.5.9). Extensions stay
/// whole: what they say has no marks.
fn summary(of: &'static TypeDef, object: Object, always: &[&str]) -> Object {
    let mut kept = Object::default();
    for (name, value) in object {
        let bare = name.strip_prefix('_').unwrap_or(&name);
        if always.contains(&bare) {
            kept.set(&name, value);
            continue;
        }
        // What changes the meaning of the rest stays with it.
        let belongs = |element: &Element| element.summary || element.modifier || element.min > 0;
        let Some(member) = of.member(bare).filter(|member| belongs(member.element)) else { continue };
        let inner = member.of.and_then(|of| of.def()).filter(|def| def.name != "Extension");
        let value = match (inner, value) {
            (Some(inner), Json::Object(object)) => Json::Object(summary(inner, object, &[])),
            (Some(inner), Json::Array(items)) => Json::Array(
                items
                    .into_iter()
                    .map(|item| match item {
                        Json::Object(object) => Json::Object(summary(inner, object, &[])),
                        other => other,
                    })
                    .collect(),
            ),
            (_, value) => value,
        };
        if !is_empty(&value) {
            kept.set(&name, value);
        }
    }
    kept
}

/// Whether nothing is left: JSON of FHIR has no empty objects.
fn is_empty(value: &Json) -> bool {
    match value {
        Json::Object(object) => object.iter().next().is_none(),
        Json::Array(items) => items.iter().all(is_empty),
        _ => false,
    }
}

fn is_needed(kind: ResourceType, name: &str) -> bool {
    ALWAYS.contains(&name) || of_resource(kind).element(name).is_some_and(|element| element.min > 0)
}

/// Whether the element `name` is the one `asked` for: by its own name, or as a choice by its stem (`value` means
/// `valueQuantity` too).
fn is_meant(kind: ResourceType, asked: &str, name: &str) -> bool {
    name == asked
        || of_resource(kind)
            .element(name)
            .is_some_and(|element| element.is_choice() && element.stem() == asked)
}

fn mark(tree: &mut Object) {
    let tag: Object = [
        ("system", Json::string("http://terminology.hl7.org/CodeSystem/v3-ObservationValue")),
        ("code", Json::string("SUBSETTED")),
    ]
    .into_iter()
    .collect();
    let mut meta = tree.get("meta").and_then(Json::as_object).cloned().unwrap_or_default();
    let mut tags = meta.get("tag").map(|tags| tags.items().to_vec()).unwrap_or_default();
    tags.push(tag.into());
    meta.set("tag", tags);
    tree.set("meta", meta);
}

/// JSON text with line breaks and two spaces a level. Works on bytes: nothing is parsed, every digit stays.
pub(crate) fn pretty(compact: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(compact.len() * 2);
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    let mut bytes = compact.iter().copied().peekable();
    let new_line = |text: &mut Vec<u8>, depth: usize| {
        text.push(b'\n');
        text.resize(text.len() + 2 * depth, b' ');
    };
    while let Some(byte) = bytes.next() {
        if in_string {
            text.push(byte);
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => {
                in_string = true;
                text.push(byte);
            }
            b'{' | b'[' => {
                text.push(byte);
                if let Some(close) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    text.push(close);
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(byte);
            }
            b',' => {
                text.push(byte);
                new_line(&mut text, depth);
            }
            b':' => text.extend_from_slice(b": "),
            byte if byte.is_ascii_whitespace() => {}
            byte => text.push(byte),
        }
    }
    text.push(b'\n');
    text.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(text: &str) -> Object {
        parse(text).unwrap().as_object().unwrap().clone()
    }

    #[test]
    fn pretty_text_keeps_strings_and_digits() {
        let text = pretty(br#"{"a":[1.10,{}],"b":"{\"x\\\",: [","c":{"d":null}}"#);
        let expected = "{\n  \"a\": [\n    1.10,\n    {}\n  ],\n  \"b\": \"{\\\"x\\\\\\\",: [\",\n  \"c\": {\n    \"d\": null\n  }\n}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_choice_is_found_by_its_stem_and_what_must_be_there_stays() {
        let kind = ResourceType::from_name("Observation").unwrap();
        let whole = tree(
            r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"K"},"valueString":"x","issued":"2026-11-23T00:00:00Z"}"#,
        );
        let cut = cut_tree(kind, whole, &Part::Elements(vec!["value".into()]));
        let names: Vec<&str> = cut.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["resourceType", "id", "status", "code", "valueString", "meta"]);
        assert_eq!(Json::Object(cut).at(&["meta", "tag", "0", "code"]), Some(&Json::string("SUBSETTED")));
    }

    #[test]
    fn data_is_all_but_the_narrative() {
        let kind = ResourceType::from_name("Patient").unwrap();
        let whole = || tree(r#"{"resourceType":"Patient","id":"1","text":{"status":"empty"},"active":true}"#);
        assert!(cut_tree(kind, whole(), &Part::Data).get("text").is_none());
        assert!(cut_tree(kind, whole(), &Part::Text).get("active").is_none());
    }

    #[test]
    fn a_summary_has_what_is_marked_so_all_the_way_down() {
        let kind = ResourceType::from_name("Patient").unwrap();
        let whole = tree(
            r#"{"resourceType":"Patient","id":"1","text":{"status":"empty"},"active":true,
            "name":[{"id":"n","family":"W","_family":{"id":"f"}}],"photo":[{"url":"u"}],
            "contact":[{"gender":"male"}],"link":[{"other":{"reference":"Patient/2"},"type":"seealso"}],
            "modifierExtension":[{"url":"u","valueBoolean":true}],
            "communication":[{"language":{"text":"zh"},"preferred":true}]}"#,
        );
        let cut = cut_tree(kind, whole, &Part::Summary);
        let names: Vec<&str> = cut.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["resourceType", "id", "active", "name", "link", "modifierExtension", "meta"]);
        let text = Json::Object(cut).to_text();
        assert!(text.contains(r#""name":[{"family":"W","_family":{"id":"f"}}]"#), "{text}");
        assert!(text.contains(r#"{"url":"u","valueBoolean":true}"#), "{text}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_pretty_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = pretty(&bytes);
        }
    }
}

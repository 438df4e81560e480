//! What a resource points at, to be changed: references, addresses, and the links of its narrative.

use compact_str::CompactString;

use crate::elements::{TypeDef, TypeKind, of_resource, type_of};
use crate::json::{Json, Object};
use crate::types::ResourceType;

/// Deeper trees are not walked.
const MAX_DEPTH: usize = 64;

/// What sort of link it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// `Reference.reference`
    Reference,
    /// An element of type `uri`, `url`, `oid` or `uuid`; not `canonical`, which is no place.
    Address,
    /// `<a href="..">` or `<img src="..">` in a narrative.
    Narrative,
}

/// Asks for each link what stands there from now on; `None`: what stood there. R4B §3.1.0.11.2 names these places.
pub fn change_links(resource: &mut Object, ask: &mut dyn FnMut(LinkKind, &str) -> Option<CompactString>) {
    of_kind(resource, ask, 0);
}

fn of_kind(tree: &mut Object, ask: &mut dyn FnMut(LinkKind, &str) -> Option<CompactString>, depth: usize) {
    let kind = tree.get("resourceType").and_then(Json::as_str).and_then(ResourceType::from_name);
    if let Some(kind) = kind {
        elements(of_resource(kind), tree, ask, depth);
    }
}

fn elements(
    def: &'static TypeDef,
    object: &mut Object,
    ask: &mut dyn FnMut(LinkKind, &str) -> Option<CompactString>,
    depth: usize,
) {
    if depth > MAX_DEPTH {
        return;
    }
    let is_reference = def.name == "Reference";
    for (name, value) in object.iter_mut() {
        let (bare, is_beside) = name.strip_prefix('_').map_or((name, false), |bare| (bare, true));
        let Some(of) = def.member(bare).and_then(|member| member.of) else { continue };
        let link = match of.name {
            _ if is_beside => None,
            "uri" | "url" | "oid" | "uuid" => Some(LinkKind::Address),
            "xhtml" => Some(LinkKind::Narrative),
            _ if is_reference && bare == "reference" => Some(LinkKind::Reference),
            _ => None,
        };
        let items = match value {
            Json::Array(items) => items.as_mut_slice(),
            value => std::slice::from_mut(value),
        };
        for item in items {
            match (item, link, of.kind) {
                (Json::String(text), Some(LinkKind::Narrative), _) => narrative(text, ask),
                (Json::String(text), Some(link), _) => {
                    if let Some(new) = ask(link, text) {
                        *text = new;
                    }
                }
                (Json::Object(object), _, TypeKind::Complex(id)) => {
                    elements(id.def(), object, ask, depth + 1)
                }
                (Json::Object(object), _, TypeKind::AnyResource) => of_kind(object, ask, depth + 1),
                (Json::Object(object), _, TypeKind::Primitive(_)) if is_beside => {
                    elements(type_of("Element").expect("`Element` is in the table"), object, ask, depth + 1);
                }
                _ => {}
            }
        }
    }
}

/// The links of a narrative, as they stand between their quotes.
fn narrative(text: &mut CompactString, ask: &mut dyn FnMut(LinkKind, &str) -> Option<CompactString>) {
    let mut told = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((at, attribute)) =
        ["href=", "src="].into_iter().filter_map(|name| Some((rest.find(name)?, name))).min()
    {
        let (before, link) = rest.split_at(at + attribute.len());
        told.push_str(before);
        rest = link;
        let Some(quote) = link.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else { continue };
        let Some(end) = link[1..].find(quote) else { continue };
        let target = &link[1..=end];
        told.push(quote);
        match ask(LinkKind::Narrative, target) {
            Some(new) => told.push_str(&new),
            None => told.push_str(target),
        }
        told.push(quote);
        rest = &link[end + 2..];
    }
    told.push_str(rest);
    if told != *text {
        *text = told.into();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::parse;

    fn changed(text: &str) -> String {
        let Json::Object(mut tree) = parse(text).unwrap() else { panic!("no object") };
        change_links(&mut tree, &mut |_, link| (link == "urn:x").then(|| "Patient/1".into()));
        Json::Object(tree).to_text()
    }

    #[test]
    fn references_addresses_and_narratives_are_changed_and_nothing_else() {
        for (before, after) in [
            (r#""subject":{"reference":"urn:x"}"#, r#""subject":{"reference":"Patient/1"}"#),
            (
                r#""performer":[{"reference":"urn:x"},{"reference":"urn:y"}]"#,
                r#""performer":[{"reference":"Patient/1"},{"reference":"urn:y"}]"#,
            ),
            (
                r#""extension":[{"url":"u","valueUri":"urn:x"}]"#,
                r#""extension":[{"url":"u","valueUri":"Patient/1"}]"#,
            ),
            (
                r#""extension":[{"url":"u","valueCanonical":"urn:x"}]"#,
                r#""extension":[{"url":"u","valueCanonical":"urn:x"}]"#,
            ),
            (
                r#""identifier":[{"system":"s","value":"urn:x"}]"#,
                r#""identifier":[{"system":"s","value":"urn:x"}]"#,
            ),
            (
                r#""contained":[{"resourceType":"Encounter","subject":{"reference":"urn:x"}}]"#,
                r#""contained":[{"resourceType":"Encounter","subject":{"reference":"Patient/1"}}]"#,
            ),
            (
                r#""_status":{"extension":[{"url":"u","valueReference":{"reference":"urn:x"}}]}"#,
                r#""_status":{"extension":[{"url":"u","valueReference":{"reference":"Patient/1"}}]}"#,
            ),
            (
                r#""text":{"div":"<div>urn:x <a href=\"urn:x\">x</a><img src='urn:x'/><a href=urn:x></div>"}"#,
                r#""text":{"div":"<div>urn:x <a href=\"Patient/1\">x</a><img src='Patient/1'/><a href=urn:x></div>"}"#,
            ),
        ] {
            let whole = |rest: &str| format!(r#"{{"resourceType":"Observation",{rest}}}"#);
            assert_eq!(changed(&whole(before)), whole(after));
        }
    }

    proptest! {
        #[test]
        fn no_narrative_panics_or_changes_without_being_asked(text in "(<a href=|src=|\"|'|张|x|=| )*") {
            let mut told = CompactString::new(&text);
            narrative(&mut told, &mut |_, _| None);
            prop_assert_eq!(told.as_str(), text.as_str());
        }
    }
}

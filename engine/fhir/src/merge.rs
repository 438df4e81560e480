//! Merges what a sender knows of a resource into what is stored.

use std::collections::HashMap;

use compact_str::CompactString;

use crate::elements::{TypeDef, of_resource};
use crate::json::{Json, Object};
use crate::types::ResourceType;

/// The stored resource with the elements of `part` in place of its own.
///
/// Elements that `part` does not carry stay. `identifier` entries are united by system and value (the newer entry
/// wins), `extension` entries by url (all of one url are replaced together), `meta` by its own rules: profiles, tags
/// and labels are united, version and time are the store's. `resourceType` and `id` stay. `clear` names elements
/// that are removed first; a choice is named `deceased[x]`, `deceased` or by its concrete name. A choice that comes as another type, and a primitive that
/// comes without its `_` sibling, replace the whole element. Merging twice is merging once.
pub fn merge(stored: &Object, part: Object, clear: &[CompactString]) -> Object {
    let mut merged = stored.clone();
    let kind = stored.get("resourceType").and_then(Json::as_str).and_then(ResourceType::from_name);
    let def = kind.map(of_resource);
    for name in clear {
        if !is_fixed(name) {
            clear_element(&mut merged, name, &part, def);
        }
    }
    // Whole elements first, so that a primitive and its sibling do not remove each other.
    for (name, _) in part.iter() {
        let is_united = matches!(name, "identifier" | "extension" | "meta");
        if !is_fixed(name) && !is_united {
            remove_others(&mut merged, name, &part, def);
        }
    }
    for (name, value) in part {
        match name.as_str() {
            name if is_fixed(name) => {}
            "identifier" => unite(&mut merged, "identifier", value, identifier_key),
            "extension" => unite_by_url(&mut merged, value),
            "meta" => merge_meta(&mut merged, value),
            other => merged.set(other, value),
        }
    }
    merged
}

fn is_fixed(name: &str) -> bool {
    name == "resourceType" || name == "id"
}

/// Removes the element with its sibling, and for a choice all of its names. What comes anew keeps its place.
fn clear_element(merged: &mut Object, name: &str, part: &Object, def: Option<&'static TypeDef>) {
    for name in names_of(name, def) {
        let sibling = format!("_{name}");
        let comes_anew = part.get(&name).is_some() || part.get(&sibling).is_some();
        match merged.get_mut(&name) {
            Some(Json::Array(stored)) if comes_anew => stored.clear(),
            _ if comes_anew => {}
            _ => {
                merged.remove(&name);
                merged.remove(&sibling);
            }
        }
    }
}

/// Removes what stands for the same element as `name` under another name that `part` does not carry.
fn remove_others(merged: &mut Object, name: &str, part: &Object, def: Option<&'static TypeDef>) {
    let bare = name.strip_prefix('_').unwrap_or(name);
    for other in names_of(bare, def) {
        for other in [format!("_{other}"), other.into()] {
            if part.get(&other).is_none() {
                merged.remove(&other);
            }
        }
    }
}

/// The JSON names of the element that `name` names.
fn names_of(name: &str, def: Option<&'static TypeDef>) -> Vec<CompactString> {
    let element = def.and_then(|def| def.element(name).or_else(|| def.choice(name)));
    match element {
        Some(element) if element.is_choice() => element.concrete.clone(),
        _ => vec![name.into()],
    }
}

/// Unites two lists: an entry with the key of a stored one takes its place, others follow.
fn unite(owner: &mut Object, name: &str, newer: Json, key: fn(&Json) -> String) {
    let Json::Array(newer) = newer else { return owner.set(name, newer) };
    let mut entries = match owner.get_mut(name) {
        Some(Json::Array(stored)) => std::mem::take(stored),
        _ => Vec::with_capacity(newer.len()),
    };
    let mut places: HashMap<String, usize> = HashMap::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        places.entry(key(entry)).or_insert(at);
    }
    for entry in newer {
        let at = *places.entry(key(&entry)).or_insert(entries.len());
        match entries.get_mut(at) {
            Some(old) => *old = entry,
            None => entries.push(entry),
        }
    }
    owner.set(name, entries);
}

/// System and value; an identifier without a value is only like itself.
fn identifier_key(identifier: &Json) -> String {
    let part = |name| identifier.get(name).and_then(Json::as_str);
    match part("value") {
        Some(value) => format!("{}\u{0}{value}", part("system").unwrap_or_default()),
        None => identifier.to_text(),
    }
}

fn coding_key(coding: &Json) -> String {
    let part = |name| coding.get(name).and_then(Json::as_str);
    match part("code") {
        Some(code) => format!("{}\u{0}{code}", part("system").unwrap_or_default()),
        None => coding.to_text(),
    }
}

/// The extensions of each url that comes replace those that were there, at the place of the first.
fn unite_by_url(owner: &mut Object, newer: Json) {
    let Json::Array(newer) = newer else { return owner.set("extension", newer) };
    let stored = match owner.get_mut("extension") {
        Some(Json::Array(stored)) => std::mem::take(stored),
        _ => Vec::new(),
    };
    let url = |extension: &Json| extension.get("url").and_then(Json::as_str).unwrap_or_default().to_owned();
    let mut order = Vec::new();
    let mut groups: HashMap<String, Vec<Json>> = HashMap::new();
    for extension in newer {
        let url = url(&extension);
        let group = groups.entry(url.clone()).or_default();
        if group.is_empty() {
            order.push(url);
        }
        group.push(extension);
    }
    let mut united = Vec::with_capacity(stored.len() + order.len());
    for extension in stored {
        match groups.get_mut(&url(&extension)) {
            Some(group) => united.append(group),
            None => united.push(extension),
        }
    }
    for url in order {
        united.append(&mut groups.remove(&url).unwrap_or_default());
    }
    owner.set("extension", united);
}

fn merge_meta(owner: &mut Object, newer: Json) {
    let Json::Object(newer) = newer else { return };
    let newer: Vec<_> =
        newer.into_iter().filter(|(name, _)| name != "versionId" && name != "lastUpdated").collect();
    if newer.is_empty() {
        return;
    }
    if owner.get("meta").and_then(Json::as_object).is_none() {
        owner.set("meta", Object::new());
    }
    let Some(meta) = owner.get_mut("meta").and_then(Json::as_object_mut) else { return };
    for (name, value) in newer {
        match name.as_str() {
            "profile" => unite(meta, "profile", value, Json::to_text),
            "tag" | "security" => unite(meta, &name, value, coding_key),
            "extension" => unite_by_url(meta, value),
            other => meta.set(other, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;
    use proptest::prelude::*;

    fn object(text: &str) -> Object {
        parse(text).unwrap().as_object().unwrap().clone()
    }

    fn merged(stored: &str, part: &str, clear: &[&str]) -> String {
        let clear: Vec<CompactString> = clear.iter().map(|name| (*name).into()).collect();
        Json::Object(merge(&object(stored), object(part), &clear)).to_text()
    }

    #[test]
    fn what_is_carried_replaces_and_the_rest_stays() {
        assert_eq!(
            merged(
                r#"{"resourceType":"Patient","id":"1","gender":"male","birthDate":"1980"}"#,
                r#"{"resourceType":"Patient","id":"2","birthDate":"1981-01-02","active":true}"#,
                &[],
            ),
            r#"{"resourceType":"Patient","id":"1","gender":"male","birthDate":"1981-01-02","active":true}"#
        );
    }

    #[test]
    fn identifiers_are_united_and_the_newer_entry_wins() {
        assert_eq!(
            merged(
                r#"{"resourceType":"Patient","identifier":[{"system":"a","value":"1"},{"system":"b","value":"1"}]}"#,
                r#"{"identifier":[{"system":"b","value":"1","use":"old"},{"value":"1"}]}"#,
                &[],
            ),
            r#"{"resourceType":"Patient","identifier":[{"system":"a","value":"1"},{"system":"b","value":"1","use":"old"},{"value":"1"}]}"#
        );
    }

    #[test]
    fn extensions_of_one_url_are_replaced_together() {
        assert_eq!(
            merged(
                r#"{"extension":[{"url":"a","valueCode":"1"},{"url":"b","valueCode":"1"},{"url":"a","valueCode":"2"}]}"#,
                r#"{"extension":[{"url":"a","valueCode":"3"},{"url":"c","valueCode":"4"}]}"#,
                &[],
            ),
            r#"{"extension":[{"url":"a","valueCode":"3"},{"url":"b","valueCode":"1"},{"url":"c","valueCode":"4"}]}"#
        );
    }

    #[test]
    fn a_choice_of_another_type_takes_the_place_of_the_old_one() {
        assert_eq!(
            merged(
                r#"{"resourceType":"Patient","deceasedBoolean":true,"_deceasedBoolean":{"id":"x"}}"#,
                r#"{"deceasedDateTime":"2026"}"#,
                &[],
            ),
            r#"{"resourceType":"Patient","deceasedDateTime":"2026"}"#
        );
    }

    #[test]
    fn cleared_elements_go_with_their_siblings() {
        assert_eq!(
            merged(
                r#"{"resourceType":"Patient","id":"1","birthDate":"1980","_birthDate":{"id":"x"},"deceasedBoolean":true}"#,
                "{}",
                &["birthDate", "deceased[x]", "id"],
            ),
            r#"{"resourceType":"Patient","id":"1"}"#
        );
    }

    #[test]
    fn meta_is_united_but_its_version_is_the_stores() {
        assert_eq!(
            merged(
                r#"{"meta":{"versionId":"7","profile":["a"],"tag":[{"code":"x"}]}}"#,
                r#"{"meta":{"versionId":"1","profile":["b","a"],"tag":[{"code":"x","display":"X"}]}}"#,
                &[],
            ),
            r#"{"meta":{"versionId":"7","profile":["a","b"],"tag":[{"code":"x","display":"X"}]}}"#
        );
        assert_eq!(merged("{}", r#"{"meta":{"versionId":"1"}}"#, &[]), "{}");
    }

    fn part() -> impl Strategy<Value = Object> {
        let identifier = (0..3u8, 0..3u8, 0..3u8)
            .prop_map(|(s, v, u)| format!(r#"{{"system":"s{s}","value":"v{v}","use":"u{u}"}}"#));
        let extension =
            (0..3u8, 0..3u8).prop_map(|(url, value)| format!(r#"{{"url":"u{url}","valueInteger":{value}}}"#));
        let list = |name: &'static str, items: Vec<String>| match items.is_empty() {
            true => None,
            false => Some(format!(r#""{name}":[{}]"#, items.join(","))),
        };
        let birth = prop::option::of((0..3u8).prop_map(|day| format!(r#""birthDate":"198{day}""#)));
        let sibling = prop::option::of((0..3u8).prop_map(|id| format!(r#""_birthDate":{{"id":"{id}"}}"#)));
        let deceased = prop::option::of(prop_oneof![
            Just(r#""deceasedBoolean":true"#.to_owned()),
            Just(r#""deceasedDateTime":"2026""#.to_owned())
        ]);
        let tag = prop::collection::vec((0..3u8).prop_map(|code| format!(r#"{{"code":"{code}"}}"#)), 0..4)
            .prop_map(move |tags| list("tag", tags).map(|tags| format!(r#""meta":{{{tags}}}"#)));
        (
            prop::collection::vec(identifier, 0..5).prop_map(move |items| list("identifier", items)),
            prop::collection::vec(extension, 0..5).prop_map(move |items| list("extension", items)),
            birth,
            sibling,
            deceased,
            tag,
        )
            .prop_map(|(a, b, c, d, e, f)| {
                let members: Vec<String> = [a, b, c, d, e, f].into_iter().flatten().collect();
                let rest = members.iter().map(|member| format!(",{member}")).collect::<String>();
                object(&format!(r#"{{"resourceType":"Patient","id":"1"{rest}}}"#))
            })
    }

    proptest! {
        #[test]
        fn merging_twice_is_merging_once(stored in part(), newer in part(), clears in any::<bool>()) {
            let clear: &[&str] = if clears { &["deceased[x]", "identifier", "birthDate"] } else { &[] };
            let clear: Vec<CompactString> = clear.iter().map(|name| CompactString::new(name)).collect();
            let once = merge(&stored, newer.clone(), &clear);
            prop_assert_eq!(merge(&once, newer, &clear), once);
        }

        #[test]
        fn merging_nothing_changes_nothing(stored in part()) {
            prop_assert_eq!(merge(&stored, Object::new(), &[]), stored);
        }
    }
}

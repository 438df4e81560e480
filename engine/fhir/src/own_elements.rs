//! The elements a resource has itself, each with all that is in it: which of them differ between two versions, and what is made of one
//! version that keeps some of the other's.
//!
//! An element is all of its JSON names: `birthDate` and `_birthDate`, `deceasedBoolean` and `deceasedDateTime`. Version and time in `meta`
//! are the store's and never differ.

use std::collections::BTreeSet;

use compact_str::CompactString;

use crate::elements::{TypeDef, of_resource};
use crate::json::{Json, Object};
use crate::types::ResourceType;

/// The names of elements: `name`, `deceased[x]`.
pub type Names = BTreeSet<CompactString>;

/// All elements of a tree, without its type and id.
pub fn carried(kind: ResourceType, tree: &Object) -> Names {
    let def = of_resource(kind);
    tree.iter().filter(|(name, _)| !is_fixed(name)).map(|(name, _)| element(def, name)).collect()
}

/// The elements in which two trees of this type differ.
pub fn differing(kind: ResourceType, old: &Object, new: &Object) -> Names {
    let def = of_resource(kind);
    let mut found = Names::new();
    let mut look = |one: &Object, other: &Object| {
        for (name, value) in one.iter().filter(|(name, _)| !is_fixed(name)) {
            if !is_same(name, Some(value), other.get(name)) {
                found.insert(element(def, name));
            }
        }
    };
    look(new, old);
    look(old, new);
    found
}

/// A new tree in which these elements are as in the stored one.
pub fn keeping(kind: ResourceType, stored: &Object, new: Object, kept: &Names) -> Object {
    let def = of_resource(kind);
    let is_kept = |name: &str| !is_fixed(name) && kept.contains(&element(def, name));
    let mut made = Object::with_capacity(new.len());
    for (name, value) in new {
        if !is_kept(&name) {
            made.push(name, value);
        } else if let Some(value) = stored.get(&name) {
            made.push(name, value.clone());
        }
    }
    for (name, value) in stored.iter().filter(|(name, _)| is_kept(name)) {
        if made.get(name).is_none() {
            made.push(name.into(), value.clone());
        }
    }
    made
}

fn is_fixed(name: &str) -> bool {
    name == "resourceType" || name == "id"
}

fn element(def: &'static TypeDef, name: &str) -> CompactString {
    let bare = name.strip_prefix('_').unwrap_or(name);
    let element = def.element(bare).or_else(|| def.choice(bare));
    element.map_or_else(|| bare.into(), |element| element.name.into())
}

fn is_same(name: &str, one: Option<&Json>, other: Option<&Json>) -> bool {
    if name != "meta" {
        return one == other;
    }
    let rest = |meta: Option<&Json>| -> Vec<(CompactString, Json)> {
        let members = meta.and_then(Json::as_object).into_iter().flat_map(Object::iter);
        let is_stores =
            |name: &str| matches!(name, "versionId" | "lastUpdated" | "_versionId" | "_lastUpdated");
        let rest = members.filter(|(name, _)| !is_stores(name));
        rest.map(|(name, value)| (name.into(), value.clone())).collect()
    };
    rest(one) == rest(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Object {
        crate::json::parse(text).unwrap().as_object().unwrap().clone()
    }

    fn patient() -> ResourceType {
        ResourceType::from_name("Patient").unwrap()
    }

    #[test]
    fn a_choice_and_a_sibling_are_one_element() {
        let old =
            tree(r#"{"resourceType":"Patient","id":"1","deceasedBoolean":true,"_birthDate":{"id":"x"}}"#);
        let new = tree(
            r#"{"resourceType":"Patient","id":"1","deceasedDateTime":"2026","birthDate":"1980","gender":"male"}"#,
        );
        let names: Vec<_> = differing(patient(), &old, &new).into_iter().collect();
        assert_eq!(names, ["birthDate", "deceased[x]", "gender"]);
        let kept = Names::from(["deceased[x]".into(), "birthDate".into()]);
        let made = Json::Object(keeping(patient(), &old, new, &kept)).to_text();
        assert_eq!(
            made,
            r#"{"resourceType":"Patient","id":"1","gender":"male","deceasedBoolean":true,"_birthDate":{"id":"x"}}"#
        );
    }

    #[test]
    fn the_stores_part_of_meta_does_not_differ() {
        let old = tree(r#"{"meta":{"versionId":"1","lastUpdated":"2026","source":"a"},"active":true}"#);
        assert!(differing(patient(), &old, &tree(r#"{"active":true,"meta":{"source":"a"}}"#)).is_empty());
        assert_eq!(differing(patient(), &old, &tree(r#"{"active":true,"meta":{"source":"b"}}"#)).len(), 1);
        let bare = tree(r#"{"meta":{"versionId":"1"},"active":true}"#);
        assert!(differing(patient(), &bare, &tree(r#"{"active":true}"#)).is_empty());
    }
}

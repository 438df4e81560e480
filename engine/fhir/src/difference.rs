//! What differs between two trees of one thing, value by value.

use crate::json::{Json, Object};
use crate::leaves::{each_leaf, each_leaf_of, shown};

/// What is told of each value that differs: its path, the value before and the value now. Never both absent.
pub type Tell<'t> = dyn FnMut(&str, Option<String>, Option<String>) + 't;

/// Tells what differs between two trees, in the order of the new one; what is gone comes last.
pub fn differences(old: &Object, new: &Object, tell: &mut Tell<'_>) {
    objects("", old, new, tell);
}

/// Tells every value of a tree as one that is new.
pub fn all_new(new: &Object, tell: &mut Tell<'_>) {
    each_leaf(new, &mut |path, json| push(path, None, Some(json), tell));
}

/// Tells every value of a tree as one that is gone.
pub fn all_gone(old: &Object, tell: &mut Tell<'_>) {
    each_leaf(old, &mut |path, json| push(path, Some(json), None, tell));
}

fn push(path: &str, old: Option<&Json>, new: Option<&Json>, tell: &mut Tell<'_>) {
    let text = |json: Option<&Json>| json.map(|json| shown(json).into_owned());
    if path != "resourceType" {
        tell(path, text(old), text(new));
    }
}

fn objects(path: &str, old: &Object, new: &Object, tell: &mut Tell<'_>) {
    let step = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, value) in new.iter() {
        values(&step(name), old.get(name), Some(value), tell);
    }
    for (name, value) in old.iter().filter(|(name, _)| new.get(name).is_none()) {
        values(&step(name), Some(value), None, tell);
    }
}

fn values(path: &str, old: Option<&Json>, new: Option<&Json>, tell: &mut Tell<'_>) {
    match (old, new) {
        (Some(old), Some(new)) if old == new => {}
        (Some(Json::Object(old)), Some(Json::Object(new))) => objects(path, old, new, tell),
        (Some(Json::Array(old)), Some(Json::Array(new))) => lists(path, old, new, tell),
        (Some(old), Some(new)) if is_leaf(old) && is_leaf(new) => push(path, Some(old), Some(new), tell),
        (old, new) => {
            if let Some(old) = old {
                each_leaf_of(path, old, &mut |path, json| push(path, Some(json), None, tell));
            }
            if let Some(new) = new {
                each_leaf_of(path, new, &mut |path, json| push(path, None, Some(json), tell));
            }
        }
    }
}

/// Entries that both have are left out, wherever they stand; the others are laid beside each other in their order.
fn lists(path: &str, old: &[Json], new: &[Json], tell: &mut Tell<'_>) {
    let mut gone: Vec<(usize, &Json)> = old.iter().enumerate().collect();
    let mut come: Vec<(usize, &Json)> = Vec::new();
    for (at, item) in new.iter().enumerate() {
        match gone.iter().position(|(_, known)| *known == item) {
            Some(same) => {
                gone.remove(same);
            }
            None => come.push((at, item)),
        }
    }
    if gone.is_empty() && come.is_empty() {
        let order =
            |items: &[Json]| items.iter().map(|item| shown(item).into_owned()).collect::<Vec<_>>().join(" ");
        return tell(&format!("{path}(order)"), Some(order(old)), Some(order(new)));
    }
    for at in 0..gone.len().max(come.len()) {
        let (before, now) = (gone.get(at), come.get(at));
        let Some((place, _)) = now.or(before) else { break };
        let item = |entry: Option<&(usize, &'_ Json)>| entry.map(|(_, item)| (*item).clone());
        let (before, now) = (item(before), item(now));
        values(&format!("{path}[{place}]"), before.as_ref(), now.as_ref(), tell);
    }
}

fn is_leaf(json: &Json) -> bool {
    !matches!(json, Json::Object(_) | Json::Array(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Object {
        crate::json::parse(text).unwrap().as_object().unwrap().clone()
    }

    fn told(old: &str, new: &str) -> Vec<String> {
        let mut found = Vec::new();
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        differences(&tree(old), &tree(new), &mut |path, old, new| {
            found.push(format!("{path} {} -> {}", text(old), text(new)));
        });
        found
    }

    #[test]
    fn values_are_compared_by_their_paths() {
        assert_eq!(told(r#"{"a":1,"b":{"c":"x"}}"#, r#"{"a":1,"b":{"c":"y"}}"#), ["b.c x -> y"]);
        assert_eq!(told(r#"{"a":1}"#, r#"{"b":2}"#), ["b - -> 2", "a 1 -> -"]);
        assert_eq!(told(r#"{"a":{"b":1}}"#, r#"{"a":1}"#), ["a.b 1 -> -", "a - -> 1"]);
    }

    #[test]
    fn an_entry_put_in_front_of_a_list_is_one_entry_more() {
        assert_eq!(told(r#"{"a":["x","y"]}"#, r#"{"a":["w","x","y"]}"#), ["a[0] - -> w"]);
        assert_eq!(told(r#"{"a":["x","y"]}"#, r#"{"a":["y"]}"#), ["a[0] x -> -"]);
        assert_eq!(told(r#"{"a":["x","y"]}"#, r#"{"a":["y","x"]}"#), ["a(order) x y -> y x"]);
    }
}

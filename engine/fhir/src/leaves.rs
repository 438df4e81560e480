//! The values of a tree with their paths, as lineage names them: `name[0].family`.

use std::borrow::Cow;

use crate::json::{Json, Object};

/// Goes over every value of an object, in its order.
pub fn each_leaf<'j>(object: &'j Object, take: &mut dyn FnMut(&str, &'j Json)) {
    let mut path = String::new();
    members(object, &mut path, take);
}

/// Goes over every value within a value whose path is given.
pub fn each_leaf_of<'j>(path: &str, json: &'j Json, take: &mut dyn FnMut(&str, &'j Json)) {
    walk(json, &mut path.to_owned(), take);
}

fn members<'j>(object: &'j Object, path: &mut String, take: &mut dyn FnMut(&str, &'j Json)) {
    let length = path.len();
    for (name, value) in object.iter() {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        walk(value, path, take);
        path.truncate(length);
    }
}

fn walk<'j>(json: &'j Json, path: &mut String, take: &mut dyn FnMut(&str, &'j Json)) {
    match json {
        Json::Object(object) => members(object, path, take),
        Json::Array(items) => {
            let length = path.len();
            for (place, item) in items.iter().enumerate() {
                path.push_str(&format!("[{place}]"));
                walk(item, path, take);
                path.truncate(length);
            }
        }
        leaf => take(path, leaf),
    }
}

/// The value as people read it: without the quotes of JSON.
pub fn shown(json: &Json) -> Cow<'_, str> {
    match json {
        Json::String(text) | Json::Number(text) => Cow::Borrowed(text.as_str()),
        other => Cow::Owned(other.to_text()),
    }
}

/// `name[0].given[1]` is `name.given`.
pub fn without_places(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut within = false;
    for letter in path.chars() {
        match letter {
            '[' => within = true,
            ']' => within = false,
            _ if !within => plain.push(letter),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_named_as_lineage_names_them() {
        let tree = crate::json::parse(r#"{"name":[{"family":"A","given":["B","C"]}],"active":true}"#);
        let tree = tree.unwrap();
        let mut found = Vec::new();
        each_leaf(tree.as_object().unwrap(), &mut |path, json| {
            found.push(format!("{path}={}", shown(json)));
        });
        assert_eq!(found, ["name[0].family=A", "name[0].given[0]=B", "name[0].given[1]=C", "active=true"]);
        assert_eq!(without_places("name[0].given[1]"), "name.given");
    }
}

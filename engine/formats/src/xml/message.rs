//! Gives a document back as the tree that is written: the inverse of writing it.

use std::collections::HashMap;

use hub_fhir::{Json, Object};

use super::document::{Mark, Xml, XmlDocument};
use crate::tree::{Kind, Tree};

impl XmlDocument {
    /// The document as [`XmlWriter`](super::XmlWriter) takes it. Elements of one name are an array where the first of them stands; the
    /// texts among the elements of one are one text.
    pub fn message(&self) -> Object {
        children(&self.tree, 0)
    }
}

fn children(tree: &Tree<Mark>, at: usize) -> Object {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut members: Vec<(String, Vec<Json>)> = Vec::new();
    let mut text = String::new();
    let mut text_place = None;
    for child in tree.children(at) {
        if tree.item(child).mark.is_text {
            text.push_str(tree.text(child));
            text_place.get_or_insert_with(|| {
                members.push(("#text".to_owned(), Vec::new()));
                members.len() - 1
            });
            continue;
        }
        let name = Xml::written(tree, child).into_owned();
        let value = element(tree, child);
        match places.get(&name) {
            Some(place) => members[*place].1.push(value),
            None => {
                places.insert(name.clone(), members.len());
                members.push((name, vec![value]));
            }
        }
    }
    if let Some(place) = text_place {
        members[place].1.push(Json::string(text));
    }
    let mut object = Object::with_capacity(members.len());
    for (name, mut values) in members {
        let value = if values.len() == 1 { values.remove(0) } else { Json::Array(values) };
        object.push(name.into(), value);
    }
    object
}

fn element(tree: &Tree<Mark>, at: usize) -> Json {
    let item = tree.item(at);
    if item.mark.is_attribute {
        return Json::string(tree.text(at));
    }
    let has_text = matches!(item.kind, Kind::Text | Kind::Blank);
    let has_children = tree.children(at).next().is_some();
    if !has_children {
        return if has_text { Json::string(tree.text(at)) } else { Json::Null };
    }
    if item.mark.holds_document {
        let (attributes, document) =
            tree.children(at).partition::<Vec<usize>, _>(|child| tree.item(*child).mark.is_attribute);
        let attributes =
            attributes.iter().map(|child| (Xml::written(tree, *child).into_owned(), element(tree, *child)));
        let mut object = Object::from_iter(attributes);
        let document =
            document.iter().map(|child| (Xml::written(tree, *child).into_owned(), element(tree, *child)));
        object.set("#document", Json::Object(Object::from_iter(document)));
        return Json::Object(object);
    }
    let mut object = children(tree, at);
    if has_text {
        object.set("#text", Json::string(tree.text(at)));
    }
    Json::Object(object)
}

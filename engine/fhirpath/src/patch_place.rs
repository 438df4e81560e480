//! Where an element stands in the tree of its resource, so that it can be changed.

use compact_str::{CompactString, format_compact};
use hub_fhir::elements::{Element, TypeDef};
use hub_fhir::{Json, Object};

use crate::item::{Content, Node};
use crate::kind::Kind;
use crate::patch::def_of;

/// Deeper trees are not walked.
const MAX_DEPTH: usize = 64;

/// The place of an element.
#[derive(Debug)]
pub(crate) struct Place {
    /// Names and places in lists, from the resource on; empty for the resource itself.
    steps: Vec<(CompactString, Option<usize>)>,
    /// The element that it is one of.
    pub(crate) element: Option<&'static Element>,
    /// Its own elements.
    pub(crate) def: Option<&'static TypeDef>,
}

/// Finds an element by what it is, not by how it looks: it is the very value in the tree.
pub(crate) fn find(tree: &Object, node: &Node<'_>) -> Option<Place> {
    let mut steps = Vec::new();
    let is_root = matches!(node.content, Content::Object(object) if std::ptr::eq(object, tree));
    if !is_root && !walk(tree, node, &mut steps) {
        return None;
    }
    let def = match (node.kind, node.content) {
        (Kind::Complex(def), _) => Some(def),
        (_, Content::Object(object)) => def_of(object),
        _ => None,
    };
    Some(Place { steps, element: node.place.map(|(_, element)| element), def })
}

fn walk(object: &Object, node: &Node<'_>, steps: &mut Vec<(CompactString, Option<usize>)>) -> bool {
    if steps.len() > MAX_DEPTH {
        return false;
    }
    for (name, value) in object.iter() {
        let is_list = matches!(value, Json::Array(_));
        for (at, item) in value.items().iter().enumerate() {
            steps.push((name.into(), is_list.then_some(at)));
            if is_it(item, node) {
                return true;
            }
            if item.as_object().is_some_and(|object| walk(object, node, steps)) {
                return true;
            }
            steps.pop();
        }
    }
    false
}

fn is_it(json: &Json, node: &Node<'_>) -> bool {
    let is = |object: &Object| json.as_object().is_some_and(|own| std::ptr::eq(own, object));
    match node.content {
        Content::Object(object) => is(object),
        Content::Primitive { value: Some(value), .. } => std::ptr::eq(json, value),
        Content::Primitive { value: None, beside } => beside.is_some_and(is),
    }
}

const GONE: &str = "the path leads to no element of the resource";

impl Place {
    /// The object at this place.
    pub(crate) fn object<'t>(&self, tree: &'t mut Object) -> Result<&'t mut Object, String> {
        let step = |object: &'t mut Object, (name, at): &(CompactString, Option<usize>)| {
            let value = object.get_mut(name)?;
            match (value, at) {
                (Json::Array(items), Some(at)) => items.get_mut(*at)?.as_object_mut(),
                (value, _) => value.as_object_mut(),
            }
        };
        self.steps.iter().try_fold(tree, step).ok_or_else(|| GONE.to_owned())
    }

    /// The values beside it, its own place among them, and the object they stand in.
    pub(crate) fn slot<'t>(&self, tree: &'t mut Object) -> Result<(Slot, usize, &'t mut Object), String> {
        let Some(((name, at), before)) = self.steps.split_last() else {
            return Err("the resource itself can be neither replaced nor deleted".to_owned());
        };
        let owner = Place { steps: before.to_vec(), element: None, def: None };
        let object = owner.object(tree)?;
        // A primitive without a value was found beside its name.
        let name = name.strip_prefix('_').unwrap_or(name);
        Ok((Slot::of(object, name, at.is_some()), at.unwrap_or(0), object))
    }
}

/// The values of one element of an object: each with what stands beside it where it is a primitive.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Its name in JSON.
    pub(crate) name: CompactString,
    is_list: bool,
    values: Vec<(Json, Json)>,
}

impl Slot {
    /// Reads the values.
    pub(crate) fn of(object: &Object, name: &str, is_list: bool) -> Self {
        let beside = format_compact!("_{name}");
        let items = |name: &str| object.get(name).map(Json::items).unwrap_or_default();
        let (values, beside) = (items(name), items(&beside));
        let count = values.len().max(beside.len());
        let at = |items: &[Json], at: usize| items.get(at).cloned().unwrap_or(Json::Null);
        let values = (0..count).map(|place| (at(values, place), at(beside, place))).collect();
        Self { name: name.into(), is_list, values }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Puts a value at a place that is there, or at the end.
    pub(crate) fn insert(&mut self, at: usize, value: (Json, Json)) {
        self.values.insert(at, value);
    }

    /// Takes the value at a place that is there.
    pub(crate) fn remove(&mut self, at: usize) -> (Json, Json) {
        self.values.remove(at)
    }

    /// Writes the values back; members that would hold nothing are taken away.
    pub(crate) fn write(&self, object: &mut Object) {
        let (values, beside): (Vec<Json>, Vec<Json>) = self.values.iter().cloned().unzip();
        for (name, mut items) in [(self.name.clone(), values), (format_compact!("_{}", self.name), beside)] {
            let is_nothing = items.iter().all(|item| *item == Json::Null);
            match (is_nothing, self.is_list) {
                (true, _) => drop(object.remove(&name)),
                (false, true) => object.set(&name, items),
                (false, false) => object.set(&name, items.swap_remove(0)),
            }
        }
    }
}

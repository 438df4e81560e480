//! From an element to its children, by name and all of them.

use hub_fhir::elements::{Class, Element, TypeDef, TypeRef, type_of};
use hub_fhir::{Json, Object};

use crate::item::{Content, Item, Node, resource_kind};
use crate::kind::Kind;

/// Hands the children of this name to `sink`.
pub(crate) fn members<'a>(node: &Node<'a>, name: &str, sink: &mut dyn FnMut(Item<'a>)) {
    match (node.content, node.kind) {
        (Content::Object(object), Kind::Complex(def)) => {
            if let Some(member) = def.member(name) {
                // `valueQuantity` is the name in JSON; in FHIRPath it is `value`.
                if let (false, Some(of)) = (member.element.is_choice(), member.of) {
                    child(object, def, member.element, of, name, &mut |child, _| sink(Item::Node(child)));
                }
                return;
            }
            each_choice(object, def, name, &mut |element, of, written| {
                child(object, def, element, of, written, &mut |child, _| sink(Item::Node(child)));
            });
        }
        (Content::Primitive { value, beside }, _) => match name {
            "value" => {
                if value.is_some()
                    && let Some(system) = Item::Node(*node).system()
                {
                    sink(system);
                }
            }
            _ => {
                let element = type_of("Element").expect("`Element` is in the table of types");
                if let Some(object) = beside {
                    let own =
                        Node { content: Content::Object(object), kind: Kind::Complex(element), place: None };
                    members(&own, name, sink);
                }
            }
        },
        _ => {}
    }
}

/// Hands all children to `sink`, in the order of the resource.
pub(crate) fn children<'a>(node: &Node<'a>, sink: &mut dyn FnMut(Item<'a>)) {
    children_with_places(node, &mut |child, _, _| sink(Item::Node(child)));
}

/// The same, each with its name in JSON and its place in an array.
pub(crate) fn children_with_places<'a>(
    node: &Node<'a>,
    sink: &mut dyn FnMut(Node<'a>, &'a str, Option<usize>),
) {
    let (object, def) = match (node.content, node.kind) {
        (Content::Object(object), Kind::Complex(def)) => (object, def),
        (Content::Primitive { beside: Some(beside), .. }, _) => {
            (beside, type_of("Element").expect("`Element` is in the table of types"))
        }
        _ => return,
    };
    let is_resource = def.class == Class::Resource;
    for (written, _) in object.iter() {
        if is_resource && written == "resourceType" {
            continue;
        }
        let bare = match written.strip_prefix('_') {
            // The value was there and has brought what stands beside it.
            Some(bare) if object.get(bare).is_some() => continue,
            Some(bare) => bare,
            None => written,
        };
        let Some(member) = def.member(bare) else { continue };
        if let Some(of) = member.of {
            child(object, def, member.element, of, bare, &mut |child, index| sink(child, bare, index));
        }
    }
}

/// The choice `stem`: the name it is written with, of those that are there.
fn each_choice<'a>(
    object: &'a Object,
    def: &'static TypeDef,
    stem: &str,
    found: &mut dyn FnMut(&'static Element, &'static TypeRef, &'a str),
) {
    for (written, _) in object.iter() {
        let bare = match written.strip_prefix('_') {
            Some(bare) if object.get(bare).is_some() => continue,
            Some(bare) => bare,
            None => written,
        };
        if !bare.starts_with(stem) || bare.len() == stem.len() {
            continue;
        }
        let Some(member) = def.member(bare) else { continue };
        if let (true, Some(of)) = (member.element.is_choice() && member.element.stem() == stem, member.of) {
            found(member.element, of, bare);
        }
    }
}

/// The values of one member, each with what stands beside it.
fn child<'a>(
    object: &'a Object,
    def: &'static TypeDef,
    element: &'static Element,
    of: &'static TypeRef,
    written: &str,
    sink: &mut dyn FnMut(Node<'a>, Option<usize>),
) {
    let place = Some((def, element));
    let value = object.get(written);
    let is_list = matches!(value, Some(Json::Array(_)));
    if of.primitive().is_none() {
        for (at, value) in value.map(Json::items).unwrap_or_default().iter().enumerate() {
            if let Json::Object(inner) = value {
                let kind = Kind::of(of).unwrap_or_else(|| resource_kind(inner));
                sink(Node { content: Content::Object(inner), kind, place }, is_list.then_some(at));
            }
        }
        return;
    }
    let Some(kind) = Kind::of(of) else { return };
    let values = value.map(Json::items).unwrap_or_default();
    let beside = beside(object, written).map(Json::items).unwrap_or_default();
    for at in 0..values.len().max(beside.len()) {
        let value =
            values.get(at).filter(|value| !matches!(value, Json::Null | Json::Object(_) | Json::Array(_)));
        let beside = beside.get(at).and_then(Json::as_object);
        if value.is_some() || beside.is_some() {
            sink(Node { content: Content::Primitive { value, beside }, kind, place }, is_list.then_some(at));
        }
    }
}

fn beside<'a>(object: &'a Object, written: &str) -> Option<&'a Json> {
    object.iter().find(|(name, _)| name.strip_prefix('_') == Some(written)).map(|(_, value)| value)
}

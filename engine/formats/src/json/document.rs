//! JSON as a document: members, items of arrays, and JSON text within strings.

use hub_fhir::{Json, Object};

use crate::nested::{self, Nested};
use crate::tree::{Kind, Naming, Tree, TreeDocument, Weight};

/// JSON that was read.
pub type JsonDocument = TreeDocument<Members>;

/// How the members of objects and the items of arrays go by name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Members;

/// How far a node has come towards a string that holds JSON text.
#[derive(Clone, Copy)]
pub struct Along {
    along: nested::Along,
    is_text: bool,
}

impl Along {
    /// Whether it was JSON text in a string.
    pub(super) fn is_text(&self) -> bool {
        self.is_text
    }
}

impl JsonDocument {
    pub(super) fn of(top: &Json, nested: &Nested) -> Self {
        let root = Along { along: nested.root(), is_text: false };
        let mark_of = |parent: Along, name: &str, value: &Json| {
            // An array without a name is no step, and what stands in JSON text is not JSON text again.
            let along = if name == "*" { parent.along } else { nested.below(parent.along, name) };
            let has_parts = matches!(value, Json::Object(_) | Json::Array(_));
            Along { along, is_text: name != "*" && has_parts && nested.ends(along) }
        };
        let kind = if matches!(top, Json::Array(_)) { Kind::Array } else { Kind::Group };
        let mut weight = Weight::default();
        weight.add(top);
        let mut tree = Tree::new(kind, root, weight.nodes, weight.bytes);
        match top {
            Json::Array(items) => {
                let name = tree.keep("*");
                tree.list(0, "*", name, items, &mark_of);
            }
            Json::Object(object) => tree.members(0, object, &mark_of),
            _ => {}
        }
        tree.close(0);
        TreeDocument { tree, naming: Members }
    }

    /// The message as a tree that [`JsonWriter`](super::JsonWriter) writes: an array at the root is the member `*` of an object.
    pub fn message(&self) -> Object {
        match self.tree.to_json(0) {
            Json::Object(object) => object,
            array => Object::from_iter([("*", array)]),
        }
    }

    /// The items of an array at the root.
    pub(super) fn items(&self) -> Vec<usize> {
        let is_array = self.tree.item(0).kind == Kind::Array;
        self.tree.children(0).filter(|_| is_array).collect()
    }
}

impl Naming for Members {
    type Mark = Along;

    fn named(&self, tree: &Tree<Along>, at: usize, name: &str, found: &mut Vec<usize>) {
        if name == "*" {
            found.extend(tree.children(at));
            return;
        }
        if tree.item(at).kind != Kind::Array {
            tree.each_named(at, name, |child| found.push(child));
        }
        tree.each_named(at, "*", |child| self.named(tree, child, name, found));
    }

    fn goes_through(&self, tree: &Tree<Along>, child: usize, name: &str) -> bool {
        tree.name(child) == "*" && !tree.has_child(tree.parent(child), name)
    }

    fn can_hold(&self, tree: &Tree<Along>, at: usize, name: &str) -> bool {
        let within = |at: usize| {
            let mut any = false;
            tree.each_named(at, "*", |child| any = any || self.can_hold(tree, child, name));
            any
        };
        match tree.item(at).kind {
            Kind::Group | Kind::Array if name == "*" => true,
            Kind::Group => tree.has_child(at, name) || (tree.has_child(at, "*") && within(at)),
            Kind::Array => within(at),
            _ => false,
        }
    }
}

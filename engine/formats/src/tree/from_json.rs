//! Reads a JSON tree into nodes.

use hub_fhir::{Json, Object};

use super::{Kind, Span, Tree};

/// How much room JSON takes as nodes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weight {
    pub(crate) nodes: usize,
    pub(crate) bytes: usize,
}

impl Weight {
    pub(crate) fn add_object(&mut self, object: &Object) {
        for (name, value) in object.iter() {
            self.bytes += name.len();
            self.add(value);
        }
    }

    pub(crate) fn add(&mut self, value: &Json) {
        match value {
            Json::Object(object) => {
                self.nodes += 1;
                self.add_object(object);
            }
            Json::Array(items) => {
                // One more for an array that is a node itself.
                (self.nodes, self.bytes) = (self.nodes + 1, self.bytes + 1);
                items.iter().for_each(|item| self.add(item));
            }
            Json::String(text) | Json::Number(text) => {
                (self.nodes, self.bytes) = (self.nodes + 1, self.bytes + text.len());
            }
            Json::Bool(_) => (self.nodes, self.bytes) = (self.nodes + 1, self.bytes + "false".len()),
            Json::Null => self.nodes += 1,
        }
    }
}

impl<M: Copy> Tree<M> {
    /// Adds the members of an object as children of a node. `mark_of` tells what is known of a member's value from what is known of
    /// the node, the member's name and the value.
    pub(crate) fn members(&mut self, at: usize, object: &Object, mark_of: &impl Fn(M, &str, &Json) -> M) {
        for (name, value) in object.iter() {
            self.member(at, name, value, mark_of);
        }
    }

    /// Adds one member; an array with items is several children.
    pub(crate) fn member(
        &mut self,
        at: usize,
        name: &str,
        value: &Json,
        mark_of: &impl Fn(M, &str, &Json) -> M,
    ) {
        let span = self.keep(name);
        match value {
            Json::Array(items) if !items.is_empty() => self.list(at, name, span, items, mark_of),
            value => _ = self.json(at, name, span, value, mark_of),
        }
    }

    /// Adds the items of an array as children by its name.
    pub(crate) fn list(
        &mut self,
        at: usize,
        name: &str,
        span: Span,
        items: &[Json],
        mark_of: &impl Fn(M, &str, &Json) -> M,
    ) {
        for (index, value) in items.iter().enumerate() {
            let child = self.json(at, name, span, value, mark_of);
            let item = self.item_mut(child);
            item.nth = index as u32 + 1;
            item.many = items.len() > 1;
            item.listed = true;
        }
    }

    fn json(
        &mut self,
        at: usize,
        name: &str,
        span: Span,
        value: &Json,
        mark_of: &impl Fn(M, &str, &Json) -> M,
    ) -> usize {
        let mark = mark_of(self.item(at).mark, name, value);
        match value {
            Json::Object(object) => {
                let child = self.push(at, span, Kind::Group, Span::default(), mark);
                self.members(child, object, mark_of);
                self.close(child);
                child
            }
            Json::Array(items) => {
                let child = self.push(at, span, Kind::Array, Span::default(), mark);
                let inner = self.keep("*");
                self.list(child, "*", inner, items, mark_of);
                self.close(child);
                child
            }
            Json::Null => self.push(at, span, Kind::Null, Span::default(), mark),
            Json::Bool(yes) => self.leaf(at, span, Kind::Bool, if *yes { "true" } else { "false" }, mark),
            Json::Number(text) => self.leaf(at, span, Kind::Number, text, mark),
            Json::String(text) if text.is_empty() => self.leaf(at, span, Kind::Blank, text, mark),
            Json::String(text) => self.leaf(at, span, Kind::Text, text, mark),
        }
    }

    fn leaf(&mut self, at: usize, name: Span, kind: Kind, text: &str, mark: M) -> usize {
        let text = self.keep(text);
        self.push(at, name, kind, text, mark)
    }
}

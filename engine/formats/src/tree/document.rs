//! A tree as a document: scopes, steps and places, which are the same for all formats that are read into one.

use std::borrow::Cow;

use hub_core::document::{Document, Node, Text};
use hub_core::path::{Path, Pick, Step, To};

use super::Tree;

/// What a format knows beyond names and order.
pub trait Naming: Send + Sync {
    /// What it knows of each node.
    type Mark: Copy + Send + Sync;

    /// Whether a child goes by this name.
    fn is_named(&self, tree: &Tree<Self::Mark>, child: usize, name: &str) -> bool {
        tree.name(child) == name
    }

    /// Adds the nodes that a step of this name goes to from `at`.
    fn named(&self, tree: &Tree<Self::Mark>, at: usize, name: &str, found: &mut Vec<usize>) {
        tree.each_named(at, name, |child| found.push(child));
    }

    /// Whether a node can have a child of this name, so that a path that begins with it is meant to begin there.
    fn can_hold(&self, tree: &Tree<Self::Mark>, at: usize, name: &str) -> bool {
        tree.has_child(at, name)
    }

    /// Whether a path may begin with the node itself by this name.
    fn is_itself(&self, _tree: &Tree<Self::Mark>, _at: usize, _name: &str) -> bool {
        false
    }

    /// Whether a node with parts is one value as a whole.
    fn is_whole(&self, _tree: &Tree<Self::Mark>, _at: usize) -> bool {
        false
    }

    /// Whether a child of such a node is a value of its own beside it.
    fn is_beside(&self, _tree: &Tree<Self::Mark>, _at: usize) -> bool {
        false
    }

    /// Whether a name that is not the child's own goes on into it, as into the items of an array without a name.
    fn goes_through(&self, _tree: &Tree<Self::Mark>, _child: usize, _name: &str) -> bool {
        false
    }

    /// The value of a node with parts, which is one as a whole.
    fn whole_text<'t>(&self, _tree: &'t Tree<Self::Mark>, _at: usize) -> Option<Cow<'t, str>> {
        None
    }

    /// What stands before a step of a place.
    fn separator(&self, is_first: bool) -> &'static str {
        if is_first { "" } else { "." }
    }
}

/// A document that is read from a tree.
pub struct TreeDocument<N: Naming> {
    pub(crate) tree: Tree<N::Mark>,
    pub(crate) naming: N,
}

impl<N: Naming> std::fmt::Debug for TreeDocument<N> {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TreeDocument({} nodes)", self.tree.len())
    }
}

impl<N: Naming> TreeDocument<N> {
    fn index(&self, node: Node) -> usize {
        usize::try_from(node.0).ok().filter(|at| *at < self.tree.len()).unwrap_or(0)
    }

    fn follow(&self, at: usize, scope: usize, steps: &[Step], found: &mut Vec<Node>) {
        let Some((step, rest)) = steps.split_first() else {
            if self.tree.is_valued(at) {
                found.push(Node(at as u64));
            }
            return;
        };
        let name = step_name(step);
        let numbered = matches!(step.pick, Some(Pick::Nth(_)));
        let towards = if numbered { None } else { self.tree.child_towards(at, scope) };
        if let Some(own) = towards.filter(|own| self.naming.is_named(&self.tree, *own, &name)) {
            if self.is_picked(own, &step.pick) {
                self.follow(own, scope, rest, found);
            }
            return;
        }
        // Seen from within an item, the other items are not meant, even where it has no such part itself.
        if let Some(own) = towards.filter(|own| self.naming.goes_through(&self.tree, *own, &name)) {
            self.follow(own, scope, steps, found);
            return;
        }
        let mut named = Vec::new();
        self.naming.named(&self.tree, at, &name, &mut named);
        let own = named.iter().copied().find(|child| scope > at && self.tree.is_inside(*child, scope));
        for (place, child) in named.into_iter().enumerate() {
            let wanted = match &step.pick {
                Some(Pick::Nth(nth)) => place + 1 == usize::from(*nth),
                pick => own.is_none_or(|own| own == child) && self.is_picked(child, pick),
            };
            if wanted {
                self.follow(child, scope, rest, found);
            }
        }
    }

    /// Whether a node has the value that `[system=urn:x]` asks for; the part may go several steps down.
    fn is_picked(&self, at: usize, pick: &Option<Pick>) -> bool {
        let Some(Pick::Where { part, equals }) = pick else { return true };
        let separator = if part.contains('/') { '/' } else { '.' };
        let mut nodes = vec![at];
        for name in part.split(separator) {
            let mut below = Vec::new();
            nodes.iter().for_each(|node| self.naming.named(&self.tree, *node, name, &mut below));
            nodes = below;
        }
        nodes.into_iter().any(|node| self.value(node).is_some_and(|value| value == equals.as_str()))
    }

    fn value(&self, at: usize) -> Option<Cow<'_, str>> {
        match self.tree.value(at) {
            Some(value) => Some(Cow::Borrowed(value)),
            None => self.naming.whole_text(&self.tree, at),
        }
    }

    fn write_place(&self, at: usize, place: &mut String) {
        if at == 0 {
            return;
        }
        self.write_place(self.tree.parent(at), place);
        place.push_str(self.naming.separator(place.is_empty()));
        place.push_str(self.tree.name(at));
        let item = self.tree.item(at);
        if item.many {
            place.push_str(&format!("[{}]", item.nth));
        }
    }

    /// The nodes that a path names from the root, whether they hold a value or not.
    pub(crate) fn nodes_at(&self, path: &Path) -> Vec<usize> {
        let mut nodes = vec![0];
        for step in path.steps() {
            let mut below = Vec::new();
            for at in nodes {
                let mut named = Vec::new();
                self.naming.named(&self.tree, at, &step_name(step), &mut named);
                let wanted = named.into_iter().enumerate().filter(|(place, child)| match &step.pick {
                    Some(Pick::Nth(nth)) => place + 1 == usize::from(*nth),
                    pick => self.is_picked(*child, pick),
                });
                below.extend(wanted.map(|(_, child)| child));
            }
            nodes = below;
        }
        nodes
    }
}

/// The name a step goes by: numbers are names of members here.
fn step_name(step: &Step) -> Cow<'_, str> {
    match &step.to {
        To::Name(name) => Cow::Borrowed(name.as_str()),
        To::Part(number) => Cow::Owned(number.to_string()),
    }
}

impl<N: Naming> Document for TreeDocument<N> {
    fn root(&self) -> Node {
        Node(0)
    }

    fn select(&self, scope: Node, path: &Path, found: &mut Vec<Node>) {
        let scope = self.index(scope);
        let Some((first, rest)) = path.steps().split_first() else { return };
        let name = step_name(first);
        let numbered = matches!(first.pick, Some(Pick::Nth(_)));
        let mut at = if path.is_absolute() { 0 } else { scope };
        while at != 0 {
            if !numbered && self.naming.is_itself(&self.tree, at, &name) {
                if self.is_picked(at, &first.pick) {
                    self.follow(at, scope, rest, found);
                }
                return;
            }
            if self.naming.can_hold(&self.tree, at, &name) {
                break;
            }
            at = self.tree.parent(at);
        }
        self.follow(at, scope, path.steps(), found);
    }

    fn text(&self, node: Node) -> Option<Text<'_>> {
        let at = self.index(node);
        if self.tree.is_null(at) {
            return Some(Text::Null);
        }
        self.value(at).map(Text::Value)
    }

    fn part(&self, node: Node, index: u16) -> Option<Node> {
        let at = self.index(node);
        let is_leaf = self.tree.is_null(at) || self.value(at).is_some();
        (is_leaf && index == 1).then_some(node)
    }

    fn child(&self, node: Node, name: &str) -> Option<Node> {
        let mut named = Vec::new();
        self.naming.named(&self.tree, self.index(node), name, &mut named);
        named.into_iter().find(|at| self.tree.is_valued(*at)).map(|at| Node(at as u64))
    }

    fn contains(&self, outer: Node, inner: Node) -> bool {
        self.tree.is_inside(self.index(outer), self.index(inner))
    }

    fn leaves(&self) -> Vec<Node> {
        let mut leaves = Vec::new();
        let mut at = 1;
        while at < self.tree.len() {
            if self.naming.is_whole(&self.tree, at) {
                leaves.push(Node(at as u64));
                let beside = self.tree.children(at).filter(|child| self.naming.is_beside(&self.tree, *child));
                leaves
                    .extend(beside.filter(|child| self.tree.is_leaf(*child)).map(|child| Node(child as u64)));
                at = self.tree.item(at).next as usize;
                continue;
            }
            if self.tree.is_leaf(at) {
                leaves.push(Node(at as u64));
            }
            at += 1;
        }
        leaves
    }

    fn place(&self, node: Node) -> String {
        let mut place = String::new();
        self.write_place(self.index(node), &mut place);
        place
    }
}

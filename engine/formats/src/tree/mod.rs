//! The tree that all formats but HL7 v2 are read into: one row of nodes in document order, and one buffer that holds their names and texts.

mod cut;
mod document;
mod from_json;
mod to_json;

use std::collections::HashMap;

use compact_str::CompactString;

pub(crate) use cut::cut_json;
pub use document::{Naming, TreeDocument};
pub(crate) use from_json::Weight;

/// Nodes with more children than this get an index of their names.
const WIDE: usize = 256;

/// A piece of a tree's buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It has parts with names and no text of its own: an object, an element, a row.
    Group,
    /// An array that has no name of its own: at the root, in another array, or one without items.
    Array,
    /// A text.
    Text,
    /// A text of nothing, or of blanks where those are no value.
    Blank,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// Said to be nothing.
    Null,
    /// A text that is about the notation and no part of the message: a declaration of a namespace.
    Quiet,
}

/// One node. `M` is what its format knows of it besides.
#[derive(Clone, Copy)]
pub(crate) struct Item<M> {
    pub(crate) name: Span,
    pub(crate) text: Span,
    pub(crate) kind: Kind,
    /// Which of several of its name.
    pub(crate) nth: u32,
    /// There are several of its name.
    pub(crate) many: bool,
    /// It stands in an array that has its name.
    pub(crate) listed: bool,
    pub(crate) parent: u32,
    /// Where the next node begins that does not stand inside this one.
    pub(crate) next: u32,
    pub(crate) mark: M,
}

/// The nodes of a document. The first one is the root, which has no name.
pub struct Tree<M> {
    items: Vec<Item<M>>,
    text: String,
    /// The children by name of nodes that have many, so that what stands beside many is found without looking at them all.
    wide: HashMap<u32, HashMap<CompactString, Vec<u32>>>,
}

impl<M: Copy> Tree<M> {
    /// A tree of a root alone, with room for so many nodes and so many bytes of names and texts: growing costs more than reading.
    pub(crate) fn new(root: Kind, mark: M, nodes: usize, bytes: usize) -> Self {
        let items = Vec::with_capacity(nodes + 1);
        let mut tree = Self { items, text: String::with_capacity(bytes), wide: HashMap::new() };
        tree.push(0, Span::default(), root, Span::default(), mark);
        tree
    }

    /// Keeps a text.
    pub(crate) fn keep(&mut self, text: &str) -> Span {
        let start = self.end();
        self.text.push_str(text);
        Span { start, end: self.end() }
    }

    /// Where the buffer ends.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.text.len()).expect("what is read is far smaller than 4 GiB")
    }

    /// The buffer, to be written to at its end.
    pub(crate) fn buffer(&mut self) -> &mut String {
        &mut self.text
    }

    /// Adds a node as the last child of `parent`, which must not have been closed.
    pub(crate) fn push(&mut self, parent: usize, name: Span, kind: Kind, text: Span, mark: M) -> usize {
        let at = self.items.len();
        let next = at as u32 + 1;
        let parent = parent as u32;
        self.items.push(Item { name, text, kind, nth: 1, many: false, listed: false, parent, next, mark });
        at
    }

    /// Says that all that stands inside a node has been added.
    pub(crate) fn close(&mut self, at: usize) {
        self.items[at].next = self.items.len() as u32;
        let is_wide = self.items.len() - at > WIDE && self.children(at).nth(WIDE).is_some();
        if is_wide {
            let mut names: HashMap<CompactString, Vec<u32>> = HashMap::new();
            for child in self.children(at) {
                match names.get_mut(self.name(child)) {
                    Some(list) => list.push(child as u32),
                    None => _ = names.insert(self.name(child).into(), vec![child as u32]),
                }
            }
            self.wide.insert(at as u32, names);
        }
    }

    /// Numbers the children of a node among those of the same name. The node has been closed.
    pub(crate) fn number(&mut self, at: usize) {
        if self.children(at).nth(1).is_none() {
            return;
        }
        if let Some(names) = self.wide.get(&(at as u32)) {
            for list in names.values() {
                for (place, child) in list.iter().enumerate() {
                    let item = &mut self.items[*child as usize];
                    item.nth = place as u32 + 1;
                    item.many = list.len() > 1;
                }
            }
            return;
        }
        let mut known: Vec<(Span, u32, usize)> = Vec::new();
        let mut child = at + 1;
        while child < self.items[at].next as usize {
            let name = self.items[child].name;
            let place = known.iter().position(|(known, _, _)| self.slice(*known) == self.slice(name));
            let place = place.unwrap_or_else(|| {
                known.push((name, 0, child));
                known.len() - 1
            });
            let (_, count, last) = &mut known[place];
            *count += 1;
            self.items[child].nth = *count;
            if *count > 1 {
                self.items[child].many = true;
                self.items[*last].many = true;
            }
            *last = child;
            child = self.items[child].next as usize;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn item(&self, at: usize) -> &Item<M> {
        &self.items[at]
    }

    pub(crate) fn item_mut(&mut self, at: usize) -> &mut Item<M> {
        &mut self.items[at]
    }

    /// A piece of the buffer.
    pub(crate) fn slice(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    pub(crate) fn name(&self, at: usize) -> &str {
        self.slice(self.items[at].name)
    }

    /// The text of a node, also of one that is no value.
    pub(crate) fn text(&self, at: usize) -> &str {
        self.slice(self.items[at].text)
    }

    /// The value of a node. Never empty.
    pub(crate) fn value(&self, at: usize) -> Option<&str> {
        let item = &self.items[at];
        matches!(item.kind, Kind::Text | Kind::Number | Kind::Bool | Kind::Quiet)
            .then(|| self.slice(item.text))
    }

    /// Whether a node says that there is nothing. A null in an array only keeps the places of the others.
    pub(crate) fn is_null(&self, at: usize) -> bool {
        self.items[at].kind == Kind::Null && !self.items[at].many
    }

    /// Whether a node is a leaf that belongs to the message and has a value.
    pub(crate) fn is_leaf(&self, at: usize) -> bool {
        matches!(self.items[at].kind, Kind::Text | Kind::Number | Kind::Bool) || self.is_null(at)
    }

    /// Whether a node has a value or holds one.
    pub(crate) fn is_valued(&self, at: usize) -> bool {
        let inside = at..self.items[at].next as usize;
        self.items[at].kind == Kind::Quiet || inside.into_iter().any(|at| self.is_leaf(at))
    }

    pub(crate) fn parent(&self, at: usize) -> usize {
        self.items[at].parent as usize
    }

    pub(crate) fn children(&self, at: usize) -> impl Iterator<Item = usize> {
        let end = self.items[at].next as usize;
        let mut next = at + 1;
        std::iter::from_fn(move || {
            let child = next;
            (child < end).then(|| {
                next = self.items[child].next as usize;
                child
            })
        })
    }

    /// Whether `inner` is `outer` or stands inside it.
    pub(crate) fn is_inside(&self, outer: usize, inner: usize) -> bool {
        outer <= inner && inner < self.items[outer].next as usize
    }

    /// The child of `at` that is `inner` or holds it.
    pub(crate) fn child_towards(&self, at: usize, inner: usize) -> Option<usize> {
        let mut child = inner;
        while child > at {
            let parent = self.parent(child);
            if parent == at {
                return Some(child);
            }
            child = parent;
        }
        None
    }

    /// Whether a node has a child of this name.
    pub(crate) fn has_child(&self, at: usize, name: &str) -> bool {
        match self.wide.get(&(at as u32)) {
            Some(names) => names.contains_key(name),
            None => self.children(at).any(|child| self.name(child) == name),
        }
    }

    /// Hands over the children of this name.
    pub(crate) fn each_named(&self, at: usize, name: &str, mut take: impl FnMut(usize)) {
        match self.wide.get(&(at as u32)) {
            Some(names) => names.get(name).into_iter().flatten().for_each(|child| take(*child as usize)),
            None => self.children(at).filter(|child| self.name(*child) == name).for_each(take),
        }
    }
}

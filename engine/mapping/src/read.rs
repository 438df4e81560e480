//! Reads a document for one run: lends buffers, and remembers what was read where a trace is wanted.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use hub_core::document::{Document, Node, Text};
use hub_core::path::{Path, To};

use crate::find::Found;

/// A document being read.
pub(crate) struct Reader<'d> {
    document: &'d dyn Document,
    found: &'d Found,
    /// Which of the nodes of the nearest `each` is being worked on.
    nth: Cell<usize>,
    buffers: RefCell<Vec<Vec<Node>>>,
    /// The leaves read, in order; `None` when nothing is traced.
    log: Option<RefCell<Vec<Node>>>,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(document: &'d dyn Document, found: &'d Found) -> Self {
        Self { document, found, nth: Cell::new(1), buffers: RefCell::default(), log: None }
    }

    pub(crate) fn traced(document: &'d dyn Document, found: &'d Found) -> Self {
        Self {
            document,
            found,
            nth: Cell::new(1),
            buffers: RefCell::default(),
            log: Some(RefCell::default()),
        }
    }

    pub(crate) fn is_traced(&self) -> bool {
        self.log.is_some()
    }

    pub(crate) fn document(&self) -> &'d dyn Document {
        self.document
    }

    pub(crate) fn found(&self) -> &'d Found {
        self.found
    }

    /// The full path of a node.
    pub(crate) fn place(&self, node: Node) -> String {
        match self.fact(node) {
            Some((name, _)) => format!("{HUB}.{name}"),
            None if node == NTH_NODE => format!("{HUB}.{NTH}"),
            None => self.document.place(node),
        }
    }

    /// For the lines that follow: the node is the `nth` of its `each`. Answers with what it was before.
    pub(crate) fn set_nth(&self, nth: usize) -> usize {
        self.nth.replace(nth)
    }

    /// Whether the node is none of the document's.
    fn is_told(&self, node: Node) -> bool {
        node == NTH_NODE || self.fact(node).is_some()
    }

    fn fact(&self, node: Node) -> Option<(&'static str, &'d str)> {
        let place = FIRST_FACT.checked_sub(node.0).filter(|place| *place < 64)?;
        self.found.fact_at(usize::try_from(place).ok()?)
    }

    /// Adds every node that `path` names, seen from `scope`. A path that begins with `@` is seen from `scope` itself: the
    /// node of the nearest `each`.
    pub(crate) fn select(&self, scope: Node, path: &Path, found: &mut Vec<Node>) {
        let Some(after) = after_here(path) else {
            if let Some(name) = fact_of(path) {
                if name == NTH {
                    found.push(NTH_NODE);
                    return;
                }
                found.extend(self.found.fact(name).map(|place| Node(FIRST_FACT - place as u64)));
                return;
            }
            return self.document.select(scope, path, found);
        };
        let mut node = scope;
        for step in after {
            let next = match &step.to {
                To::Part(number) => self.document.part(node, *number),
                To::Name(name) => self.document.child(node, name),
            };
            match next {
                Some(next) => node = next,
                None => return,
            }
        }
        found.push(node);
    }

    /// An empty list of nodes, to be given back.
    pub(crate) fn buffer(&self) -> Vec<Node> {
        self.buffers.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&self, mut buffer: Vec<Node>) {
        buffer.clear();
        self.buffers.borrow_mut().push(buffer);
    }

    /// The value at a node. From now on it counts as read.
    pub(crate) fn text(&self, node: Node) -> Option<Text<'d>> {
        if self.is_told(node) {
            return self.peek(node);
        }
        if let Some(log) = &self.log {
            log.borrow_mut().push(self.leaf(node));
        }
        self.document.text(node)
    }

    /// The value at a node, which does not count as read.
    pub(crate) fn peek(&self, node: Node) -> Option<Text<'d>> {
        match self.fact(node) {
            Some((_, value)) => Some(Text::Value(Cow::Borrowed(value))),
            None if node == NTH_NODE => Some(Text::Value(Cow::Owned(self.nth.get().to_string()))),
            None => self.document.text(node),
        }
    }

    /// The leaf that answers for a node with parts.
    fn leaf(&self, node: Node) -> Node {
        let mut leaf = node;
        for _ in 0..8 {
            match self.document.part(leaf, 1) {
                Some(first) if first != leaf => leaf = first,
                _ => break,
            }
        }
        leaf
    }

    /// Whether the sender says that there is no value any more. This alone does not count as reading.
    pub(crate) fn is_null(&self, node: Node) -> bool {
        !self.is_told(node) && matches!(self.document.text(node), Some(Text::Null))
    }

    /// How many leaves were read so far: a mark for [`Reader::read_since`].
    pub(crate) fn mark(&self) -> usize {
        self.log.as_ref().map_or(0, |log| log.borrow().len())
    }

    /// The leaves read since a mark.
    pub(crate) fn read_since(&self, mark: usize) -> Vec<Node> {
        self.log.as_ref().map_or_else(Vec::new, |log| log.borrow()[mark..].to_vec())
    }
}

/// What paths to facts begin with.
pub(crate) const HUB: &str = "hub";
/// Facts are nodes that no document has: they count down from here.
const FIRST_FACT: u64 = u64::MAX;
/// `hub.nth`: which of the nodes of the nearest `each` this is, from 1.
pub(crate) const NTH: &str = "nth";
const NTH_NODE: Node = Node(FIRST_FACT - 64);

/// The name of the fact that a path means: `hub.time`.
pub(crate) fn fact_of(path: &Path) -> Option<&str> {
    match path.steps() {
        [first, second] if matches!(&first.to, To::Name(name) if name == HUB) => match &second.to {
            To::Name(name) => Some(name),
            To::Part(_) => None,
        },
        _ => None,
    }
}

/// The steps after `@`, for a path that begins with it.
pub(crate) fn after_here(path: &Path) -> Option<&[hub_core::path::Step]> {
    let (first, rest) = path.steps().split_first()?;
    matches!(&first.to, To::Name(name) if name == "@").then_some(rest)
}

/// A value on its way into a function: a node, or text that was joined or split from nodes.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    reader: &'a Reader<'a>,
    /// Where it stands, for faults and lineage.
    pub(crate) node: Node,
    given: Option<&'a str>,
}

impl<'a> Value<'a> {
    pub(crate) fn of_node(reader: &'a Reader<'a>, node: Node) -> Self {
        Self { reader, node, given: None }
    }

    pub(crate) fn of_text(reader: &'a Reader<'a>, node: Node, text: &'a str) -> Self {
        Self { reader, node, given: Some(text) }
    }

    /// The text as it stands; `None` for no value and for null.
    pub(crate) fn raw(&self) -> Option<Cow<'a, str>> {
        match self.given {
            Some(text) => Some(Cow::Borrowed(text)),
            None => self.reader.text(self.node)?.value(),
        }
    }

    /// The text without blanks around it; `None` when nothing is left.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        let trimmed = match self.raw()? {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        };
        if trimmed.is_empty() { None } else { Some(trimmed) }
    }

    /// Whether it has no parts: its first part is itself.
    pub(crate) fn is_leaf(&self) -> bool {
        self.part(1).is_some_and(|first| first.node == self.node)
    }

    /// The `index`th part, from 1.
    pub(crate) fn part(&self, index: u16) -> Option<Value<'a>> {
        if self.given.is_some() || self.reader.is_told(self.node) {
            return (index == 1).then_some(*self);
        }
        let node = self.reader.document().part(self.node, index)?;
        Some(Self { node, ..*self })
    }

    /// The children of this name, where parts have names.
    pub(crate) fn children(&self, name: &str) -> Vec<Value<'a>> {
        if self.given.is_some() || self.reader.is_told(self.node) {
            return Vec::new();
        }
        let mut nodes = self.reader.buffer();
        self.reader.document().select(self.node, &Path::name(name), &mut nodes);
        // A path is looked up in the nodes around it too: only what stands within is meant here.
        let inside = nodes.iter().filter(|node| self.reader.document().contains(self.node, **node));
        let children = inside.map(|node| Value { node: *node, ..*self }).collect();
        self.reader.give_back(nodes);
        children
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<Value<'a>> {
        if self.given.is_some() || self.reader.is_told(self.node) {
            return None;
        }
        let node = self.reader.document().child(self.node, name)?;
        Some(Value { node, ..*self })
    }

    /// The text of the first child of this name.
    pub(crate) fn child_text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.child(name)?.text()
    }

    /// The text of the `index`th part.
    pub(crate) fn part_text(&self, index: u16) -> Option<Cow<'a, str>> {
        self.part(index)?.text()
    }
}

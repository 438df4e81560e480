//! A parsed message as a compact index: one text and one list of nodes in reading order.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use hub_core::document::{Document, Node, Text};
use hub_core::path::Path;

use super::charset::Charset;
use super::escape::unescape;
use super::separators::Separators;
use super::structure::{Structure, Tag};

/// A message. Reading it allocates nothing but the answers.
///
/// Only what has a value is kept. A repetition or component that holds one value and nothing else is itself the leaf, so
/// that its first part is the leaf, as HL7 v2 reads it (§2.5.3). MSH-1 and MSH-2 can be selected and are not listed as
/// leaves: they are how the message is written, not what it says.
pub struct Hl7Document {
    /// The message, normalised; every node is a span of it.
    pub(super) text: String,
    pub(super) items: Vec<Item>,
    pub(super) structure: &'static Structure,
    /// Segments that stand in a group whose structure does not know them.
    pub(super) strays: HashSet<(usize, Tag)>,
    /// How often each segment occurs.
    pub(super) counts: HashMap<Tag, u32>,
    /// Some segment stands in a group that began before the segment in front of it.
    pub(super) reordered: bool,
    pub(super) separators: Separators,
    pub(super) charset: Charset,
}

/// One node. Its children follow it directly.
pub(super) struct Item {
    pub(super) kind: Kind,
    /// There are several of its kind beside it: a place says which.
    pub(super) many: bool,
    /// Of a group: which one in the structure; of a part: its number.
    pub(super) number: u16,
    /// Which of several: the occurrence of a group in its parent, of a segment in the message, of a repetition.
    pub(super) nth: u32,
    /// Its span of the text. Of a group: of its first segment.
    pub(super) start: u32,
    pub(super) end: u32,
    /// The node after it and all its children.
    pub(super) next: u32,
    pub(super) parent: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Group,
    Segment,
    Repetition,
    Component,
    Subcomponent,
}

impl std::fmt::Debug for Hl7Document {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hl7Document({} bytes, {} nodes)", self.text.len(), self.items.len())
    }
}

impl Hl7Document {
    pub(super) fn item(&self, at: usize) -> &Item {
        &self.items[at]
    }

    pub(super) fn index(&self, node: Node) -> usize {
        // A handle of another document is a bug of the caller; it gets the root, not a panic.
        usize::try_from(node.0).ok().filter(|at| *at < self.items.len()).unwrap_or(0)
    }

    pub(super) fn raw(&self, item: &Item) -> &str {
        &self.text[item.start as usize..item.end as usize]
    }

    pub(super) fn tag(&self, item: &Item) -> Tag {
        let name = &self.text.as_bytes()[item.start as usize..];
        [name[0], name[1], name[2]]
    }

    pub(super) fn is_leaf(&self, at: usize) -> bool {
        let item = self.item(at);
        !matches!(item.kind, Kind::Group | Kind::Segment) && item.next as usize == at + 1
    }

    pub(super) fn is_inside(&self, outer: usize, inner: usize) -> bool {
        outer <= inner && inner < self.item(outer).next as usize
    }

    /// The charset it was read in.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// The name of its group structure, `ORU_R01`; `None`: the hub knows none, and all segments stand side by side.
    pub fn structure(&self) -> Option<&'static str> {
        self.structure.name()
    }

    /// How many segments there are.
    pub fn segment_count(&self) -> usize {
        self.counts.values().map(|count| *count as usize).sum()
    }

    /// The children of a node, in order.
    pub(super) fn children(&self, at: usize) -> impl Iterator<Item = usize> {
        let end = self.item(at).next as usize;
        let mut next = at + 1;
        std::iter::from_fn(move || {
            let child = next;
            (child < end).then(|| {
                next = self.item(child).next as usize;
                child
            })
        })
    }

    /// The leaf that answers for a node: its first part's first part. A first part that is empty is no value, whatever
    /// stands behind it.
    fn answering(&self, at: usize) -> Option<usize> {
        if self.is_leaf(at) {
            return Some(at);
        }
        match self.item(at).kind {
            Kind::Group | Kind::Segment => None,
            _ => self.answering(self.numbered(at, 1)?),
        }
    }

    /// The child with this number: the first repetition of a field, a component, a subcomponent.
    pub(super) fn numbered(&self, at: usize, number: u16) -> Option<usize> {
        if self.is_leaf(at) {
            return (number == 1).then_some(at);
        }
        if self.item(at).kind == Kind::Group {
            return None;
        }
        self.children(at).find(|child| self.item(*child).number == number)
    }

    pub(super) fn value(&self, at: usize) -> Option<Text<'_>> {
        let raw = self.raw(self.item(self.answering(at)?));
        if raw == "\"\"" {
            return Some(Text::Null);
        }
        let value = unescape(raw, self.separators.escape, &self.separators, Some(self.charset));
        (!value.is_empty()).then_some(Text::Value(value))
    }

    fn write_place(&self, at: usize, place: &mut String) {
        use std::fmt::Write as _;
        let item = self.item(at);
        let parent = item.parent as usize;
        let written = match item.kind {
            Kind::Group if at == 0 => Ok(()),
            Kind::Group => {
                self.write_place(parent, place);
                let dot = if place.is_empty() { "" } else { "." };
                let name = self.structure.groups[usize::from(item.number)].name;
                let nth = if item.many { format!("[{}]", item.nth) } else { String::new() };
                write!(place, "{dot}{name}{nth}")
            }
            Kind::Segment => {
                let tag = self.tag(item);
                place.extend(tag.map(char::from));
                let once = self.counts.get(&tag) == Some(&1);
                if once { Ok(()) } else { write!(place, "[{}]", item.nth) }
            }
            Kind::Repetition => {
                self.write_place(parent, place);
                let many = if item.many { format!("({})", item.nth) } else { String::new() };
                write!(place, "-{}{many}", item.number)
            }
            Kind::Component | Kind::Subcomponent => {
                self.write_place(parent, place);
                write!(place, ".{}", item.number)
            }
        };
        written.expect("writing to a string does not fail");
    }
}

impl Document for Hl7Document {
    fn root(&self) -> Node {
        Node(0)
    }

    fn select(&self, scope: Node, path: &Path, found: &mut Vec<Node>) {
        let before = found.len();
        super::select::select(self, self.index(scope), path.steps(), &mut |at| found.push(Node(at as u64)));
        if self.reordered {
            found[before..].sort_by_key(|node| {
                let item = self.item(self.index(*node));
                (item.start, std::cmp::Reverse(item.end))
            });
        }
    }

    fn text(&self, node: Node) -> Option<Text<'_>> {
        self.value(self.index(node))
    }

    fn part(&self, node: Node, index: u16) -> Option<Node> {
        self.numbered(self.index(node), index).map(|at| Node(at as u64))
    }

    fn child(&self, _node: Node, _name: &str) -> Option<Node> {
        None
    }

    fn contains(&self, outer: Node, inner: Node) -> bool {
        self.is_inside(self.index(outer), self.index(inner))
    }

    fn leaves(&self) -> Vec<Node> {
        let is_separators = |item: &Item| {
            item.kind == Kind::Repetition
                && item.number <= 2
                && self.tag(self.item(item.parent as usize)) == *b"MSH"
        };
        let leaves = (0..self.items.len()).filter(|at| self.is_leaf(*at) && !is_separators(self.item(*at)));
        let mut leaves: Vec<Node> = leaves.map(|at| Node(at as u64)).collect();
        if self.reordered {
            leaves.sort_by_key(|leaf| self.item(self.index(*leaf)).start);
        }
        leaves
    }

    fn place(&self, node: Node) -> String {
        let mut place = String::new();
        self.write_place(self.index(node), &mut place);
        place
    }
}

/// The value of a leaf as it would be compared: unescaped, null aside.
pub(super) fn plain<'a>(text: &'a Option<Text<'a>>) -> Option<&'a Cow<'a, str>> {
    match text {
        Some(Text::Value(value)) => Some(value),
        _ => None,
    }
}

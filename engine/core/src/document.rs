//! A parsed message of any format, seen as nodes, paths and values.
//!
//! A document is a tree whose nodes are small handles, so that reading it allocates nothing. What a node is, a
//! segment, a repetition, an element, only the document knows; the mapping engine knows no format.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use compact_str::CompactString;
use hub_fhir::Object;
use thiserror::Error;

use crate::envelope::Label;
use crate::path::Path;

/// A handle on a place in one document. Meaningless in another document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node(pub u64);

/// The value of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// A value, unescaped. Never empty.
    Value(Cow<'a, str>),
    /// The sender says that there is no value any more: `""` in HL7 v2 (§2.5.3.1), `null` in a merge patch.
    Null,
}

impl<'a> Text<'a> {
    /// The value; `None` for null.
    pub fn value(self) -> Option<Cow<'a, str>> {
        match self {
            Text::Value(value) => Some(value),
            Text::Null => None,
        }
    }
}

/// What mappings read. Formats implement it.
pub trait Document: Send + Sync {
    /// The whole document.
    fn root(&self) -> Node;

    /// Adds every node that `path` names, seen from `scope`, to `found`, in document order.
    ///
    /// Scoping: a path is looked up in the nearest enclosing node of `scope` (itself included) that can hold its
    /// first step. Within a repetition of `PID-3`, `PID-3.1` is that repetition's component; within an
    /// `OBSERVATION` group, `OBX-5` is that group's and `OBR-4` that of the enclosing `ORDER_OBSERVATION`.
    /// Only nodes that are valued (or null) are found.
    fn select(&self, scope: Node, path: &Path, found: &mut Vec<Node>);

    /// The value at a node. `None` when it has no value. A node with parts answers with its first leaf, as HL7
    /// v2 does when a field is read as if it had one component (§2.5.3).
    fn text(&self, node: Node) -> Option<Text<'_>>;

    /// The `index`th part of a node (from 1): a component of a repetition, a subcomponent of a component. The first
    /// part of a leaf is the leaf. `None` when there is no value there.
    fn part(&self, node: Node, index: u16) -> Option<Node>;

    /// The named child of a node, for formats whose parts have names (JSON, XML, FHIR). `None` for the others.
    fn child(&self, node: Node, name: &str) -> Option<Node>;

    /// Whether `inner` is `outer` or stands inside it.
    fn contains(&self, outer: Node, inner: Node) -> bool;

    /// Every leaf that holds a value, in document order.
    fn leaves(&self) -> Vec<Node>;

    /// The full path of a node, occurrences included: `OBX[3]-5(2).1`. Names only, never content.
    fn place(&self, node: Node) -> String;
}

/// Turns bytes into a document. Parsers are total: bad bytes give an error, not a panic.
pub trait Parser: Send + Sync {
    /// Reads one message. The document owns what it needs.
    fn parse(&self, bytes: &[u8]) -> Result<Box<dyn Document>, ParseError>;

    /// Reads the single value at `path` without building the document, where the format has a cheap way; the lane
    /// of a message is found so. `None` when it has no value or cannot be read.
    fn peek(&self, bytes: &[u8], path: &Path) -> Option<String> {
        let document = self.parse(bytes).ok()?;
        let mut found = Vec::new();
        document.select(document.root(), path, &mut found);
        let text = document.text(*found.first()?)?;
        text.value().map(Cow::into_owned)
    }

    /// Splits a frame or file into the messages it holds, in their order. Each piece is a message of this format by itself, with
    /// the same paths as the whole, so that it can be kept, fail and be replayed alone.
    ///
    /// The default is for formats of which a frame holds one message.
    fn split(&self, bytes: &Bytes, by: &Split) -> Result<Vec<Piece>, ParseError> {
        let (Split::Messages | Split::At(_)) = by;
        Ok(vec![Piece { bytes: bytes.clone(), label: Label::default() }])
    }
}

/// What there are several of in a frame or file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// Whole messages, as the format itself holds them: an HL7 v2 batch (§2.10.3), the lines of NDJSON, the items of a JSON array,
    /// the rows of a CSV file, the resources of a Bundle.
    Messages,
    /// The nodes at this path: a piece is the whole with one of them and without the others.
    At(Path),
}

/// One message of several.
#[derive(Clone)]
pub struct Piece {
    /// Its bytes: a message of the format by itself.
    pub bytes: Bytes,
    /// What it says of itself.
    pub label: Label,
}

impl fmt::Debug for Piece {
    /// Never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piece({} bytes)", self.bytes.len())
    }
}

/// Turns a message tree into bytes: the inverse of a [`Parser`]. Pure: the same tree gives the same bytes.
///
/// A tree is an object whose shape the format defines; numbers and strings are its texts.
pub trait Writer: Send + Sync {
    /// Writes one message.
    fn write(&self, message: &Object) -> Result<Bytes, WriteError>;

    /// The media type of what is written.
    fn content_type(&self) -> CompactString;
}

/// Why a tree cannot be written in a format. Holds no content.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {what}")]
pub struct WriteError {
    /// Where in the message that was to be written: `PID-5`, `/Request/Body`, `rows[3].amount`.
    pub place: String,
    /// What was wrong and what was expected.
    pub what: String,
}

/// Where reading stopped and why. Holds no content: content may name a patient.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct ParseError {
    /// Byte offset in the message as received.
    pub at: usize,
    /// A place in the terms of the format, where one is known: `segment 3`, `line 4`.
    pub place: Option<String>,
    /// What was expected, or what was wrong.
    pub what: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place} (byte {}): {}", self.at, self.what),
            None => write!(f, "byte {}: {}", self.at, self.what),
        }
    }
}

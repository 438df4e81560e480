//! JSON of a partner's own making as a document, and back: what answers, callbacks and requests are read and written by.

mod document;
mod read;
mod split;
mod write;

use bytes::Bytes;
use hub_core::document::{Document, ParseError, Parser, Piece, Split};
use hub_core::envelope::Label;
use hub_core::registry::Settings;
use serde::Deserialize;

use crate::nested::Nested;
use crate::{FormatError, layout_of};

pub use document::{JsonDocument, Members};
pub(crate) use read::{Line, lines, read_tree};
pub(crate) use split::pieces;
pub use write::JsonWriter;

/// The keys of a JSON layout.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Layout {
    /// NDJSON: a value on each line.
    lines: bool,
    /// The paths of strings that hold JSON text.
    nested: Vec<String>,
}

/// Reads one JSON object or array; or, with `lines = true`, an object or array on each line, as if they were the items of one array.
///
/// Paths begin with the members: `payment.amount`, `items.code`; arrays are repeating children. The items of an array that has no name,
/// at the root or in another array, are `*`, and a name goes through such an array: `*.code` and `code` are the same from the root.
/// A string named by `nested` holds JSON text, and paths go on into it.
///
/// Split into messages, an array at the root is as many arrays of one item, and NDJSON as many lines.
#[derive(Clone, Debug, Default)]
pub struct JsonParser {
    lines: bool,
    nested: Nested,
}

impl JsonParser {
    /// The parser of this layout: `lines`, `nested`.
    pub fn new(layout: &Settings) -> Result<Self, FormatError> {
        let Layout { lines, nested } = layout_of("json", layout)?;
        Ok(Self { lines, nested: Nested::new(&nested)? })
    }

    /// Reads one message.
    pub fn read(&self, bytes: &[u8]) -> Result<JsonDocument, ParseError> {
        if self.lines {
            let items = lines(bytes)?.into_iter().map(|line| {
                read::check_top(&line.tree, line.at)?;
                read::opened(line.tree, &self.nested)
            });
            return Ok(JsonDocument::of(
                &hub_fhir::Json::Array(items.collect::<Result<_, _>>()?),
                &self.nested,
            ));
        }
        let tree = read_tree(bytes)?;
        read::check_top(&tree, 0)?;
        Ok(JsonDocument::of(&read::opened(tree, &self.nested)?, &self.nested))
    }
}

impl Parser for JsonParser {
    fn parse(&self, bytes: &[u8]) -> Result<Box<dyn Document>, ParseError> {
        Ok(Box::new(self.read(bytes)?))
    }

    fn split(&self, bytes: &Bytes, by: &Split) -> Result<Vec<Piece>, ParseError> {
        let document = self.read(bytes)?;
        let whole = || Piece { bytes: bytes.clone(), label: Label::default() };
        let nodes = match by {
            Split::Messages if self.lines => {
                let slice =
                    |line: Line| Piece { bytes: bytes.slice(line.at..line.end), label: Label::default() };
                return Ok(lines(bytes)?.into_iter().map(slice).collect());
            }
            Split::At(_) if self.lines => {
                let what = "NDJSON is split into its messages, not at a path".to_owned();
                return Err(ParseError { at: 0, place: None, what });
            }
            Split::Messages => document.items(),
            Split::At(path) => document.nodes_at(path),
        };
        if nodes.is_empty() {
            return Ok(vec![whole()]);
        }
        pieces(&document.tree, 0, nodes, &Label::default(), &document::Along::is_text)
    }
}

//! FHIR: resources, Bundles and NDJSON as documents, and back. What a destination's mapping and a channel's conditions read, too.

mod document;
mod write;

use bytes::Bytes;
use compact_str::CompactString;
use hub_core::document::{Document, ParseError, Parser, Piece, Split};
use hub_core::envelope::Label;
use hub_fhir::{Json, Object};
use serde::Deserialize;

use crate::json::{Line, lines, pieces, read_tree};

pub use document::{Fhir, FhirDocument};
pub use write::FhirWriter;

/// The keys of a FHIR layout.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Layout {
    /// NDJSON: a resource on each line.
    pub(crate) lines: bool,
}

/// Reads one resource, or a Bundle of them, as JSON; or several resources, one a line.
///
/// Split into messages, a Bundle is as many Bundles of one entry, and NDJSON as many lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct FhirParser {
    /// It is NDJSON: a resource on each line.
    pub lines: bool,
}

impl FhirParser {
    /// Reads resources.
    pub fn read(&self, bytes: &[u8]) -> Result<FhirDocument, ParseError> {
        if !self.lines {
            return Ok(FhirDocument::new([&resource(read_tree(bytes)?, 0, None)?]));
        }
        let mut resources = Vec::new();
        for line in lines(bytes)? {
            let Line { at, number, tree, .. } = line;
            resources.push(resource(tree, at, Some(format!("line {number}")))?);
        }
        Ok(FhirDocument::new(&resources))
    }
}

impl Parser for FhirParser {
    fn parse(&self, bytes: &[u8]) -> Result<Box<dyn Document>, ParseError> {
        Ok(Box::new(self.read(bytes)?))
    }

    fn split(&self, bytes: &Bytes, by: &Split) -> Result<Vec<Piece>, ParseError> {
        if self.lines && *by == Split::Messages {
            let read = |line: Line| {
                let at = Some(format!("line {}", line.number));
                let label = label(&resource(line.tree, line.at, at)?);
                Ok(Piece { bytes: bytes.slice(line.at..line.end), label })
            };
            return lines(bytes)?.into_iter().map(read).collect();
        }
        if self.lines {
            let what = "NDJSON is split into its messages, not at a path".to_owned();
            return Err(ParseError { at: 0, place: None, what });
        }
        let document = self.read(bytes)?;
        let tree = &document.tree;
        let top = tree.children(0).next().unwrap_or(0);
        let nodes: Vec<usize> = match by {
            Split::At(path) => document.nodes_at(path),
            Split::Messages if document.naming.is_resource(tree, top, "Bundle") => {
                tree.children(top).filter(|child| tree.name(*child) == "entry").collect()
            }
            Split::Messages => Vec::new(),
        };
        // A resource is left out of a Bundle with the entry it stands in.
        let with_entry = |node: usize| if tree.name(node) == "resource" { tree.parent(node) } else { node };
        let nodes: Vec<usize> = nodes.into_iter().map(with_entry).collect();
        let label = label(&tree.to_object(top));
        if nodes.is_empty() || nodes == [top] {
            return Ok(vec![Piece { bytes: bytes.clone(), label }]);
        }
        pieces(tree, top, nodes, &label, &|_| false)
    }
}

/// What a resource says of itself: its type, and its id, which FHIR keeps free of a person's data.
fn label(resource: &Object) -> Label {
    let text = |name: &str| resource.get(name).and_then(Json::as_str).map(CompactString::new);
    Label { message_type: text("resourceType"), control_id: text("id"), sender: None }
}

fn resource(tree: Json, at: usize, place: Option<String>) -> Result<Object, ParseError> {
    match tree {
        Json::Object(object) if object.get("resourceType").and_then(Json::as_str).is_some() => Ok(object),
        _ => {
            let what = "expected a resource: a JSON object with `resourceType`".to_owned();
            Err(ParseError { at, place, what })
        }
    }
}

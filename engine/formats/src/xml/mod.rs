//! XML as a document, and back: services' requests and answers, clinical documents (C-CDA, WS/T 500).
//!
//! Invariant: nothing is fetched and no entity is expanded but the five predefined ones and references to characters.

mod attributes;
mod cut;
mod decode;
mod document;
mod message;
mod names;
mod place;
mod read;
mod tag;
mod words;
mod write;

use std::collections::BTreeMap;

use bytes::Bytes;
use hub_core::document::{Document, ParseError, Parser, Piece, Split};
use hub_core::envelope::Label;
use hub_core::registry::Settings;
use serde::Deserialize;

use crate::charset::Charset;
use crate::nested::Nested;
use crate::{FormatError, layout_of};

pub use document::{Xml, XmlDocument};
pub use write::XmlWriter;

/// The keys of the layout of XML that is read.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Layout {
    /// What the prefixes in paths stand for.
    namespaces: BTreeMap<String, String>,
    /// The paths of elements whose text is an XML document.
    nested: Vec<String>,
}

/// Reads one XML document.
///
/// Paths begin with the root element: `/Request/Body/Item/@code`. A name without a prefix is that of an element of any namespace; a prefix
/// is looked up in the layout's `namespaces`, and stands for what the sender wrote when it is not there. `*` is every child element.
/// An element's value is its text; that of an element with text and elements mixed is all text in it. An element named by `nested` holds an
/// XML document as text or CDATA, and paths go on into it.
#[derive(Clone, Debug, Default)]
pub struct XmlParser {
    namespaces: Vec<(String, String)>,
    nested: Nested,
    charset: Option<Charset>,
}

impl XmlParser {
    /// The parser of this layout: `namespaces`, `nested`. `charset` is for documents that declare none.
    pub fn new(layout: &Settings, charset: Option<&str>) -> Result<Self, FormatError> {
        let Layout { namespaces, nested } = layout_of("xml", layout)?;
        for (prefix, uri) in &namespaces {
            names::check_namespace(prefix, uri)?;
        }
        let known =
            |name: &str| Charset::from_name(name).ok_or_else(|| FormatError::Charset(name.to_owned()));
        Ok(Self {
            namespaces: namespaces.into_iter().collect(),
            nested: Nested::new(&nested)?,
            charset: charset.map(known).transpose()?,
        })
    }

    /// Reads one document.
    pub fn read(&self, bytes: &[u8]) -> Result<XmlDocument, ParseError> {
        let source = decode::decode(bytes, self.charset)?;
        let read = read::Reading::new(self, &source, false).run()?;
        Ok(read.document)
    }
}

impl Parser for XmlParser {
    fn parse(&self, bytes: &[u8]) -> Result<Box<dyn Document>, ParseError> {
        Ok(Box::new(self.read(bytes)?))
    }

    fn split(&self, bytes: &Bytes, by: &Split) -> Result<Vec<Piece>, ParseError> {
        let source = decode::decode(bytes, self.charset)?;
        let read = read::Reading::new(self, &source, true).run()?;
        let nodes = match by {
            Split::Messages => Vec::new(),
            Split::At(path) => read.document.nodes_at(path),
        };
        if nodes.is_empty() {
            return Ok(vec![Piece { bytes: bytes.clone(), label: Label::default() }]);
        }
        cut::pieces(&source, &read, nodes)
    }
}

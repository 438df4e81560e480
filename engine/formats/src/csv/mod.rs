//! Files of records, delimited or of fixed width, as documents, and back: banks' bills, statements, reports.

mod fields;
mod keys;
mod layout;
mod read;
mod records;
mod split;
mod write;

use bytes::Bytes;
use hub_core::document::{Document, ParseError, Parser, Piece, Split};
use hub_core::registry::Settings;

use crate::FormatError;
use layout::Layout;

pub use read::{CsvDocument, Rows};
pub use write::CsvWriter;

/// Reads a file of records.
///
/// Paths: `row.amount`, `header.date`, `trailer.count`; columns are named by the layout or by the first record, `row` is every record that
/// is not the header's or the trailer's. A field without a text has no value.
///
/// Split into messages, it is one file for each row, with the header, the record that names the columns and the trailer of the whole; the
/// number of rows, where the layout says which field holds it, is 1 in each.
#[derive(Clone, Debug)]
pub struct CsvParser {
    layout: Layout,
}

impl CsvParser {
    /// The parser of this layout. `charset` is the channel's, for a layout that names none.
    pub fn new(layout: &Settings, charset: Option<&str>) -> Result<Self, FormatError> {
        Ok(Self { layout: Layout::read(layout, charset)? })
    }

    /// Reads one file.
    pub fn read(&self, bytes: &[u8]) -> Result<CsvDocument, ParseError> {
        let source = read::Source::decode(&self.layout, bytes)?;
        read::read(&self.layout, &source)
    }
}

impl Parser for CsvParser {
    fn parse(&self, bytes: &[u8]) -> Result<Box<dyn Document>, ParseError> {
        Ok(Box::new(self.read(bytes)?))
    }

    fn split(&self, bytes: &Bytes, by: &Split) -> Result<Vec<Piece>, ParseError> {
        split::split(&self.layout, bytes, by)
    }
}

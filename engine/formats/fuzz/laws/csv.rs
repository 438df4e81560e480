//! Any bytes are read as a file of records or refused; what is written is read again; rows are files by themselves.

use bytes::Bytes;
use hub_core::document::{Parser, Split, Writer};
use hub_core::registry::Settings;
use hub_fhir::Json;
use hub_formats::csv::{CsvParser, CsvWriter};

use super::look::look;

const LAYOUTS: [&str; 10] = [
    "",
    "delimiter = '|+|'\nheader = ['k', 'n']\ncolumns = ['a', 'b']\ncount = 'header.n'\ncomment = '#'",
    "strip = '`'\ntrailer = 'named'",
    "quote = ''\ndelimiter = '|'\nheader = ['k']\ncolumns = ['k', 'a']\ntrailer = ['k', 'n']\nmarks = { header = 'H', row = 'D', trailer = 'T' }\ncount = 'trailer.n'",
    "columns = ['a', 'b', 'c']\nwidths = [2, 4, 1]\nragged = 'pad'",
    "columns = ['a', 'b']\nwidths = [2, 4]\nwidth_unit = 'bytes'\ncharset = 'GBK'\ntrailer = ['n']\ntrailer_widths = [4]\ncount = 'trailer.n'\nragged = 'pad'",
    "trim = true\nragged = 'pad'\nheader = 'named'",
    "charset = 'GB18030'\nragged = 'cut'",
    "delimiter = '||'\nquote = \"'\"\nskip_lines = 1",
    "columns = ['a', 'b']\nheading = ['x y', 'z']",
];

/// The first byte picks the layout.
pub fn check(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let layout: Settings = LAYOUTS[usize::from(*first) % LAYOUTS.len()].parse().expect("the layout is right");
    let parser = CsvParser::new(&layout, None).expect("the layout is right");
    let bytes = Bytes::copy_from_slice(data);
    let document = match parser.read(data) {
        Ok(document) => document,
        Err(error) => {
            assert!(error.at <= data.len());
            assert!(parser.split(&bytes, &Split::Messages).is_err());
            return;
        }
    };
    look(&document);
    let message = document.message();
    let rows = message.get("rows").and_then(Json::as_array).expect("a file has rows");
    let pieces = parser.split(&bytes, &Split::Messages).expect("what can be read can be split");
    assert!(pieces.len() == rows.len().max(1));
    for (piece, row) in pieces.iter().zip(rows) {
        let piece = parser.read(&piece.bytes).expect("a row is a file by itself").message();
        assert!(piece.get("rows").and_then(Json::as_array) == Some(std::slice::from_ref(row)));
    }
    let mut layout = layout;
    layout.remove("skip_lines");
    let written = CsvWriter::new(&layout).expect("the layout is right").write(&message);
    // A layout without quotes, or of fixed width, cannot hold every text.
    let has_quotes = !layout.contains_key("widths")
        && !layout.contains_key("strip")
        && layout.get("quote").is_none_or(|quote| quote.as_str() != Some(""));
    let no_columns = rows.is_empty() && !layout.contains_key("columns");
    // Columns beside those that the layout knows are read, and not written.
    let has_more = layout.contains_key("heading");
    match written {
        Ok(written) => {
            let parser = CsvParser::new(&layout, None).expect("the layout is right");
            let again = parser.read(&written).expect("what was written can be read");
            assert!(again.message() == message, "a message is written as another one");
        }
        Err(error) => assert!(!has_quotes || no_columns || has_more, "what was read can be written: {error}"),
    }
}

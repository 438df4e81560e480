//! JSON of a partner's own making as a document: what answers and callbacks are read by.

use bytes::Bytes;
use compact_str::CompactString;
use hub_core::document::{Document, ParseError, Parser, WriteError, Writer};
use hub_fhir::{Json, Object};

use crate::fhir::{FhirDocument, read_tree};

/// Reads one JSON object. Paths begin with its members: `payment.amount`, `items.code`; arrays are repeating children.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonParser;

impl Parser for JsonParser {
    fn parse(&self, bytes: &[u8]) -> Result<Box<dyn Document>, ParseError> {
        match read_tree(bytes)?.as_object() {
            Some(object) => Ok(Box::new(FhirDocument::of_members(object))),
            None => Err(ParseError { at: 0, place: None, what: "expected a JSON object".to_owned() }),
        }
    }
}

/// Writes one JSON object, in the order of its members; numbers keep their digits.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonWriter;

impl Writer for JsonWriter {
    fn write(&self, message: &Object) -> Result<Bytes, WriteError> {
        Ok(Bytes::from(Json::Object(message.clone()).to_text()))
    }

    fn content_type(&self) -> CompactString {
        CompactString::const_new("application/json")
    }
}

#[cfg(test)]
mod tests {
    use hub_core::path::Path;

    use super::*;

    fn texts(path: &str) -> Vec<String> {
        let json = br#"{"notice":"n1","items":[{"code":"A","count":2},{"code":"B","count":null}],"at":{"ward":"W1"}}"#;
        let document = JsonParser.parse(json).unwrap();
        let mut found = Vec::new();
        document.select(document.root(), &Path::parse(path).unwrap(), &mut found);
        found.iter().filter_map(|node| Some(document.text(*node)?.value()?.into_owned())).collect()
    }

    #[test]
    fn paths_begin_with_members_and_arrays_repeat() {
        assert_eq!(texts("notice"), ["n1"]);
        assert_eq!(texts("items.code"), ["A", "B"]);
        assert_eq!(texts("items(2).code"), ["B"]);
        assert_eq!(texts("items[code=A].count"), ["2"]);
        assert_eq!(texts("at.ward"), ["W1"]);
        assert!(texts("nothing.here").is_empty());
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        assert!(JsonParser.parse(b"[1]").is_err());
        assert!(JsonParser.parse(b"{").is_err());
        assert!(JsonParser.parse(&[b'"', 0xff, b'"']).is_err());
    }
}

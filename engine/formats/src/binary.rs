//! Payloads that the hub does not read: what is read is the slip that stands for one in the journal.

use hub_core::attachment::Slip;
use hub_core::document::{Document, ParseError, Parser};

use crate::json::JsonParser;

/// The name of the format.
pub const BINARY: &str = "binary";

/// Reads slips. Their fields are paths: `sha256`, `size`, `contentType`, `name`, `url`, `hash`.
#[derive(Clone, Copy, Debug)]
pub struct SlipParser;

impl Parser for SlipParser {
    fn parse(&self, bytes: &[u8]) -> Result<Box<dyn Document>, ParseError> {
        if Slip::read(bytes).is_none() {
            let what = "this is not the slip of an attachment: the source has not taken the payload into the archive";
            return Err(ParseError { at: 0, place: None, what: what.to_owned() });
        }
        Ok(Box::new(JsonParser::default().read(bytes)?))
    }
}

#[cfg(test)]
mod tests {
    use hub_core::attachment::{ContentId, PlaceId, Stowed};
    use hub_core::path::Path;

    use super::*;

    #[test]
    fn the_fields_of_a_slip_are_paths() {
        let place = PlaceId(Default::default());
        let stowed = Stowed {
            place,
            content: ContentId([1; 32]),
            sha1: [2; 20],
            size: 7,
            media_type: "text/plain".into(),
        };
        let bytes = Slip::of(&stowed, Some("a.txt")).to_bytes();
        let read = |path: &str| SlipParser.peek(&bytes, &Path::parse(path).unwrap());
        assert_eq!(read("contentType").as_deref(), Some("text/plain"));
        assert_eq!(read("size").as_deref(), Some("7"));
        assert_eq!(read("name").as_deref(), Some("a.txt"));
        assert_eq!(read("url"), Some(format!("Binary/{}", "01".repeat(32))));
        for field in Slip::FIELDS {
            assert!(read(field).is_some(), "{field}");
        }
    }

    #[test]
    fn what_is_no_slip_is_refused() {
        for bytes in [&b"%PDF-1.7"[..], b"{}", b""] {
            assert!(SlipParser.parse(bytes).is_err());
        }
    }
}

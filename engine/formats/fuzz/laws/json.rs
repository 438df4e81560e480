//! Any bytes are read as JSON or refused; what was read is written and read again; pieces of a split are JSON by themselves.

use bytes::Bytes;
use hub_core::document::{Parser, Split, Writer};
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_formats::json::{JsonParser, JsonWriter};

use super::look::look;

pub fn check(data: &[u8]) {
    for layout in ["", "lines = true", "nested = ['a', 'a.b', 'biz_content']"] {
        let layout: Settings = layout.parse().expect("the layout is right");
        let parser = JsonParser::new(&layout).expect("the layout is right");
        let bytes = Bytes::copy_from_slice(data);
        let document = match parser.read(data) {
            Ok(document) => document,
            Err(error) => {
                assert!(error.at <= data.len());
                assert!(parser.split(&bytes, &Split::Messages).is_err());
                continue;
            }
        };
        look(&document);
        let message = document.message();
        let written = JsonWriter::new(&layout).expect("the layout is right").write(&message);
        let again =
            parser.read(&written.expect("JSON holds everything")).expect("what was written can be read");
        assert!(again.message() == message, "a message is written as another one");
        for path in ["a", "a.b", "*", "*.*", "a.*"] {
            let by = Split::At(Path::parse(path).expect("the path is right"));
            for piece in parser.split(&bytes, &by).unwrap_or_default() {
                parser.read(&piece.bytes).expect("a piece is a message by itself");
            }
        }
        let pieces = parser.split(&bytes, &Split::Messages).expect("what can be read can be split");
        let items = message.get("*").and_then(hub_fhir::Json::as_array).filter(|_| pieces.len() > 1);
        for (place, piece) in pieces.iter().enumerate() {
            let piece = parser.read(&piece.bytes).expect("a piece is a message by itself").message();
            let own = items.map(|items| &items[place..=place]);
            assert!(own.is_none_or(|own| piece.get("*").and_then(hub_fhir::Json::as_array) == Some(own)));
        }
    }
}

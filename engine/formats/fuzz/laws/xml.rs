//! Any bytes are read as XML or refused; what was read is written and read again; pieces of a split are XML by themselves.

use bytes::Bytes;
use hub_core::document::{Document, Parser, Split, Writer};
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_formats::xml::{XmlParser, XmlWriter};

use super::look::look;

pub fn check(data: &[u8]) {
    let nested: Settings = "nested = ['/a/b', '/a/b/c/d', '/Envelope/Body/HIPMessageServer/message']\nnamespaces = { x = 'urn:x' }"
        .parse()
        .expect("the layout is right");
    for layout in [Settings::new(), nested] {
        let parser = XmlParser::new(&layout, None).expect("the layout is right");
        let document = match parser.read(data) {
            Ok(document) => document,
            Err(error) => {
                assert!(error.at <= data.len());
                assert!(parser.split(&Bytes::copy_from_slice(data), &Split::Messages).is_err());
                continue;
            }
        };
        look(&document);
        places_are_paths(&document);
        let message = document.message();
        let written = XmlWriter::new(&Settings::new()).expect("the layout is right").write(&message);
        let written = written.expect("what was read can be written");
        let again = parser.read(&written).expect("what was written can be read");
        assert!(again.message() == message, "a message is written as another one");
        for path in ["/a/b", "/*/*", "/*/*/*/*"] {
            let path = Path::parse(path).expect("the path is right");
            let pieces = parser.split(&Bytes::copy_from_slice(data), &Split::At(path.clone()));
            let pieces = pieces.expect("what can be read can be split");
            for piece in &pieces {
                let document = parser.read(&piece.bytes).expect("a piece is a message by itself");
                let mut found = Vec::new();
                document.select(document.root(), &path, &mut found);
                assert!(found.len() <= 1, "a piece has one of several");
            }
        }
    }
}

/// The place of a leaf is a path to it.
fn places_are_paths(document: &dyn Document) {
    for leaf in document.leaves().into_iter().take(200) {
        let place = document.place(leaf);
        let Ok(path) = Path::parse(&place) else { panic!("a place is no path") };
        let mut found = Vec::new();
        document.select(document.root(), &path, &mut found);
        assert_eq!(found, [leaf]);
    }
}

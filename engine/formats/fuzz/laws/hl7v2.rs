//! What must hold for any bytes read as HL7 v2: the fuzz targets and `tests/hl7v2_seeds.rs` call these.

use bytes::Bytes;
use hub_core::document::{Document, ParseError, Parser, Split, Text, Writer};
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_formats::hl7v2::{
    Ack, AckCode, AckError, AckRead, Charset, ErrorKind, Header, Hl7Document, Hl7Parser, Hl7Writer, is_batch,
};

const PATHS: [&str; 10] = [
    "PID-3.1",
    "PID-3",
    "PID-3(2).4.2",
    "PID-3[5=PI].1",
    "PV1(2)-19",
    "OBSERVATION.OBX-5",
    "NTE-3",
    "MSH-10",
    "OBR-2.2",
    "MSH-18",
];
const GROUPS: [&str; 4] = ["PATIENT_RESULT.ORDER_OBSERVATION", "OBX", "INSURANCE", "OBSERVATION[OBX-1=1]"];

fn path(text: &str) -> Path {
    Path::parse(text).expect("the path is right")
}

fn check_error(error: &ParseError, data: &[u8]) {
    assert!(error.at <= data.len(), "an error points behind the message: {error}");
    assert!(!error.what.is_empty());
}

/// Read or refused; every leaf has a place and stands in the document; a peek says what reading says.
pub fn parse(data: &[u8]) {
    for charset in [None, Some("GB18030"), Some("ISO IR87"), Some("8859/1"), Some("detect")] {
        let parser = hub_formats::parser("hl7v2", charset, &Settings::new()).expect("the charset is known");
        let document = match parser.parse(data) {
            Ok(document) => document,
            Err(error) => {
                check_error(&error, data);
                PATHS.iter().for_each(|text| drop(parser.peek(data, &path(text))));
                continue;
            }
        };
        let root = document.root();
        for leaf in document.leaves() {
            assert!(!document.place(leaf).is_empty());
            let value = document.text(leaf).and_then(Text::value);
            assert!(value.is_none_or(|value| !value.is_empty()));
            assert!(document.contains(root, leaf));
            assert_eq!(document.part(leaf, 1), Some(leaf));
        }
        for text in PATHS.into_iter().chain(GROUPS) {
            let mut found = Vec::new();
            document.select(root, &path(text), &mut found);
            if GROUPS.contains(&text) {
                continue;
            }
            let first = found.first().and_then(|node| document.text(*node)).and_then(Text::value);
            assert_eq!(parser.peek(data, &path(text)), first.map(|value| value.into_owned()), "{text}");
        }
    }
}

/// Pieces are parts of the batch, in order; what stands between them is no message; a message alone is its own piece.
pub fn split(data: &[u8]) {
    let (bytes, parser) = (Bytes::copy_from_slice(data), Hl7Parser::default());
    match parser.split(&bytes, &Split::Messages) {
        Err(error) => check_error(&error, data),
        Ok(pieces) => {
            let mut at = 0;
            for piece in &pieces {
                let found = data[at..].windows(piece.bytes.len()).position(|part| part == piece.bytes);
                at += found.expect("a piece is a part of the batch") + piece.bytes.len();
                assert!(piece.bytes.starts_with(b"MSH"));
                let again = parser.split(&piece.bytes, &Split::Messages).expect("a piece is one message");
                assert_eq!(again.len(), 1);
                assert!(again[0].bytes == piece.bytes);
            }
            if let Ok(document) = parser.read(data) {
                assert_eq!(pieces.len(), 1);
                let piece = parser.read(&pieces[0].bytes).expect("the only piece is the message");
                assert!(piece.tree() == document.tree());
            }
        }
    }
    for text in GROUPS {
        let Ok(document) = parser.read(data) else { return };
        let Ok(pieces) = parser.split(&bytes, &Split::At(path(text))) else { continue };
        assert!(!pieces.is_empty());
        let mut segments = 0;
        for piece in &pieces {
            let piece = parser.read(&piece.bytes).expect("a piece is a message");
            assert!(piece.segment_count() <= document.segment_count());
            segments += piece.segment_count();
        }
        assert!(segments >= document.segment_count(), "a segment is in no piece");
    }
}

/// Reading what was written of what was read says the same, and writing that gives the same bytes.
pub fn round_trip(data: &[u8]) {
    for charset in [None, Some("8859/1")] {
        let default = charset.map(|name| Charset::from_name(name).expect("the charset is known"));
        if let Ok(document) = Hl7Parser::with_charset(default).read(data) {
            for separators in ["|^~\\&", "$%@!*#"] {
                written_again(&document, separators);
            }
        }
    }
}

/// Whether the document could be written.
pub fn written_again(document: &Hl7Document, separators: &str) -> bool {
    let layout = [("separators".to_owned(), separators.into()), ("declare".to_owned(), false.into())];
    let writer = Hl7Writer::new(&Settings::from_iter(layout)).expect("the layout is right");
    let tree = document.tree();
    let written = match writer.write(&tree) {
        Ok(written) => written,
        Err(error) => {
            // The reader takes names in small letters, and more than a charset's writer gives.
            let known = ["the name of a segment", "that", "does not have"];
            assert!(known.iter().any(|part| error.what.contains(part)), "{error}");
            return false;
        }
    };
    let again = Hl7Parser::default().read(&written).expect("what is written can be read");
    assert!(again.tree() == tree, "the tree is another one");
    assert!(values(&again) == values(document), "the values are others");
    let twice = writer.write(&again.tree()).expect("what was written can be written");
    assert!(twice == written, "the bytes are others");
    true
}

/// Every value with its place, as short as it can be: a part that is alone is what it is a part of.
pub fn values(document: &Hl7Document) -> Vec<(String, Option<String>)> {
    let mut values = Vec::new();
    for leaf in document.leaves() {
        let value = match document.text(leaf) {
            Some(Text::Value(value)) => Some(value.into_owned()),
            Some(Text::Null) => None,
            None => continue,
        };
        let mut place = document.place(leaf).replace("(1)", "");
        while let Some(whole) = place.strip_suffix(".1") {
            place.truncate(whole.len());
        }
        values.push((place, value));
    }
    values
}

/// Any header can be acknowledged, and the acknowledgement can be read.
pub fn ack(data: &[u8]) {
    let header = Header::read(data).or_else(|_| Header::read_batch(data)).ok();
    let text = String::from_utf8_lossy(data.get(..40.min(data.len())).unwrap_or_default()).into_owned();
    for code in [AckCode::AA, AckCode::AE, AckCode::CR] {
        let location = Some(text.clone());
        let error = AckError { kind: ErrorKind::DataType, location, message: text.clone() };
        let error = (!code.is_accept()).then_some(error);
        let written = Ack { code, to: header.as_ref(), error }.write("1", "20261122083000+0800");
        let read = AckRead::read(&written).expect("what is written can be read");
        assert_eq!(read.code, code);
    }
    drop(AckRead::read(data));
}

/// A header is read or refused; a message that is read has one; its label says what it says.
pub fn header(data: &[u8]) {
    let header = Header::read(data);
    match &header {
        Ok(header) => {
            let label = header.label();
            assert_eq!(label.control_id.unwrap_or_default(), header.control_id);
            assert_eq!(label.message_type.unwrap_or_default(), header.message_type());
            assert!(!format!("{header:?}").is_empty());
        }
        Err(error) => check_error(error, data),
    }
    if let Err(error) = Header::read_batch(data) {
        check_error(&error, data);
    } else {
        assert!(is_batch(data) && header.is_err());
    }
    for charset in [Charset::Gb18030, Charset::Iso2022Jp, Charset::Iso8859_1] {
        drop(Header::read_as(data, Some(charset)));
    }
    if Hl7Parser::default().read(data).is_ok() {
        assert!(header.is_ok(), "the message is read, and its header is not");
    }
}

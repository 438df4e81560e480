//! Laws that hold for any tree and any batch: writing is the inverse of reading, splitting loses nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use bytes::Bytes;
use hub_core::document::{Parser, Split, Writer};
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_fhir::{Json, Object};
use hub_formats::hl7v2::{Charset, Hl7Parser, Hl7Writer, Separators, escape, unescape};
use proptest::prelude::*;

/// Texts with everything in them that has a meaning in HL7 v2, or had one.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 ]{0,12}",
        r#"[|^~\\&#.\r\n\t"A-FXHNP0-9 张é]{0,12}"#,
        any::<String>().prop_map(|text| text.replace('\u{FFFD}', "")),
        Just("\"\"".to_owned()),
        Just("\\.br\\".to_owned()),
        Just("\\M2442\\;3\\C2842\\".to_owned()),
        Just("𠮷亅丂".to_owned()),
    ]
}

fn leaf() -> impl Strategy<Value = Json> {
    prop_oneof![
        5 => text().prop_map(Json::string),
        1 => Just(Json::Null),
        1 => (any::<i32>()).prop_map(|number| Json::Number(number.to_string().as_str().into())),
    ]
}

fn numbered(part: BoxedStrategy<Json>, most: u16) -> BoxedStrategy<Json> {
    let parts = prop::collection::btree_map(1..most, part, 0..4);
    let object = |parts: BTreeMap<u16, Json>| {
        Json::Object(parts.into_iter().map(|(number, part)| (number.to_string(), part)).collect())
    };
    parts.prop_map(object).boxed()
}

fn field() -> BoxedStrategy<Json> {
    let component = prop_oneof![3 => leaf(), 1 => numbered(leaf().boxed(), 4)].boxed();
    let repetition = prop_oneof![3 => leaf().boxed(), 2 => numbered(component, 6)].boxed();
    prop_oneof![3 => repetition.clone(), 1 => prop::collection::vec(repetition, 0..4).prop_map(Json::Array)]
        .boxed()
}

fn tree() -> impl Strategy<Value = Object> {
    let names = prop::sample::select(vec!["PID", "OBR", "OBX", "NTE", "ZZ1", "IN1", "PV1"]);
    let segment =
        (names, numbered(field(), 30)).prop_map(|(name, fields)| Object::from_iter([(name, fields)]));
    (numbered(field(), 15), prop::collection::vec(segment, 0..6)).prop_map(|(header, others)| {
        let mut header = header.as_object().unwrap().clone();
        header.remove("1");
        header.remove("2");
        let header = Object::from_iter([("MSH", Json::Object(header))]);
        let segments = std::iter::once(header).chain(others).map(Json::Object).collect();
        Object::from_iter([("segments", Json::Array(segments))])
    })
}

type Place = (usize, String, Vec<usize>);

/// Every value with its whole place: segment, field, repetition, component, subcomponent.
fn values(tree: &Object) -> BTreeMap<Place, Option<String>> {
    let mut found = BTreeMap::new();
    for (at, segment) in tree.get("segments").unwrap().as_array().unwrap().iter().enumerate() {
        let (name, fields) = segment.as_object().unwrap().iter().next().unwrap();
        for (number, field) in fields.as_object().unwrap().iter() {
            let place = |repetition: usize| (at, name.to_owned(), vec![number.parse().unwrap(), repetition]);
            match field {
                Json::Array(repetitions) => {
                    for (nth, repetition) in
                        repetitions.iter().enumerate().filter(|(_, it)| **it != Json::Null)
                    {
                        parts(repetition, place(nth + 1), &mut found);
                    }
                }
                repetition => parts(repetition, place(1), &mut found),
            }
        }
    }
    found
}

fn parts(value: &Json, place: Place, found: &mut BTreeMap<Place, Option<String>>) {
    let below = |number: usize| {
        let mut place = place.clone();
        place.2.push(number);
        place
    };
    match value {
        Json::Object(object) => {
            object.iter().for_each(|(number, part)| parts(part, below(number.parse().unwrap()), found));
        }
        leaf => {
            let mut place = place;
            place.2.resize(4, 1);
            match leaf {
                Json::String(text) | Json::Number(text) if !text.is_empty() => {
                    found.insert(place, Some(text.to_string()));
                }
                Json::Null => drop(found.insert(place, None)),
                _ => {}
            }
        }
    }
}

fn writer(separators: &str, charset: &str) -> Hl7Writer {
    let layout = [("separators".to_owned(), separators.into()), ("charset".to_owned(), charset.into())];
    Hl7Writer::new(&Settings::from_iter(layout)).unwrap()
}

const SEPARATORS: [&str; 4] = ["|^~\\&", "$%@!*#", "|^~\\&#", "^.~+&"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_escaped_is_read_back(text in text(), which in 0..SEPARATORS.len(), charset in 0..3) {
        let header = format!("MSH{}", SEPARATORS[which]);
        let (separators, _) = Separators::read(header.as_bytes()).unwrap();
        let charset = [Charset::Utf8, Charset::Gb18030, Charset::Iso2022Jp][charset as usize];
        let escaped = escape(&text, &separators);
        prop_assert!(!escaped.chars().any(|c| c.is_ascii_control()));
        let ends = [Some(separators.field), Some(separators.component), separators.repetition, separators.subcomponent];
        prop_assert!(!escaped.bytes().any(|byte| ends.contains(&Some(byte))));
        let read = unescape(&escaped, separators.escape, &separators, Some(charset));
        prop_assert_eq!(read, text.as_str());
    }

    #[test]
    fn what_is_written_says_the_tree(tree in tree(), which in 0..SEPARATORS.len(), charset in 0..2) {
        let writer = writer(SEPARATORS[which], ["UTF-8", "GB18030"][charset as usize]);
        let written = match writer.write(&tree) {
            Ok(written) => written,
            // Some characters of private use have no way back from GB 18030.
            Err(error) => {
                prop_assert!(charset == 1 && error.what.contains("does not have"), "{}", error);
                return Ok(());
            }
        };
        let read = Hl7Parser::default().read(&written).unwrap();
        let again = read.tree();
        let mut said = values(&again);
        said.retain(|(at, name, numbers), _| !(*at == 0 && name == "MSH" && numbers[0] == 18));
        prop_assert_eq!(said, values(&tree));
        prop_assert_eq!(writer.write(&again).unwrap(), written);
    }

    #[test]
    fn pieces_together_are_the_messages_of_the_batch(
        trees in prop::collection::vec(tree(), 1..5),
        file in any::<bool>(),
        batch in any::<bool>(),
        gap in prop::sample::select(vec!["", "\r\n", "\u{1C}\r\u{0B}"]),
    ) {
        let messages: Vec<Bytes> = trees.iter().map(|tree| Hl7Writer::default().write(tree).unwrap()).collect();
        let mut bytes = Vec::new();
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| bytes.extend_from_slice(part));
        put(&[if file { &b"FHS|^~\\&|F\r"[..] } else { b"" }, if batch { b"BHS|^~\\&|B\r" } else { b"" }]);
        messages.iter().for_each(|message| put(&[gap.as_bytes(), message]));
        let trailers = [format!("BTS|{}\r", messages.len()), "FTS|1\r".to_owned()];
        put(&[if batch { trailers[0].as_bytes() } else { b"" }, if file { trailers[1].as_bytes() } else { b"" }]);
        let pieces = Hl7Parser::default().split(&Bytes::from(bytes), &Split::Messages).unwrap();
        let pieces: Vec<Bytes> = pieces.into_iter().map(|piece| piece.bytes).collect();
        prop_assert_eq!(pieces, messages);
    }

    #[test]
    fn pieces_of_one_message_hold_every_segment_and_one_group_each(
        names in prop::collection::vec(prop::sample::select(vec!["PID", "OBR", "ORC", "OBX", "NTE", "PV1", "ZZZ"]), 0..14),
    ) {
        let lines: Vec<String> = names.iter().enumerate().map(|(at, name)| format!("{name}|{at}\r")).collect();
        let message = format!("MSH|^~\\&|||||||ORU^R01|1|P|2.5\r{}", lines.concat());
        let path = Path::parse("PATIENT_RESULT.ORDER_OBSERVATION").unwrap();
        let pieces = Hl7Parser::default().split(&Bytes::from(message), &Split::At(path)).unwrap();
        let pieces: Vec<String> =
            pieces.iter().map(|piece| String::from_utf8(piece.bytes.to_vec()).unwrap()).collect();
        for (line, name) in lines.iter().zip(&names) {
            let count = pieces.iter().filter(|piece| piece.contains(&format!("\r{line}"))).count();
            prop_assert!(count > 0, "{} is in no piece", line);
            prop_assert!(count == 1 || !["OBR", "ORC", "OBX"].contains(name) || pieces.len() == 1, "{} is in {}", line, count);
        }
    }
}

//! Laws that hold for any bytes: nothing panics, nothing is lost, peeking says what reading says.
#![expect(clippy::unwrap_used, reason = "tests")]

use hub_core::document::{Document, Parser};
use hub_core::path::Path;
use hub_formats::fhir::FhirParser;
use hub_formats::hl7v2::{Ack, AckCode, AckRead, Charset, Header, Hl7Parser, Separators, escape, unescape};
use proptest::prelude::*;

const PATHS: [&str; 9] = [
    "PID-3.1",
    "PID-3",
    "PID-3(2).4.2",
    "PID-3[5=PI].1",
    "PV1(2)-19",
    "OBSERVATION.OBX-5",
    "NTE-3",
    "MSH-10",
    "OBR-2.2",
];

fn look_at_everything(document: &dyn Document) {
    for leaf in document.leaves() {
        assert!(!document.place(leaf).is_empty());
        let text = document.text(leaf);
        assert!(text.is_none_or(|text| text.value().is_none_or(|value| !value.is_empty())));
        assert!(document.contains(document.root(), leaf));
        assert_eq!(document.part(leaf, 1), Some(leaf));
        for path in PATHS {
            document.select(leaf, &Path::parse(path).unwrap(), &mut Vec::new());
        }
    }
}

/// Bytes that look like a message often enough.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "PID", "PV1", "PD1", "NTE", "ORC", "OBR", "OBX", "SPM", "IN1", "IN2", "MRG", "ZZZ", "NK1", "TQ1",
        "DSC",
    ]);
    let value = prop::sample::select(vec![
        "",
        "",
        "A",
        "B^C",
        "D&E^F",
        "\"\"",
        "x~y",
        "~z",
        "a\\F\\b",
        "\\X41\\",
        "\\",
        "PI",
        "1^^^H&1.2^PI",
        "张",
        "^",
    ]);
    let segment = (name, prop::collection::vec(value, 0..22))
        .prop_map(|(name, fields)| format!("{name}|{}", fields.join("|")));
    let kind = prop::sample::select(vec![
        "ORU^R01", "ADT^A01", "ADT^A40", "ORM^O01", "OML^O21", "SIU^S12", "X^Y", "",
    ]);
    (kind, prop::collection::vec(segment, 0..14), prop::sample::select(vec!["\r", "\n", "\r\n"])).prop_map(
        |(kind, segments, end)| {
            format!("MSH|^~\\&|A|B|||||{kind}|7|P|2.5{end}{}{end}", segments.join(end)).into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let whole = [b"MSH|^~\\&|", &bytes[..]].concat();
        for bytes in [&bytes, &whole] {
            for charset in [None, Some(Charset::Gb18030), Some(Charset::Iso2022Jp), Some(Charset::Iso8859_1)] {
                let parser = Hl7Parser::with_charset(charset);
                match parser.read(bytes) {
                    Ok(document) => look_at_everything(&document),
                    Err(error) => prop_assert!(error.at <= bytes.len()),
                }
                for path in PATHS {
                    parser.peek(bytes, &Path::parse(path).unwrap());
                }
            }
            if let Ok(header) = Header::read(bytes) {
                let answer = Ack { code: AckCode::AE, to: Some(&header), error: None }.write("1", "2026");
                prop_assert!(AckRead::read(&answer).is_ok());
            }
            let _ = AckRead::read(bytes);
            let _ = FhirParser::default().parse(bytes);
        }
    }

    #[test]
    fn every_segment_of_a_message_is_kept_and_every_value_is_a_leaf(bytes in message()) {
        let document = Hl7Parser::default().read(&bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.split(['\r', '\n']).filter(|line| !line.is_empty()).collect();
        prop_assert_eq!(document.segment_count(), lines.len());
        look_at_everything(&document);
        let valued = |line: &&str| {
            let fields = line.split_once('|').map_or("", |(_, fields)| fields);
            let fields = if line.starts_with("MSH") { &fields[5..] } else { fields };
            fields.split(['|', '^', '~', '&']).filter(|part| !part.is_empty()).count()
        };
        prop_assert_eq!(document.leaves().len(), lines.iter().map(valued).sum::<usize>());
    }

    #[test]
    fn a_peek_says_what_a_reading_says(bytes in message()) {
        let parser = Hl7Parser::default();
        let document = parser.read(&bytes).unwrap();
        for path in PATHS.map(|path| Path::parse(path).unwrap()) {
            let mut found = Vec::new();
            document.select(document.root(), &path, &mut found);
            let text = found.first().and_then(|node| document.text(*node)).and_then(|text| text.value());
            prop_assert_eq!(parser.peek(&bytes, &path), text.map(|text| text.into_owned()), "{}", path);
        }
    }

    #[test]
    fn what_is_escaped_is_read_back(text in "[a-z|^~&\\\\\n张 ]{0,40}") {
        let separators = Separators::default();
        let escaped = escape(&text, &separators);
        prop_assert!(!escaped.contains(['|', '^', '~', '&', '\n', '\r']));
        prop_assert_eq!(unescape(&escaped, separators.escape, &separators, None), text.as_str());
    }

    #[test]
    fn gb18030_values_are_peeked_right(name in "[\u{4E00}-\u{9FA5}]{1,6}") {
        let text = format!("MSH|^~\\&|{name}||||||ADT^A01|1|P|2.4||||||GB 18030-2000\rPID|1||{name}^^^{name}^PI|x|{name}^b\r");
        let bytes = Charset::Gb18030.encode(&text);
        let peek = |path: &str| Hl7Parser::default().peek(&bytes, &Path::parse(path).unwrap());
        prop_assert_eq!(peek("PID-3[5=PI].4"), Some(name.clone()));
        prop_assert_eq!(peek("PID-5.2"), Some("b".to_owned()));
        prop_assert_eq!(Header::read(&bytes).unwrap().sending_application, name);
    }
}

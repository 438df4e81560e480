//! Laws of every format that is read into a tree: reading is the inverse of writing, for any message the format can hold.
#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use hub_core::document::{Document, Parser, Split, Writer};
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_fhir::{Json, Object};
use hub_formats::csv::{CsvParser, CsvWriter};
use hub_formats::fhir::{FhirParser, FhirWriter};
use hub_formats::json::{JsonParser, JsonWriter};
use hub_formats::xml::{XmlParser, XmlWriter};
use proptest::prelude::*;

fn layout(text: &str) -> Settings {
    text.parse().unwrap()
}

/// A text with everything that has a meaning somewhere.
fn text() -> impl Strategy<Value = String> {
    "[a-z<>&\"'\\\\,|`{}\\[\\]\n\r\t #张三丂𠮷é;:=-]{0,12}"
}

fn number() -> impl Strategy<Value = Json> {
    "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?"
        .prop_map(|digits| Json::Number(digits.into()))
}

fn object(members: Vec<(String, Json)>) -> Object {
    members.into_iter().collect()
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number(),
        text().prop_map(Json::from)
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec(("[a-z\"张-]{0,4}", inner), 0..4)
                .prop_map(|members| Json::Object(object(members))),
        ]
    })
}

fn json_message() -> impl Strategy<Value = Object> {
    prop::collection::vec(("[a-c]{1}", json()), 0..4).prop_map(object)
}

const NAME: &str = "[A-Za-z_张][A-Za-z0-9._张-]{0,4}";

/// An element in the form that reading gives: a text, null, or attributes before text or children.
fn element() -> impl Strategy<Value = Json> {
    let words = || text().prop_map(|text| if text.is_empty() { Json::Null } else { Json::from(text) });
    words().prop_recursive(4, 40, 5, move |inner| {
        let attributes = prop::collection::vec((NAME, text()), 0..3);
        let children = prop::collection::vec((NAME, prop::collection::vec(inner, 1..3)), 0..4);
        (attributes, children, words()).prop_map(|(attributes, children, text)| {
            let attributes =
                attributes.into_iter().map(|(name, value)| (format!("@{name}"), Json::from(value)));
            let mut object: Object = attributes.filter(|(name, _)| !name.starts_with("@xml")).collect();
            let mut has_children = false;
            for (name, mut values) in children.into_iter().filter(|(name, _)| object_has_no(&name[..])) {
                has_children = true;
                object.set(&name, if values.len() == 1 { values.remove(0) } else { Json::Array(values) });
            }
            match (has_children, object.is_empty(), text) {
                (false, true, text) => text,
                (false, false, Json::Null) | (true, _, _) => Json::Object(object),
                (false, false, text) => {
                    object.set("#text", text);
                    Json::Object(object)
                }
            }
        })
    })
}

fn object_has_no(name: &str) -> bool {
    !name.to_ascii_lowercase().starts_with("xml")
}

fn xml_message() -> impl Strategy<Value = Object> {
    (NAME.prop_filter("not XML's own", |name| object_has_no(name)), element())
        .prop_map(|(name, root)| Object::from_iter([(name, root)]))
}

fn rows(text: &'static str) -> impl Strategy<Value = Vec<Object>> {
    let row = (text, text, text).prop_map(|(a, b, c)| {
        Object::from_iter([("a", Json::from(a)), ("金额", Json::from(b)), ("c-1", Json::from(c))])
    });
    prop::collection::vec(row, 0..6)
}

fn file(rows: Vec<Object>) -> Object {
    Object::from_iter([("rows", Json::Array(rows.into_iter().map(Json::Object).collect()))])
}

/// Columns of one file, how its texts may look, and how they are laid out.
fn check_file(keys: &str, message: &Object) -> Result<(), TestCaseError> {
    let layout = layout(&format!("columns = ['a', '金额', 'c-1']\n{keys}"));
    let parser = CsvParser::new(&layout, None).unwrap();
    let written = CsvWriter::new(&layout).unwrap().write(message).unwrap();
    let read = parser.read(&written).unwrap();
    let rows = message.get("rows").and_then(Json::as_array).unwrap();
    let again = read.message();
    prop_assert_eq!(again.get("rows").and_then(Json::as_array).unwrap(), rows);
    prop_assert_eq!(&CsvWriter::new(&layout).unwrap().write(&again).unwrap(), &written);
    let pieces = parser.split(&written, &Split::Messages).unwrap();
    prop_assert_eq!(pieces.len(), rows.len().max(1));
    for (piece, row) in pieces.iter().zip(rows) {
        let message = parser.read(&piece.bytes).unwrap().message();
        prop_assert_eq!(message.get("rows").and_then(Json::as_array).unwrap(), std::slice::from_ref(row));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn json_is_read_as_it_was_written(message in json_message(), list in prop::collection::vec(json_message(), 1..4)) {
        for keys in ["", "nested = ['d']"] {
            let bytes = JsonWriter::new(&layout(keys)).unwrap().write(&message).unwrap();
            let document = JsonParser::new(&layout(keys)).unwrap().read(&bytes).unwrap();
            prop_assert_eq!(&document.message(), &message);
        }
        let list = Object::from_iter([("*", Json::Array(list.into_iter().map(Json::Object).collect()))]);
        for keys in ["", "lines = true"] {
            let bytes = JsonWriter::new(&layout(keys)).unwrap().write(&list).unwrap();
            let parser = JsonParser::new(&layout(keys)).unwrap();
            prop_assert_eq!(&parser.read(&bytes).unwrap().message(), &list);
            let pieces = parser.split(&bytes, &Split::Messages).unwrap();
            prop_assert_eq!(pieces.len(), list.get("*").unwrap().items().len());
        }
    }

    #[test]
    fn json_text_in_a_string_is_read_as_it_was_written(inner in json_message()) {
        let message = Object::from_iter([("biz_content", Json::Object(inner)), ("sign", Json::from("x"))]);
        let layout = layout("nested = ['biz_content']");
        let bytes = JsonWriter::new(&layout).unwrap().write(&message).unwrap();
        let plain = JsonParser::default().read(&bytes).unwrap().message();
        prop_assert!(plain.get("biz_content").unwrap().as_str().is_some());
        prop_assert_eq!(JsonParser::new(&layout).unwrap().read(&bytes).unwrap().message(), message);
    }

    #[test]
    fn xml_is_read_as_it_was_written(message in xml_message(), pretty in any::<bool>()) {
        for keys in ["", "encoding = 'GB18030'", "declaration = false"] {
            let bytes = XmlWriter::new(&layout(keys)).unwrap().write(&message).unwrap();
            let document = XmlParser::default().read(&bytes).unwrap();
            prop_assert_eq!(&document.message(), &message, "{}", keys);
            for leaf in document.leaves() {
                let mut found = Vec::new();
                document.select(document.root(), &Path::parse(&document.place(leaf)).unwrap(), &mut found);
                prop_assert_eq!(found, vec![leaf]);
            }
        }
        if pretty {
            let bytes = XmlWriter::new(&layout("pretty = true")).unwrap().write(&message).unwrap();
            let plain = XmlWriter::new(&layout("")).unwrap().write(&XmlParser::default().read(&bytes).unwrap().message());
            prop_assert_eq!(plain.unwrap(), XmlWriter::new(&layout("")).unwrap().write(&message).unwrap());
        }
    }

    #[test]
    fn a_document_in_a_document_is_read_as_it_was_written(inner in xml_message(), cdata in any::<bool>()) {
        let held = |member: &str| {
            let message = Json::Object(Object::from_iter([(member, Json::Object(inner.clone()))]));
            Object::from_iter([("s", Json::Object(Object::from_iter([("message", message)])))])
        };
        let bytes = XmlWriter::new(&layout("")).unwrap().write(&held(if cdata { "#cdata" } else { "#document" })).unwrap();
        let parser = XmlParser::new(&layout("nested = ['/s/message']"), None).unwrap();
        prop_assert_eq!(parser.read(&bytes).unwrap().message(), held("#document"));
    }

    #[test]
    fn pieces_of_xml_add_up(items in prop::collection::vec(element(), 2..6)) {
        let many = Json::Array(items.clone());
        let message = Object::from_iter([("r", Json::Object(Object::from_iter([("h", Json::from("x")), ("i", many)])))]);
        let bytes = XmlWriter::new(&layout("")).unwrap().write(&message).unwrap();
        let pieces = XmlParser::default().split(&bytes, &Split::At(Path::parse("/r/i").unwrap())).unwrap();
        prop_assert_eq!(pieces.len(), items.len());
        for (piece, item) in pieces.iter().zip(items) {
            let message = XmlParser::default().read(&piece.bytes).unwrap().message();
            prop_assert_eq!(message.get("r").unwrap().get("i").unwrap(), &item);
            prop_assert_eq!(message.get("r").unwrap().get("h").unwrap().as_str(), Some("x"));
        }
    }

    #[test]
    fn pieces_of_json_add_up(items in prop::collection::vec(json(), 2..6)) {
        let message = Object::from_iter([("h", Json::from("x")), ("i", Json::Array(items.clone()))]);
        let bytes = JsonWriter::default().write(&message).unwrap();
        let pieces = JsonParser::default().split(&bytes, &Split::At(Path::parse("i").unwrap())).unwrap();
        prop_assert_eq!(pieces.len(), items.len());
        for (piece, item) in pieces.iter().zip(items) {
            let message = JsonParser::default().read(&piece.bytes).unwrap().message();
            prop_assert_eq!(message.get("i").unwrap().as_array().unwrap(), &[item]);
        }
    }

    #[test]
    fn delimited_files_are_read_as_they_were_written(message in rows("[a-z,;|\"' \n\r\t#张三𠮷+-]{0,8}").prop_map(file)) {
        for keys in ["", "delimiter = '|+|'", "delimiter = ';'\nquote = \"'\"\ntrim = true\nline_end = \"\\r\\n\"", "charset = 'GB18030'", "comment = '#'\nbom = true",
            "header = ['k', 'n']\ntrailer = ['k']\nmarks = { header = 'H', trailer = 'T' }\ncount = 'header.n'"] {
            check_file(keys, &message)?;
        }
    }

    #[test]
    fn files_without_quotes_and_of_fixed_width_are_read_as_they_were_written(
        plain in rows("[a-z \"'张三]{1,8}").prop_map(file),
        words in rows("([a-z张][a-z张 ]{0,3}[a-z张])?").prop_map(file),
    ) {
        for keys in ["quote = ''\ndelimiter = '|'", "strip = '`'", "strip = '`'\ndelimiter = '|'\ncharset = 'GBK'"] {
            check_file(keys, &plain)?;
        }
        for keys in ["widths = [6, 6, 5]", "widths = [12, 10, 10]\nwidth_unit = 'bytes'\ncharset = 'GBK'\ndelimiter = ' '",
            "widths = [20, 15, 15]\nwidth_unit = 'bytes'\ntrailer = ['n']\ntrailer_widths = [6]\ncount = 'trailer.n'"] {
            check_file(keys, &words)?;
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_by_every_format(bytes in prop::collection::vec(any::<u8>(), 0..300), keys in "[a-z_]{0,6}") {
        let whole = Bytes::from(bytes);
        for format in hub_formats::FORMATS {
            let parser = hub_formats::parser(format, None, &Settings::new()).unwrap();
            let read = parser.parse(&whole);
            prop_assert!(read.is_ok() || read.is_err_and(|error| error.at <= whole.len()));
            let _ = parser.split(&whole, &Split::Messages);
            let strange = Settings::from_iter([(keys.clone(), 7.into())]);
            let _ = hub_formats::parser(format, Some(&keys), &strange).is_ok();
        }
    }
}

#[test]
fn fhir_is_read_as_it_was_written() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/formats/fhir");
    let bytes = std::fs::read(folder.join("two-results.bundle.json")).unwrap();
    let bundle = FhirParser::default().read(&bytes).unwrap().resources().remove(0);
    let lines = FhirWriter { lines: true }.write(&bundle).unwrap();
    let resources = FhirParser { lines: true }.read(&lines).unwrap().resources();
    assert_eq!(resources.len(), 3);
    let entries = bundle.get("entry").unwrap().items();
    assert!(
        resources
            .iter()
            .zip(entries)
            .all(|(resource, entry)| entry.get("resource").unwrap().as_object() == Some(resource))
    );
    let again = FhirParser::default().read(&FhirWriter::default().write(&bundle).unwrap()).unwrap();
    assert_eq!(again.resources(), [bundle]);
}

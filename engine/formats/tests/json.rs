//! What JSON of partners says when it is read as a document, and how it is written and split.
#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use hub_core::document::{Document, Node, Parser, Split, Text, Writer};
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_fhir::{Json, Object};
use hub_formats::json::{JsonDocument, JsonParser, JsonWriter};

fn layout(text: &str) -> Settings {
    text.parse().unwrap()
}

fn parser(text: &str) -> JsonParser {
    JsonParser::new(&layout(text)).unwrap()
}

fn fixture(name: &str) -> Bytes {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/formats/json");
    Bytes::from(std::fs::read(folder.join(name)).unwrap())
}

fn read(text: &str) -> JsonDocument {
    parser("").read(text.as_bytes()).unwrap()
}

fn nodes(document: &dyn Document, scope: Node, path: &str) -> Vec<Node> {
    let mut found = Vec::new();
    document.select(scope, &Path::parse(path).unwrap(), &mut found);
    found
}

fn texts(document: &dyn Document, path: &str) -> Vec<String> {
    texts_from(document, document.root(), path)
}

fn texts_from(document: &dyn Document, scope: Node, path: &str) -> Vec<String> {
    let found = nodes(document, scope, path);
    found.iter().filter_map(|node| Some(document.text(*node)?.value()?.into_owned())).collect()
}

fn object(text: &str) -> Object {
    hub_fhir::json::parse(text).unwrap().as_object().unwrap().clone()
}

fn by(path: &str) -> Split {
    Split::At(Path::parse(path).unwrap())
}

fn written(layout_text: &str, json: &str) -> String {
    let bytes = JsonWriter::new(&layout(layout_text)).unwrap().write(&object(json)).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn arrays_are_repeating_children_and_numbers_keep_their_digits() {
    let document = parser("").read(&fixture("prescription.json")).unwrap();
    assert_eq!(texts(&document, "Items[].DrugCode"), ["D0001", "D0002"]);
    assert_eq!(texts(&document, "Items[2].DrugCode"), ["D0002"]);
    assert_eq!(texts(&document, "Items[DrugCode=D0001].Dose"), ["0.50"]);
    assert_eq!(texts(&document, "Items.order-no"), ["A-1"]);
    assert_eq!(texts(&document, "Matrix.*"), ["1", "2", "3"]);
    assert_eq!(texts(&document, "Matrix(2).*"), ["3"]);
    assert!(nodes(&document, document.root(), "Items.Remark").is_empty()); // "" is no value
    for leaf in document.leaves() {
        assert_eq!(nodes(&document, document.root(), &document.place(leaf)), [leaf]);
    }
}

#[test]
fn from_within_an_item_its_own_members_are_meant() {
    let document = read(r#"{"remark":"outer","items":[{"remark":"a"},{"remark":""},{"code":"c"}]}"#);
    let items = nodes(&document, document.root(), "items");
    assert_eq!(texts_from(&document, items[0], "remark"), ["a"]);
    assert!(texts_from(&document, items[0], "remark").len() == 1 && items.len() == 2); // an item without a value is none
    let third = nodes(&document, document.root(), "items(3)")[0];
    assert_eq!(texts_from(&document, third, "remark"), ["outer"]); // it has none: the nearest around it that has
    assert!(document.child(third, "remark").is_none()); // `@.remark` is its own only
    assert_eq!(texts_from(&document, third, "/remark"), ["outer"]);
}

#[test]
fn an_array_at_the_root_has_items_without_a_name() {
    let document = parser("").read(&fixture("routes.json")).unwrap();
    assert_eq!(texts(&document, "*.opCode"), ["50", "80"]);
    assert_eq!(texts(&document, "opCode"), ["50", "80"]);
    assert_eq!(texts(&document, "*(2).opCode"), ["80"]);
    let items = nodes(&document, document.root(), "*");
    assert_eq!(texts_from(&document, items[1], "remark"), ["已签收"]);
    assert_eq!(document.place(items[1]), "*[2]");
    let uneven = read(r#"[{"a":"1","remark":"its own"},{"a":"2"}]"#);
    let second = nodes(&uneven, uneven.root(), "*(2)")[0];
    assert!(texts_from(&uneven, second, "remark").is_empty()); // never that of another item
    assert_eq!(texts_from(&uneven, second, "/a"), ["2"]);
    assert_eq!(texts_from(&uneven, second, "*(1).remark"), [""; 0]);
    assert_eq!(texts_from(&uneven, second, "/*(1)/remark"), ["its own"]);
    assert_eq!(document.text(nodes(&document, items[0], "remark")[0]), Some(Text::Null));
    for bad in ["5", "\"x\"", "null", "", "{", "{\"a\":1,\"a\":2}", "[1] 2", "{\"a\":01}"] {
        assert!(parser("").read(bad.as_bytes()).is_err(), "{bad}");
    }
    let error = parser("").read("{\n \"名\": tru}".as_bytes()).unwrap_err();
    assert_eq!((error.at, error.place.as_deref()), (10, Some("line 2 column 7")));
    assert_eq!(parser("").read(b"{\"a\":\"\xD5\"}").unwrap_err().at, 6);
    assert!(parser("").read("[".repeat(1000).as_bytes()).unwrap_err().what.contains("64 levels"));
}

#[test]
fn json_text_in_a_string_is_read_where_the_layout_says_so() {
    let nested = parser("nested = ['biz_content', 'biz_content.goods_detail']");
    let document = nested.read(&fixture("biz-content.json")).unwrap();
    assert_eq!(texts(&document, "biz_content.items.code"), ["REG", "EXAM"]);
    assert_eq!(texts(&document, "biz_content.items[code=EXAM].fee"), ["450.00"]);
    assert_eq!(texts(&document, "biz_content.goods_detail.name"), ["挂号费"]);
    assert_eq!(texts(&document, "biz_content.goods_detail.*.name"), ["挂号费"]);
    let plain = parser("").read(&fixture("biz-content.json")).unwrap();
    assert!(texts(&plain, "biz_content")[0].starts_with("{\"merId\""));
    for (text, place, what) in [
        (
            r#"{"biz_content":"{x"}"#,
            "biz_content",
            "this string is not JSON (its line 1 column 2): expected a member name in double quotes",
        ),
        (r#"{"biz_content":"5"}"#, "biz_content", "expected a JSON object or array in this string"),
        (r#"{"biz_content":{"a":1}}"#, "biz_content", "expected a string that holds JSON text"),
        (
            r#"{"biz_content":"{\"goods_detail\":7}"}"#,
            "biz_content.goods_detail",
            "expected a string that holds JSON text",
        ),
    ] {
        let error = nested.read(text.as_bytes()).unwrap_err();
        assert_eq!((error.place.as_deref(), error.what.as_str()), (Some(place), what), "{text}");
    }
    assert!(nested.read(br#"{"biz_content":""}"#).is_ok() && nested.read(br#"{"biz_content":null}"#).is_ok());
    let message = document.message();
    let writer = JsonWriter::new(&layout("nested = ['biz_content', 'biz_content.goods_detail']")).unwrap();
    assert_eq!(
        writer.write(&message).unwrap(),
        fixture("biz-content.json").slice(..fixture("biz-content.json").len() - 1)
    );
}

#[test]
fn no_name_of_the_message_is_told() {
    let nested = parser("nested = ['biz_content']");
    for text in [
        r#"{"陈思远440305":1,"陈思远440305":2}"#,
        r#"{"陈思远440305":tru}"#,
        r#"{"陈思远440305":{"biz_content":"{"}"#,
        r#"{"biz_content":"{\"陈思远440305\":tru}"}"#,
        r#"{"biz_content":{"陈思远440305":1}}"#,
        r#"{"biz_content":"{\"陈思远440305\":1,\"陈思远440305\":2}"}"#,
    ] {
        let told = nested.read(text.as_bytes()).unwrap_err().to_string();
        assert!(!told.contains("440305") && !told.contains('陈'), "{told}");
    }
}

#[test]
fn lines_are_the_items_of_an_array() {
    let lines = parser("lines = true");
    let document = lines.read(&fixture("routes.ndjson")).unwrap();
    assert_eq!(texts(&document, "*.opCode"), ["50", "80"]);
    assert_eq!(texts(&document, "opCode"), ["50", "80"]);
    let pieces = lines.split(&fixture("routes.ndjson"), &Split::Messages).unwrap();
    assert_eq!(pieces.len(), 2);
    assert_eq!(texts(&lines.read(&pieces[1].bytes).unwrap(), "*.weight"), ["1.10"]);
    assert!(lines.split(&fixture("routes.ndjson"), &by("*")).is_err());
    let error = lines.read(b"{\"a\":1}\r\n\r\n{\"a\":}\n").unwrap_err();
    assert_eq!((error.at, error.place.as_deref()), (16, Some("line 3 column 6")));
    assert!(lines.read(b"\n\n").is_err() && lines.read(b"5\n").is_err());
    let writer = JsonWriter::new(&layout("lines = true")).unwrap();
    assert_eq!(writer.write(&document.message()).unwrap(), fixture("routes.ndjson"));
    assert_eq!(writer.content_type(), "application/x-ndjson");
}

#[test]
fn a_piece_is_the_whole_with_one_of_several() {
    let split = |keys: &str, text: &str, by: &Split| -> Vec<String> {
        let pieces = parser(keys).split(&Bytes::from(text.to_owned()), by).unwrap();
        pieces.iter().map(|piece| String::from_utf8(piece.bytes.to_vec()).unwrap()).collect()
    };
    assert_eq!(split("", "[{\"a\":1.0}, {\"a\":2}]", &Split::Messages), ["[{\"a\":1.0}]", "[{\"a\":2}]"]);
    assert_eq!(
        split("", "{\"h\":1,\"i\":[1,2],\"t\":null}", &by("i")),
        ["{\"h\":1,\"i\":[1],\"t\":null}", "{\"h\":1,\"i\":[2],\"t\":null}"]
    );
    assert_eq!(
        split("", "{\"i\":[{\"k\":\"a\"},{\"k\":\"b\"},{\"k\":\"a\",\"n\":[]}]}", &by("i[k=a]")),
        ["{\"i\":[{\"k\":\"a\"},{\"k\":\"b\"}]}", "{\"i\":[{\"k\":\"b\"},{\"k\":\"a\",\"n\":[]}]}"]
    );
    assert_eq!(
        split("", "{\"o\":[{\"i\":[1]},{\"i\":[2,3]}]}", &by("o.i")),
        [
            "{\"o\":[{\"i\":[1]},{\"i\":[]}]}",
            "{\"o\":[{\"i\":[]},{\"i\":[2]}]}",
            "{\"o\":[{\"i\":[]},{\"i\":[3]}]}"
        ]
    );
    assert_eq!(
        split("", "{\"o\":[{\"i\":1},{\"i\":2}]}", &by("o.i")),
        ["{\"o\":[{\"i\":1},{}]}", "{\"o\":[{},{\"i\":2}]}"]
    );
    let nested = "{\"b\":\"{\\\"i\\\":[\\\"x\\\\\\\"\\\",2]}\"}";
    assert_eq!(
        split("nested = ['b']", nested, &by("b.i")),
        ["{\"b\":\"{\\\"i\\\":[\\\"x\\\\\\\"\\\"]}\"}", "{\"b\":\"{\\\"i\\\":[2]}\"}"]
    );
    assert_eq!(
        split("nested = ['b']", "{\"b\":\"[1,2]\"}", &by("b.*")),
        ["{\"b\":\"[1]\"}", "{\"b\":\"[2]\"}"]
    );
    assert_eq!(split("", "{\"a\": 1}", &by("nothing")), ["{\"a\": 1}"]); // one message, as it came
    let pieces = parser("").split(&fixture("prescription.json"), &by("Items")).unwrap();
    assert_eq!(texts(&parser("").read(&pieces[1].bytes).unwrap(), "Items[1].DrugCode"), ["D0002"]);
    let huge = format!("{{\"h\":\"{}\",\"i\":[{}1]}}", "x".repeat(1 << 20), "1,".repeat(1000));
    assert!(parser("").split(&Bytes::from(huge), &by("i")).unwrap_err().what.contains("512 MiB"));
}

#[test]
fn json_is_written_as_it_is_said() {
    assert_eq!(
        written("", r#"{"a": 1.10, "b": [null, true], "c": {}}"#),
        r#"{"a":1.10,"b":[null,true],"c":{}}"#
    );
    assert_eq!(written("", r#"{"*": [1, {"a": "x"}]}"#), r#"[1,{"a":"x"}]"#);
    assert_eq!(written("lines = true", r#"{"*": [{"a": 1}, {"a": 2}]}"#), "{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(written("lines = true", r#"{"a": 1}"#), "{\"a\":1}\n");
    assert_eq!(
        written("nested = ['b']", r#"{"b": {"c": "\""}}"#),
        "{\"b\":\"{\\\"c\\\":\\\"\\\\\\\"\\\"}\"}"
    );
    assert_eq!(written("nested = ['b']", r#"{"b": "{}"}"#), r#"{"b":"{}"}"#);
    assert_eq!(written("nested = ['i.b']", r#"{"i": [{"b": {"*": [1]}}]}"#), r#"{"i":[{"b":"[1]"}]}"#);
    assert!(
        JsonWriter::new(&layout("line = true")).is_err()
            && JsonParser::new(&layout("nested = ['a(1)']")).is_err()
    );
    assert_eq!(
        read(r#"{"b":[[1],[]],"e":[],"o":{},"n":null}"#).message(),
        object(r#"{"b":[[1],[]],"e":[],"o":{},"n":null}"#)
    );
    assert_eq!(
        read("[[1],2]").message().get("*"),
        Some(&Json::Array(vec![Json::Array(vec![Json::from(1)]), Json::from(2)]))
    );
}

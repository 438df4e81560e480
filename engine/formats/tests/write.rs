//! What is written of a tree, and what is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use hub_core::document::{Document, Writer};
use hub_core::registry::Settings;
use hub_fhir::{Json, Object, json};
use hub_formats::hl7v2::{Charset, Hl7Parser, Hl7Writer};

fn object(text: &str) -> Object {
    json::parse(text).unwrap().as_object().unwrap().clone()
}

fn layout(pairs: &[(&str, &str)]) -> Hl7Writer {
    let settings = pairs.iter().map(|(key, value)| {
        let value = value.parse::<bool>().map_or_else(|_| (*value).into(), Into::into);
        ((*key).to_owned(), value)
    });
    Hl7Writer::new(&Settings::from_iter(settings)).unwrap()
}

fn written(tree: &str) -> String {
    String::from_utf8(Hl7Writer::default().write(&object(tree)).unwrap().to_vec()).unwrap()
}

/// A message with this segment behind a header.
fn segment(text: &str) -> Result<String, String> {
    let tree = format!(r#"{{"segments":[{{"MSH":{{"18":"UTF-8"}}}},{text}]}}"#);
    let bytes = Hl7Writer::default().write(&object(&tree)).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Ok(text.split('\r').nth(1).unwrap().to_owned())
}

#[test]
fn a_message_is_written() {
    assert_eq!(
        written(
            r#"{"segments":[{"MSH":{"3":"HUITONG","9":{"1":"ADT","2":"A01"}}},
            {"PID":{"5":{"1":{"1":"van Beethoven","2":"van"},"2":"L"},"3":[{"1":"H1","5":"PI"},{"1":"X"}]}},{"ZZ1":null}]}"#
        ),
        "MSH|^~\\&|HUITONG||||||ADT^A01|||||||||UNICODE UTF-8\r\
         PID|||H1^^^^PI~X||van Beethoven&van^L\rZZ1|\r"
    );
}

#[test]
fn what_is_empty_at_the_end_is_left_out() {
    assert_eq!(
        segment(r#"{"PID":{"1":1,"3":["A",null,"",{}],"4":{"1":"x","2":{"2":""}},"9":""}}"#).unwrap(),
        "PID|1||A|x"
    );
    assert_eq!(segment(r#"{"PID":{"3":[null,"A",null,{"2":"B"}]}}"#).unwrap(), "PID|||~A~~^B");
    assert_eq!(segment(r#"{"PID":{"2":"","1":{}}}"#).unwrap(), "PID|");
}

#[test]
fn null_is_told_from_nothing_and_from_two_quotes() {
    assert_eq!(
        segment(r#"{"PID":{"3":null,"4":{"1":null,"2":"B"},"5":{"1":{"2":null}},"6":["A",{"1":null}]}}"#)
            .unwrap(),
        "PID|||\"\"|\"\"^B|&\"\"|A~\"\""
    );
    assert_eq!(segment(r#"{"PID":{"3":"\"\""}}"#).unwrap(), "PID|||\\X2222\\");
}

#[test]
fn texts_are_escaped_and_numbers_keep_their_digits() {
    assert_eq!(
        segment(r#"{"OBX":{"5":["a|b^c&d~e\\f","1\n2\r3\r\n4\t"],"6":1.10}}"#).unwrap(),
        "OBX|||||a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f~1\\.br\\2\\X0D\\3\\X0D0A\\4\\X09\\|1.10"
    );
}

#[test]
fn what_cannot_be_written_says_where_and_what_was_expected() {
    for (text, error) in [
        (r#"{"PID":{"3":true}}"#, "PID-3: expected a text, a number or null"),
        (r#"{"PID":{"3":["A",{"1":{"2":["x"]}}]}}"#, "PID-3(2).1.2: expected a text, a number or null"),
        (r#"{"PID":{"0":"A"}}"#, "PID: `0` is no number of a field"),
        (r#"{"PID":{"3":{"01":"A"}}}"#, "PID-3: `01` is no number of a component"),
        (r#"{"PID":{"name":"A"}}"#, "PID: `name` is no number of a field"),
        (
            r#"{"OBX":{"1":1}},{"OBX":{"5":{"1":{"x":"A"}}}}"#,
            "OBX[2]-5.1: `x` is no number of a subcomponent",
        ),
        (
            r#"{"pid":{}}"#,
            "segments[2]: expected the name of a segment: three capital letters or digits, such as PID",
        ),
        (r#"{"PID":{},"PV1":{}}"#, "segments[2]: expected an object with one member: the segment's name"),
        (r#"{"PID":"A"}"#, "segments[2]: expected the segment's fields in an object, by their numbers"),
        (r#"{"MSH":{}}"#, "MSH: a second MSH: one message is written at a time"),
        (r#"{"BTS":{}}"#, "segments[2]: a batch is not written: one message is written at a time"),
        (
            r#"{"PID":{"3":"a�"}}"#,
            "PID-3: holds a replacement character (U+FFFD): a system before the hub has lost a character",
        ),
        (r#"{"PID":{"60000":"a","9":{"6000":"b"}}}"#, "PID-60000: more than 65000 parts in one segment"),
    ] {
        assert_eq!(segment(text), Err(error.to_owned()), "{text}");
    }
    let refused = |tree: &str| Hl7Writer::default().write(&object(tree)).unwrap_err().to_string();
    assert_eq!(refused("{}"), "segments: expected an array of segments that begins with MSH");
    assert_eq!(refused(r#"{"segments":[]}"#), "segments: expected an array of segments that begins with MSH");
    assert_eq!(
        refused(r#"{"segments":[{"PID":{}}]}"#),
        "segments: expected an array of segments that begins with MSH"
    );
    assert_eq!(refused(r#"{"segments":[],"x":1}"#), "x: an HL7 v2 message has one member, `segments`");
    assert_eq!(
        refused(r#"{"segments":[{"MSH":{"2":"^"}}]}"#),
        "MSH: MSH-1 and MSH-2 are the writer's: the layout's `separators` say them"
    );
    assert_eq!(
        refused(r#"{"segments":[{"MSH":{"18":"KLINGON"}}]}"#),
        "MSH-18: names a charset that the hub does not know"
    );
}

#[test]
fn the_charset_is_the_trees_own_else_the_layouts() {
    let tree =
        |msh: &str| object(&format!(r#"{{"segments":[{{"MSH":{{{msh}}}}},{{"PID":{{"5":"山田"}}}}]}}"#));
    let names = "山田";
    for (writer, msh, header, charset) in [
        (layout(&[]), "", "UNICODE UTF-8", Charset::Utf8),
        (layout(&[("charset", "GB18030")]), "", "GB 18030-2000", Charset::Gb18030),
        (layout(&[("charset", "gbk"), ("declare", "false")]), "", "", Charset::Gbk),
        (layout(&[("charset", "gbk")]), r#""18":"UNICODE UTF-8""#, "UNICODE UTF-8", Charset::Utf8),
        (layout(&[("charset", "gbk")]), r#""18":null"#, "\"\"", Charset::Gbk),
        (layout(&[("charset", "ISO IR87")]), "", "~ISO IR87", Charset::Iso2022Jp),
        (layout(&[]), r#""18":[null,"ISO IR87"]"#, "~ISO IR87", Charset::Iso2022Jp),
    ] {
        let bytes = writer.write(&tree(msh)).unwrap();
        let blank = if header.is_empty() { String::new() } else { format!("{}{header}", "|".repeat(16)) };
        let text = format!("MSH|^~\\&{blank}\rPID|||||{names}\r");
        assert_eq!(bytes, charset.encode_exactly(&text).unwrap(), "{header}");
    }
}

#[test]
fn a_character_that_the_charset_does_not_have_is_an_error_with_its_place() {
    for (charset, text) in
        [("8859/1", "张"), ("ASCII", "é"), ("GBK", "𠮷"), ("Big5", "\u{1F600}"), ("ISO IR87", "ｱ")]
    {
        let tree = object(&format!(r#"{{"segments":[{{"MSH":{{}}}},{{"PID":{{"5":{{"2":"a{text}"}}}}}}]}}"#));
        let error = layout(&[("charset", charset)]).write(&tree).unwrap_err();
        assert_eq!(error.place, "PID-5.2", "{charset}");
        assert!(error.what.starts_with("holds a character that"), "{}", error.what);
        assert!(!error.what.contains(text), "content must not stand in an error");
    }
    assert!(layout(&[("charset", "GB18030")]).write(&object(r#"{"segments":[{"MSH":{"3":"𠮷"}}]}"#)).is_ok());
}

#[test]
fn separators_and_segment_ends_are_the_layouts() {
    let tree = object(r#"{"segments":[{"MSH":{"9":{"1":"A","2":"B"}}},{"PID":{"3":"a|b$c#"}}]}"#);
    let of =
        |pairs: &[(&str, &str)]| String::from_utf8(layout(pairs).write(&tree).unwrap().to_vec()).unwrap();
    let plain = ("declare", "false");
    assert_eq!(
        of(&[("separators", "$%~\\&#"), plain, ("segment_end", "CRLF")]),
        "MSH$%~\\&#$$$$$$$A%B\r\nPID$$$a|b\\F\\c\\P\\\r\n"
    );
    assert_eq!(of(&[plain, ("segment_end", "LF")]), "MSH|^~\\&|||||||A^B\nPID|||a\\F\\b$c#\n");
    let short = layout(&[("separators", "|^")]);
    assert_eq!(
        short.write(&tree).unwrap_err().to_string(),
        "PID-3: holds a separator or a line end, and the layout's `separators` have no escape character"
    );
    let repeated = object(r#"{"segments":[{"MSH":{}},{"PID":{"3":["a","b"]}}]}"#);
    assert_eq!(
        short.write(&repeated).unwrap_err().to_string(),
        "PID-3(2): the layout's `separators` have no sign for a second repetition"
    );
    let dotted = layout(&[("separators", "|.~\\&")]);
    let tree = object(r#"{"segments":[{"MSH":{"3":"a\nb.c"}}]}"#);
    assert!(dotted.write(&tree).unwrap().starts_with(b"MSH|.~\\&|a\\X0A\\b\\S\\c"));
}

#[test]
fn a_layout_that_cannot_be_is_refused() {
    let refused = |key: &str, value: &str| {
        let settings = Settings::from_iter([(key.to_owned(), value.into())]);
        Hl7Writer::new(&settings).unwrap_err().to_string()
    };
    assert!(refused("separator", "|").starts_with("unknown field `separator`, expected one of `separators`"));
    assert_eq!(refused("charset", "KLINGON"), "there is no charset `KLINGON`");
    assert!(refused("segment_end", "cr").contains("unknown variant `cr`"));
    for bad in ["", "|", "||", "|^~\\\\&", "|^~\\&#x", "|^~\"&", "abcde", "|^^~&"] {
        assert!(refused("separators", bad).starts_with("`separators`"), "{bad}");
    }
}

#[test]
fn a_tree_of_what_was_read_is_what_was_said() {
    let text = "MSH|^~\\&|A^\\F\\||||||ORU^R01|1|P|2.5\rOBR|1\rOBX|1||\"\"^B||~x&y^\"\"~\"\"|\\H\\\rRDT\rPV1||\rOBR|2\r";
    let document = Hl7Parser::default().read(text.as_bytes()).unwrap();
    let expected = r#"{"segments":[{"MSH":{"3":{"1":"A","2":"|"},"9":{"1":"ORU","2":"R01"},"10":"1","11":"P","12":"2.5"}},
        {"OBR":{"1":"1"}},{"OBX":{"1":"1","3":{"1":null,"2":"B"},"5":[null,{"1":{"1":"x","2":"y"},"2":null},{"1":null}]}},
        {"RDT":{}},{"PV1":{}},{"OBR":{"1":"2"}}]}"#;
    assert_eq!(document.tree(), object(expected));
    let written = layout(&[("declare", "false")]).write(&document.tree()).unwrap();
    let again = Hl7Parser::default().read(&written).unwrap();
    assert_eq!(again.tree(), document.tree());
    assert_eq!(again.leaves().len() + 1, document.leaves().len()); // highlighting alone is no value
    assert_eq!(Json::Object(again.tree()).to_text(), Json::Object(document.tree()).to_text());
}

//! What real senders do, and that it is read right: separators, line ends, charsets, escape sequences.
#![expect(clippy::unwrap_used, reason = "tests")]

use hub_core::document::{Document, Parser, Text};
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_formats::hl7v2::{Charset, Hl7Document, Hl7Parser, Undeclared};

fn read(bytes: impl AsRef<[u8]>) -> Hl7Document {
    Hl7Parser::default().read(bytes.as_ref()).unwrap()
}

fn texts(document: &dyn Document, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    document.select(document.root(), &Path::parse(path).unwrap(), &mut found);
    let text = |text| match text {
        Some(Text::Value(value)) => value.into_owned(),
        Some(Text::Null) => "null".to_owned(),
        None => "none".to_owned(),
    };
    found.iter().map(|node| text(document.text(*node))).collect()
}

fn refused(bytes: impl AsRef<[u8]>) -> String {
    Hl7Parser::default().read(bytes.as_ref()).unwrap_err().to_string()
}

#[test]
fn msh_2_of_one_to_five_characters_is_read() {
    for (msh_2, repetitions, text) in [
        ("^", 1, r"A~\T\&"),
        ("^~", 2, r"\T\&"),
        (r"^~\", 2, "&&"),
        (r"^~\&", 2, "&"),
        (r"^~\&#", 2, "&"),
        (r"^~\\&", 2, "&"), // copied out of source code
    ] {
        let document = read(format!("MSH|{msh_2}|LIS\rPID|1||A~\\T\\&|x^y\r"));
        assert_eq!(texts(&document, "PID-3").len(), repetitions, "{msh_2}");
        assert_eq!(texts(&document, "PID-3").last().unwrap(), text, "{msh_2}");
        assert_eq!(texts(&document, "PID-4.2"), ["y"], "{msh_2}");
        assert_eq!(texts(&document, "MSH-3"), ["LIS"], "{msh_2}");
        assert_eq!(texts(&document, "MSH-2"), [msh_2]);
    }
}

#[test]
fn a_cut_off_value_keeps_its_sign_and_an_escaped_one_is_read() {
    let document = read("MSH|^~\\&#|A\rPID|1||long value#|a\\P\\b\r");
    assert_eq!(
        (texts(&document, "PID-3"), texts(&document, "PID-4")),
        (vec!["long value#".to_owned()], vec!["a#b".to_owned()])
    );
    assert_eq!(texts(&read("MSH|^~\\&*|A\rPID|1||a\\P\\b\r"), "PID-3"), ["a*b"]);
}

#[test]
fn other_separators_are_read_wherever_they_are() {
    let document =
        read("MSH$%@!*$LIS$$$$$$ORU%R01$1$P$2.5\rPID$1$$a%b*c@d$x|y^z~w&\rOBX$1$FT$$$!S!!R!!T!!F!!E!\r");
    assert_eq!(texts(&document, "PID-3.2.2"), ["c"]);
    assert_eq!(texts(&document, "PID-3(2)"), ["d"]);
    assert_eq!(texts(&document, "PID-4"), ["x|y^z~w&"]);
    assert_eq!(texts(&document, "OBX-5"), ["%@*$!"]);
    assert_eq!(texts(&document, "OBSERVATION.OBX-2"), ["FT"]);
}

#[test]
fn every_escape_sequence_is_read() {
    for (raw, text) in [
        (r"\F\\S\\T\\R\\E\\P\", r"|^&~\#"),
        (r"a\.br\b\.br\\.br\c", "a\nb\n\nc"),
        (r"a\.sp\b\.sp2\c\.sp+1\d", "a\nb\n\nc\nd"),
        (r"a\.sk\b\.sk3\c\.sk+1\d", "a b   c d"),
        (r"\.in+4\a\.in-4\b\.ti+2\c\.in4\d", "abcd"),
        (r"\.fi\a\.nf\b", "ab"),
        (r"a\.ce\b", "a\nb"),
        (r"\H\high\N\ normal", "high normal"),
        (r"\X41\\X0D0A\\X0d\", "A\r\n\r"),
        (r"\XE5BCA0\\XE4B889\", "张三"),
        (r"\C2842\a\M2442\;3\C2842\", "a山"),
        (r"\Zlocal\", r"\Zlocal\"),       // what it means, only the sender knows
        (r"C:\data\new", r"C:\data\new"), // a sender that does not escape
        (r"5\ 6", r"5\ 6"),
        (r"a\", r"a\"),
        (r"\.xy\", r"\.xy\"),
        (r"\XE5\", r"\XE5\"), // half a character
    ] {
        let document = read(format!("MSH|^~\\&|A\rOBX|1|FT|||{raw}|\r"));
        assert_eq!(texts(&document, "OBX-5"), [text], "{raw}");
    }
}

#[test]
fn nulls_repetitions_subcomponents_and_trailing_separators_are_read() {
    let document = read("MSH|^~\\&|A\rPID|1||\"\"|a&b^c&&~\"\"~^^~&d|\"\"\"\"|^|~|&|||\r");
    assert_eq!(texts(&document, "PID-3"), ["null"]);
    assert_eq!(texts(&document, "PID-4.1"), ["a", "null", "none"]);
    assert_eq!(texts(&document, "PID-4.1.2"), ["b", "d"]);
    assert_eq!(texts(&document, "PID-4.2"), ["c"]);
    assert_eq!(texts(&document, "PID-5"), ["\"\"\"\""]);
    for empty in ["PID-6", "PID-7", "PID-8", "PID-9", "PID-4(3)"] {
        assert!(texts(&document, empty).is_empty(), "{empty}");
    }
    let places: Vec<_> = document.leaves().iter().map(|leaf| document.place(*leaf)).collect();
    let expected = [
        "MSH-3",
        "PID-1",
        "PID-3",
        "PID-4(1).1.1",
        "PID-4(1).1.2",
        "PID-4(1).2",
        "PID-4(2)",
        "PID-4(4).1.2",
        "PID-5",
    ];
    assert_eq!(places, expected);
    let document = read("MSH|^~\\&|A\rPID|1||a~|~\r");
    assert_eq!(document.leaves().iter().map(|leaf| document.place(*leaf)).next_back().unwrap(), "PID-3");
}

#[test]
fn line_ends_blank_lines_marks_and_framing_are_read() {
    for text in [
        "MSH|^~\\&|A\rPID|1\nPV1|1\r\nZPV|1",
        "\u{FEFF}MSH|^~\\&|A\r\r\n\r\nPID|1\r \t\rPV1|1\rZPV|1\r\r\r",
        "\u{0B}MSH|^~\\&|A\rPID|1\rPV1|1\rZPV|1\r\u{1C}\r",
        "\u{0B}MSH|^~\\&|A\rPID|1\rPV1|1\rZPV|1\u{1C}",
        "\r\n MSH|^~\\&|A\r PID|1\r\tPV1|1\rZPV|1\u{1C}\r",
    ] {
        let document = read(text);
        assert_eq!(document.segment_count(), 4, "{text:?}");
        assert_eq!(texts(&document, "ZPV-1"), ["1"], "{text:?}");
    }
}

/// A message with a name in a charset, and MSH-18 as given.
fn named(name: &str, charset: Charset, msh_18: &str) -> Vec<u8> {
    let text = format!("MSH|^~\\&|{name}||||||ADT^A08|1|P|2.4||||||{msh_18}\rPID|1||P1||{name}^x|\\F\\\r");
    charset.encode_exactly(&text).unwrap()
}

#[test]
fn declared_charsets_are_read() {
    for (name, charset, msh_18) in [
        ("张丂亅𠮷", Charset::Gb18030, "GB 18030-2000"), // second bytes that are `@` and `|`, and four bytes
        ("张丂亅", Charset::Gbk, "GBK"),
        ("张三", Charset::Gbk, "gb2312"),
        ("陳大文", Charset::Big5, "BIG-5"),
        ("김철수", Charset::EucKr, "KS X 1001"),
        ("山田", Charset::Iso2022Jp, "~ISO IR87"),
        ("山田", Charset::Iso2022Jp, "ISO IR6~ISO IR87"),
        ("Müller\u{A0}", Charset::Iso8859_1, "8859/1"),
        ("Иванов", Charset::Iso8859_5, "8859/5"),
        ("Plain", Charset::Ascii, "ASCII"),
        ("张𠮷é", Charset::Utf8, "UNICODE UTF-8"),
        ("张𠮷é", Charset::Utf8, ""),
        ("张𠮷é", Charset::Utf8, "\"\""),
    ] {
        let bytes = named(name, charset, msh_18);
        let document = read(&bytes);
        assert_eq!(texts(&document, "PID-5.1"), [name], "{msh_18}");
        assert_eq!(texts(&document, "PID-5.2"), ["x"], "{msh_18}");
        assert_eq!(texts(&document, "PID-6"), ["|"], "{msh_18}");
        for path in ["PID-5.2", "PID-3", "MSH-9.2", "PID-5.1", "MSH-3"] {
            let peeked = Hl7Parser::default().peek(&bytes, &Path::parse(path).unwrap());
            assert_eq!(peeked.into_iter().collect::<Vec<_>>(), texts(&document, path), "{msh_18} {path}");
        }
    }
}

#[test]
fn what_is_not_in_its_charset_is_refused_with_its_place() {
    let utf8 = named("张", Charset::Utf8, "8859/1");
    assert_eq!(texts(&read(&utf8), "PID-6"), ["|"]); // every byte is a letter of ISO 8859-1: nobody can tell
    assert!(refused(named("张", Charset::Utf8, "ASCII")).contains("not ASCII (declared in MSH-18)"));
    assert!(refused(named("é", Charset::Iso8859_1, "UNICODE UTF-8")).contains("not UNICODE UTF-8 (declared"));
    assert!(
        refused(named("张三", Charset::Gb18030, "")).contains("(assumed, as neither MSH-18 nor the channel")
    );
    assert!(refused(named("山田", Charset::Iso2022Jp, "")).contains("an escape sequence of ISO 2022"));
    assert!(
        refused(named("x", Charset::Utf8, "UNICODE UTF-16"))
            .contains("names a charset that the hub does not know")
    );
    assert!(refused(b"M\0S\0H\0|\0").contains("UTF-16"));
    assert!(refused(b"\xFF\xFEM\0S\0H\0|\0").contains("UTF-16"));
}

#[test]
fn undeclared_charsets_are_the_channels_to_say_and_are_never_guessed() {
    let parser = |charset: Option<&str>| hub_formats::parser("hl7v2", charset, &Settings::new()).unwrap();
    let said = |charset: Option<&str>, bytes: &[u8]| match parser(charset).parse(bytes) {
        Ok(document) => texts(document.as_ref(), "PID-5.1").concat(),
        Err(error) => error.what,
    };
    let gbk = named("张三", Charset::Gbk, "");
    let utf8 = named("张三", Charset::Utf8, "");
    let ascii = named("Zhang", Charset::Ascii, "");
    assert!(said(None, &gbk).starts_with("not UNICODE UTF-8"));
    assert_eq!(said(Some("GBK"), &gbk), "张三");
    assert_eq!(said(Some("detect"), &gbk), "张三");
    assert_eq!(said(Some("detect"), &utf8), "张三");
    assert_eq!(said(Some("detect"), &ascii), "Zhang");
    // `模` in GBK is `ģ` in UTF-8, and `ü` in UTF-8 is `眉` in GBK: either could be meant.
    for could_be_both in [named("模", Charset::Gbk, ""), named("ü", Charset::Utf8, "")] {
        assert!(said(Some("detect"), &could_be_both).starts_with("could be UTF-8 or GB 18030"));
    }
    assert!(said(Some("detect"), b"MSH|^~\\&|\xFF|\r").starts_with("neither UTF-8 nor GB 18030"));
    // What the message declares counts more than what the channel says.
    assert_eq!(said(Some("GBK"), &named("张三", Charset::Utf8, "UNICODE UTF-8")), "张三");
    assert_eq!(said(Some("detect"), &named("模", Charset::Gbk, "GBK")), "模");
    // A name whose second byte is a separator, before MSH-18 and the other fields of MSH.
    let shifting = named("亅", Charset::Gbk, "");
    let detect = Hl7Parser { undeclared: Undeclared::Detect };
    assert_eq!(texts(&detect.read(&shifting).unwrap(), "MSH-9.2"), ["A08"]);
    assert_eq!(detect.peek(&shifting, &Path::parse("MSH-9.2").unwrap()).as_deref(), Some("A08"));
}

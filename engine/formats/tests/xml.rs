//! What XML says when it is read as a document, what is refused, and how it is written and split.
#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use hub_core::document::{Document, Node, ParseError, Parser, Split, Text, Writer};
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_fhir::Object;
use hub_formats::xml::{XmlDocument, XmlParser, XmlWriter};

fn layout(text: &str) -> Settings {
    text.parse().unwrap()
}

fn parser(text: &str) -> XmlParser {
    XmlParser::new(&layout(text), None).unwrap()
}

fn read(text: &str) -> XmlDocument {
    parser("").read(text.as_bytes()).unwrap()
}

fn refused(bytes: &[u8]) -> ParseError {
    parser("").read(bytes).unwrap_err()
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

fn object(json: &str) -> Object {
    hub_fhir::json::parse(json).unwrap().as_object().unwrap().clone()
}

fn write(layout_text: &str, json: &str) -> String {
    let bytes = XmlWriter::new(&layout(layout_text)).unwrap().write(&object(json)).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

const REQUEST: &str = "<?xml version=\"1.0\"?>\n<Request>\n  <Body>\n    <Items>\n      <Item code=\"A\"><Qty>1</Qty><Note/></Item>\n      \
     <Item code=\"B\"><Qty>2.50</Qty></Item>\n    </Items>\n    <Patient-Name>张三</Patient-Name>\n  </Body>\n</Request>";

#[test]
fn paths_go_by_elements_and_attributes_from_the_root_element() {
    let document = read(REQUEST);
    assert_eq!(texts(&document, "/Request/Body/Items/Item/Qty"), ["1", "2.50"]);
    assert_eq!(texts(&document, "Request.Body.Items.Item(2).@code"), ["B"]);
    assert_eq!(texts(&document, "/Request/Body/Items/Item[@code=B]/Qty"), ["2.50"]);
    assert_eq!(texts(&document, "/Request/Body/Items/Item[@code='A']/Qty"), ["1"]);
    assert_eq!(texts(&document, "/Request/Body/Patient-Name"), ["张三"]);
    assert_eq!(texts(&document, "/Request/*/*/*/Qty"), ["1", "2.50"]);
    assert!(nodes(&document, document.root(), "/Request/Body/Items/Item/Note").is_empty()); // no value
}

#[test]
fn from_within_an_element_the_nearest_that_can_hold_the_first_step_is_meant() {
    let document = read(REQUEST);
    let items = nodes(&document, document.root(), "/Request/Body/Items/Item");
    assert_eq!(texts_from(&document, items[1], "Qty"), ["2.50"]);
    assert_eq!(texts_from(&document, items[1], "Patient-Name"), ["张三"]);
    assert_eq!(texts_from(&document, items[1], "/Request/Body/Items/Item/@code"), ["B"]); // its own
    assert!(texts_from(&document, items[0], "Note").is_empty()); // its own, which is empty
    assert_eq!(
        document.child(items[0], "Qty").map(|node| document.place(node)).unwrap(),
        "/Request/Body/Items/Item[1]/Qty"
    );
}

#[test]
fn places_are_paths() {
    let document = read(REQUEST);
    for leaf in document.leaves() {
        let place = document.place(leaf);
        assert_eq!(nodes(&document, document.root(), &place), [leaf], "{place}");
    }
    let places: Vec<String> = document.leaves().into_iter().map(|leaf| document.place(leaf)).collect();
    assert_eq!(places[2], "/Request/Body/Items/Item[2]/@code");
    assert_eq!(places.len(), 5);
}

#[test]
fn a_prefix_means_a_namespace_whatever_the_sender_calls_it() {
    let text = "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' xmlns='urn:own'><s:Body><Body>x</Body></s:Body></s:Envelope>";
    let known = parser(
        "namespaces = { soap = 'http://schemas.xmlsoap.org/soap/envelope/', own = 'urn:own', other = 'urn:o' }",
    );
    let document = known.read(text.as_bytes()).unwrap();
    assert_eq!(texts(&document, "/Envelope/Body/Body"), ["x"]);
    assert_eq!(texts(&document, "/soap:Envelope/soap:Body/own:Body"), ["x"]);
    assert!(texts(&document, "/soap:Envelope/own:Body/Body").is_empty());
    assert!(texts(&document, "/other:Envelope/Body/Body").is_empty());
    assert_eq!(texts(&read(text), "/s:Envelope/s:Body/Body"), ["x"]); // not in the layout: as the sender wrote it
    let typed = "<v xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='PQ' type='own'/>";
    let schema = parser("namespaces = { i = 'http://www.w3.org/2001/XMLSchema-instance' }");
    assert_eq!(texts(&schema.read(typed.as_bytes()).unwrap(), "/v/@i:type"), ["PQ"]);
    assert_eq!(refused(b"<a:b/>").what, "the prefix of an element is not declared");
    assert_eq!(refused(b"<b a:c='1'/>").what, "the prefix of an attribute is not declared");
}

#[test]
fn text_is_what_a_reader_sees() {
    let document = read(
        "<a><b>x &lt;&#65;&#x42;<![CDATA[ <c> ]]>y<!-- no -->z</b><p>one <i k='2'>two</i> three</p><q>\r\n</q><r xml:space='preserve'> </r></a>",
    );
    assert_eq!(texts(&document, "/a/b"), ["x <AB <c> yz"]);
    assert_eq!(texts(&document, "/a/p"), ["one two three"]);
    assert_eq!(texts(&document, "/a/p/i"), ["two"]);
    assert!(texts(&document, "/a/q").is_empty());
    assert_eq!(texts(&document, "/a/r"), [" "]);
    let places: Vec<String> = document.leaves().into_iter().map(|leaf| document.place(leaf)).collect();
    assert_eq!(places, ["/a/b", "/a/p", "/a/r"]); // mixed text is one value
    let nil = read("<a xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><b xsi:nil='true'/></a>");
    assert_eq!(nil.text(nodes(&nil, nil.root(), "/a/b")[0]), Some(Text::Null));
    assert_eq!(nil.leaves().len(), 1);
}

#[test]
fn what_is_not_well_formed_is_refused_with_its_place() {
    for (text, at, what) in [
        (
            "<a><b></a>",
            6,
            "expected the end of the element that begins at line 1 column 4, and another one is closed",
        ),
        ("<a>", 3, "the element that begins at line 1 column 1 is not closed"),
        ("<a/><b/>", 4, "a second root element"),
        ("<a/>x", 4, "expected an element, and text stands outside the root element"),
        ("", 0, "expected an element, and there is none"),
        ("<a b=1/>", 5, "expected the value of an attribute in quotes"),
        ("<a b='1'c='2'/>", 8, "expected a space before an attribute"),
        ("<a b='1' b='2'/>", 9, "an attribute stands twice in one tag"),
        ("<a b='<'/>", 6, "`<` stands in the value of an attribute"),
        ("<a>&nbsp;</a>", 3, "an entity other than lt, gt, amp, apos and quot: none is expanded"),
        ("<a>&#0;</a>", 3, "a reference to no character of XML"),
        ("<a>]]></a>", 3, "`]]>` stands in a text"),
        ("<a>\u{1}</a>", 3, "a character that XML cannot hold"),
        ("<1a/>", 0, "a tag without a proper name"),
        ("<a><!-- a -- b --></a>", 10, "`--` stands in a comment"),
        (" <?xml version='1.0'?><a/>", 1, "an XML declaration that is not at the beginning"),
        ("<a:b:c xmlns:a='u'/>", 0, "a tag without a proper name"),
        ("<a xmlns:p='u' xmlns:q='u' p:x='1' q:x='2'/>", 35, "an attribute stands twice in one tag"),
    ] {
        let error = refused(text.as_bytes());
        assert_eq!((error.at, error.what.as_str()), (at, what), "{text}");
    }
    assert_eq!(refused(b"<a>\n<b>\n</a>").place.as_deref(), Some("line 3 column 1"));
}

/// `<` in a result that a sender did not escape begins a tag, and its name is the patient's.
#[test]
fn no_name_of_the_message_is_told() {
    for text in [
        "<r><id>结果<陈思远440305></r>",
        "<r><id>结果<陈思远440305></id></r>",
        "<r><id>结果<陈思远440305>",
        "<r>结果</陈思远440305></r>",
        "</陈思远440305>",
        "<r><陈思远440305:x/></r>",
        "<r 陈思远440305:x='1'/>",
        "<r xmlns:陈思远440305=''/>",
        "<r 陈思远440305/>",
        "<r 陈思远440305='1' 陈思远440305='2'/>",
        "<r>&陈思远440305;</r>",
        "<r><?陈思远440305:x?></r>",
    ] {
        let told = refused(text.as_bytes()).to_string();
        assert!(!told.contains("440305") && !told.contains('陈'), "{told}");
        assert!(told.contains("line 1 column "), "{told}");
    }
}

#[test]
fn no_entity_is_expanded_and_no_bomb_goes_off() {
    let laughs = "<!DOCTYPE a [<!ENTITY b 'lol'>]><a>&b;</a>";
    assert!(refused(laughs.as_bytes()).what.starts_with("a DOCTYPE with declarations in it"));
    let outside = "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a>x</a>";
    assert_eq!(texts(&read(outside), "/a"), ["x"]); // named, never fetched
    let deep = "<a>".repeat(100_000);
    assert!(refused(deep.as_bytes()).what.contains("deeper than 128"));
    let attributes: String = (0..300).map(|at| format!(" a{at}='1'")).collect();
    assert!(refused(format!("<a{attributes}/>").as_bytes()).what.contains("256 attributes"));
    let spaces: String = (0..10).map(|at| format!(" xmlns:n{at}='u{at}'")).collect();
    let many = format!("<a{spaces}>").repeat(60);
    assert!(refused(many.as_bytes()).what.contains("256 namespaces"));
}

#[test]
fn the_encoding_is_that_of_the_mark_or_of_the_declaration() {
    let text = |name: &str| format!("<?xml version=\"1.0\" encoding=\"{name}\"?><a>张三丂</a>");
    let in_gb = |name: &str| encoding_rs::GB18030.encode(&text(name)).0.into_owned();
    for name in ["GB18030", "gbk", "GB2312", "GB18030-2022"] {
        assert_eq!(texts(&parser("").read(&in_gb(name)).unwrap(), "/a"), ["张三丂"], "{name}");
    }
    let units = |text: &str, big: bool| -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    };
    for big in [true, false] {
        let bytes = units(&format!("\u{FEFF}{}", text("UTF-16")), big);
        assert_eq!(texts(&parser("").read(&bytes).unwrap(), "/a"), ["张三丂"]);
        assert_eq!(texts(&parser("").read(&units("<a>张</a>", big)).unwrap(), "/a"), ["张"]);
    }
    assert_eq!(texts(&parser("").read("\u{FEFF}<a>张</a>".as_bytes()).unwrap(), "/a"), ["张"]);
    let channel = XmlParser::new(&Settings::new(), Some("GBK")).unwrap();
    assert_eq!(texts(&channel.read(&encoding_rs::GBK.encode("<a>张</a>").0).unwrap(), "/a"), ["张"]);
    assert_eq!(texts(&channel.read(text("UTF-8").as_bytes()).unwrap(), "/a"), ["张三丂"]); // what it declares counts
}

#[test]
fn an_encoding_that_is_declared_and_wrong_is_an_error_with_its_byte() {
    let error = refused(b"<?xml version='1.0' encoding='UTF-8'?><a>\xD5\xC5</a>");
    assert_eq!((error.at, error.what.as_str()), (41, "not UTF-8 (declared by the message)"));
    let error = refused(b"<?xml version='1.0' encoding='GBK'?><a>\xD5</a>");
    assert_eq!((error.at, error.what.as_str()), (39, "not GBK (declared by the message)"));
    assert_eq!(refused(b"<?xml version='1.0' encoding='klingon'?><a/>").at, 30);
    assert_eq!(
        refused(b"<?xml version='1.0' encoding='utf-16'?><a/>").what,
        "declares UTF-16, which the message is not in"
    );
    assert!(refused(b"\xEF\xBB\xBF<?xml version='1.0' encoding='GBK'?><a/>").what.contains("mark of UTF-8"));
    assert!(refused("<a>\u{FFFD}</a>".as_bytes()).what.contains("U+FFFD"));
}

const HIP: &str = "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><HIPMessageServer><action>PatientInfoRegister</action>\
     <message>MESSAGE</message></HIPMessageServer></soap:Body></soap:Envelope>";
const INNER: &str = "<?xml version=\"1.0\" encoding=\"GBK\"?>\n<PRPA_IN201311UV02 xmlns=\"urn:hl7-org:v3\"><id extension=\"7\"/>\
     <item><n>1</n></item> <item><n>2&amp;</n></item></PRPA_IN201311UV02>";

fn hip(inner: &str) -> String {
    HIP.replace("MESSAGE", inner)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[test]
fn a_path_goes_on_into_a_document_inside_a_text_or_cdata() {
    let nested = parser("nested = ['/Envelope/Body/HIPMessageServer/message']");
    for inner in [escaped(INNER), format!("<![CDATA[{INNER}]]>"), format!("\n  <![CDATA[{INNER}]]>\n")] {
        let document = nested.read(hip(&inner).as_bytes()).unwrap();
        let path = "/Envelope/Body/HIPMessageServer/message/PRPA_IN201311UV02/item/n";
        assert_eq!(texts(&document, path), ["1", "2&"]);
        let id = nodes(
            &document,
            document.root(),
            "/Envelope/Body/HIPMessageServer/message/PRPA_IN201311UV02/id/@extension",
        );
        assert_eq!(
            document.place(id[0]),
            "/Envelope/Body/HIPMessageServer/message/PRPA_IN201311UV02/id/@extension"
        );
        let by =
            Split::At(Path::parse("/Envelope/Body/HIPMessageServer/message/PRPA_IN201311UV02/item").unwrap());
        let pieces = nested.split(&Bytes::from(hip(&inner)), &by).unwrap();
        assert_eq!(pieces.len(), 2);
        for (piece, value) in pieces.iter().zip(["1", "2&"]) {
            assert_eq!(texts(&nested.read(&piece.bytes).unwrap(), path), [value]);
        }
    }
    assert!(nested.read(hip("").as_bytes()).is_ok());
    let error = nested.read(hip(&escaped("<a>\n<b></a>")).as_bytes()).unwrap_err();
    assert_eq!(
        error.place.as_deref(),
        Some("/Envelope/Body/HIPMessageServer/message, line 2 column 4 of the document in it")
    );
    let undeclared = nested.read(hip(&escaped("<soap:x/>")).as_bytes()).unwrap_err();
    assert_eq!(undeclared.what, "the prefix of an element is not declared"); // the prefixes around it do not reach into it
    for wrong in
        ["nested = ['/a[x=1]']", "nested = ['']", "nested = 3", "nest = []", "namespaces = { 'a b' = 'u' }"]
    {
        assert!(XmlParser::new(&layout(wrong), None).is_err(), "{wrong}");
    }
}

#[test]
fn a_piece_of_a_split_is_the_whole_as_it_was_written_with_one_of_several() {
    let by = Split::At(Path::parse("/Request/Body/Items/Item").unwrap());
    let pieces = parser("").split(&Bytes::from(REQUEST), &by).unwrap();
    assert_eq!(pieces.len(), 2);
    let second = std::str::from_utf8(&pieces[1].bytes).unwrap();
    assert!(
        second.contains("<Items>\n      <Item code=\"B\"><Qty>2.50</Qty></Item>\n    </Items>"),
        "{second}"
    );
    assert!(second.contains("张三") && !second.contains("\"A\""));
    let two_rows = "<a><r><i>1</i></r><x/><r><i>2</i> <i>3</i></r></a>";
    let pieces =
        parser("").split(&Bytes::from(two_rows), &Split::At(Path::parse("/a/r/i").unwrap())).unwrap();
    let written: Vec<_> = pieces.iter().map(|piece| std::str::from_utf8(&piece.bytes).unwrap()).collect();
    assert_eq!(
        written,
        [
            "<a><r><i>1</i></r><x/><r></r></a>",
            "<a><r></r><x/><r><i>2</i></r></a>",
            "<a><r></r><x/><r><i>3</i></r></a>"
        ]
    );
    assert_eq!(parser("").split(&Bytes::from(two_rows), &Split::Messages).unwrap().len(), 1);
    let attributes = Split::At(Path::parse("/Request/Body/Items/Item/@code").unwrap());
    assert!(parser("").split(&Bytes::from(REQUEST), &attributes).is_err());
    let gbk = encoding_rs::GBK
        .encode("<?xml version='1.0' encoding='GBK'?><a><i>张</i><i>李</i></a>")
        .0
        .into_owned();
    let pieces = parser("").split(&Bytes::from(gbk), &Split::At(Path::parse("/a/i").unwrap())).unwrap();
    assert_eq!(texts(&parser("").read(&pieces[1].bytes).unwrap(), "/a/i"), ["李"]);
}

#[test]
fn a_tree_is_written_as_xml() {
    let request = r#"{"Request":{"@id":"1 & \"2\"","Head":{"Time":"20261120"},"Item":[{"Code":"A<B>"},{"Code":null}],"Ok":true,"Qty":1.50}}"#;
    assert_eq!(
        write("declaration = false", request),
        "<Request id=\"1 &amp; &quot;2&quot;\"><Head><Time>20261120</Time></Head><Item><Code>A&lt;B&gt;</Code></Item><Item><Code/></Item><Ok>true</Ok><Qty>1.50</Qty></Request>"
    );
    let envelope = r##"{"soap:Envelope":{"soap:Body":{"message":{"#document":{"a":{"b":"x&y"}}},"cdata":{"#cdata":"a]]>b"},"both":{"@k":"v","#text":"t"},"doc":{"#cdata":{"c":null}}}}}"##;
    assert_eq!(
        write(
            "declaration = false\nnamespaces = { soap = 'http://schemas.xmlsoap.org/soap/envelope/' }",
            envelope
        ),
        "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><message>&lt;a&gt;&lt;b&gt;x&amp;amp;y&lt;/b&gt;&lt;/a&gt;</message>\
         <cdata><![CDATA[a]]]]><![CDATA[>b]]></cdata><both k=\"v\">t</both><doc><![CDATA[<c/>]]></doc></soap:Body></soap:Envelope>"
    );
    assert_eq!(
        write("pretty = true", r##"{"a":{"b":[{"c":"1"},"2"],"d":{"#text":"x","e":null}}}"##),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n  <b>\n    <c>1</c>\n  </b>\n  <b>2</b>\n  <d>x<e/></d>\n</a>\n"
    );
    let gb = XmlWriter::new(&layout("encoding = 'GB18030'")).unwrap();
    let bytes = gb.write(&object(r#"{"名":"张三"}"#)).unwrap();
    assert_eq!(texts(&parser("").read(&bytes).unwrap(), "/名"), ["张三"]);
    assert_eq!(gb.content_type(), "application/xml; charset=gb18030");
    let latin = XmlWriter::new(&layout("encoding = 'ISO-8859-1'"))
        .unwrap()
        .write(&object(r##"{"a":{"@b":"张","#text":"é三"}}"##))
        .unwrap();
    assert_eq!(texts(&parser("").read(&latin).unwrap(), "/a"), ["é三"]);
}

#[test]
fn what_xml_cannot_hold_is_not_written_and_the_place_is_told() {
    let writer = XmlWriter::new(&Settings::new()).unwrap();
    for (json, place, what) in [
        ("{}", "/", "expected one member: the root element"),
        (r#"{"a":1,"b":2}"#, "/", "expected one member: the root element"),
        (r#"{"a":[1,2]}"#, "/", "expected one root element, and it is an array"),
        (r#"{"a":{"b c":1}}"#, "/a/b c", "not a name that an element can have"),
        (r#"{"a":{"b":["x",{"@1":"y"}]}}"#, "/a/b[2]/@1", "not a name that an attribute can have"),
        (r#"{"a":{"b":["x","\u0001"]}}"#, "/a/b[2]", "a character that XML cannot hold"),
        (r#"{"a":{"@b":{"c":1}}}"#, "/a/@b", "expected a text: an attribute has no parts"),
        (r##"{"a":{"#x":1}}"##, "/a/#x", "expected `#text`, `#cdata` or `#document`"),
        (
            r#"{"a":{"x:b":1}}"#,
            "/a/x:b",
            "the prefix `x` is declared nowhere: name it in the layout's `namespaces`",
        ),
        (r#"{"a":{"b":[[1]]}}"#, "/a/b", "an array in an array"),
    ] {
        let error = writer.write(&object(json)).unwrap_err();
        assert_eq!((error.place.as_str(), error.what.as_str()), (place, what), "{json}");
    }
    assert!(XmlWriter::new(&layout("encoding = 'UTF-16'")).is_err());
    assert!(XmlWriter::new(&layout("encoding = 'GBK'\ndeclaration = false")).is_err());
}

#[test]
fn what_was_read_is_written_again() {
    for text in
        [REQUEST, &hip(&escaped(INNER)), "<a x:k=\"1\" xmlns:x=\"u\"><b> </b><x:b>&#13;\n\t</x:b></a>"]
    {
        let nested = parser("nested = ['/Envelope/Body/HIPMessageServer/message']");
        let message = nested.read(text.as_bytes()).unwrap().message();
        let written = XmlWriter::new(&Settings::new()).unwrap().write(&message).unwrap();
        assert_eq!(nested.read(&written).unwrap().message(), message, "{text}");
    }
}

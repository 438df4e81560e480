//! What files of records say when they are read, what is refused, and how they are written and split.
#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use hub_core::document::{Document, Parser, Split, Writer};
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_fhir::Object;
use hub_formats::csv::{CsvDocument, CsvParser, CsvWriter};

fn layout(text: &str) -> Settings {
    text.parse().unwrap()
}

fn parser(text: &str) -> CsvParser {
    CsvParser::new(&layout(text), None).unwrap()
}

fn fixture(name: &str) -> (Settings, Bytes) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/formats/csv");
    let suffix = if name == "wechat-bill" { "csv" } else { "txt" };
    let bytes = std::fs::read(folder.join(format!("{name}.{suffix}"))).unwrap();
    (layout(&std::fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap()), Bytes::from(bytes))
}

fn texts(document: &dyn Document, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    document.select(document.root(), &Path::parse(path).unwrap(), &mut found);
    found.iter().filter_map(|node| Some(document.text(*node)?.value()?.into_owned())).collect()
}

fn rows(layout: &str, text: &str, path: &str) -> Vec<String> {
    texts(&parser(layout).read(text.as_bytes()).unwrap(), path)
}

fn object(json: &str) -> Object {
    hub_fhir::json::parse(json).unwrap().as_object().unwrap().clone()
}

#[test]
fn the_bill_of_wechat_is_read() {
    let (layout, bytes) = fixture("wechat-bill");
    let document = CsvParser::new(&layout, None).unwrap().read(&bytes).unwrap();
    assert_eq!(texts(&document, "row.交易状态"), ["SUCCESS", "SUCCESS", "REFUND"]);
    assert_eq!(texts(&document, "row(3).商品名称"), ["挂号费,国际医疗部"]); // a comma within a field
    assert_eq!(texts(&document, "row[交易状态=REFUND].退款金额"), ["500.00"]);
    assert_eq!(texts(&document, "trailer.手续费总金额"), ["7.73"]);
    let mut second = Vec::new();
    document.select(document.root(), &Path::parse("row(2).订单金额").unwrap(), &mut second);
    assert_eq!(document.place(second[0]), "row[2].订单金额");
    assert!(texts(&document, "row(2).设备号").is_empty()); // an empty field has no value
}

#[test]
fn the_bill_of_unionpay_is_cut_by_the_bytes_of_its_charset() {
    let (layout, bytes) = fixture("unionpay-bill");
    let document = CsvParser::new(&layout, None).unwrap().read(&bytes).unwrap();
    assert_eq!(texts(&document, "row.二级商户简称"), ["惠通国际医疗部", "惠通国际医疗部"]);
    assert_eq!(texts(&document, "row.清算净额"), ["C000000049700", "D000000012800"]);
    assert_eq!(texts(&document, "row(1).商户自定义域"), ["挂号费 V20261121003"]);
    let cut = "columns = ['a', 'b']\nwidths = [2, 2]\ncharset = 'GBK'\nwidth_unit = 'bytes'";
    let across = encoding_rs::GBK.encode("x张y").0.into_owned();
    let error = parser(cut).read(&across).unwrap_err();
    assert_eq!(error.what, "a character stands across the end of a field");
    assert_eq!(rows("columns = ['a', 'b']\nwidths = [2, 2]", "x张y \n", "row.a"), ["x张"]);
}

#[test]
fn the_file_of_his_and_bank_has_a_header_and_a_trailer() {
    let (layout, bytes) = fixture("his-bank");
    let document = CsvParser::new(&layout, None).unwrap().read(&bytes).unwrap();
    assert_eq!(texts(&document, "header.businessDate"), ["20261121"]);
    assert_eq!(texts(&document, "row.amount"), ["500.00", "1288.50", "500.00"]);
    assert_eq!(texts(&document, "trailer.netAmount"), ["1288.50"]);
    let rows = texts_of_rows(&document, "header.businessDate");
    assert_eq!(rows, ["20261121"; 3]); // seen from a row, the header's
    assert_eq!(texts_of_rows(&document, "row.lineNo"), ["1", "2", "3"]); // its own
    let text = String::from_utf8(bytes.to_vec()).unwrap().replace("T|2", "D|2");
    let error = CsvParser::new(&layout, None).unwrap().read(text.as_bytes()).unwrap_err();
    assert_eq!(
        (error.place.as_deref(), error.what.as_str()),
        (Some("line 5, trailer"), "expected a record that begins with `T`")
    );
}

fn texts_of_rows(document: &CsvDocument, path: &str) -> Vec<String> {
    let mut rows = Vec::new();
    document.select(document.root(), &Path::parse("row").unwrap(), &mut rows);
    let first = |row| {
        let mut found = Vec::new();
        document.select(row, &Path::parse(path).unwrap(), &mut found);
        document.text(found[0]).unwrap().value().unwrap().into_owned()
    };
    rows.into_iter().map(first).collect()
}

#[test]
fn quotes_comments_blank_lines_and_long_delimiters_are_read() {
    let (layout, bytes) = fixture("batch-count");
    let document = CsvParser::new(&layout, None).unwrap().read(&bytes).unwrap();
    assert_eq!(texts(&document, "row.remark"), ["ok", "two\r\nlines, \"quoted\""]);
    assert_eq!(texts(&document, "row.amount"), ["12.50", "7"]);
    for text in [
        "a,b\n1,2\n",
        "a,b\r\n1,2\r\n\r\n\r\n",
        "\u{FEFF}a,b\n\n1,2",
        "a,b\r\n1,2\r\n\u{1A}",
        "a,\"b\"\n\"1\",2",
    ] {
        assert_eq!(rows("", text, "row.b"), ["2"], "{text:?}");
    }
    assert_eq!(rows("trim = true", "a , b\n 1, 2 \n", "row.b"), ["2"]);
    assert_eq!(rows("", "a\n 1 \n", "row.a"), [" 1 "]);
    assert_eq!(rows("skip_lines = 2\ndelimiter = '\t'", "title\n\"\na\tb\n1\t2\n", "row.b"), ["2"]);
    assert_eq!(rows("columns = ['订单-编号', 'ICD-10']", "1,2\n", "row/ICD-10"), ["2"]);
}

#[test]
fn a_heading_calls_columns_what_no_path_can_and_their_order_does_not_matter() {
    const LAYOUT: &str = "columns = ['person', 'item']\nheading = ['patient number', '检验项目']";
    for text in ["patient number,检验项目\nP1,K\n", "检验项目,extra,patient number\nK,x,P1\n"] {
        assert_eq!(rows(LAYOUT, text, "row.person"), ["P1"]);
        assert_eq!(rows(LAYOUT, text, "row.item"), ["K"]);
        let pieces = parser(LAYOUT).split(&Bytes::from(text), &Split::Messages).unwrap();
        assert_eq!(texts(&parser(LAYOUT).read(&pieces[0].bytes).unwrap(), "row.person"), ["P1"]);
    }
    let said = |text: &str| parser(LAYOUT).read(text.as_bytes()).unwrap_err().to_string();
    assert!(said("patient number,item\nP1,K\n").contains("no column is called `检验项目`"));
    assert!(said("patient number,检验项目,item\nP1,K,x\n").contains("is called `item`, as one of `columns`"));
    let written = CsvWriter::new(&layout(LAYOUT)).unwrap();
    let bytes = written.write(&object(r#"{"rows":[{"item":"K","person":"P1"}]}"#)).unwrap();
    assert_eq!(&bytes[..], "patient number,检验项目\nP1,K\n".as_bytes());
}

#[test]
fn what_does_not_fit_is_refused_with_its_line() {
    for (keys, text, at, place, what) in [
        ("", "a,b\n1\n", 4, "line 2, row[1]", "1 fields, and expected 2"),
        ("", "a,b\n1,2,3\n", 4, "line 2, row[1]", "3 fields, and expected 2"),
        ("ragged = 'pad'", "a,b\n1,2,3\n", 4, "line 2, row[1]", "3 fields, and expected 2"),
        ("", "a,b\n\"1\n,2\n", 4, "line 2", "a field in quotes is not closed"),
        (
            "",
            "a,b\n\"1\n\"x,2\n",
            8,
            "line 3",
            "expected the delimiter or the end of the line after a field in quotes",
        ),
        ("", "a,a\n", 2, "line 1", "the name of a column stands twice"),
        ("", "a,\n", 2, "line 1", "the name of a column is empty"),
        ("", "", 0, "line 1", "expected a record with the names of the columns, and the file ends"),
        ("trailer = ['n']\ncolumns = ['a']", "", 0, "line 1", "expected a trailer, and the file ends"),
        (
            "columns = ['a']\ntrailer = ['n']\ncount = 'trailer.n'",
            "x\ny\n3\n",
            4,
            "line 3, trailer.n",
            "says that there are 3 rows, and there are 2",
        ),
        (
            "columns = ['a']\ntrailer = ['n']\ncount = 'trailer.n'",
            "x\ny\nz\n",
            4,
            "line 3, trailer.n",
            "expected the number of rows",
        ),
        (
            "columns = ['a', 'b']\nwidths = [2, 2]",
            "1234\n123\n",
            7,
            "line 2",
            "the record is shorter than its fields together",
        ),
        (
            "columns = ['a', 'b']\nwidths = [2, 2]",
            "12345\n",
            4,
            "line 1",
            "the record is longer than its fields together",
        ),
        (
            "columns = ['a', 'b']\nwidths = [2, 2]\ndelimiter = ' '",
            "12345\n",
            2,
            "line 1",
            "expected the delimiter between two fields of fixed width",
        ),
    ] {
        let error = parser(keys).read(text.as_bytes()).unwrap_err();
        assert_eq!(
            (error.at, error.place.as_deref(), error.what.as_str()),
            (at, Some(place), what),
            "{keys} {text:?}"
        );
    }
    assert_eq!(rows("ragged = 'pad'", "a,b,\n1,2,\n3\n", "row.a"), ["1", "3"]);
    assert_eq!(rows("ragged = 'cut'", "a,b\n1,2,3\n", "row.b"), ["2"]);
    assert_eq!(rows("columns = ['a', 'b']\nwidths = [2, 2]\nragged = 'pad'", "1\n", "row.a"), ["1"]);
    let error = parser("").read(b"a\n\xD5\xC5\n").unwrap_err();
    assert_eq!((error.at, error.place.as_deref()), (2, Some("line 2")));
    let gbk = parser("charset = 'GBK'")
        .read(&[&b"a\n"[..], &encoding_rs::GBK.encode("张,李").0].concat())
        .unwrap_err();
    assert_eq!(gbk.at, 2);
}

/// A file without the names of its columns has a patient in their place.
#[test]
fn no_name_of_the_message_is_told() {
    for (keys, text) in [
        ("", "陈思远440305,陈思远440305\n1,2\n"),
        ("", "陈思远440305,\n1,2\n"),
        ("", "陈思远440305\n1,2\n"),
        ("heading = ['name']\ncolumns = ['who']", "陈思远440305,id\n1,2\n"),
        ("heading = ['name']\ncolumns = ['who']", "陈思远440305,name,who\n1,2,3\n"),
        ("columns = ['a']\nheader = 'named'\ncount = 'header.n'", "陈思远440305,x\n1,2\n3\n"),
    ] {
        let told = parser(keys).read(text.as_bytes()).unwrap_err().to_string();
        assert!(!told.contains("440305") && !told.contains('陈'), "{told}");
    }
}

#[test]
fn a_layout_that_makes_no_sense_is_refused_with_the_reason() {
    for (keys, what) in [
        ("delimeter = ';'", "the layout of the format `csv`: unknown field `delimeter`"),
        ("delimiter = ''", "`delimiter`: expected one or more characters, and no line end"),
        ("quote = '\"\"'", "`quote`: expected one character"),
        ("delimiter = '\"'", "`quote`: stands in the `delimiter` too"),
        ("strip = '`'\nquote = '\"'", "`strip`: fields that all begin with a character are not quoted"),
        ("columns = ['a', 'a']", "`columns`: the name `a` stands twice"),
        ("columns = ['a', ' ']", "`columns`: a name is empty"),
        ("heading = ['x']", "`heading`: 1 names for 0 columns"),
        ("columns = ['a', 'b']\nheading = ['x', 'x']", "`heading`: the name `x` stands twice"),
        ("columns = ['a']\nheading = [' x']", "`heading`: expected names without blanks around them"),
        ("columns = ['a']\nheading = ['x']\nwidths = [1]", "`heading`: a file of fixed width has no record"),
        ("columns = ['a']\nwidths = [1, 2]", "`widths`: 2 widths for 1 columns"),
        ("columns = ['a']\nwidths = [0]", "`widths`: expected numbers from 1"),
        ("columns = ['a']\nwidths = [1]\nquote = '\"'", "`quote`: fields of fixed width have none"),
        ("columns = ['a']\nwidths = [1]\nheader = ['x', 'y']", "`header_widths`: 0 widths for 2 names"),
        (
            "columns = ['a']\nwidths = [1]\ntrailer = 'named'",
            "`trailer`: in a file of fixed width expected a list of names",
        ),
        ("columns = ['a']\nwidths = [1]\nzero_filled = ['b']", "`zero_filled`: there is no column `b`"),
        ("width_unit = 'bytes'", "`width_unit`: only a file of fixed width has it"),
        (
            "width_unit = 'inches'",
            "the layout of the format `csv`: unknown variant `inches`, expected `chars` or `bytes`",
        ),
        ("header = 'yes'", "expected a list of names, or \"named\""),
        ("header = []", "`header`: expected the names of its fields"),
        ("count = 'rows'", "`count`: expected the field that holds the number of rows"),
        ("count = 'trailer.n'", "`count`: the layout has no `trailer`"),
        ("trailer = ['n']\ncount = 'trailer.m'", "`count`: `trailer` has no field `m`"),
        ("marks = { header = 'H' }", "`marks.header`: the layout has no such record"),
        ("line_end = 'CRLF'", "`line_end`: expected \"\\n\" or \"\\r\\n\""),
        ("comment = ''", "`comment`: expected what a comment begins with"),
        ("charset = 'GBK'\nbom = true", "`bom`: only a file in UTF-8 has a byte order mark"),
        ("charset = 'klingon'", "there is no charset `klingon`"),
        ("ragged = 'maybe'", "unknown variant `maybe`, expected one of `refuse`, `pad`, `cut`"),
    ] {
        let error = CsvParser::new(&layout(keys), None).unwrap_err().to_string();
        assert!(error.contains(what), "{keys}: {error}");
    }
    assert!(CsvWriter::new(&layout("skip_lines = 1")).is_err());
}

#[test]
fn a_row_is_a_file_by_itself() {
    for name in ["wechat-bill", "unionpay-bill", "his-bank", "batch-count"] {
        let (layout, bytes) = fixture(name);
        let parser = CsvParser::new(&layout, None).unwrap();
        let whole = parser.read(&bytes).unwrap().message();
        let pieces = parser.split(&bytes, &Split::Messages).unwrap();
        let all = whole.get("rows").unwrap().as_array().unwrap();
        assert_eq!(pieces.len(), all.len(), "{name}");
        for (piece, row) in pieces.iter().zip(all) {
            let message = parser.read(&piece.bytes).unwrap().message();
            assert_eq!(message.get("rows").unwrap().as_array().unwrap(), std::slice::from_ref(row), "{name}");
            for side in ["header", "trailer"] {
                let (whole, piece) = (whole.get(side), message.get(side));
                let differing = whole.zip(piece).map_or(0, |(whole, piece)| {
                    let pairs = whole.as_object().unwrap().iter().zip(piece.as_object().unwrap().iter());
                    pairs.filter(|(whole, piece)| whole != piece).count()
                });
                assert!(
                    whole.is_some() == piece.is_some() && differing <= 1,
                    "{name}: only the number of rows differs"
                );
            }
        }
    }
    let counted = parser(
        "columns = ['a']\nwidths = [3]\nheader = ['h', 'n']\nheader_widths = [2, 4]\ncount = 'header.n'",
    );
    for (text, first) in [
        ("H 0002\nx  \ny  \n", "H 0001\nx  \n"),
        ("H    2\nx  \ny  \n", "H    1\nx  \n"),
        ("H 2   \nx  \ny  \n", "H 1   \nx  \n"),
    ] {
        let pieces = counted.split(&Bytes::from(text), &Split::At(Path::parse("row").unwrap())).unwrap();
        assert_eq!((pieces.len(), &pieces[0].bytes[..]), (2, first.as_bytes()));
        assert!(counted.read(&pieces[1].bytes).is_ok());
    }
    assert!(counted.split(&Bytes::from("H 0000\n"), &Split::At(Path::parse("row.a").unwrap())).is_err());
    assert_eq!(counted.split(&Bytes::from("H 0000\n"), &Split::Messages).unwrap().len(), 1);
}

#[test]
fn what_was_read_is_written_again_to_the_byte() {
    for name in ["wechat-bill", "unionpay-bill", "his-bank"] {
        let (layout, bytes) = fixture(name);
        let document = CsvParser::new(&layout, None).unwrap().read(&bytes).unwrap();
        let written = CsvWriter::new(&layout).unwrap().write(&document.message()).unwrap();
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&bytes), "{name}");
        assert_eq!(written, bytes, "{name}");
    }
    let (layout, bytes) = fixture("batch-count");
    let document = CsvParser::new(&layout, None).unwrap().read(&bytes).unwrap();
    let written = CsvWriter::new(&layout).unwrap().write(&document.message()).unwrap();
    assert_eq!(CsvParser::new(&layout, None).unwrap().read(&written).unwrap().message(), document.message());
}

#[test]
fn the_number_of_rows_and_the_marks_are_filled_in() {
    let keys = "delimiter = '|'\nheader = ['k', 'date']\ncolumns = ['k', 'amount']\ntrailer = ['k', 'n']\nmarks = { header = 'H', row = 'D', trailer = 'T' }\ncount = 'trailer.n'";
    let writer = CsvWriter::new(&layout(keys)).unwrap();
    let message = r#"{"header":{"date":"20261120"},"rows":[{"amount":1.50},{"amount":"a|b"}]}"#;
    assert_eq!(writer.write(&object(message)).unwrap(), "H|20261120\nD|1.50\nD|\"a|b\"\nT|2\n");
    assert_eq!(writer.content_type(), "text/csv; charset=UTF-8");
    let plain = CsvWriter::new(&Settings::new()).unwrap();
    assert_eq!(
        plain.write(&object(r#"{"rows":[{"a":"1"},{"b":null,"a":true}]}"#)).unwrap(),
        "a,b\n1,\ntrue,\n"
    );
    let single = CsvWriter::new(&layout("columns = ['a']")).unwrap();
    assert_eq!(single.write(&object(r#"{"rows":[{"a":""}]}"#)).unwrap(), "\"\"\n"); // a blank line is no record
}

#[test]
fn what_a_file_cannot_hold_is_not_written_and_the_place_is_told() {
    for (keys, json, place, what) in [
        ("", r#"{"row":[]}"#, "row", "expected `header`, `rows` or `trailer`"),
        ("", r#"{"rows":[]}"#, "rows", "there is no row that says what columns there are"),
        (
            "columns = ['a']",
            r#"{"rows":[{"a":"1"},{"b":"2"}]}"#,
            "rows[2].b",
            "the layout has no such column",
        ),
        ("columns = ['a']", r#"{"rows":[{"a":{}}]}"#, "rows[1].a", "expected a text"),
        ("columns = ['a']", r#"{"header":{},"rows":[]}"#, "header", "the layout has no such record"),
        ("columns = ['a']\nquote = ''", r#"{"rows":[{"a":"x,y"}]}"#, "rows[1].a", "holds the delimiter"),
        (
            "columns = ['a']\nquote = ''\ndelimiter = '|+|'",
            r#"{"rows":[{"a":"x|+"}]}"#,
            "rows[1].a",
            "holds the delimiter",
        ),
        (
            "columns = ['a']\nwidths = [2]",
            r#"{"rows":[{"a":"abc"}]}"#,
            "rows[1].a",
            "3 wide, and the field is 2",
        ),
        (
            "columns = ['a']\nwidths = [3]\nwidth_unit = 'bytes'\ncharset = 'GBK'",
            r#"{"rows":[{"a":"张三"}]}"#,
            "rows[1].a",
            "4 wide, and the field is 3",
        ),
        (
            "columns = ['a']\ncharset = 'GBK'",
            r#"{"rows":[{"a":"😀"}]}"#,
            "rows[1].a",
            "a character (U+1F600) that GBK does not have",
        ),
        (
            "columns = ['a']\ntrailer = ['n']\ncount = 'trailer.n'",
            r#"{"rows":[],"trailer":{"n":"7"}}"#,
            "trailer.n",
            "must be `0` or left out",
        ),
    ] {
        let error = CsvWriter::new(&layout(keys)).unwrap().write(&object(json)).unwrap_err();
        assert_eq!(error.place, place, "{json}: {error}");
        assert!(error.what.starts_with(what), "{json}: {error}");
    }
}

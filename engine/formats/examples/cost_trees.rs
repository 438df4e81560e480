//! What reading and writing XML, JSON, files of records and FHIR costs: `cargo run --release -p hub-formats --example cost_trees`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints a table of its own samples"
)]

use std::hint::black_box;
use std::path::Path as FilePath;
use std::time::Instant;

use bytes::Bytes;
use hub_core::document::Split;
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_fhir::Object;
use hub_formats::csv::CsvParser;
use hub_formats::fhir::FhirParser;
use hub_formats::json::JsonParser;
use hub_formats::xml::XmlParser;

/// The median of eleven rounds, in nanoseconds.
fn nanoseconds(mut work: impl FnMut()) -> u128 {
    let begin = Instant::now();
    work();
    let times = (10_000_000 / begin.elapsed().as_nanos().max(1)).clamp(1, 5000);
    let mut rounds: Vec<u128> = (0..11)
        .map(|_| {
            let begin = Instant::now();
            (0..times).for_each(|_| work());
            begin.elapsed().as_nanos() / times
        })
        .collect();
    rounds.sort_unstable();
    rounds[5]
}

fn report(name: &str, what: &str, bytes: usize, cost: u128) {
    let rate = bytes as f64 * 1e3 / cost as f64;
    println!("{name:34} {bytes:9} bytes  {what:18} {cost:11} ns {rate:7.0} MB/s");
}

/// Reads, looks, splits and writes.
fn measure(
    name: &str,
    format: &str,
    layout: &Settings,
    bytes: &Bytes,
    (path, at): (&str, &Split),
    message: &dyn Fn() -> Object,
) {
    let parser = hub_formats::parser(format, None, layout).unwrap();
    report(name, "parse", bytes.len(), nanoseconds(|| _ = black_box(parser.parse(black_box(bytes)).is_ok())));
    let document = parser.parse(bytes).unwrap();
    let path = Path::parse(path).unwrap();
    let mut found = Vec::new();
    let look = nanoseconds(|| {
        found.clear();
        document.select(document.root(), &path, &mut found);
        found.iter().for_each(|node| _ = black_box(document.text(*node)));
    });
    assert!(!found.is_empty(), "{name}: {path} finds something");
    println!("{name:34} {:9} nodes  {:18} {look:11} ns", found.len(), "select and read");
    let pieces = parser.split(bytes, at).unwrap().len();
    let split = nanoseconds(|| _ = black_box(parser.split(black_box(bytes), at).is_ok()));
    report(name, &format!("split in {pieces}"), bytes.len(), split);
    let mut layout = layout.clone();
    layout.remove("nested");
    layout.remove("namespaces");
    let writer = hub_formats::writer(format, &layout).unwrap();
    let message = message();
    let written = writer.write(&message).unwrap().len();
    report(name, "write", written, nanoseconds(|| _ = black_box(writer.write(black_box(&message)).is_ok())));
}

/// A file of many rows, made of one of few.
fn many_rows(text: &[u8], head: usize, tail: usize, times: usize) -> Bytes {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let rows = lines[head..lines.len() - tail].concat();
    Bytes::from([lines[..head].concat(), rows.repeat(times), lines[lines.len() - tail..].concat()].concat())
}

fn main() {
    let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/formats");
    let read = |name: &str| Bytes::from(std::fs::read(folder.join(name)).unwrap());
    let layout =
        |name: &str| std::fs::read_to_string(folder.join(name)).unwrap().parse::<Settings>().unwrap();
    let at = |path: &str| Split::At(Path::parse(path).unwrap());
    let none = Settings::new();

    let xml = |name: &str, layout: &Settings, file: &str, path: &str, split: &str| {
        let bytes = read(file);
        let message = || XmlParser::new(layout, None).unwrap().read(&bytes).unwrap().message();
        measure(name, "xml", layout, &bytes, (path, &at(split)), &message);
    };
    xml(
        "XML: a request in GB18030",
        &none,
        "xml/his-request.gb18030.xml",
        "/Request/Body/Items/Item/DrugCode",
        "/Request/Body/Items/Item",
    );
    let nested = layout("xml/hip-message.toml");
    let inner = "/Envelope/Body/HIPMessageServer/message/PRPA_IN201311UV02/id/@extension";
    xml("XML: a document in CDATA", &nested, "xml/hip-message.xml", inner, "/Envelope/Body");
    let entry = "/ClinicalDocument/component/structuredBody/component/section/entry";
    xml("XML: WS/T 500", &none, "xml/wst500-outpatient.xml", &format!("{entry}/observation/value"), entry);

    let json = |name: &str, layout: &Settings, file: &str, path: &str, split: &str| {
        let bytes = read(file);
        let message = || JsonParser::new(layout).unwrap().read(&bytes).unwrap().message();
        measure(name, "json", layout, &bytes, (path, &at(split)), &message);
    };
    json("JSON: a prescription", &none, "json/prescription.json", "Items.DrugCode", "Items");
    let nested: Settings = "nested = ['biz_content']".parse().unwrap();
    json(
        "JSON: JSON text in a string",
        &nested,
        "json/biz-content.json",
        "biz_content.items.fee",
        "biz_content.items",
    );

    for (name, head, tail, times, path) in [
        ("his-bank.txt", 1, 1, 4000, "row.amount"),
        ("wechat-bill.csv", 1, 2, 1000, "row.订单金额"),
        ("unionpay-bill.txt", 0, 0, 500, "row.清算净额"),
    ] {
        let stem = name.split('.').next().unwrap_or(name);
        let mut layout = layout(&format!("csv/{stem}.toml"));
        for (size, times) in [("", 1), (", many rows", times)] {
            if times > 1 {
                layout.remove("count");
            }
            let bytes = many_rows(&read(&format!("csv/{name}")), head, tail, times);
            let message = || CsvParser::new(&layout, None).unwrap().read(&bytes).unwrap().message();
            measure(
                &format!("CSV: {stem}{size}"),
                "csv",
                &layout,
                &bytes,
                (path, &Split::Messages),
                &message,
            );
        }
    }

    let bytes = read("fhir/two-results.bundle.json");
    let message = || FhirParser::default().read(&bytes).unwrap().resources().remove(0);
    measure(
        "FHIR: a Bundle of three",
        "fhir",
        &none,
        &bytes,
        ("Observation.value.value", &Split::Messages),
        &message,
    );
}

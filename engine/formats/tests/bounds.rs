//! No message takes time or memory out of proportion, however it is made.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use hub_core::document::{Document, Node, Parser, Split};
use hub_core::path::Path;
use hub_core::registry::Settings;

/// Quadratic work takes minutes.
const LIMIT: Duration = Duration::from_secs(20);
const MANY: usize = 20_000;

fn parser(format: &str, layout: &str) -> Box<dyn Parser> {
    hub_formats::parser(format, None, &layout.parse::<Settings>().unwrap()).unwrap()
}

fn select(document: &dyn Document, scope: Node, path: &str) -> Vec<Node> {
    let mut found = Vec::new();
    document.select(scope, &Path::parse(path).unwrap(), &mut found);
    found
}

/// Reads, and looks from each of many things at its own, at what is outside and at what is nowhere.
fn check(format: &str, layout: &str, bytes: String, each: &str, paths: [&str; 3]) {
    let begin = Instant::now();
    let parser = parser(format, layout);
    let document = parser.parse(bytes.as_bytes()).unwrap();
    let items = select(&*document, document.root(), each);
    assert_eq!(items.len(), MANY, "{format}");
    for item in &items {
        assert_eq!(select(&*document, *item, paths[0]).len(), 1, "{format} {}", paths[0]);
        assert_eq!(select(&*document, *item, paths[1]).len(), 1, "{format} {}", paths[1]);
        assert!(select(&*document, *item, paths[2]).is_empty(), "{format} {}", paths[2]);
    }
    let places: usize = document.leaves().into_iter().map(|leaf| document.place(leaf).len()).sum();
    assert!(places > MANY);
    let by = if matches!(format, "csv" | "fhir") {
        Split::Messages
    } else {
        Split::At(Path::parse(each).unwrap())
    };
    assert_eq!(parser.split(&Bytes::from(bytes), &by).unwrap().len(), MANY, "{format}");
    assert!(begin.elapsed() < LIMIT, "{format}: {:?}", begin.elapsed());
}

#[test]
fn many_things_in_one_message_are_read_in_time() {
    let rows = "7,x\n".repeat(MANY);
    check(
        "csv",
        "columns = ['n', 'm']\nheader = ['h']",
        format!("one\n{rows}"),
        "row",
        ["row.n", "header.h", "none"],
    );
    let items = "<i><n>7</n></i>".repeat(MANY);
    check("xml", "", format!("<r><h>1</h><l>{items}</l></r>"), "/r/l/i", ["/r/l/i/n", "h", "none"]);
    let items = "{\"n\":7},".repeat(MANY - 1) + "{\"n\":7}";
    check("json", "", format!("{{\"h\":1,\"l\":[{items}]}}"), "l", ["l.n", "h", "none"]);
    check("json", "", format!("[{items}]"), "*", ["n", "/*/n", "none"]);
    let entries =
        "{\"fullUrl\":\"urn:x\",\"resource\":{\"resourceType\":\"Observation\",\"id\":\"1\"}},".repeat(MANY);
    let bundle =
        format!("{{\"resourceType\":\"Bundle\",\"id\":\"b\",\"entry\":[{}]}}", entries.trim_end_matches(','));
    let head = "\"entry\":[{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"p\"}},";
    let begin = Instant::now();
    let parser = parser("fhir", "");
    assert_eq!(parser.split(&Bytes::from(bundle.clone()), &Split::Messages).unwrap().len(), MANY);
    let document = parser.parse(bundle.replace("\"entry\":[", head).as_bytes()).unwrap();
    for observation in select(&*document, document.root(), "Observation") {
        assert_eq!(select(&*document, observation, "Patient.id").len(), 1);
        assert_eq!(select(&*document, observation, "Observation.id").len(), 1);
    }
    assert!(begin.elapsed() < LIMIT);
}

#[test]
fn strange_messages_are_read_or_refused_in_time() {
    let big = 1 << 19;
    let begin = Instant::now();
    for (format, text) in [
        ("xml", "<a".repeat(big / 2)),
        ("xml", format!("<a{}", " b='1'".repeat(big / 6))),
        ("xml", format!("<a>{}", "&amp;".repeat(big / 5))),
        ("xml", format!("<a>{}</a>", "<b/>".repeat(big / 4))),
        ("xml", format!("<a>{}</a>", "x<b/>".repeat(big / 5))),
        ("xml", format!("<a>{}</a>", (0..big / 16).map(|at| format!("<b{at}/>")).collect::<String>())),
        ("xml", "<!--".repeat(big / 4)),
        ("xml", "<!DOCTYPE a [".repeat(big / 13)),
        ("json", "[".repeat(big)),
        ("json", format!("[{}1]", "1,".repeat(big / 2))),
        (
            "json",
            format!("{{{}\"z\":1}}", (0..big / 16).map(|at| format!("\"a{at}\":1,")).collect::<String>()),
        ),
        ("json", "\"".repeat(big)),
        ("csv", "\"".repeat(big)),
        ("csv", ",".repeat(big)),
        ("csv", "\n".repeat(big)),
        ("csv", format!("a\n{}", "\"\"\n".repeat(big / 3))),
        ("fhir", format!("{{\"resourceType\":\"Bundle\",\"entry\":[{}{{}}]}}", "{},".repeat(big / 3))),
    ] {
        let read = parser(format, "").parse(text.as_bytes());
        if let Ok(document) = read {
            assert!(document.leaves().len() <= text.len());
        }
        let _ = parser(format, "").split(&Bytes::from(text), &Split::Messages);
    }
    assert!(begin.elapsed() < 3 * LIMIT, "{:?}", begin.elapsed());
}

//! Files in and files out: a partner's folder of tables becomes resources, and what is made of them lies in another folder.

use std::fs;
use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;

use crate::harness::{Hub, PATIENCE, Setup, write};

const CHANNEL: &str = r#"
name    = "exam/results"
version = 1
about   = "The examination centre puts its results into a folder; the archive gets each as a line."
[from]
connector   = "file"
acknowledge = "on_committed"
settings    = { folder = "IN", pattern = "*.csv", settle_secs = 0 }
[parse]
format  = "csv"
charset = "GB18030"
split   = "messages"
[map]
mapping = "exam/results"
writes  = ["Observation"]
[[to]]
name      = "archive"
connector = "file"
settings  = { folder = "OUT", name = "result-{parcel}.csv" }
mapping   = "exam/line"
[[test]]
name   = "results of one person"
given  = "exam/results.csv"
pieces = 2
"#;

const MAPPING: &str = r#"
name    = "exam/results"
version = 1
from    = "csv"
[source]
columns = ["person", "item", "value", "unit"]
[[resource]]
as   = "result"
type = "Observation"
id   = ["result", "row.person", "row.item"]
[resource.set]
status     = { value = "final" }
code       = { set = { text = { from = "row.item" } } }
valueQuantity = { set = { value = { from = "row.value" }, unit = { from = "row.unit" } } }
"#;

const LINE: &str = r#"
name    = "exam/line"
version = 1
from    = "fhir"
to      = "csv"
[message.layout]
columns = ["item", "value"]
[message.rows]
each = "Observation"
[message.rows.set]
item  = { from = "code.text" }
value = { from = "valueQuantity.value" }
"#;

/// 血糖 (glucose) and 血压 (blood pressure) in GB18030.
const TABLE: &[u8] = b"P1,\xD1\xAA\xCC\xC7,5.6,mmol/L\r\nP1,\xD1\xAA\xD1\xB9,120,mmHg\r\n";

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<String> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_file_of_a_partner_becomes_resources_and_files_for_another() {
    let folder = TempDir::new().unwrap();
    let (inbox, out) = (folder.path().join("in"), folder.path().join("out"));
    let place = |path: &Path| path.display().to_string();
    let channel = CHANNEL.replace("IN", &place(&inbox)).replace("OUT", &place(&out));
    write(
        folder.path(),
        &[
            ("channels/exam/results.toml", channel.as_bytes()),
            ("mappings/exam/results.toml", MAPPING.as_bytes()),
            ("mappings/exam/line.toml", LINE.as_bytes()),
            ("fixtures/exam/results.csv", TABLE),
            ("in/.half", b"not yet"),
            ("out/.keep", b""),
        ],
    );
    let hub = Hub::start(&Setup::default().root(folder.path())).await;
    fs::write(inbox.join("2026-11-25.csv"), TABLE).unwrap();
    until("the file is taken", || names(&inbox.join("done")).len() == 1).await;
    let stored = hub.get("/fhir/Observation").await;
    assert_eq!(stored["entry"].as_array().unwrap().len(), 2);
    hub.paid("exam/results/archive").await;
    let sent: Vec<String> = names(&out)
        .iter()
        .filter(|name| name.starts_with("result-"))
        .map(|name| fs::read_to_string(out.join(name)).unwrap().trim().to_owned())
        .collect();
    assert_eq!(sent.len(), 2);
    assert!(sent.contains(&"血糖,5.6".to_owned()) && sent.contains(&"血压,120".to_owned()), "{sent:?}");

    // What cannot be mapped sets its own line aside; the file is put where somebody looks.
    fs::write(inbox.join("2026-11-26.csv"), "P2,x,5.0,u\nP2,y,a lot,u\n").unwrap();
    until("the other file is set aside", || names(&inbox.join("failed")).len() == 1).await;
    assert_eq!(hub.count("exam/results", "quarantined").await, 1);
    assert_eq!(hub.get("/fhir/Observation").await["entry"].as_array().unwrap().len(), 3);
    assert_eq!(names(&inbox), [".half"]);
    hub.stop().await;
}

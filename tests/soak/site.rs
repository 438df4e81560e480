//! What the soak stands on: the project's channels and two more, two hubs on one database, and their partners.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::nodes::Nodes;
use crate::harness::postgres::Server;
use crate::harness::{Setup, copy_of_the_files, program, write};
use crate::moods::{ANSWER_SECS, Mood, Partner};

/// The nodes: nothing is done to the process of the first, so that its memory can be watched; the second is killed and frozen.
const NAMES: [&str; 2] = ["steady", "shaken"];
pub const STEADY: usize = 0;
pub const SHAKEN: usize = 1;

pub const ADT: &str = "his/adt";
pub const ORU: &str = "lis/oru-r01";
pub const NOTES: &str = "ward/notes";
pub const EXAMS: &str = "exam/results";

const NOTES_CHANNEL: &str = r#"
name    = "ward/notes"
version = 1
about   = "Notes of the ward."
[from]
connector   = "http"
acknowledge = "on_committed"
settings    = { listen = "127.0.0.1:0", answer_secs = 5 }
[parse]
format = "json"
[map]
mapping = "ward/notes"
writes  = ["DocumentReference"]
[[test]]
name   = "a note"
given  = "ward/notes.json"
"#;

const NOTES_MAPPING: &str = r#"
name    = "ward/notes"
version = 1
from    = "json"
[[resource]]
as   = "note"
type = "DocumentReference"
id   = ["note", "no"]
[resource.set]
status      = { value = "current" }
description = { from = "title" }
content     = { set = { attachment = { set = { title = { from = "title" } } } } }
"#;

const EXAMS_CHANNEL: &str = r#"
name    = "exam/results"
version = 1
about   = "The examination centre puts its results into a folder; the archive gets each as a line."
[from]
connector   = "file"
acknowledge = "on_committed"
settings    = { folder = "IN", pattern = "*.csv", settle_secs = 0, answer_secs = 5 }
[parse]
format  = "csv"
split   = "messages"
[map]
mapping = "exam/results"
writes  = ["Observation"]
[[to]]
name      = "archive"
connector = "file"
in_doubt  = "resend"
settings  = { folder = "OUT", name = "result-{parcel}.csv" }
mapping   = "exam/line"
[[test]]
name   = "results of one person"
given  = "exam/results.csv"
pieces = 2
"#;

const EXAMS_MAPPING: &str = r#"
name    = "exam/results"
version = 1
from    = "csv"
[source]
columns = ["person", "item", "value", "unit"]
[[resource]]
as   = "result"
type = "Observation"
id   = ["exam", "row.person", "row.item"]
[resource.set]
status     = { value = "final" }
identifier = { set = { system = { value = "urn:exam" }, value = { from = "row.item" } } }
code       = { set = { text = { from = "row.item" } } }
valueQuantity = { set = { value = { from = "row.value" }, unit = { from = "row.unit" } } }
"#;

const EXAMS_LINE: &str = r#"
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

/// The whole.
pub struct Site {
    pub files: TempDir,
    folder: TempDir,
    pub server: Server,
    pub nodes: Nodes,
    pub lis: Partner,
    pub ward: Partner,
    pub http: reqwest::Client,
}

impl Site {
    /// Everything runs.
    pub async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let (inbox, out) = (folder.path().join("in"), folder.path().join("out"));
        std::fs::create_dir_all(&inbox).unwrap();
        std::fs::create_dir_all(&out).unwrap();
        let exams = EXAMS_CHANNEL
            .replace("\"IN\"", &format!("{:?}", inbox.to_str().unwrap()))
            .replace("\"OUT\"", &format!("{:?}", out.to_str().unwrap()));
        let (lis, ward) = (Partner::hl7().await, Partner::web().await);
        let files = copy_of_the_files();
        let more = [
            ("channels/ward/notes.toml", NOTES_CHANNEL),
            ("mappings/ward/notes.toml", NOTES_MAPPING),
            ("fixtures/ward/notes.json", r#"{"no":1,"title":"a"}"#),
            ("channels/exam/results.toml", &exams),
            ("mappings/exam/results.toml", EXAMS_MAPPING),
            ("mappings/exam/line.toml", EXAMS_LINE),
            ("fixtures/exam/results.csv", "P1,sugar,5.6,mmol/L\r\nP1,pressure,120,mmHg\r\n"),
        ];
        write(files.path(), &more);
        impatient(&files, "channels/his/adt.toml", "connector = \"lis\"", "answer_secs");
        impatient(&files, "channels/lis/oru-r01.toml", "connector = \"notify\"", "timeout_secs");
        let server = Server::start(true);
        let setup = Setup::default()
            .root(files.path())
            .set("log.level=warn")
            .set(format!("store.database={}", server.database()))
            .set(format!("channels.\"{ADT}\".to.lis-feed.url=mllp://{}", lis.address))
            .set(format!("channels.\"{ORU}\".to.ward-notice.url=http://{}/notices", ward.address));
        let nodes = Nodes::start(&NAMES, &setup, &[ADT, ORU, NOTES]).await;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Self { files, folder, server, nodes, lis, ward, http }
    }

    /// Where files are put.
    pub fn inbox(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    /// Where they come out.
    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// Nothing ails the partners any more.
    pub fn partners_are_well(&self) {
        self.lis.is(Mood::Well);
        self.ward.is(Mood::Well);
    }
}

/// A destination that gives its partner less time, so that a soak of seconds sees more than one try.
fn impatient(files: &TempDir, file: &str, connector: &str, answer: &str) {
    let path = files.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let circuit = "circuit = { failures = 5, within_secs = 30, probe_secs = 2 }";
    let retry = "retry = { first_secs = 1, max_secs = 3 }";
    let mut lines = Vec::new();
    let mut found = false;
    for line in text.lines() {
        if line.starts_with("retry ") {
            continue;
        }
        lines.push(line.to_owned());
        if line == connector {
            lines.extend([circuit.to_owned(), retry.to_owned()]);
            found = true;
        }
        if line == "[to.settings]" {
            lines.push(format!("{answer} = {ANSWER_SECS}"));
        }
    }
    assert!(found, "{file} has no `{connector}`");
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// Whether the program is a release build, as it says itself.
pub fn is_released() -> bool {
    let told = Command::new(program()).arg("--version").output().unwrap();
    assert!(told.status.success());
    !String::from_utf8_lossy(&told.stdout).contains("debug build")
}

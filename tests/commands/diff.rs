//! `huitong map diff`: the mapping of now over the messages of a journal.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use hub_core::commit::{Change, Commit};
use hub_core::envelope::{Envelope, Head, Label, Peer, Raw};
use hub_core::id::{CorrelationId, DedupeKey, Digest, MessageId};
use hub_core::store::{Cause, Journal, Resources};
use hub_store::{Store, StoreOptions};
use serde_json::Value;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use crate::postgres;
use crate::prompt::{Said, change, copy_of_the_files, huitong_in, root};

/// A project folder under git, and beside it the data folder of a hub that has received the fixtures of results.
struct Scene {
    project: TempDir,
    data: TempDir,
}

impl Scene {
    async fn new() -> (Self, Store) {
        let scene = Self { project: copy_of_the_files(), data: TempDir::new().unwrap() };
        for arguments in [
            &["init", "--quiet"][..],
            &["add", "."],
            &[
                "-c",
                "user.name=test",
                "-c",
                "user.email=test@example.org",
                "commit",
                "--quiet",
                "-m",
                "first",
            ],
        ] {
            let done =
                Command::new("git").current_dir(scene.project.path()).args(arguments).status().unwrap();
            assert!(done.success());
        }
        let store = Store::open(StoreOptions::new(scene.data.path())).await.unwrap();
        let now = OffsetDateTime::now_utc();
        for (nth, name) in
            ["normal", "critical-potassium", "corrected", "unknown-result-status"].iter().enumerate()
        {
            let age = Duration::hours(40 - 10 * i64::try_from(nth).unwrap());
            store.receive(&message(name, now - age)).await.unwrap();
        }
        (scene, store)
    }

    fn diff(&self, arguments: &[&str]) -> Said {
        let data = self.data.path().to_str().unwrap();
        let mut all = vec!["map", "diff", "lis/oru-r01", "--data", data];
        all.extend(arguments);
        huitong_in(self.project.path(), &all)
    }

    fn change(&self, file: &str, from: &str, to: &str) {
        change(self.project.path(), file, from, to);
    }
}

fn message(fixture: &str, received_at: OffsetDateTime) -> Envelope<Raw> {
    let file = root().join(format!("fixtures/lis/oru-r01/{fixture}.hl7"));
    came_by("lis/oru-r01", fixture, Bytes::from(std::fs::read(file).unwrap()), received_at)
}

fn came_by(channel: &str, name: &str, body: Bytes, received_at: OffsetDateTime) -> Envelope<Raw> {
    let head = Head {
        id: MessageId::new(received_at),
        channel: channel.into(),
        dedupe: DedupeKey::from(name),
        digest: Digest::of(&body),
        label: Label::default(),
        correlation: CorrelationId::from(name),
        received_at,
        peer: Peer::default(),
        parent: None,
    };
    Envelope { head, body: Raw(body) }
}

fn field<'v>(report: &'v Value, name: &str) -> &'v Value {
    let fields = report["fields"].as_array().unwrap();
    fields.iter().find(|field| field["field"] == name).unwrap_or_else(|| panic!("no {name} in {report}"))
}

fn counts(report: &Value) -> [u64; 6] {
    ["looked_at", "unchanged", "changed", "newly_failing", "newly_passing", "still_failing"]
        .map(|name| report["messages"][name].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_change_is_counted_by_field_while_the_hub_runs() {
    let (scene, store) = Scene::new().await;
    let report: Value = scene.diff(&["--since", "7d", "--json"]).json();
    assert_eq!(counts(&report), [4, 3, 0, 0, 0, 1]); // nothing was changed yet
    scene.change("mappings/codes/hl7-0001.toml", "\"M\" = { code = \"male\"", "\"M\" = { code = \"other\"");
    scene.change(
        "mappings/codes/hl7-0085.toml",
        "\"C\" = { code = \"corrected\", display = \"Corrected\" }\n",
        "",
    );
    let report: Value = scene.diff(&["--since", "7d", "--json"]).json();
    assert_eq!(counts(&report), [4, 0, 2, 1, 0, 1]);
    let gender = field(&report, "Patient.gender");
    assert_eq!((&gender["changed"], &gender["added"], &gender["removed"]), (&2.into(), &0.into(), &0.into()));
    assert_eq!(gender["samples"][0]["old"], "male");
    assert_eq!(gender["samples"][0]["new"], "other");
    let newly =
        report["faults"].as_array().unwrap().iter().find(|fault| fault["when"] == "newly-failing").unwrap();
    assert_eq!(newly["messages"], 1);
    assert!(newly["reason"].as_str().unwrap().contains("has no code `C`"), "{newly}");
    // Nothing was written: the hub goes on and has what it had.
    assert_eq!(store.tally().await.unwrap().iter().map(|tally| tally.count).sum::<u64>(), 4);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_hub_on_postgresql_are_read_from_its_database() {
    let (scene, _of_the_folder) = Scene::new().await;
    let url = postgres::shared().database();
    let store = Store::open(StoreOptions::postgres(&url, scene.data.path().join("other"))).await.unwrap();
    let past = message("normal", OffsetDateTime::now_utc());
    store.receive(&past).await.unwrap();
    let setting = format!("store.database={url}");
    let said = scene.diff(&["--json", "--set", &setting]);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(counts(&report)[0], 1, "not the four of the folder");
    let id = past.head.id.to_string();
    let told = huitong_in(scene.project.path(), &["map", "explain", "lis/oru-r01", &id, "--set", &setting]);
    assert_eq!(told.code, 0, "{}", told.err);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_a_limit_and_hidden_values_are_kept_to() {
    let (scene, store) = Scene::new().await;
    store.close().await;
    scene.change("mappings/codes/hl7-0001.toml", "\"M\" = { code = \"male\"", "\"M\" = { code = \"other\"");
    let report: Value = scene.diff(&["--since", "25h", "--json"]).json();
    assert_eq!(counts(&report)[0], 2); // those of 20 and 10 hours ago
    let report: Value = scene.diff(&["--from", "7d", "--to", "25h", "--limit", "1", "--json"]).json();
    assert_eq!(counts(&report)[0], 1);
    let said = scene.diff(&["--since", "7d", "--no-values", "--json"]).well();
    assert!(!said.contains("\"old\"") && !said.contains("\"male\""), "{said}");
    let said = scene.diff(&["--since", "7d"]).well();
    assert!(said.contains("male → other") && said.contains("The examples are patient data"), "{said}");
    let said = scene.diff(&["--since", "7d", "--no-values"]).well();
    assert!(!said.contains("male") && !said.contains("patient data"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_side_may_be_a_file_a_folder_or_a_revision() {
    let (scene, store) = Scene::new().await;
    store.close().await;
    let before = copy_of_the_files();
    scene.change(
        "mappings/lis/oru-r01.toml",
        "status     = { from = \"OBX-11\"",
        "status = { value = \"final\" }\n# { from = \"OBX-11\"",
    );
    let changed = |said: Said| counts(&said.json())[2..].to_vec();
    let folder = before.path().to_str().unwrap();
    let file = before.path().join("mappings/lis/oru-r01.toml");
    for old in ["git:HEAD", folder, file.to_str().unwrap()] {
        let told = changed(scene.diff(&["--old", old, "--json"]));
        assert_eq!(told, [1, 0, 1, 0], "{old}"); // corrected; a status that nobody knows
    }
    let said = scene.diff(&["--old", "git:no-such-tag"]);
    assert!(said.err.contains("git knows no revision `no-such-tag` here"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_what_a_replay_would_change() {
    let (scene, store) = Scene::new().await;
    let project =
        hub_mapping::compile("lis/oru-r01", &hub_spec::FolderFiles::read(scene.project.path()).0).unwrap();
    let parser = hub_formats::parser("hl7v2", Some("UTF-8"), project.source_layout()).unwrap();
    let normal =
        store.find(&hub_core::store::MessageQuery { limit: 10, ..Default::default() }).await.unwrap();
    let oldest = normal.last().unwrap().id;
    let bytes = std::fs::read(root().join("fixtures/lis/oru-r01/normal.hl7")).unwrap();
    let run = project.run(parser.parse(&bytes).unwrap().as_ref()).unwrap();
    let commit = hub_core::commit::Commit { changes: run.changes, ..Default::default() };
    Arc::new(&store).commit(Cause::Message(oldest), commit).await.unwrap();
    store.close().await;
    let same: Value = scene.diff(&["--stored", "--limit", "1", "--json"]).json();
    assert_eq!(counts(&same), [1, 1, 0, 0, 0, 0]);
    scene.change(
        "mappings/codes/hl7-0085.toml",
        "\"F\" = { code = \"final\"",
        "\"F\" = { code = \"amended\"",
    );
    let report: Value = scene.diff(&["--stored", "--limit", "1", "--json"]).json();
    assert_eq!(counts(&report), [1, 0, 1, 0, 0, 0]);
    assert_eq!(field(&report, "Observation.status")["changed"], 2); // both OBX
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_compared_is_said() {
    let (scene, store) = Scene::new().await;
    store.close().await;
    let empty = TempDir::new().unwrap();
    let said = huitong_in(
        scene.project.path(),
        &["map", "diff", "lis/oru-r01", "--data", empty.path().to_str().unwrap()],
    );
    assert!(said.err.contains("there is no journal to read"), "{}", said.err);
    let said = scene.diff(&["--since", "yesterday"]);
    assert!(said.err.contains("expected an age such as 15m, 2h, 7d"), "{}", said.err);
    let said = scene.diff(&["--channel", "his/adt"]);
    assert!(said.err.contains("does not map its messages with"), "{}", said.err);
    let data = scene.data.path().to_str().unwrap();
    let bare = copy_of_the_files();
    let said = huitong_in(bare.path(), &["map", "diff", "lis/oru-r01", "--data", data]);
    assert!(said.err.contains("there is nothing to compare with"), "{}", said.err);
    assert!(!Path::new(empty.path()).join("hub.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_a_partner_is_compared_as_the_channel_would_send_it() {
    let (scene, store) = Scene::new().await;
    store.close().await;
    let data = scene.data.path().to_str().unwrap();
    let arguments = ["map", "diff", "notify/critical-result", "--data", data, "--json"];
    scene.change(
        "mappings/notify/critical-result.toml",
        "{ value = \"critical-result\" }",
        "{ value = \"alarm\" }",
    );
    let report: Value = huitong_in(scene.project.path(), &arguments).json();
    // Only the critical potassium is told to the ward; the fourth message is set aside by the channel's own mapping.
    assert_eq!(counts(&report), [4, 2, 1, 0, 0, 1]);
    let kind = field(&report, "message.kind");
    assert_eq!(
        (&kind["samples"][0]["old"], &kind["samples"][0]["new"]),
        (&"critical-result".into(), &"alarm".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_up_is_found_in_what_the_store_holds_now() {
    let project = crate::lookup::project();
    let data = TempDir::new().unwrap();
    std::fs::create_dir_all(project.path().join("channels/ward")).unwrap();
    std::fs::write(project.path().join("channels/ward/notes.toml"), "[map]\nmapping = \"ward/notes\"\n")
        .unwrap();
    let store = Store::open(StoreOptions::new(data.path())).await.unwrap();
    let put = |line: &str| {
        let tree = hub_fhir::json::parse(line).unwrap();
        Change::Put(hub_fhir::Resource::from_tree(tree).unwrap())
    };
    let changes = crate::lookup::PATIENTS.lines().map(put).collect();
    let commit = Commit { changes, ..Commit::default() };
    store.commit(Cause::Timer { name: "test" }, commit).await.unwrap();
    let now = OffsetDateTime::now_utc();
    for number in 1..=4 {
        let body = Bytes::from(std::fs::read(project.path().join(format!("{number}.json"))).unwrap());
        let received_at = now - Duration::hours(number);
        let message = came_by("ward/notes", &number.to_string(), body, received_at);
        store.receive(&message).await.unwrap();
    }
    // The old mapping did not look anything up.
    let new = std::fs::read_to_string(project.path().join("mappings/ward/notes.toml")).unwrap();
    let kept: Vec<&str> = new.lines().filter(|line| !line.starts_with("find ")).collect();
    let old = project.path().join("old.toml");
    std::fs::write(&old, kept.join("\n")).unwrap();
    let all = ["map", "diff", "ward/notes", "--data", data.path().to_str().unwrap(), "--json", "--old"];
    let with_old = |old: &str| huitong_in(project.path(), &[&all[..], &[old]].concat()).json();
    // P1 and P2 are found while the hub runs; of P3 there are two, and P4 is not there.
    let report: Value = with_old(old.to_str().unwrap());
    assert_eq!(counts(&report), [4, 0, 2, 2, 0, 0]);
    let samples = field(&report, "DocumentReference.subject.reference")["samples"].as_array().unwrap();
    let found: Vec<&str> = samples.iter().map(|sample| sample["new"].as_str().unwrap()).collect();
    assert_eq!(found, ["Patient/one", "Patient/two"]); // in the order in which they came
    let reasons: Vec<&str> =
        report["faults"].as_array().unwrap().iter().map(|fault| fault["reason"].as_str().unwrap()).collect();
    assert!(
        reasons.iter().any(|reason| reason.starts_with("2 Patient are stored with this identifier")),
        "{reasons:?}"
    );
    assert!(reasons.contains(&"no Patient with this identifier is stored"), "{reasons:?}");
    // Against itself nothing changes.
    let report: Value = with_old("mappings/ward/notes.toml");
    assert_eq!(counts(&report), [4, 2, 0, 0, 0, 2]);
    store.close().await;
}

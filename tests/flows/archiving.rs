//! Retention through the real program: messages are archived and deleted by the clock, and taken back in by `huitong archive`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use crate::harness::mllp::Line;
use crate::harness::{Hub, PATIENCE, Setup, root};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A result that is not critical: nobody is told, so nothing is owed.
fn result(patient: &str, control_id: &str) -> String {
    format!(
        "MSH|^~\\&|LIS|T|HUB|H|20261123081500+0800||ORU^R01^ORU_R01|{control_id}|P|2.5.1\r\
         PID|1||{patient}^^^HIS^PI||Test^Person||19700101|F\r\
         OBR|1|A{control_id}|R{control_id}|K^Potassium^LIS|||20261123080000+0800|||||||||||||||20261123081000+0800||CH|F\r\
         OBX|1|NM|K^Potassium^LIS||4.1|mmol/L|3.5-5.1|N|||F\r"
    )
}

/// A command with the settings of these tests.
fn huitong(arguments: &[&str], key: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huitong"));
    command.args(arguments).current_dir(root()).env("HUITONG_SECRET_ARCHIVE", key).output().unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn archives(folder: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|found| found.path());
    found.filter(|path| path.extension().is_some_and(|end| end == "archive")).collect()
}

#[tokio::test]
async fn what_retention_deletes_is_archived_and_can_be_found_and_replayed_again() {
    let folder = tempfile::TempDir::new().unwrap();
    let archive = folder.path().join("archive");
    let archive_text = archive.to_str().unwrap();
    let here = format!("retention.archive={archive_text}");
    let deleting = Setup::default()
        .env("HUITONG_SECRET_ARCHIVE", KEY)
        .set(here)
        .set("retention.keep_days=0")
        .set("retention.schedule=* * * * * *");
    let hub = Hub::start(&deleting).await;
    let mut line = Line::connect(&hub.channel("lis/oru-r01")).await.unwrap();
    for nth in 0..5 {
        line.exchange(result(&format!("88{nth:02}"), &format!("A{nth}")).as_bytes()).await.unwrap();
    }
    let begun = Instant::now();
    while hub.messages("limit=10").await.iter().any(|one| one["state"] != "received")
        || archives(&archive).is_empty()
    {
        assert!(begun.elapsed() < PATIENCE, "they are never deleted:\n{}", hub.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    hub.settled("lis/oru-r01").await;
    // The resources stay.
    assert_eq!(hub.get("/fhir/DiagnosticReport").await["entry"].as_array().unwrap().len(), 5);
    let data = hub.stop().await;

    let paths: Vec<String> = archives(&archive).iter().map(|path| path.display().to_string()).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let listed = out(&huitong(&["archive", "list", archive_text], KEY));
    assert!(listed.contains("lis/oru-r01"), "{listed}");
    let verified = out(&huitong(&["archive", "verify", archive_text], KEY));
    assert!(verified.contains("whole"), "{verified}");
    let other = huitong(&["archive", "verify", archive_text], &KEY.replace('0', "1"));
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("another key"));
    let none = huitong(&["archive", "verify", archive_text], "no key");
    assert!(String::from_utf8_lossy(&none.stderr).contains("64 hexadecimal digits"));

    // Without a hub, into the folder.
    let data_text = data.path().join("data").display().to_string();
    let offline = [
        &["archive", "import", "--json", "--data", &data_text, "--set", "http.listen=127.0.0.1:9"],
        &paths[..],
    ]
    .concat();
    assert_eq!(out(&huitong(&offline, KEY)).trim(), r#"{"added":5,"known":0}"#);

    // Beside one that runs: nothing is doubled.
    let hub = Hub::start_in(data, &Setup::default()).await;
    let http = hub.http();
    let online =
        [&["archive", "import", "--json", "--url", &http, "--channel", "lis/oru-r01"], &paths[..]].concat();
    assert_eq!(out(&huitong(&online, KEY)).trim(), r#"{"added":0,"known":5}"#);
    let found = hub.messages("patient=8803").await;
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0]["state"], found[0]["imported_at"].is_string()), (&"committed".into(), true));
    let id = found[0]["id"].as_str().unwrap();
    let shown = out(&huitong(&["messages", id, "--url", &hub.http()], KEY));
    assert!(shown.contains("from an archive"), "{shown}");
    let replayed = hub.post("/ops/replay", &serde_json::json!({ "ids": [id] })).await;
    assert_eq!(replayed["replayed"].as_array().unwrap().len(), 1);
    hub.settled("lis/oru-r01").await;
    assert_eq!(hub.count("lis/oru-r01", "committed").await, 5);
}

#[test]
fn an_archive_without_a_key_is_refused_before_anything_is_deleted() {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    let arguments = [
        "run",
        "--set",
        "secrets_dir=fixtures/secrets",
        "--data",
        data,
        "--set",
        "http.listen=127.0.0.1:0",
        "--set",
        "retention.archive=/srv/archive",
    ];
    let output =
        Command::new(env!("CARGO_BIN_EXE_huitong")).args(arguments).current_dir(root()).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("HUITONG_SECRET_ARCHIVE"), "{errors}");
    assert_eq!(huitong(&arguments, "no key").status.code(), Some(64));
}

#[test]
fn a_data_folder_is_vacuumed() {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    assert_eq!(huitong(&["vacuum", "--data", data], KEY).status.code(), Some(1), "there is no database");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let opened = runtime.block_on(hub_store::Store::open(hub_store::StoreOptions::new(data)));
    let store = opened.unwrap();
    let used = huitong(&["vacuum", "--data", data], KEY);
    assert!(String::from_utf8_lossy(&used.stderr).contains("in use"), "{used:?}");
    runtime.block_on(store.close());
    drop(store);
    assert!(out(&huitong(&["vacuum", "--data", data], KEY)).contains("MB"));
}

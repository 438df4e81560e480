//! Every version that ran is kept, shown, compared and rolled back to: who, when, why.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::deploying::{ADT, FEMALE, GENDERS, ORU, OTHER, change, deploy, deployments, gender, order, told};
use crate::harness::mllp::Line;
use crate::harness::{Hub, Setup};
use crate::program::copy_of_the_files;

/// Every file of channels and mappings, to the byte.
fn files(root: &TempDir) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.path().join("channels"), root.path().join("mappings")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(root.path()).unwrap().display().to_string();
                found.insert(path, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

fn huitong(hub: &Hub, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huitong"));
    command.args(arguments).args(["--url", &hub.http()]).env_remove("SUDO_USER").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_roll_back_restores_exactly_the_files_of_before_and_keeps_what_it_replaces() {
    let root = copy_of_the_files();
    // Line ends, a missing last one, and letters of other scripts must come back as they were.
    change(&root, GENDERS, "about  =", "# 性别\r\nabout  =");
    let hub = Hub::start(&Setup::default().root(root.path())).await;
    let mut his = Line::connect(&hub.channel("his/adt")).await.unwrap();
    let before = files(&root);
    change(&root, GENDERS, FEMALE, OTHER);
    std::fs::write(root.path().join("mappings/codes/new.toml"), new_table("new")).unwrap();
    deploy(&hub).await;
    told(&hub, &mut his, "4711", "R1").await;
    assert_eq!(gender(&hub, "4711").await, "other");
    // Somebody has begun to write, and not deployed it.
    change(&root, ORU, "about ", "# half written\nabout ");
    let half_written = files(&root);

    let (status, refused) = order(&hub, "/ops/rollback", &json!({ "to": 1 })).await;
    assert_eq!((status, &refused["error"]["field"]), (400, &json!("why")), "a roll-back says why");
    let (status, refused) = order(&hub, "/ops/rollback", &json!({ "to": 7, "why": "x" })).await;
    assert_eq!(status, 404, "{refused}");
    let wanted = json!({ "to": 1, "why": "results were set aside", "who": "anna" });
    let (status, report) = order(&hub, "/ops/rollback", &wanted).await;
    assert_eq!((status, &report["deployment"], &report["kept"]), (200, &json!(4), &json!(3)), "{report}");
    assert_eq!(files(&root), before, "to the byte, and no file more");
    told(&hub, &mut his, "4712", "R2").await;
    assert_eq!(gender(&hub, "4712").await, "female", "and it runs, under the same connection");

    let all = deployments(&hub).await;
    let told: Vec<(&str, &str, &str, &str)> = all
        .iter()
        .map(|one| {
            let of = |name: &str| one[name].as_str().unwrap();
            (of("kind"), of("result"), of("who"), of("why"))
        })
        .collect();
    assert_eq!(told[0], ("rollback", "applied", "anna", "results were set aside"));
    assert_eq!((told[1].0, told[1].1), ("kept", "kept"));
    assert_eq!(told[2], ("deploy", "applied", "anna", "the test"));
    assert_eq!((told[3].0, told[3].1), ("start", "applied"));
    assert!(!told[3].2.is_empty(), "the start's user is the system's");
    assert_eq!((&all[0]["to"], &all[0]["running"]), (&json!(1), &json!(true)));
    let (one, four) = (hub.get("/ops/deployments/1").await, hub.get("/ops/deployments/4").await);
    assert_eq!(one["sha256"], four["sha256"]);

    // What was half written is not lost: it can be had back by another roll-back.
    let (status, report) = order(&hub, "/ops/rollback", &json!({ "to": 3, "why": "on with it" })).await;
    assert_eq!((status, &report["kept"]), (200, &Value::Null), "{report}");
    assert_eq!(files(&root), half_written);
    // The next start finds what runs last, and keeps no new deployment.
    let hub = Hub::start_in(hub.stop().await, &Setup::default().root(root.path())).await;
    assert_eq!(deployments(&hub).await.len(), 5);
    assert_eq!(hub.get("/ops/status").await["deployment"], 5);
    // Files that were changed while it was down are a deployment of their own.
    let folder = hub.stop().await;
    change(&root, ORU, "# half written", "# written");
    let hub = Hub::start_in(folder, &Setup::default().root(root.path())).await;
    assert_eq!(deployments(&hub).await[0]["kind"], "start");
}

fn new_table(name: &str) -> String {
    format!(
        "name = \"{name}\"\nabout = \"New codes\"\ntarget = \"http://example.org/new\"\nother = \"drop\"\n[codes]\n\"1\" = \"one\"\n"
    )
}

#[tokio::test]
async fn a_roll_back_that_cannot_write_the_folder_is_refused_and_can_leave_it() {
    use std::os::unix::fs::symlink;
    let root = copy_of_the_files();
    let hub = Hub::start(&Setup::default().root(root.path())).await;
    let mut his = Line::connect(&hub.channel("his/adt")).await.unwrap();
    change(&root, GENDERS, FEMALE, OTHER);
    deploy(&hub).await;
    // The table is mounted as a link to somewhere else, as some systems do.
    let table = root.path().join(GENDERS);
    std::fs::rename(&table, root.path().join("elsewhere.toml")).unwrap();
    symlink(root.path().join("elsewhere.toml"), &table).unwrap();
    let now = files(&root);
    let (status, refused) = order(&hub, "/ops/rollback", &json!({ "to": 1, "why": "x" })).await;
    let message = refused["error"]["message"].as_str().unwrap();
    assert_eq!(status, 409);
    assert!(message.contains(GENDERS) && message.contains("--leave-folder"), "{message}");
    let wanted = json!({ "to": 1, "why": "x", "leave_folder": true });
    let (status, report) = order(&hub, "/ops/rollback", &wanted).await;
    assert_eq!(status, 200, "{report}");
    assert!(report["notices"][0].as_str().unwrap().contains("next start"), "{report}");
    assert_eq!(files(&root), now);
    told(&hub, &mut his, "4711", "L1").await;
    assert_eq!(gender(&hub, "4711").await, "female");
}

#[tokio::test]
async fn a_roll_back_in_a_git_checkout_says_so_and_needs_no_fixtures_of_then() {
    let root = copy_of_the_files();
    std::fs::create_dir(root.path().join(".git")).unwrap();
    let hub = Hub::start(&Setup::default().root(root.path())).await;
    change(&root, ADT, "given   = \"his/adt/a01-admission.hl7\"", "given   = \"his/adt/moved.hl7\"");
    let fixtures = root.path().join("fixtures/his/adt");
    std::fs::rename(fixtures.join("a01-admission.hl7"), fixtures.join("moved.hl7")).unwrap();
    deploy(&hub).await;
    let (status, report) = order(&hub, "/ops/rollback", &json!({ "to": 1, "why": "x" })).await;
    assert_eq!(status, 200, "{report}");
    assert!(report["notices"][0].as_str().unwrap().contains("git checkout"), "{report}");
}

#[tokio::test]
async fn a_deployment_that_broke_off_with_the_hub_is_told_as_failed_and_the_next_start_reads_the_folder() {
    for place in hub_runtime::crash::DEPLOYING {
        let root = copy_of_the_files();
        let setup = Setup::default().root(root.path());
        let mut hub = Hub::start(&setup.clone().env("HUITONG_CRASH_AT", format!("{place}:1"))).await;
        let mut his = Line::connect(&hub.channel("his/adt")).await.unwrap();
        told(&hub, &mut his, "4711", "C1").await;
        change(&root, GENDERS, FEMALE, OTHER);
        let url = format!("{}/ops/deploy", hub.http());
        let sent = reqwest::Client::new().post(url).json(&json!({ "why": "in vain" })).send().await;
        assert!(sent.is_err(), "{place}");
        hub.dies().await;
        let hub = Hub::start_in(hub.kill(), &setup).await;
        let all = deployments(&hub).await;
        let results: Vec<&str> = all.iter().map(|one| one["result"].as_str().unwrap()).collect();
        assert_eq!(results, ["applied", "failed", "applied"], "{place}");
        assert_eq!((&all[0]["kind"], &all[1]["why"]), (&json!("start"), &json!("in vain")));
        assert!(all[1]["reason"].as_str().unwrap().contains("the hub ended"), "{place}");
        let mut his = Line::connect(&hub.channel("his/adt")).await.unwrap();
        told(&hub, &mut his, "4712", "C2").await;
        assert_eq!(gender(&hub, "4712").await, "other", "{place}");
        assert_eq!(hub.count("his/adt", "committed").await, 2, "{place}");
    }
}

#[tokio::test]
async fn a_proxy_says_who_it_is_and_nobody_can_say_otherwise() {
    let root = copy_of_the_files();
    let setup = Setup::default().root(root.path()).set("http.user_header=X-Forwarded-User");
    let hub = Hub::start(&setup).await;
    change(&root, GENDERS, FEMALE, OTHER);
    let (status, refused) = order(&hub, "/ops/deploy", &json!({ "who": "mallory" })).await;
    assert_eq!(status, 403);
    assert!(refused["error"]["message"].as_str().unwrap().contains("x-forwarded-user"), "{refused}");
    let sent = reqwest::Client::new()
        .post(format!("{}/ops/deploy", hub.http()))
        .header("x-forwarded-user", "anna")
        .json(&json!({ "who": "mallory" }))
        .send();
    assert!(sent.await.unwrap().status().is_success());
    assert_eq!(deployments(&hub).await[0]["who"], "anna");
}

#[tokio::test]
async fn at_the_prompt_it_is_deployed_listed_shown_compared_and_rolled_back() {
    let root = copy_of_the_files();
    let hub = Hub::start(&Setup::default().root(root.path())).await;
    let before = std::fs::read(root.path().join(GENDERS)).unwrap();
    change(&root, GENDERS, FEMALE, OTHER);
    let dry = huitong(&hub, &["deploy", "--dry-run"]);
    let told = text(&dry.stdout);
    assert!(told.lines().any(|line| line.starts_with("his/adt") && line.contains("mended")), "{told}");
    assert_eq!(deployments(&hub).await.len(), 1, "a dry run changes nothing");
    let deployed = huitong(&hub, &["deploy", "--why", "ticket 4711"]);
    assert!(deployed.status.success(), "{}", text(&deployed.stderr));
    assert!(text(&deployed.stdout).contains("deployment 2 is applied"));
    let listed = text(&huitong(&hub, &["deployments"]).stdout);
    assert!(listed.contains("ticket 4711") && listed.contains("running"), "{listed}");
    let shown = text(&huitong(&hub, &["deployments", "show", "2"]).stdout);
    assert!(shown.contains("ticket 4711") && shown.contains(GENDERS), "{shown}");
    let file = huitong(&hub, &["deployments", "show", "1", GENDERS]);
    assert_eq!(file.stdout, before, "to the byte");
    let diff = text(&huitong(&hub, &["deployments", "diff", "1", "2"]).stdout);
    assert!(diff.contains(&format!("--- a/{GENDERS}\n+++ b/{GENDERS}\n@@ ")), "{diff}");
    assert!(
        diff.contains("\n-\"F\" = { code = \"female\"") && diff.contains("\n+\"F\" = { code = \"other\"")
    );
    let of_another = huitong(&hub, &["deployments", "diff", "1", "2", ORU]);
    assert_eq!(text(&of_another.stdout), "no difference\n");
    let misspelt = huitong(&hub, &["deployments", "diff", "1", "2", "channels/his/atd.toml"]);
    assert!(text(&misspelt.stderr).contains(ADT), "{}", text(&misspelt.stderr));
    let back = huitong(&hub, &["rollback", "1", "--why", "no"]);
    assert!(back.status.success(), "{}", text(&back.stderr));
    assert_eq!(std::fs::read(root.path().join(GENDERS)).unwrap(), before);
    assert!(text(&huitong(&hub, &["deploy"]).stdout).contains("nothing to change"));
    change(&root, ADT, "lane_by", "lane");
    let wrong = huitong(&hub, &["deploy"]);
    assert_eq!(wrong.status.code(), Some(64));
    assert!(text(&wrong.stderr).contains("channels/his/adt.toml:9:1"), "{}", text(&wrong.stderr));
    assert!(Path::new(root.path()).join(ADT).exists());
}

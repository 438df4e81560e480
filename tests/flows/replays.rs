//! Replays: dry first, then beside the live traffic; what later messages have written stays, and nothing is sent twice.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Hub, PATIENCE, Setup, partners, project, write};

const CHANNEL: &str = r#"
name    = "ward/people"
version = 1
about   = "People, as the ward knows them."
[from]
connector   = "http"
acknowledge = "on_received"
lane_by     = "no"
settings    = { listen = "127.0.0.1:0" }
[parse]
format = "json"
[filter]
keep = ['no != "0"']
[map]
mapping = "ward/people"
writes  = ["Patient"]
[[to]]
name      = "archive"
connector = "http"
settings  = { url = "http://127.0.0.1:9/" }
[[test]]
name  = "a person"
given = "ward/person.json"
"#;

const MAPPING: &str = r#"
name    = "ward/people"
version = 1
from    = "json"
[[resource]]
as    = "person"
type  = "Patient"
id    = ["person", "no"]
write = "merge"
[resource.set]
name = { set = { family = { from = "family" } } }
"#;

/// What the engineers add.
const LANGUAGE: &str = "language = { from = \"language\" }\n";

fn files() -> TempDir {
    project(&[
        ("channels/ward/people.toml", CHANNEL),
        ("mappings/ward/people.toml", MAPPING),
        ("fixtures/ward/person.json", r#"{"day":"1","no":"1","family":"Li"}"#),
    ])
}

fn map_with(folder: &TempDir, more: &str) {
    write(folder.path(), &[("mappings/ward/people.toml", format!("{MAPPING}{more}"))]);
}

fn person(day: u32, no: u32, family: &str, language: Option<&str>) -> Value {
    let mut person = json!({ "day": day.to_string(), "no": no.to_string(), "family": family });
    if let Some(language) = language {
        person["language"] = language.into();
    }
    person
}

async fn tell(hub: &Hub, person: &Value) {
    let url = format!("http://{}/", hub.channel("ward/people"));
    let answer = reqwest::Client::new().post(url).json(person).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

/// Three messages: the first of person 1, a later one of person 1, one of person 2; and one that is filtered.
async fn told(hub: &Hub) {
    for person in [
        person(1, 1, "Li", Some("zh")),
        person(2, 1, "Wang", None),
        person(3, 2, "Zhao", Some("en")),
        person(4, 0, "Nobody", None),
    ] {
        tell(hub, &person).await;
        hub.settled("ward/people").await;
    }
}

/// People by their families: language and version.
async fn people(hub: &Hub) -> Vec<(String, String, String)> {
    let found = hub.get("/fhir/Patient?_count=100").await;
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut people: Vec<_> = found["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let one = &entry["resource"];
            (text(&one["name"][0]["family"]), text(&one["language"]), text(&one["meta"]["versionId"]))
        })
        .collect();
    people.sort();
    people
}

fn person_row(family: &str, language: &str, version: &str) -> (String, String, String) {
    (family.to_owned(), language.to_owned(), version.to_owned())
}

fn prompt(hub: &Hub, root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huitong"));
    command.arg("--root").arg(root).arg("--url").arg(hub.http()).args(arguments);
    command.output().unwrap()
}

fn out(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Waits until a replay is in this state.
async fn until(hub: &Hub, number: u64, wanted: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let replay = hub.get(&format!("/ops/replays/{number}")).await;
        if wanted(&replay) {
            return replay;
        }
        assert!(started.elapsed() < PATIENCE, "it did not come: {replay:#}\n{}", hub.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn replayed(hub: &Hub, order: Value) -> Value {
    let number = hub.post("/ops/replays", &order).await["number"].as_u64().unwrap();
    until(hub, number, |replay| replay["state"] == "done").await
}

async fn lines(hub: &Hub, order: Value) -> Vec<Value> {
    let answer =
        reqwest::Client::new().post(format!("{}/ops/replays", hub.http())).json(&order).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    answer.text().await.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn all() -> Value {
    json!({ "channel": "ward/people" })
}

#[tokio::test]
async fn a_dry_run_tells_what_a_replay_would_do_and_writes_nothing() {
    let root = files();
    let setup = Setup::default().root(root.path());
    let hub = Hub::start(&setup).await;
    told(&hub).await;
    map_with(&root, LANGUAGE);
    let hub = Hub::start_in(hub.stop().await, &setup).await;
    let told = lines(&hub, json!({ "filter": all(), "dry_run": true })).await;
    let would: Vec<&str> = told.iter().filter_map(|line| line["would"].as_str()).collect();
    assert_eq!(would, ["held_back", "same", "changed", "filtered"], "in the order of arrival: {told:#?}");
    let first = &told[0]["resources"][0];
    assert_eq!(first["differences"], json!([{ "path": "language", "how": "added" }]));
    assert_eq!(first["older"], json!(["name"]), "the later message has written the name");
    assert_eq!(told[0]["parcels"], json!([{ "to": "ward/people/archive", "there": true }]));
    let sum = &told[4]["sum"];
    assert_eq!(sum["elements"], json!({ "Patient.language": 2 }));
    assert_eq!(sum["older"], json!({ "Patient.name": 1 }));
    assert_eq!(sum["rules"].as_object().unwrap().len(), 1);
    assert_eq!(sum["resources"], json!({ "created": 0, "updated": 2, "same": 1, "older": 1 }));
    assert_eq!(sum["parcels"], json!({ "owed": 0, "there": 3 }));
    let forced = lines(&hub, json!({ "filter": all(), "dry_run": true, "newer": "overwrite" })).await;
    let paths: Vec<&str> = forced[0]["resources"][0]["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        (forced[0]["would"].as_str().unwrap(), paths),
        ("changed", vec!["name[0].family", "language"])
    );
    assert_eq!(forced[0]["resources"][0]["older"], json!(["name"]), "it is told all the same");
    // At the prompt: names of elements, no content.
    let shown = out(&prompt(&hub, root.path(), &["replay", "--channel", "ward/people", "--dry-run"]));
    assert!(shown.contains("4 messages, nothing written"), "{shown}");
    assert!(shown.contains("name would put older content over newer"), "{shown}");
    assert!(shown.contains("Patient.language  in 2 messages"), "{shown}");
    for content in ["Li", "Wang", "Zhao", "zh"] {
        assert!(!shown.contains(&format!(" {content}")), "{shown}");
    }
    let values = prompt(&hub, root.path(), &["replay", "--channel", "ward/people", "--dry-run", "--show"]);
    assert!(!values.status.success(), "values are for a terminal");
    let json =
        out(&prompt(&hub, root.path(), &["replay", "--channel", "ward/people", "--dry-run", "--json"]));
    assert_eq!(json.lines().count(), 5);
    assert_eq!(people(&hub).await, [person_row("Wang", "-", "2"), person_row("Zhao", "-", "1")]);
    assert!(hub.messages("channel=ward/people").await.iter().all(|message| message["replays"] == 0));
    assert_eq!(hub.get("/ops/replays").await["replays"], json!([]));
}

#[tokio::test]
async fn what_a_later_message_has_written_stays_unless_it_is_forced() {
    let root = files();
    let setup = Setup::default().root(root.path());
    let hub = Hub::start(&setup).await;
    told(&hub).await;
    map_with(&root, LANGUAGE);
    let hub = Hub::start_in(hub.stop().await, &setup).await;
    let replay = replayed(&hub, json!({ "filter": all() })).await;
    let came = json!({
        "changed": 1, "same": 1, "held_back": 1, "filtered": 1, "set_aside": 0, "handed_on": 0, "left": 0
    });
    assert_eq!(replay["messages"], came);
    assert_eq!(replay["resources"], json!({ "created": 0, "updated": 2, "same": 1, "older": 1 }));
    let wanted = [person_row("Wang", "zh", "3"), person_row("Zhao", "en", "2")];
    assert_eq!(people(&hub).await, wanted, "the new element of the old message, the name of the later one");
    // The message tells what was held back, and still is when it is replayed once more.
    let first = hub.messages("channel=ward/people").await[3]["id"].as_str().unwrap().to_owned();
    let detail = hub.get(&format!("/ops/messages/{first}")).await;
    assert_eq!(detail["notes"][0]["place"], "Patient.name", "{detail:#}");
    let again = replayed(&hub, json!({ "filter": all() })).await;
    assert_eq!((&again["messages"]["held_back"], &again["messages"]["same"]), (&json!(1), &json!(2)));
    assert_eq!(people(&hub).await, wanted, "nothing is written twice");
    let shown = out(&prompt(&hub, root.path(), &["replay", &first, "--force"]));
    assert!(shown.contains("1 changed something"), "{shown}");
    let people = people(&hub).await;
    assert_eq!(people[0], person_row("Li", "zh", "4"), "older content over newer, as was asked for");
    let listed = out(&prompt(&hub, root.path(), &["replay", "status"]));
    assert_eq!(listed.lines().count(), 4, "{listed}");
}

#[tokio::test]
async fn a_message_that_the_new_mapping_cannot_read_is_foreseen_and_set_aside() {
    let root = files();
    let setup = Setup::default().root(root.path());
    let hub = Hub::start(&setup).await;
    let mut wrong = person(1, 1, "Li", None);
    wrong["born"] = "SECRET".into();
    tell(&hub, &wrong).await;
    tell(&hub, &person(2, 2, "Wang", None)).await;
    hub.settled("ward/people").await;
    map_with(&root, "birthDate = { from = \"born\", invalid = \"quarantine\" }\n");
    let hub = Hub::start_in(hub.stop().await, &setup).await;
    let told = lines(&hub, json!({ "filter": all(), "dry_run": true })).await;
    assert_eq!(told[0]["would"], "set_aside", "{told:#?}");
    assert!(!told[0]["fault"]["reason"].to_string().contains("SECRET"));
    assert_eq!(told[1]["would"], "same");
    assert_eq!(told[2]["sum"]["faults"][0]["messages"], 1);
    assert_eq!(hub.count("ward/people", "quarantined").await, 0);
    let replay = replayed(&hub, json!({ "filter": all() })).await;
    assert_eq!(replay["messages"]["set_aside"], 1);
    assert_eq!(hub.count("ward/people", "quarantined").await, 1);
    assert_eq!(people(&hub).await.len(), 2, "what they wrote stays");
}

#[tokio::test]
async fn a_whole_is_split_when_it_is_to_be_and_its_pieces_are_replayed_for_it() {
    let root = files();
    let setup = Setup::default().root(root.path());
    let hub = Hub::start(&setup).await;
    tell(&hub, &json!([person(1, 1, "Li", None), person(2, 2, "Wang", None)])).await;
    hub.settled("ward/people").await;
    assert_eq!(hub.count("ward/people", "quarantined").await, 1, "it is not split yet");
    let splitting = CHANNEL.replace("format = \"json\"", "format = \"json\"\nsplit = \"messages\"");
    write(root.path(), &[("channels/ward/people.toml", splitting)]);
    let hub = Hub::start_in(hub.stop().await, &setup).await;
    let told = lines(&hub, json!({ "filter": all(), "dry_run": true })).await;
    assert_eq!(told[0]["would"], "handed_on", "{told:#?}");
    let replay = replayed(&hub, json!({ "filter": all() })).await;
    assert_eq!(replay["messages"]["handed_on"], 1);
    hub.settled("ward/people").await;
    assert_eq!(people(&hub).await, [person_row("Li", "-", "1"), person_row("Wang", "-", "1")]);
    let whole = hub.messages("state=split").await[0]["id"].clone();
    for order in
        [json!({ "ids": [whole] }), json!({ "filter": { "parent": whole } }), json!({ "filter": all() })]
    {
        let replay = replayed(&hub, order.clone()).await;
        assert_eq!((&replay["seen"], &replay["messages"]["same"]), (&json!(2), &json!(2)), "{order}");
    }
}

#[tokio::test]
async fn nothing_is_sent_twice_unless_it_is_asked_for() {
    let (url, archive) = partners::web().await;
    let root = files();
    let setup = Setup::default().root(root.path());
    let setup = setup.set(format!("channels.\"ward/people\".to.archive.url={url}"));
    let hub = Hub::start(&setup).await;
    told(&hub).await;
    hub.paid("ward/people/archive").await;
    assert_eq!(archive.times(), 3);
    let once = replayed(&hub, json!({ "filter": all() })).await;
    assert_eq!(once["parcels"], json!({ "owed": 0, "there": 3 }));
    hub.paid("ward/people/archive").await;
    assert_eq!(archive.times(), 3);
    for round in 1..=2 {
        let again = replayed(&hub, json!({ "filter": all(), "parcels": "again" })).await;
        assert_eq!(again["parcels"], json!({ "owed": 3, "there": 0 }));
        hub.paid("ward/people/archive").await;
        assert_eq!(archive.times(), 3 + round * 3);
        assert_eq!(archive.keys().len() as u64, 3 + round * 3, "each under an id of its own");
    }
    let never = replayed(&hub, json!({ "filter": all(), "parcels": "never" })).await;
    assert_eq!(never["parcels"], json!({ "owed": 0, "there": 0 }));
}

#[tokio::test]
async fn a_replay_is_paused_and_stopped_and_goes_on_after_a_kill() {
    const MESSAGES: u32 = 300;
    let root = files();
    let setup = Setup::default().root(root.path()).set("log.level=error");
    let hub = Hub::start(&setup).await;
    for nth in 0..MESSAGES {
        tell(&hub, &person(nth, 1 + nth % 7, "Li", Some("zh"))).await;
    }
    hub.settled("ward/people").await;
    map_with(&root, LANGUAGE);
    let hub = Hub::start_in(hub.stop().await, &setup).await;
    let order = json!({ "filter": all(), "rate": 100 });
    let number = hub.post("/ops/replays", &order).await["number"].as_u64().unwrap();
    until(&hub, number, |replay| replay["seen"].as_u64().unwrap() > 0).await;
    let paused = out(&prompt(&hub, root.path(), &["replay", "pause", &number.to_string()]));
    assert!(paused.contains("paused"), "{paused}");
    // The page under way is noted; then nothing more is done.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let seen = hub.get(&format!("/ops/replays/{number}")).await["seen"].as_u64().unwrap();
    assert!(seen > 0 && seen < u64::from(MESSAGES));
    let hub = Hub::start_in(hub.kill(), &setup).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let replay = hub.get(&format!("/ops/replays/{number}")).await;
    assert_eq!((&replay["state"], &replay["seen"]), (&json!("paused"), &json!(seen)));
    out(&prompt(&hub, root.path(), &["replay", "resume", &number.to_string()]));
    until(&hub, number, |replay| replay["seen"].as_u64().unwrap() > seen).await;
    let hub = Hub::start_in(hub.kill(), &setup).await;
    let done = until(&hub, number, |replay| replay["state"] == "done").await;
    assert_eq!((&done["seen"], &done["way"]), (&json!(MESSAGES), &json!(1.0)), "each once: {done:#}");
    let mut replays = 0;
    let mut page = hub.get("/ops/messages?channel=ward/people&limit=500").await;
    for message in page["messages"].as_array_mut().unwrap() {
        let count = message["replays"].as_u64().unwrap();
        assert!((1..=2).contains(&count), "a page that was not noted is gone over once more");
        replays += count;
    }
    assert!(replays <= u64::from(MESSAGES) + 64);
    assert!(people(&hub).await.iter().all(|(_, language, _)| language == "zh"));
    // A stopped one is over.
    let second =
        hub.post("/ops/replays", &json!({ "filter": all(), "rate": 10 })).await["number"].to_string();
    let stopped = out(&prompt(&hub, root.path(), &["replay", "stop", &second]));
    assert!(stopped.contains("stopped"), "{stopped}");
    let refused = prompt(&hub, root.path(), &["replay", "resume", &second]);
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("is stopped; `resume` is for one that is paused"), "{told}");
}

#[tokio::test]
async fn messages_of_one_lane_key_are_replayed_in_the_order_of_arrival() {
    const PEOPLE: u32 = 10;
    let root = files();
    let setup = Setup::default().root(root.path()).set("log.level=error");
    let hub = Hub::start(&setup).await;
    for nth in 0..200 {
        tell(&hub, &person(nth, 1 + nth % PEOPLE, &format!("Old{nth}"), None)).await;
    }
    hub.settled("ward/people").await;
    // Written over whatever came later: only the order makes the last one of each the last again.
    let order = json!({ "filter": all(), "newer": "overwrite", "rate": 100_000 });
    let replay = replayed(&hub, order).await;
    assert_eq!((&replay["seen"], &replay["messages"]["changed"]), (&json!(200), &json!(200)));
    let families: Vec<String> = people(&hub).await.into_iter().map(|(family, ..)| family).collect();
    assert_eq!(families, (190..200).map(|nth| format!("Old{nth}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn live_messages_are_not_overtaken_by_a_replay_of_older_ones() {
    const PEOPLE: u32 = 10;
    let root = files();
    let setup = Setup::default().root(root.path()).set("log.level=error");
    let hub = Hub::start(&setup).await;
    for nth in 0..200 {
        tell(&hub, &person(nth, 1 + nth % PEOPLE, &format!("Old{nth}"), Some("zh"))).await;
    }
    hub.settled("ward/people").await;
    map_with(&root, LANGUAGE);
    let hub = Hub::start_in(hub.stop().await, &setup).await;
    let order = json!({ "filter": all(), "rate": 400 });
    let number = hub.post("/ops/replays", &order).await["number"].as_u64().unwrap();
    let mut nth = 1_000;
    loop {
        for no in 1..=PEOPLE {
            tell(&hub, &person(nth, no, &format!("Live{nth}"), None)).await;
            nth += 1;
        }
        if hub.get(&format!("/ops/replays/{number}")).await["state"] == "done" {
            break;
        }
    }
    hub.settled("ward/people").await;
    let last: Vec<String> = (nth - PEOPLE..nth).map(|nth| format!("Live{nth}")).collect();
    let found = people(&hub).await;
    let mut families: Vec<&str> = found.iter().map(|(family, ..)| family.as_str()).collect();
    families.sort_unstable();
    let mut wanted: Vec<&str> = last.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    assert_eq!(families, wanted, "the live message of each has the last word");
    assert!(found.iter().all(|(_, language, _)| language == "zh"), "and the replay has added what it knows");
    let replay = hub.get(&format!("/ops/replays/{number}")).await;
    assert_eq!(replay["seen"], 200, "what came later is not gone over");
    // No version puts an older family over a newer one: the days of the families only grow.
    let ids = hub.get("/fhir/Patient?_count=100&_elements=id").await;
    for entry in ids["entry"].as_array().unwrap() {
        let id = entry["resource"]["id"].as_str().unwrap();
        let history = hub.get(&format!("/fhir/Patient/{id}/_history?_count=1000")).await;
        let days: Vec<u32> = history["entry"]
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .map(|entry| {
                let family = entry["resource"]["name"][0]["family"].as_str().unwrap();
                family.trim_start_matches(char::is_alphabetic).parse().unwrap()
            })
            .collect();
        assert!(days.is_sorted(), "{days:?}");
    }
}

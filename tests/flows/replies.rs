//! Who asks is answered: an HL7 v2 query over MLLP, services over HTTP in XML and JSON; and what is looked up before it is written.

use std::path::Path;

use axum::Router;
use axum::routing::post;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::mllp::{Line, msa};
use crate::harness::{Hub, PATIENCE, Setup, fixture, project};

const ADMISSION: &str = "MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^A01^ADT_A01|A1|P|2.5.1|||||CHN|UNICODE UTF-8\rPID|1||4711^^^HIS^PI||陈^思远||19881112|M\rPV1|1|I|W1^1^1\r";

fn query(control_id: &str, number: &str) -> String {
    format!(
        "MSH|^~\\&|PACS|H01|HUITONG|H01|20261123083000+0800||QBP^Q22^QBP_Q21|{control_id}|P|2.5\rQPD|IHE PDQ Query^^IHE|T{control_id}|@PID.3.1^{number}\rRCP|I\r"
    )
}

#[tokio::test]
async fn a_query_over_mllp_is_answered_with_the_patients_there_are_then() {
    let hub = Hub::start(&Setup::default()).await;
    let mut asker = Line::connect(&hub.channel("his/find-patients")).await.unwrap();
    let nobody = asker.exchange(query("Q1", "4711").as_bytes()).await.unwrap();
    assert_eq!(msa(&nobody), ("AA".into(), "Q1".into()));
    assert!(nobody.contains("QAK|TQ1|NF"), "{nobody}");
    let mut his = Line::connect(&hub.channel("his/adt")).await.unwrap();
    his.exchange(ADMISSION.as_bytes()).await.unwrap();
    hub.settled("his/adt").await;
    let found = asker.exchange(query("Q2", "4711").as_bytes()).await.unwrap();
    assert_eq!(msa(&found), ("AA".into(), "Q2".into()));
    assert!(found.contains("|RSP^K22^RSP_K21|") && found.contains("QAK|TQ2|OK"), "{found}");
    assert!(found.contains("PID|1||4711^^^HIS^PI||陈^思远"), "{found}");
    // The first question again, byte for byte: a duplicate, answered by what is known now.
    let again = asker.exchange(query("Q1", "4711").as_bytes()).await.unwrap();
    assert!(again.contains("QAK|TQ1|OK") && again.contains("PID|1||4711"), "{again}");
    assert_eq!(hub.messages("channel=his/find-patients").await.len(), 2);
    let asked = hub.get("/fhir/AuditEvent").await;
    assert_eq!(asked["entry"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_query_that_cannot_be_kept_is_refused_in_the_partner_s_words() {
    let hub = Hub::start(&Setup::default()).await;
    let mut asker = Line::connect(&hub.channel("his/find-patients")).await.unwrap();
    let answer = asker.exchange(&fixture("his/find-patients/no-tag.hl7")).await.unwrap();
    assert_eq!(msa(&answer), ("AE".into(), "Q4".into()));
    assert!(answer.contains("RSP^K22") && answer.contains("QPD-2"), "{answer}");
}

#[tokio::test]
async fn a_hub_that_is_killed_after_the_commit_answers_the_same_query_when_it_is_repeated() {
    let setup = Setup::default().env("HUITONG_CRASH_AT", "committed:1");
    let mut hub = Hub::start(&setup).await;
    let mut asker = Line::connect(&hub.channel("his/find-patients")).await.unwrap();
    asker.send(query("Q7", "1").as_bytes()).await.unwrap();
    hub.dies().await;
    let hub = Hub::start_in(hub.kill(), &Setup::default()).await;
    let mut asker = Line::connect(&hub.channel("his/find-patients")).await.unwrap();
    let answer = asker.exchange(query("Q7", "1").as_bytes()).await.unwrap();
    assert_eq!(msa(&answer), ("AA".into(), "Q7".into()));
    assert_eq!(hub.messages("channel=his/find-patients").await.len(), 1);
}

async fn start(folder: &Path) -> Hub {
    Hub::start(&Setup::default().root(folder)).await
}

/// Posts a request; gives the status, the media type and the body.
async fn ask(hub: &Hub, channel: &str, body: &str) -> (u16, String, String) {
    let url = format!("http://{}/", hub.channel(channel));
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let answer = client.post(url).body(body.to_owned()).send().await.unwrap();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    (answer.status().as_u16(), kind.unwrap_or_default(), answer.text().await.unwrap())
}

const XML_CHANNEL: &str = r#"
name    = "platform/register"
version = 1
about   = "Patients are registered by a service, and each is told under which number."
[from]
connector   = "http"
acknowledge = "on_answered"
settings    = { listen = "127.0.0.1:0" }
[parse]
format = "xml"
[map]
mapping = "platform/register"
writes  = ["Patient"]
[reply]
mapping = "platform/registered"
of      = "commit"
refused = "platform/refused"
[[test]]
name   = "a patient is registered"
given  = "platform/register.xml"
"#;

const XML_MAPPING: &str = r#"
name    = "platform/register"
version = 1
from    = "xml"
[[resource]]
as   = "patient"
type = "Patient"
id   = ["patient", "/Register/Patient/@no"]
[resource.set]
identifier = { from = "/Register/Patient/@no", as = "Identifier", system = "urn:id:platform" }
birthDate  = { from = "/Register/Patient/Born" }
"#;

const XML_REPLY: &str = r##"
name    = "platform/registered"
version = 1
from    = "fhir"
to      = "xml"
request = "xml"
[message]
root = "Registered"
[message.set]
"@code" = { value = "AA" }
Request = { from = "request/Register/Id" }
Patient = { set = { "@id" = { from = "Patient.id" }, "#text" = { from = "Patient.identifier.value" } } }
"##;

const XML_REFUSAL: &str = r##"
name    = "platform/refused"
version = 1
from    = "xml"
to      = "xml"
[message]
root = "Registered"
[message.set]
"@code" = { value = "AE" }
Request = { from = "/Register/Id" }
Text    = { from = "hub.reason" }
"##;

#[tokio::test]
async fn a_service_in_xml_is_answered_with_what_it_wrote_or_why_it_did_not() {
    let request = "<Register><Id>R1</Id><Patient no=\"77\"><Born>1988-11-12</Born></Patient></Register>";
    let folder = project(&[
        ("channels/platform/register.toml", XML_CHANNEL),
        ("mappings/platform/register.toml", XML_MAPPING),
        ("mappings/platform/registered.toml", XML_REPLY),
        ("mappings/platform/refused.toml", XML_REFUSAL),
        ("fixtures/platform/register.xml", request),
    ]);
    let hub = start(folder.path()).await;
    let (status, kind, body) = ask(&hub, "platform/register", request).await;
    assert_eq!((status, kind.as_str()), (200, "application/xml"), "{body}");
    assert!(
        body.contains("code=\"AA\"")
            && body.contains("<Request>R1</Request>")
            && body.contains(">77</Patient>"),
        "{body}"
    );
    let stored = hub.get("/fhir/Patient?identifier=77").await;
    let id = stored["entry"][0]["resource"]["id"].as_str().unwrap();
    assert!(body.contains(&format!("id=\"{id}\"")), "{body}");
    let wrong = request.replace("1988-11-12", "12.11.1988").replace("R1", "R2");
    let (status, _, body) = ask(&hub, "platform/register", &wrong).await;
    assert_eq!(status, 422);
    assert!(
        body.contains("code=\"AE\"") && body.contains("<Request>R2</Request>") && body.contains("Born"),
        "{body}"
    );
    assert!(!body.contains("12.11.1988"), "a refusal holds no content");
    let (status, _, _) = ask(&hub, "platform/register", "<Register>").await;
    assert_eq!(status, 422);
    assert_eq!(hub.count("platform/register", "quarantined").await, 2);
}

const JSON_CHANNEL: &str = r#"
name    = "bank/balance"
version = 1
about   = "Asks the bank, and answers with what it says."
[from]
connector   = "http"
acknowledge = "on_answered"
settings    = { listen = "127.0.0.1:0" }
[parse]
format = "json"
[map]
mapping = "bank/asked"
writes  = ["Task"]
[reply]
mapping     = "bank/told"
of          = "bank"
within_secs = 2
[[to]]
name      = "bank"
connector = "http"
settings  = { url = "URL" }
mapping   = "bank/question"
[[test]]
name   = "a question is asked"
given  = "bank/question.json"
sends  = { bank = "bank/sent.json" }
"#;

const JSON_ASKED: &str = r#"
name    = "bank/asked"
version = 1
from    = "json"
[[resource]]
as   = "task"
type = "Task"
id   = ["task", "number"]
[resource.set]
status = { value = "requested" }
intent = { value = "order" }
"#;

const JSON_QUESTION: &str = r#"
name    = "bank/question"
version = 1
from    = "json"
to      = "json"
[message.set]
order = { from = "number" }
"#;

const JSON_TOLD: &str = r#"
name    = "bank/told"
version = 1
from    = "json"
to      = "json"
request = "json"
[message.set]
number = { from = "request.number" }
paid   = { from = "state", code = "paid", type = "boolean" }
"#;

const PAID: &str = "name = \"paid\"\nother = \"quarantine\"\n[codes]\nPAID = \"true\"\nOPEN = \"false\"\n";

#[tokio::test]
async fn a_service_in_json_is_answered_with_what_another_system_says_or_told_to_come_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    // The bank answers what it is asked; about order 3 it is silent for longer than anybody waits.
    let bank = Router::new().route(
        "/",
        post(|body: String| async move {
            if body.contains("\"3\"") {
                tokio::time::sleep(std::time::Duration::from_secs(20)).await;
            }
            if body.contains("\"2\"") { r#"{"state":"OPEN"}"# } else { r#"{"state":"PAID"}"# }
        }),
    );
    tokio::spawn(async move { axum::serve(listener, bank).await });
    let channel = JSON_CHANNEL.replace("URL", &url);
    let folder = project(&[
        ("channels/bank/balance.toml", channel.as_str()),
        ("mappings/bank/asked.toml", JSON_ASKED),
        ("mappings/bank/question.toml", JSON_QUESTION),
        ("mappings/bank/told.toml", JSON_TOLD),
        ("mappings/codes/paid.toml", PAID),
        ("fixtures/bank/question.json", r#"{"number":"1"}"#),
        ("fixtures/bank/sent.json", "{}"),
    ]);
    let hub = start(folder.path()).await;
    let (status, kind, body) = ask(&hub, "bank/balance", r#"{"number":"1"}"#).await;
    assert_eq!(
        (status, kind.as_str(), body.as_str()),
        (200, "application/json", r#"{"number":"1","paid":true}"#)
    );
    let (_, _, body) = ask(&hub, "bank/balance", r#"{"number":"2"}"#).await;
    assert_eq!(body, r#"{"number":"2","paid":false}"#);
    let (status, _, _) = ask(&hub, "bank/balance", r#"{"number":"3"}"#).await;
    assert_eq!(status, 503, "the bank is silent");
    // The late answer to the third is never given to who asks next.
    let (status, _, body) = ask(&hub, "bank/balance", r#"{"number":"1"}"#).await;
    assert_eq!((status, body.as_str()), (200, r#"{"number":"1","paid":true}"#));
}

const FIND_CHANNEL: &str = r#"
name    = "ward/notes"
version = 1
about   = "Notes of the ward are filed with patients that are there."
[from]
connector   = "http"
acknowledge = "on_committed"
settings    = { listen = "127.0.0.1:0" }
[parse]
format = "json"
split  = "notes"
[map]
mapping = "ward/notes"
writes  = ["DocumentReference", "Patient"]
[[test]]
name   = "a note of a patient who is there"
given  = "ward/notes.json"
stored = "ward/patients.json"
pieces = 1
"#;

const FIND_MAPPING: &str = r#"
name    = "ward/notes"
version = 1
from    = "json"
[[resource]]
as      = "patient"
type    = "Patient"
find    = { identifier = { from = "notes.patient", system = "urn:id:HIS" } }
missing = "MISSING"
id      = ["patient", "notes.patient"]
write   = "merge"
set     = { identifier = { from = "notes.patient", as = "Identifier", system = "urn:id:HIS" } }
[[resource]]
as   = "note"
type = "DocumentReference"
id   = ["note", "notes.no"]
[resource.set]
status  = { value = "current" }
subject = { ref = "patient" }
content = { set = { attachment = { set = { title = { from = "notes.title" } } } } }
"#;

fn notes(missing: &str) -> TempDir {
    project(&[
        ("channels/ward/notes.toml", FIND_CHANNEL),
        ("mappings/ward/notes.toml", FIND_MAPPING.replace("MISSING", missing).as_str()),
        ("fixtures/ward/notes.json", r#"{"notes":[{"no":1,"patient":"P1","title":"a"}]}"#),
        (
            "fixtures/ward/patients.json",
            r#"{"resourceType":"Patient","id":"stored","identifier":[{"system":"urn:id:HIS","value":"P1"}]}"#,
        ),
    ])
}

#[tokio::test]
async fn a_piece_finds_what_the_piece_before_it_has_created() {
    let folder = notes("create");
    let hub = start(folder.path()).await;
    let several = r#"{"notes":[{"no":1,"patient":"P1","title":"a"},{"no":2,"patient":"P1","title":"b"},{"no":3,"patient":"P2","title":"c"}]}"#;
    let (status, _, body) = ask(&hub, "ward/notes", several).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(hub.get("/fhir/Patient").await["entry"].as_array().unwrap().len(), 2);
    let notes = hub.get("/fhir/DocumentReference").await;
    let subjects: std::collections::BTreeSet<String> = notes["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["resource"]["subject"]["reference"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(subjects.len(), 2, "three notes of two patients");
}

#[tokio::test]
async fn what_is_not_found_sets_only_its_own_piece_aside() {
    let folder = notes("quarantine");
    let hub = start(folder.path()).await;
    let two = r#"{"notes":[{"no":1,"patient":"P1","title":"a"},{"no":2,"patient":"P2","title":"b"}]}"#;
    let (status, _, body) = ask(&hub, "ward/notes", two).await;
    assert_eq!(status, 422, "{body}");
    assert!(body.contains("\"set_aside\":2"), "{body}");
    let set_aside = hub.messages("state=quarantined").await;
    assert_eq!(set_aside.len(), 2);
    assert!(
        set_aside[0].to_string().contains("no Patient with this identifier is stored"),
        "{}",
        set_aside[0]
    );
}

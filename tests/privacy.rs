//! Patient data stays inside: marked values go through the hub, right and wrong ones, and none of them comes out in a log, a metric, an
//! acknowledgement's text or an operator's list of reasons.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may stop at what it did not expect, and says what it saw"
)]

mod harness;

use harness::mllp::Line;
use harness::{Hub, Setup, partners};

/// Values that stand for what a patient would not want told. None may be a word of the program.
const MARKS: [&str; 9] = [
    "Zqxfamily",
    "Zqxgiven",
    "Zqxstreet",
    "19470813",
    "zqx@example.org",
    "55501999",
    "Zqxresult",
    "ZQXPATIENT1",
    "Zqxnote",
];

fn admission(control_id: &str, birth_date: &str, sex: &str) -> String {
    format!(
        "MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^A01^ADT_A01|{control_id}|P|2.5.1\r\
         PID|1||ZQXPATIENT1^^^HIS^PI||Zqxfamily^Zqxgiven||{birth_date}|{sex}|||Zqxstreet^^City||55501999^PRN^PH^zqx@example.org\r\
         NK1|1|Zqxfamily^Zqxgiven|SPO\r\
         PV1|1|I|W1^1^1\r"
    )
}

fn result(control_id: &str, status: &str, value_type: &str) -> String {
    format!(
        "MSH|^~\\&|LIS|T|HUB|H|20261123081500+0800||ORU^R01^ORU_R01|{control_id}|P|2.5.1\r\
         PID|1||ZQXPATIENT1^^^HIS^PI||Zqxfamily^Zqxgiven||19470813|F\r\
         OBR|1|A1|R{control_id}|K^Potassium^LIS|||20261123080000+0800|||||||||||||||20261123081000+0800||CH|F\r\
         OBX|1|{value_type}|K^Potassium^LIS||Zqxresult|mmol/L|3.5-5.1|HH|||{status}\r\
         NTE|1||Zqxnote\r"
    )
}

#[tokio::test]
async fn no_value_of_a_patient_reaches_a_log_a_metric_or_an_error_text() {
    let (lis, _) = partners::hl7().await;
    let hub = Hub::start(
        &Setup::default()
            .set("log.level=trace")
            .set(format!("channels.\"his/adt\".to.lis-feed.url=mllp://{lis}")),
    )
    .await;
    let mut said = String::new();
    let mut adt = Line::connect(&hub.channel("his/adt")).await.unwrap();
    for message in [
        admission("A1", "19470813", "F"),
        admission("A1", "19470814", "F"),
        admission("A2", "Zqxfamily", "F"),
        admission("A3", "19470813", "Zqxgiven"),
        admission("A4", "19470813", "F").replace("ADT^A01", "ADT^A99"),
        admission("A5", "19470813", "F").replace("PID|1||ZQXPATIENT1^^^HIS^PI|", "PID|1|||"),
        admission("A6", "19470813", "F").replace("MSH|", "MXH|"),
        admission("A7", "19470813", "F").replace("NK1|1|", "Zqxgiven1|"),
    ] {
        said.push_str(&adt.exchange(message.as_bytes()).await.unwrap());
    }
    let mut broken_charset = admission("A8", "19470813", "F").into_bytes();
    broken_charset.extend_from_slice(&[0xff, 0xfe, 0x80]);
    said.push_str(&adt.exchange(&broken_charset).await.unwrap());
    let mut oru = Line::connect(&hub.channel("lis/oru-r01")).await.unwrap();
    for message in [
        result("O1", "F", "ST"),
        result("O2", "Zqxresult", "ST"),
        result("O3", "F", "DT"),
        result("O4", "F", "NM"),
        result("O5", "F", "Zqxnote"),
    ] {
        said.push_str(&oru.exchange(message.as_bytes()).await.unwrap());
    }
    for channel in ["his/adt", "lis/oru-r01"] {
        hub.settled(channel).await;
    }
    for path in [
        "/fhir/Patient?identifier=ZQXPATIENT1",
        "/fhir/Patient?name=Zqxfamily&nonsense=Zqxgiven",
        "/fhir/Patient/Zqxfamily",
        "/ops/messages?patient=ZQXPATIENT1",
    ] {
        // What is asked for may hold patient data; it must not come back in an error, and never in the log.
        let answer = reqwest::get(format!("{}{path}", hub.http())).await.unwrap();
        if !answer.status().is_success() {
            said.push_str(&answer.text().await.unwrap());
        }
    }
    said.push_str(&reqwest::get(format!("{}/metrics", hub.http())).await.unwrap().text().await.unwrap());
    for message in hub.messages("state=quarantined&limit=100").await {
        said.push_str(&message["fault"].to_string());
    }
    assert!(!hub.messages("state=quarantined&limit=100").await.is_empty(), "something went wrong on purpose");
    let log = hub.log();
    assert!(log.contains("message_id"), "the log was written at its finest");
    let folder = hub.stop().await;
    let log = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    for mark in MARKS {
        let holder = |text: &str| text.lines().find(|line| line.contains(mark)).map(str::to_owned);
        assert_eq!(holder(&log), None, "the log holds `{mark}`");
        assert_eq!(holder(&said), None, "an answer or metric holds `{mark}`");
    }
}

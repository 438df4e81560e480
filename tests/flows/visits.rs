//! A visit's story over several messages: what is stored must be true after each.

use serde_json::Value;

use crate::harness::mllp::{Line, msa};
use crate::harness::{Hub, Setup};

fn event(trigger: &str, control_id: &str, admitted: &str, discharged: &str) -> String {
    format!(
        "MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^{trigger}^ADT_A01|{control_id}|P|2.5.1\r\
         PID|1||4711^^^HIS^PI||Test^Person||19700101|F\r\
         PV1|1|I|W1^1^1||||||||||||||||V1^^^HIS^VN|||||||||||||||||||||||||{admitted}|{discharged}\r"
    )
}

async fn encounter(hub: &Hub) -> Value {
    hub.settled("his/adt").await;
    let bundle = hub.get("/fhir/Encounter?identifier=V1").await;
    assert_eq!(bundle["entry"].as_array().map(Vec::len), Some(1), "{bundle:#}");
    bundle["entry"][0]["resource"].clone()
}

#[tokio::test]
async fn an_update_after_the_discharge_does_not_reopen_the_visit() {
    let hub = Hub::start(&Setup::default().set("log.level=error")).await;
    let mut line = Line::connect(&hub.channel("his/adt")).await.unwrap();
    let mut tell = async |message: String| {
        assert_eq!(msa(&line.exchange(message.as_bytes()).await.unwrap()).0, "AA");
    };
    tell(event("A01", "1", "20261120080000", "")).await;
    assert_eq!(encounter(&hub).await["status"], "in-progress");
    tell(event("A03", "2", "20261120080000", "20261122100000")).await;
    let ended = encounter(&hub).await;
    assert_eq!(ended["status"], "finished");
    assert_eq!(ended["period"]["end"], "2026-11-22T10:00:00+08:00"); // PV1-45
    // An insurance clerk corrects something; the HIS leaves PV1-45 out.
    tell(event("A08", "3", "20261120080000", "")).await;
    let after = encounter(&hub).await;
    assert_eq!((&after["status"], &after["period"]), (&ended["status"], &ended["period"]));
    // The discharge was a mistake and is taken back.
    tell(event("A13", "4", "20261120080000", "")).await;
    let again = encounter(&hub).await;
    assert_eq!(again["status"], "in-progress");
    assert!(again["period"]["end"].is_null(), "{again:#}");
}

#[tokio::test]
async fn an_update_of_a_visit_nobody_told_of_makes_it() {
    let hub = Hub::start(&Setup::default().set("log.level=error")).await;
    let mut line = Line::connect(&hub.channel("his/adt")).await.unwrap();
    line.exchange(event("A08", "1", "20261120080000", "").as_bytes()).await.unwrap();
    let visit = encounter(&hub).await;
    assert_eq!(visit["status"], "in-progress");
    assert_eq!(visit["period"]["start"], "2026-11-20T08:00:00+08:00"); // PV1-44
}

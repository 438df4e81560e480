//! What senders are answered, and what becomes of what they send.

use crate::harness::mllp::{Line, msa};
use crate::harness::{Hub, Setup};

const ADMISSION: &str = "MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^A01^ADT_A01|A1|P|2.5.1\rPID|1||4711^^^HIS^PI||Test^Person||19700101|F\rPV1|1|I|W1^1^1\r";

async fn line(hub: &Hub) -> Line {
    Line::connect(&hub.channel("his/adt")).await.unwrap()
}

#[tokio::test]
async fn an_admission_is_acknowledged_and_found_by_the_api() {
    let hub = Hub::start(&Setup::default()).await;
    let answer = line(&hub).await.exchange(ADMISSION.as_bytes()).await.unwrap();
    assert_eq!(msa(&answer), ("AA".into(), "A1".into()));
    hub.settled("his/adt").await;
    let bundle = hub.get("/fhir/Patient?identifier=4711").await;
    assert_eq!(bundle["entry"][0]["resource"]["name"][0]["family"], "Test"); // PID-5.1
    let id = bundle["entry"][0]["resource"]["id"].as_str().unwrap();
    let patient = hub.get(&format!("/fhir/Patient/{id}")).await;
    assert_eq!(patient["birthDate"], "1970-01-01"); // PID-7
    let encounters = hub.get(&format!("/fhir/Encounter?patient={id}&_include=Encounter:patient")).await;
    assert!(encounters["entry"].is_null() || encounters["entry"].as_array().unwrap().len() <= 2);
}

#[tokio::test]
async fn a_second_copy_is_acknowledged_and_not_processed_twice() {
    let hub = Hub::start(&Setup::default()).await;
    let mut line = line(&hub).await;
    for _ in 0..3 {
        let answer = line.exchange(ADMISSION.as_bytes()).await.unwrap();
        assert_eq!(msa(&answer), ("AA".into(), "A1".into()));
    }
    hub.settled("his/adt").await;
    assert_eq!(hub.messages("control_id=A1").await.len(), 1);
}

#[tokio::test]
async fn the_same_control_id_with_other_content_is_told_apart_and_flagged() {
    let hub = Hub::start(&Setup::default()).await;
    let mut line = line(&hub).await;
    line.exchange(ADMISSION.as_bytes()).await.unwrap();
    let other = ADMISSION.replace("Test^Person", "Other^Person");
    assert_eq!(msa(&line.exchange(other.as_bytes()).await.unwrap()).0, "AA");
    hub.settled("his/adt").await;
    let found = hub.messages("control_id=A1").await;
    assert_eq!(found.len(), 2);
    let flagged = found.iter().filter(|message| message["reused_control_id"] == true).count();
    assert_eq!(flagged, 1);
}

#[tokio::test]
async fn an_event_the_channel_does_not_take_is_rejected_and_kept_as_filtered() {
    let hub = Hub::start(&Setup::default()).await;
    let other = ADMISSION.replace("ADT^A01^ADT_A01", "ADT^A60^ADT_A60");
    let answer = line(&hub).await.exchange(other.as_bytes()).await.unwrap();
    assert_eq!(msa(&answer), ("AR".into(), "A1".into()));
    assert!(answer.contains("ERR|"), "ERR says why");
    assert!(answer.contains("201") || answer.contains("200"), "with a code of HL7 table 0357");
    hub.settled("his/adt").await;
    let found = hub.messages("state=filtered").await;
    assert!(found[0]["filtered_by"].as_str().unwrap().starts_with("accept = ["));
}

#[tokio::test]
async fn what_is_no_message_is_rejected_and_kept_in_quarantine() {
    let hub = Hub::start(&Setup::default()).await;
    let answer = line(&hub).await.exchange(b"this is not HL7").await.unwrap();
    assert_eq!(msa(&answer).0, "AR");
    hub.settled("his/adt").await;
    let found = hub.messages("state=quarantined").await;
    assert_eq!(found[0]["fault"]["step"], "parse");
    assert!(found[0]["fault"]["place"].is_string());
}

#[tokio::test]
async fn a_message_that_cannot_be_mapped_is_taken_and_set_aside_with_its_place() {
    let hub = Hub::start(&Setup::default()).await;
    let nobody = ADMISSION.replace("4711^^^HIS^PI", "");
    let answer = line(&hub).await.exchange(nobody.as_bytes()).await.unwrap();
    assert_eq!(msa(&answer).0, "AA", "on_received answers when the bytes are safe");
    hub.settled("his/adt").await;
    let found = hub.messages("state=quarantined").await;
    assert_eq!(found[0]["fault"]["step"], "map");
    assert!(found[0]["fault"]["place"].as_str().unwrap().contains("PID"), "{}", found[0]["fault"]);
    assert!(found[0]["fault"]["rule"].as_str().unwrap().contains("mappings/"));
}

#[tokio::test]
async fn enhanced_mode_answers_at_once_and_again_when_it_is_done() {
    let hub = Hub::start(&Setup::default()).await;
    let mut line = line(&hub).await;
    // MSH-15 AL: always an accept acknowledgement; MSH-16 AL: always an application acknowledgement.
    let asked = ADMISSION.replace("|P|2.5.1\r", "|P|2.5.1|||AL|AL\r");
    assert_eq!(msa(&line.exchange(asked.as_bytes()).await.unwrap()), ("CA".into(), "A1".into()));
    assert_eq!(msa(&line.answer().await.unwrap()), ("AA".into(), "A1".into()));
    // MSH-15 NE: none; MSH-16 ER: only when it fails.
    let broken = ADMISSION.replace("|A1|P|2.5.1\r", "|A2|P|2.5.1|||NE|ER\r").replace("4711^^^HIS^PI", "");
    assert_eq!(msa(&line.exchange(broken.as_bytes()).await.unwrap()), ("AE".into(), "A2".into()));
}

#[tokio::test]
async fn a_channel_that_answers_when_committed_says_what_became_of_the_message() {
    let root = crate::program::copy_of_the_files();
    let file = root.path().join("channels/his/adt.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"on_received\"", "\"on_committed\"")).unwrap();
    let hub = Hub::start(&Setup::default().root(root.path())).await;
    let mut line = line(&hub).await;
    assert_eq!(msa(&line.exchange(ADMISSION.as_bytes()).await.unwrap()).0, "AA");
    assert_eq!(hub.count("his/adt", "committed").await, 1, "it is committed when the sender hears of it");
    let broken = ADMISSION.replace("|A1|", "|A2|").replace("4711^^^HIS^PI", "");
    let answer = line.exchange(broken.as_bytes()).await.unwrap();
    assert_eq!(msa(&answer), ("AE".into(), "A2".into()));
    assert!(answer.contains("ERR|"));
    let copy = line.exchange(broken.as_bytes()).await.unwrap();
    assert_eq!(msa(&copy).0, "AE", "a copy is answered by what became of the first");
}

#[tokio::test]
async fn frames_come_in_pieces_together_and_with_noise_between_them() {
    let hub = Hub::start(&Setup::default()).await;
    let mut line = line(&hub).await;
    let second = ADMISSION.replace("|A1|", "|A2|");
    let mut bytes = b"noise".to_vec();
    for message in [ADMISSION, &second] {
        bytes.push(0x0b);
        bytes.extend_from_slice(message.as_bytes());
        bytes.extend_from_slice(&[0x1c, 0x0d]);
    }
    let (first_half, second_half) = bytes.split_at(70);
    line.write(first_half).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    line.write(second_half).await.unwrap();
    assert_eq!(msa(&line.answer().await.unwrap()).1, "A1");
    assert_eq!(msa(&line.answer().await.unwrap()).1, "A2");
}

#[tokio::test]
async fn one_patients_messages_stay_in_order() {
    let hub = Hub::start(&Setup::default()).await;
    let mut line = line(&hub).await;
    for nth in 1..=200 {
        let message = ADMISSION
            .replace("ADT^A01^ADT_A01|A1", &format!("ADT^A08^ADT_A01|U{nth}"))
            .replace("Test^Person", &format!("Name{nth}^Person"));
        assert_eq!(msa(&line.exchange(message.as_bytes()).await.unwrap()).0, "AA");
    }
    hub.settled("his/adt").await;
    let bundle = hub.get("/fhir/Patient?identifier=4711").await;
    let patient = &bundle["entry"][0]["resource"];
    assert_eq!(patient["name"][0]["family"], "Name200");
    let id = patient["id"].as_str().unwrap();
    let history = hub.get(&format!("/fhir/Patient/{id}/_history?_count=300")).await;
    let families: Vec<&str> = history["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["resource"]["name"][0]["family"].as_str().unwrap())
        .collect();
    let expected: Vec<String> = (1..=200).rev().map(|nth| format!("Name{nth}")).collect();
    assert_eq!(families, expected, "every version, newest first");
}

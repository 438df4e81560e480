//! Every status and shape of the operators' door.

use std::sync::atomic::Ordering;

use crate::fake::*;
use hub_core::operations::ReplayWhat;
use hub_core::store::{RetryWhich, StateName};
use serde_json::{Value, json};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[tokio::test]
async fn the_status_tells_of_channels_and_of_destinations_that_no_channel_names() {
    let answer = get(&Fake::new(), "/ops/status").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let status = answer.json();
    assert_eq!(status["unindexed"], 3);
    assert_eq!(status["started_at"], "2026-11-23T08:00:00.25Z");
    assert_eq!(status["channels"][0]["address"], "127.0.0.1:2575");
    let messages = json!({"received": 0, "committed": 7, "filtered": 0, "quarantined": 0, "split": 0});
    assert_eq!(status["channels"][0]["messages"], messages);
    let parcels = json!({"pending": 2, "delivered": 5, "given_up": 1, "in_doubt": 0});
    assert_eq!(status["destinations"][0]["parcels"], parcels);
    assert_eq!(status["destinations"][1]["configured"], false);
    let destinations = get(&Fake::new(), "/ops/destinations").await.json();
    assert_eq!(destinations["destinations"], status["destinations"]);
}

#[tokio::test]
async fn messages_are_found_by_every_field() {
    let fake = Fake::new();
    let target = format!(
        "/ops/messages?channel=his/adt&state=quarantined&type=ADT%5EA01&control_id=C1&key=visit:V1&parent={MESSAGE}\
         &since=2h&until=2026-11-23T08:00:00%2B08:00&before={MESSAGE}&limit=1"
    );
    let answer = get(&fake, &target).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = answer.json();
    assert_eq!(page["next"], MESSAGE);
    assert_eq!(page["messages"][0]["type"], "ADT^A01");
    assert_eq!(page["messages"][0]["fault"]["place"], "PID[1]-7");
    assert!(!answer.text().contains("PID|||"));
    let query = fake.queries.lock().unwrap()[0].clone();
    assert_eq!(query.state, Some(StateName::Quarantined));
    assert_eq!(query.key, Some((Some("visit".into()), "V1".into())));
    assert_eq!((query.limit, query.before), (1, Some(MESSAGE.parse().unwrap())));
    assert_eq!(query.parent, Some(MESSAGE.parse().unwrap()));
}

#[tokio::test]
async fn a_page_that_is_not_full_has_no_next_one() {
    assert_eq!(get(&Fake::new(), "/ops/messages?patient=P1").await.json()["next"], Value::Null);
}

#[tokio::test]
async fn a_wrong_field_is_named_with_what_was_expected() {
    let fake = Fake::new();
    for (query, field) in [
        ("state=SECRET", "state"),
        ("since=SECRET", "since"),
        ("before=SECRET", "before"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("patient=SECRET&key=SECRET", "key"),
        ("key=visit:", "key"),
        ("chanel=SECRET", "chanel"),
        ("state=received&state=received", "state"),
    ] {
        let answer = get(&fake, &format!("/ops/messages?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        let error = &answer.json()["error"];
        assert_eq!(error["field"], field, "{query}");
        assert!(error["expected"].is_string() && error["message"].is_string());
        assert!(!answer.text().contains("SECRET"), "{}", answer.text());
    }
    assert_eq!(get(&fake, "/ops/messages?a=%FF").await.status, 400);
}

#[tokio::test]
async fn one_message_is_shown_without_its_body_and_its_body_as_bytes() {
    let fake = Fake::new();
    let detail = get(&fake, &format!("/ops/messages/{MESSAGE}")).await;
    assert_eq!(detail.json()["wrote"], json!([{"reference": "Patient/1", "version": 3}]));
    assert_eq!(detail.json()["keys"], json!([{"name": "patient", "value": "P1"}]));
    assert!(!detail.text().contains("PID|"));
    let gzip = [("accept-encoding", "gzip")];
    let raw = send(&fake, &format!("GET /ops/messages/{MESSAGE}/raw"), &gzip, "").await;
    assert_eq!(raw.text(), RAW);
    assert_eq!(raw.header("content-type"), "application/octet-stream");
    assert_eq!(raw.header("x-content-type-options"), "nosniff");
    assert_eq!(raw.header("cache-control"), "no-store");
    assert_eq!(get(&fake, "/ops/messages/019a0000-0000-7000-8000-000000000002").await.status, 404);
    assert_eq!(get(&fake, "/ops/messages/x/raw").await.json()["error"]["field"], "id");
}

#[tokio::test]
async fn messages_are_replayed_by_id_or_by_filter() {
    let fake = Fake::new();
    let by_id = send(&fake, "POST /ops/replay", &JSON, &format!(r#"{{"ids":["{MESSAGE}"]}}"#)).await;
    assert_eq!(by_id.json(), json!({"replayed": [MESSAGE], "left": []}));
    let by_filter = r#"{"filter":{"channel":"his/adt","state":"quarantined","since":"1d"},"limit":5}"#;
    assert_eq!(send(&fake, "POST /ops/replay", &JSON, by_filter).await.status, 200);
    let replays = fake.replays.lock().unwrap();
    assert!(matches!(&replays[0], ReplayWhat::Messages(ids) if ids.len() == 1));
    assert!(matches!(&replays[1], ReplayWhat::Matching(query) if query.limit == 5 && query.since.is_some()));
}

#[tokio::test]
async fn a_lane_that_stands_is_shown_with_its_reason_and_its_message_is_skipped() {
    let fake = Fake::new();
    assert_eq!(get(&fake, "/ops/status").await.json()["channels"][0]["lanes_standing"], 0);
    fake.stands.store(true, Ordering::Relaxed);
    let channel = &get(&fake, "/ops/status").await.json()["channels"][0];
    assert_eq!(channel["lanes_standing"], 1);
    let fault = json!({"step": "map", "place": "PID-8", "rule": null, "reason": "expected a code"});
    let held = json!({"message": MESSAGE, "fault": fault, "since": "2026-11-23T08:00:00.25Z", "again_at": null, "behind": 3});
    assert_eq!(channel["held"], json!([held]));
    let skipped = send(&fake, "POST /ops/skip", &JSON, &format!(r#"{{"ids":["{MESSAGE}"]}}"#)).await;
    assert_eq!(skipped.json(), json!({"skipped": [MESSAGE], "left": []}));
    for body in ["{}", r#"{"ids":[]}"#, r#"{"ids":["x"]}"#] {
        let answer = send(&fake, "POST /ops/skip", &JSON, body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["field"]),
            (400, &json!("ids")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_wrong_replay_is_refused() {
    let fake = Fake::new();
    for (body, field) in [
        ("", "body"),
        ("[]", "body"),
        ("{}", "ids"),
        (r#"{"ids":[]}"#, "ids"),
        (r#"{"ids":["x"]}"#, "ids"),
        (r#"{"ids":[],"filter":{}}"#, "ids"),
        (r#"{"filter":{}}"#, "filter"),
        (r#"{"filter":{"state":1}}"#, "state"),
        (r#"{"filter":{"channel":""}}"#, "channel"),
        (r#"{"filter":{"state":"received"},"limit":0}"#, "limit"),
        (r#"{"ides":[]}"#, "ides"),
    ] {
        let answer = send(&fake, "POST /ops/replay", &JSON, body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"]["field"], field, "{body}");
    }
    // A page of another site can send this without asking first; so it is not taken.
    let plain = [("content-type", "text/plain")];
    assert_eq!(send(&fake, "POST /ops/replay", &plain, "{}").await.status, 415);
    let large = format!(r#"{{"ids":["{}"]}}"#, "x".repeat(2 << 20));
    assert_eq!(send(&fake, "POST /ops/replay", &JSON, &large).await.status, 413);
    assert!(fake.replays.lock().unwrap().is_empty());
}

#[tokio::test]
async fn parcels_are_put_back_by_id_or_by_destination() {
    let fake = Fake::new();
    let body = format!(r#"{{"parcel":"{MESSAGE}"}}"#);
    assert_eq!(send(&fake, "POST /ops/retry", &JSON, &body).await.json(), json!({"retried": 3}));
    send(&fake, "POST /ops/retry", &JSON, r#"{"destination":"his/adt/copy"}"#).await;
    let retries = fake.retries.lock().unwrap().clone();
    assert!(matches!(retries[0], RetryWhich::Parcel(_)));
    assert!(matches!(&retries[1], RetryWhich::Destination(to) if to.as_str() == "his/adt/copy"));
    assert_eq!(send(&fake, "POST /ops/retry", &JSON, "{}").await.status, 400);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_taken_is_said_in_json() {
    let fake = Fake::new();
    assert!(get(&fake, "/ops/nothing").await.json()["error"]["message"].is_string());
    assert_eq!(get(&fake, "/ops/nothing").await.status, 404);
    let answer = get(&fake, "/ops/replay").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
    assert!(answer.json()["error"]["message"].is_string());
}

#[tokio::test]
async fn a_store_that_is_down_is_503_and_a_panic_500_without_content() {
    let fake = Fake::new();
    fake.down.store(true, Ordering::Relaxed);
    let answer = get(&fake, "/ops/status").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
    assert!(!answer.text().contains("secret"));
    fake.panics.store(true, Ordering::Relaxed);
    let answer = get(&fake, "/ops/messages").await;
    assert_eq!(answer.status, 500);
    assert!(!answer.text().contains("张"));
}

#[tokio::test]
async fn archived_messages_are_taken_back_in_and_what_is_none_is_refused() {
    let fake = Fake::new();
    let bytes = [("content-type", "application/octet-stream")];
    let answer = send(&fake, "POST /ops/import", &bytes, "archived 1234").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"added": 4, "known": 1})));
    // More than other orders may have.
    let large = format!("archived {}", "x".repeat(2 << 20));
    assert_eq!(send(&fake, "POST /ops/import", &bytes, &large).await.status, 200);
    let wrong = send(&fake, "POST /ops/import", &bytes, "MSH|").await;
    assert_eq!(wrong.status, 400);
    assert_eq!(wrong.json()["error"]["message"], "these are no archived messages");
    assert_eq!(send(&fake, "POST /ops/import", &JSON, "archived 1").await.status, 415);
    fake.down.store(true, Ordering::Relaxed);
    assert_eq!(send(&fake, "POST /ops/import", &bytes, "archived 1").await.status, 503);
}

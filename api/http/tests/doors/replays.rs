//! Replays at the operators' door: what is asked for, what is told, what is refused.

use std::sync::Arc;

use hub_core::operations::ReplayWhat;
use hub_core::replay::*;
use serde_json::{Value, json};

use crate::fake::*;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn ordered(fake: &Arc<Fake>, body: &Value) -> Answer {
    send(fake, "POST /ops/replays", &JSON, &body.to_string()).await
}

#[tokio::test]
async fn a_replay_is_begun_with_what_is_safe_unless_something_else_is_said() {
    let fake = Fake::new();
    let answer = ordered(&fake, &json!({ "ids": [MESSAGE] })).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let replay = answer.json();
    assert_eq!((&replay["number"], &replay["state"]), (&json!(7), &json!("running")));
    assert_eq!(replay["order"], json!({ "ids": 1, "newer": "protect", "parcels": "once", "rate": 200 }));
    assert_eq!(replay["way"], 0.625);
    assert_eq!((&replay["messages"]["held_back"], &replay["resources"]["updated"]), (&json!(1), &json!(3)));
    let other = json!({
        "filter": { "channel": "his/adt", "since": "30d" }, "limit": 9, "newer": "overwrite", "parcels": "again", "rate": 5
    });
    assert_eq!(ordered(&fake, &other).await.status, 202);
    ordered(&fake, &json!({ "filter": { "channel": "his/adt" } })).await;
    let orders = fake.replay_orders.lock().unwrap();
    let (other, all) = (&orders[1].0, &orders[2].0);
    assert_eq!((other.newer, other.owing, other.rate), (Newer::Overwrite, Owing::Again, 5));
    assert!(matches!(&other.what, ReplayWhat::Matching(query) if query.limit == 9 && query.since.is_some()));
    assert!(matches!(&all.what, ReplayWhat::Matching(query) if query.limit == 0), "0: all that it finds");
}

#[tokio::test]
async fn a_dry_run_tells_line_by_line_and_content_only_when_asked() {
    let fake = Fake::new();
    let answer = ordered(&fake, &json!({ "ids": [MESSAGE], "dry_run": true })).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/x-ndjson"));
    assert!(!answer.text().contains("Wang"));
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["message"], &lines[0]["would"]), (&json!(MESSAGE), &json!("held_back")));
    let resource = &lines[0]["resources"][0];
    assert_eq!(resource["differences"], json!([{ "path": "name[0].family", "how": "changed" }]));
    assert_eq!(resource["older"], json!(["address"]));
    assert_eq!(lines[0]["parcels"], json!([{ "to": "his/adt/copy", "there": true }]));
    assert_eq!(lines[1]["sum"]["elements"], json!({ "Patient.name.family": 1 }));
    let shown = ordered(&fake, &json!({ "ids": [MESSAGE], "dry_run": true, "show": true })).await;
    assert!(shown.text().contains(r#""old":"Li","new":"Wang""#), "{}", shown.text());
}

#[tokio::test]
async fn a_wrong_order_is_refused() {
    let fake = Fake::new();
    for (body, field) in [
        (json!({}), "ids"),
        (json!({ "ids": [MESSAGE], "limit": 3 }), "limit"),
        (json!({ "filter": { "before": MESSAGE } }), "before"),
        (json!({ "filter": {} }), "filter"),
        (json!({ "ids": [MESSAGE], "newer": "SECRET" }), "newer"),
        (json!({ "ids": [MESSAGE], "parcels": true }), "parcels"),
        (json!({ "ids": [MESSAGE], "rate": 0 }), "rate"),
        (json!({ "ids": [MESSAGE], "dry_run": "yes" }), "dry_run"),
        (json!({ "ids": [MESSAGE], "show": true }), "show"),
        (json!({ "ids": [MESSAGE], "parcel": "once" }), "parcel"),
    ] {
        let answer = ordered(&fake, &body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["field"]),
            (400, &json!(field)),
            "{body}"
        );
        assert!(!answer.text().contains("SECRET"));
    }
    assert_eq!(send(&fake, "POST /ops/replays", &[("content-type", "text/plain")], "{}").await.status, 415);
    assert!(fake.replay_orders.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_replay_is_watched_and_told_what_to_do() {
    let fake = Fake::new();
    assert_eq!(get(&fake, "/ops/replays/7").await.json()["order"]["filter"], json!({ "channel": "his/adt" }));
    assert_eq!(get(&fake, "/ops/replays").await.json()["replays"][0]["number"], 7);
    assert_eq!(get(&fake, "/ops/replays/8").await.status, 404);
    assert_eq!(get(&fake, "/ops/replays/x").await.json()["error"]["field"], "number");
    assert_eq!(send(&fake, "POST /ops/replays/7/pause", &JSON, "{}").await.status, 200);
    let refused = send(&fake, "POST /ops/replays/7/resume", &JSON, "{}").await;
    assert_eq!(refused.status, 409);
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "replay 7 is running; `resume` is for one that is paused");
    assert_eq!(send(&fake, "POST /ops/replays/7/jump", &JSON, "{}").await.status, 404);
    assert_eq!(send(&fake, "POST /ops/replays/8/stop", &JSON, "{}").await.status, 404);
    assert_eq!(send(&fake, "POST /ops/replays/7/stop", &[], "").await.status, 415);
    let turns = fake.turns.lock().unwrap().clone();
    assert_eq!(turns, [(7, ReplayTurn::Pause), (7, ReplayTurn::Resume)]);
}

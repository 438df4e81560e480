//! The operators' door to deployments: what was run, what differs, and running something else.

use hub_core::operations::DeployWhat;
use serde_json::{Value, json};

use crate::fake::*;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[tokio::test]
async fn deployments_are_listed_newest_first_with_who_when_why_and_how_they_ended() {
    let fake = Fake::new();
    let page = get(&fake, "/ops/deployments?limit=1").await.json();
    assert_eq!((&page["running"], &page["next"]), (&json!(1), &json!(2)));
    let newest = &page["deployments"][0];
    assert_eq!((&newest["who"], &newest["why"]), (&json!("anna"), &json!("ticket 7")));
    assert_eq!(newest["node"], "hub-1");
    assert_eq!((&newest["kind"], &newest["to"]), (&json!("rollback"), &json!(1)));
    assert_eq!((&newest["result"], &newest["reason"]), (&json!("failed"), &json!("a port is taken")));
    assert_eq!(newest["at"], "2026-11-23T08:00:00.25Z");
    let rest = get(&fake, "/ops/deployments?before=2").await.json();
    assert_eq!((&rest["deployments"][0]["running"], &rest["next"]), (&json!(true), &Value::Null));
    assert_eq!(get(&fake, "/ops/status").await.json()["deployment"], 1);
    for (query, field) in
        [("limit=0", "limit"), ("limit=501", "limit"), ("before=x", "before"), ("bevor=1", "bevor")]
    {
        let answer = get(&fake, &format!("/ops/deployments?{query}")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["field"]),
            (400, &json!(field)),
            "{query}"
        );
    }
}

#[tokio::test]
async fn one_deployment_is_shown_with_its_files_and_each_file_to_the_byte() {
    let fake = Fake::new();
    let one = get(&fake, "/ops/deployments/2").await.json();
    assert_eq!(one["sha256"].as_object().unwrap().len(), 3);
    assert_eq!(one["sha256"]["mappings/new.toml"].as_str().unwrap().len(), 64);
    let file = get(&fake, "/ops/deployments/2/file?path=mappings/codes/t.toml").await;
    assert_eq!((file.text(), file.header("content-type")), ("a\nb2\nc\n", "text/plain; charset=utf-8"));
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    let misspelt = get(&fake, "/ops/deployments/1/file?path=mappings/codes/s.toml").await;
    assert_eq!(misspelt.status, 404);
    assert!(misspelt.text().contains("did you mean `mappings/codes/t.toml`?"), "{}", misspelt.text());
    for (target, status) in [("7", 404), ("0", 400), ("x", 400), ("1/file", 400), ("1/diff/7", 404)] {
        assert_eq!(get(&fake, &format!("/ops/deployments/{target}")).await.status, status, "{target}");
    }
}

#[tokio::test]
async fn two_deployments_are_compared_line_by_line() {
    let fake = Fake::new();
    let told = get(&fake, "/ops/deployments/1/diff/2").await.json();
    let files = told["files"].as_array().unwrap();
    let changes: Vec<(&str, &str)> =
        files.iter().map(|file| (file["path"].as_str().unwrap(), file["change"].as_str().unwrap())).collect();
    assert_eq!(changes, [("mappings/codes/t.toml", "changed"), ("mappings/new.toml", "added")]);
    let diff = files[0]["diff"].as_str().unwrap();
    assert!(diff.contains(" a\n-b1\n+b2\n c\n"), "{diff}");
    let only = get(&fake, "/ops/deployments/1/diff/2?file=mappings/new.toml").await.json();
    assert_eq!(only["files"].as_array().unwrap().len(), 1);
    let back = get(&fake, "/ops/deployments/2/diff/1?file=mappings/new.toml").await.json();
    assert_eq!(back["files"][0]["change"], "removed");
    assert_eq!(get(&fake, "/ops/deployments/1/diff/2?file=x").await.status, 404);
}

#[tokio::test]
async fn an_order_is_read_whole_and_its_report_answered() {
    let fake = Fake::new();
    let body = json!({ "why": " ticket 8 ", "who": "anna", "dry_run": true, "abandon": true }).to_string();
    let answer = send(&fake, "POST /ops/deploy", &JSON, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let report = answer.json();
    assert_eq!((&report["deployment"], &report["untouched_channels"]), (&json!(3), &json!(2)));
    assert_eq!(report["channels"], json!({ "his/adt": "mended" }));
    assert_eq!(report["destinations"], json!({ "his/adt/copy": "replaced" }));
    assert_eq!(report["files"], json!({ "mappings/new.toml": "added" }));
    let body = json!({ "to": 1, "why": "back", "leave_folder": true }).to_string();
    assert_eq!(send(&fake, "POST /ops/rollback", &JSON, &body).await.status, 200);
    let orders = fake.orders.lock().unwrap();
    assert_eq!((orders[0].why.as_str(), orders[0].who.as_str()), ("ticket 8", "anna"));
    assert_eq!((orders[0].what, orders[0].dry_run, orders[0].abandon), (DeployWhat::Folder, true, true));
    assert_eq!(orders[1].what, DeployWhat::Earlier { to: 1, leave_folder: true });
    assert_eq!(orders[1].who, "unknown");
}

#[tokio::test]
async fn a_wrong_order_is_refused_by_its_field() {
    let fake = Fake::new();
    let long = "x".repeat(2_001);
    for (path, body, field) in [
        ("deploy", json!({ "wy": "x" }), "wy"),
        ("deploy", json!({ "why": 1 }), "why"),
        ("deploy", json!({ "why": long }), "why"),
        ("deploy", json!({ "who": "a\u{1b}[31m" }), "who"),
        ("deploy", json!({ "dry_run": "yes" }), "dry_run"),
        ("deploy", json!({ "to": 1 }), "to"),
        ("rollback", json!({ "why": "x" }), "to"),
        ("rollback", json!({ "to": 0, "why": "x" }), "to"),
        ("rollback", json!({ "to": 1 }), "why"),
        ("rollback", json!({ "to": 1, "why": "  " }), "why"),
    ] {
        let answer = send(&fake, &format!("POST /ops/{path}"), &JSON, &body.to_string()).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status.as_u16(), &error["field"]), (400, &json!(field)), "{path} {body}");
    }
    assert_eq!(send(&fake, "POST /ops/deploy", &[], "{}").await.status, 415);
    assert_eq!(get(&fake, "/ops/deploy").await.status, 405);
    assert!(fake.orders.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_long_goes_on_and_whoever_asked_is_told() {
    let body = json!({ "why": "slow" }).to_string();
    let answer = send(&Fake::new(), "POST /ops/deploy", &JSON, &body).await;
    assert_eq!(answer.status, 504);
    assert!(answer.text().contains("goes on"), "{}", answer.text());
}

#[tokio::test]
async fn what_was_not_deployed_says_why() {
    let fake = Fake::new();
    let deploy = async |why: &str| {
        let body = json!({ "why": why }).to_string();
        let answer = send(&fake, "POST /ops/deploy", &JSON, &body).await;
        (answer.status.as_u16(), answer.json()["error"].clone())
    };
    let (status, error) = deploy("wrong files").await;
    let finding = &error["findings"][0];
    assert_eq!((status, &finding["file"], &finding["line"]), (422, &json!("channels/a.toml"), &json!(2)));
    assert!(finding["text"].as_str().unwrap().contains("error[unknown-key]: unknown key `lane`"));
    let (status, error) = deploy("owed").await;
    assert_eq!((status, &error["message"]), (409, &json!("parcels are owed")));
    let (status, error) = deploy("taken").await;
    assert_eq!((status, &error["deployment"]), (409, &json!(3)));
    assert!(error["message"].as_str().unwrap().contains("put back: a port is taken"));
}

//! Notices of the simulated service and of others: only what the service has signed reaches the hub, and once.

#[expect(dead_code, reason = "other tests use the rest")]
mod town;

use serde_json::json;
use town::{Town, send};

#[tokio::test]
async fn the_end_of_a_task_is_told_by_its_number_and_state() {
    let town = Town::new().await;
    for (number, does, state) in
        [("C1", "sign", "SIGNED"), ("C2", "refuse", "REFUSED"), ("C3", "expire", "EXPIRED")]
    {
        let task = town.opened(number).await;
        let known = town.door.accepted().len();
        town.control("POST /__sim/act", json!({ "taskId": task, "does": does })).await;
        let told = town.notices(known + 1).await.pop().unwrap();
        assert_eq!(
            (&told["act"], &told["taskId"], &told["state"]),
            (&json!("notice"), &json!(task), &json!(state))
        );
        assert_eq!(told["bizId"], number);
        let inbound = town.door.accepted().pop().unwrap();
        assert_eq!(inbound.dedupe.as_str(), format!("task/{task}/{state}"));
    }
    town.counted("acked", 3).await;
    assert_eq!(town.end().await.invalid, 0);
}

#[tokio::test]
async fn a_notice_told_twice_is_one_message() {
    let town = Town::new().await;
    town.fault("notice-twice").await;
    town.signed("C1").await;
    town.signed("C2").await;
    town.counted("acked", 2).await;
    assert_eq!(town.notices(2).await.len(), 2);
}

#[tokio::test]
async fn a_forged_notice_is_refused_and_the_true_one_is_taken() {
    let town = Town::new().await;
    town.fault("notice-forged").await;
    town.signed("C1").await;
    town.counted("acked", 1).await;
    assert_eq!(town.door.accepted().len(), 1);
    let status = town.control("GET /__sim/status", json!({})).await;
    assert_eq!(status["problems"], json!([]), "the forged one was not taken");
    let (status, body) =
        send(town.notify, "POST /notices HTTP/1.0", r#"{"taskId":"T1","status":"SIGNED"}"#).await;
    assert_eq!((status, body.as_str()), (401, r#"{"code":"AUTH_SIGN","message":""}"#));
    assert_eq!(send(town.notify, "POST /other HTTP/1.0", "{}").await.0, 404);
    assert_eq!(town.door.accepted().len(), 1);
}

#[tokio::test]
async fn somebody_signs_on_the_services_own_page_once() {
    let town = Town::new().await;
    let task = town.put(town::task("C1")).await.unwrap();
    let path = task["h5Url"].as_str().unwrap().split_once("/sign/").unwrap().1.to_owned();
    let page = async |request: String| send(town.service, &format!("{request} HTTP/1.0"), "").await;
    let (status, shown) = page(format!("GET /sign/{path}")).await;
    assert!(status == 200 && shown.contains("陳大文") && shown.contains("<button>Sign</button>"), "{shown}");
    assert!(page(format!("POST /sign/{path}/sign")).await.1.contains("Signed."));
    assert_eq!(town.notices(1).await[0]["state"], "SIGNED");
    assert_eq!(page(format!("POST /sign/{path}/refuse")).await.0, 409, "it is signed");
    assert_eq!(page("GET /sign/T0".to_owned()).await.0, 404);
}

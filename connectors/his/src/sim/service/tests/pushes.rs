//! H308: pushed until acknowledged, in order, and to be had by H902 as well.

use std::time::Duration as Pause;

use axum::Router;
use axum::routing::post;
use tokio::sync::mpsc;

use super::*;

/// A hub that hands on what is pushed and says what it is told to, the last again and again.
async fn hub(answers: &'static [&'static str], is_soap: bool) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (to, pushed) = mpsc::unbounded_channel();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let route = post(move |text: String| {
        let (to, count) = (to.clone(), Arc::clone(&count));
        async move {
            let request = if is_soap {
                soap::read_call(&text, soap::Version::V11, "http://tempuri.org/").ok().unwrap().request_xml
            } else {
                text
            };
            let at = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let code = answers[at.min(answers.len() - 1)];
            let root = Element::read(&request).ok().unwrap();
            let seq = root.child("Head").unwrap().get("TransSeq").to_owned();
            to.send(request).unwrap();
            let response = format!(
                "<Response><Head><TransCode>H308</TransCode><TransSeq>{seq}</TransSeq><ResultCode>{code}</ResultCode>\
                 </Head><Body/></Response>"
            );
            if is_soap {
                soap::answer(soap::Version::V11, "http://tempuri.org/", &response)
            } else {
                response
            }
        }
    });
    let app = Router::new().route("/his/callback", route);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}/his/callback"), pushed)
}

async fn next(pushed: &mut mpsc::UnboundedReceiver<String>) -> String {
    tokio::time::timeout(Pause::from_secs(10), pushed.recv()).await.unwrap().unwrap()
}

async fn acknowledged(desk: &Desk, count: u64) {
    for _ in 0..200 {
        if desk.list("status").await["acknowledged"] == count {
            return;
        }
        tokio::time::sleep(Pause::from_millis(20)).await;
    }
    panic!("{count} events were not acknowledged");
}

#[tokio::test]
async fn a_stop_is_pushed_again_until_it_is_acknowledged_and_names_who_was_booked() {
    let (url, mut pushed) = hub(&["9999", "9999", "0"], false).await;
    let desk = Desk::with(ServiceSettings { callback: Some(url), ..settings() }).await;
    let (slot, session) = desk.free().await;
    let reg_no = desk.book(&slot, ANNA).await;
    let id = session.get("ScheduleId");
    desk.control("session", json!({ "act": "stop", "scheduleId": id })).await;
    let [first, again, third] = [next(&mut pushed).await, next(&mut pushed).await, next(&mut pushed).await];
    assert!(first == again && again == third);
    let request = envelope::Request::read(&first).ok().unwrap();
    let seal = Seal { hash: Hash::Sm3, wire: Wire::Utf8, key: "his-simulator".to_owned() };
    assert_eq!(request.sign, seal.sign("H308", &request.trans_seq, &request.req_time, &request.inner));
    assert_eq!([request.body.get("ScheduleId"), request.body.get("ChangeType")], [id, "STOP"]);
    assert_eq!(request.body.list("RegNos")[0].text, reg_no);
    acknowledged(&desk, 1).await;
    let report = desk.close().await;
    assert_eq!((report.sent, report.resent, report.acked), (1, 2, 1));
}

#[tokio::test]
async fn changes_come_in_their_order_in_soap_and_by_asking() {
    let (url, mut pushed) = hub(&["0"], true).await;
    let soap = callback::Wrapping::Soap;
    let desk = Desk::with(ServiceSettings { callback: Some(url), callback_style: soap, ..settings() }).await;
    let (_, session) = desk.free().await;
    let id = session.get("ScheduleId");
    for change in [
        json!({ "act": "replace", "scheduleId": id, "staffCode": "D0201" }),
        json!({ "act": "room", "scheduleId": id, "roomCode": "R020001" }),
        json!({ "act": "time", "scheduleId": id, "startTime": "13:00", "endTime": "16:00" }),
    ] {
        assert_eq!(desk.control("session", change).await.0, 204);
    }
    for kind in ["REPLACE", "ROOM", "TIME"] {
        let request = envelope::Request::read(&next(&mut pushed).await).ok().unwrap();
        assert_eq!(request.body.get("ChangeType"), kind);
    }
    let events = desk.ask("H902", "<LastEventId>1</LastEventId><PageSize>1</PageSize>").await;
    let event = &events.body().list("Events")[0];
    assert_eq!([event.get("EventId"), event.get("TransCode"), events.get("LastEventId")], ["2", "H308", "2"]);
    assert_eq!(event.child("Content").unwrap().get("RoomCode"), "R020001");
    for wrong in [
        json!({ "act": "stop", "scheduleId": "NONE" }),
        json!({ "act": "room", "scheduleId": id, "roomCode": "NOWHERE" }),
        json!({ "act": "time", "scheduleId": id, "startTime": "16:00", "endTime": "13:00" }),
    ] {
        assert_eq!(desk.control("session", wrong).await.0, 422);
    }
    desk.close().await;
}

#[tokio::test]
async fn an_event_of_any_function_is_pushed_by_order() {
    let (url, mut pushed) = hub(&["0"], false).await;
    let desk = Desk::with(ServiceSettings { callback: Some(url), ..settings() }).await;
    let event = json!({ "transCode": "H801", "body": { "HisPrescNo": "P1", "Status": "已发药" } });
    assert_eq!(desk.control("event", event).await.0, 204);
    let request = envelope::Request::read(&next(&mut pushed).await).ok().unwrap();
    assert_eq!([&*request.trans_code, request.body.get("Status")], ["H801", "已发药"]);
    desk.close().await;
}

#[tokio::test]
async fn a_push_may_come_twice() {
    let (url, mut pushed) = hub(&["0"], false).await;
    let desk = Desk::with(ServiceSettings { callback: Some(url), ..settings() }).await;
    desk.control("fault", json!({ "name": "duplicate-push" })).await;
    let (_, session) = desk.free().await;
    desk.control("session", json!({ "act": "stop", "scheduleId": session.get("ScheduleId") })).await;
    assert_eq!(next(&mut pushed).await, next(&mut pushed).await);
    acknowledged(&desk, 1).await;
    desk.close().await;
}

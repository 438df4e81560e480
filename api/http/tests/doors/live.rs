//! What changes reaches who listens: of what he may see, once, also after his connection broke.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use futures_util::StreamExt as _;
use hub_fhir::{Json, Resource, tree};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::shelf::Shelf;

/// A connection that listens.
struct Ear(BodyDataStream, String);

impl Ear {
    async fn open(shelf: &Shelf, who: &str, query: &str, after: Option<&str>) -> Self {
        let mut request = Request::get(format!("/fhir/$live?{query}")).header("accept-encoding", "gzip");
        if !who.is_empty() {
            request = request.header("authorization", format!("Bearer {who}"));
        }
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let answer = shelf.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert!(
            answer.headers().get("content-encoding").is_none(),
            "events are not gathered to be compressed"
        );
        let mut ear = Self(answer.into_body().into_data_stream(), String::new());
        assert_eq!(ear.raw().await, "retry: 2000");
        ear
    }

    async fn raw(&mut self) -> String {
        while !self.1.contains("\n\n") {
            let piece = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await;
            let piece = piece.expect("an event comes within seconds").expect("it goes on").unwrap();
            self.1.push_str(std::str::from_utf8(&piece).unwrap());
        }
        let (event, rest) = self.1.split_once("\n\n").unwrap();
        let (event, rest) = (event.to_owned(), rest.to_owned());
        self.1 = rest;
        event
    }

    /// The next event: its name, `Type/id/version`, and its own id.
    async fn hears(&mut self) -> (String, String, String) {
        let event = self.raw().await;
        let field = |name: &str| {
            let line = event.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.unwrap_or_default().to_owned()
        };
        let data: Value = serde_json::from_str(&field("data")).unwrap();
        let part = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let what = format!("{}/{}/{}", part("resourceType"), part("id"), part("versionId"));
        (field("event"), what, field("id"))
    }
}

async fn put(shelf: &Shelf, kind: &str, id: &str, about: &str, status: &str) {
    let about = tree! { "reference" => about };
    let member = tree! { "actor" => about.clone(), "status" => "accepted" };
    let tree = match kind {
        "Task" => {
            tree! { "resourceType" => kind, "id" => id, "status" => status, "intent" => "order", "for" => about }
        }
        _ => {
            tree! { "resourceType" => kind, "id" => id, "status" => status, "participant" => vec![Json::from(member)] }
        }
    };
    shelf.put([Resource::from_tree(Json::Object(tree)).unwrap()]).await;
}

async fn furnish(shelf: &Shelf) {
    let person = |id: &str, patient: &str| {
        let link = tree! { "target" => tree! { "reference" => patient } };
        tree! { "resourceType" => "Person", "id" => id, "link" => [link] }
    };
    let all = [person("me", "Patient/p"), person("you", "Patient/q")];
    shelf.put(all.map(|tree| Resource::from_tree(Json::Object(tree)).unwrap())).await;
}

#[tokio::test]
async fn who_listens_hears_of_what_he_may_see_and_of_nothing_else() {
    for shelf in Shelf::guarded().await {
        furnish(&shelf).await;
        put(&shelf, "Appointment", "old", "Patient/p", "booked").await;
        let mut me = Ear::open(&shelf, "patient.me", "_type=Appointment,Task", None).await;
        let mut desk = Ear::open(&shelf, "operations.o", "_type=Appointment", None).await;
        put(&shelf, "Appointment", "q", "Patient/q", "proposed").await;
        put(&shelf, "Task", "t", "Patient/p", "requested").await;
        put(&shelf, "Appointment", "p", "Patient/p", "proposed").await;
        put(&shelf, "Appointment", "p", "Patient/p", "booked").await;
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.push(me.hears().await.1);
        }
        heard.sort();
        assert_eq!(heard, ["Appointment/p/1", "Appointment/p/2", "Task/t/1"]);
        assert_eq!(desk.hears().await.1, "Appointment/q/1");
        assert_eq!(desk.hears().await.1, "Appointment/p/1");
        let (name, what, _) = desk.hears().await;
        assert_eq!((name.as_str(), what.as_str()), ("changed", "Appointment/p/2"));
        let deleted =
            shelf.send("DELETE /fhir/Appointment/q", &[("authorization", "Bearer system.s")], "").await;
        assert!(deleted.status.is_success(), "{}", deleted.text());
        let (name, what, _) = desk.hears().await;
        assert_eq!((name.as_str(), what.as_str()), ("deleted", "Appointment/q/2"));
    }
}

#[tokio::test]
async fn who_comes_again_with_the_last_event_misses_nothing_and_hears_nothing_twice() {
    for shelf in Shelf::guarded().await {
        furnish(&shelf).await;
        let mut desk = Ear::open(&shelf, "operations.o", "_type=Appointment", None).await;
        put(&shelf, "Appointment", "a", "Patient/p", "proposed").await;
        let (_, what, last) = desk.hears().await;
        assert_eq!(what, "Appointment/a/1");
        drop(desk);
        for id in ["b", "c"] {
            put(&shelf, "Appointment", id, "Patient/p", "proposed").await;
        }
        let mut desk = Ear::open(&shelf, "operations.o", "_type=Appointment", Some(&last)).await;
        assert_eq!(desk.hears().await.1, "Appointment/b/1");
        assert_eq!(desk.hears().await.1, "Appointment/c/1");
        put(&shelf, "Appointment", "d", "Patient/p", "proposed").await;
        assert_eq!(desk.hears().await.1, "Appointment/d/1");
        // Who has missed more than can be told reads anew.
        for n in 0..501 {
            put(&shelf, "Appointment", &format!("m{n}"), "Patient/p", "proposed").await;
        }
        let mut desk = Ear::open(&shelf, "operations.o", "_type=Appointment", Some(&last)).await;
        let (name, what, _) = desk.hears().await;
        assert_eq!((name.as_str(), what.as_str()), ("reset", "Appointment//"));
    }
}

#[tokio::test]
async fn what_cannot_be_listened_to_is_told() {
    let [shelf, _] = Shelf::guarded().await;
    let asks = async |query: &str, headers: &[(&str, &str)]| {
        let mut all = vec![("authorization", "Bearer operations.o")];
        all.extend(headers);
        shelf.send(&format!("GET /fhir/$live{query}"), &all, "").await
    };
    assert_eq!(shelf.send("GET /fhir/$live?_type=Task", &[], "").await.status, 401);
    for query in ["", "?_type=Nonsense", "?type=Task", "?_type="] {
        assert_eq!(asks(query, &[]).await.status, 400, "{query}");
    }
    assert_eq!(asks("?_type=Task", &[("last-event-id", "nonsense")]).await.status, 400);
}

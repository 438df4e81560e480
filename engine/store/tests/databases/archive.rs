//! The archive: what can be read of a data folder beside the hub that owns it.

use hub_core::commit::{Change, Commit};
use hub_core::store::{Cause, Journal, Resources, Searches, StateName};
use hub_fhir::ResourceType;
use hub_fhir::search::parse;
use hub_store::{Archive, OpenError, Past, Stretch};
use tempfile::TempDir;

use crate::conformance::{message, reference, resource};
use crate::place::Place;

async fn all(archive: &Archive, stretch: &Stretch) -> Vec<Past> {
    let mut found = Vec::new();
    let mut place = archive.begin(stretch).await.unwrap();
    loop {
        let page = archive.after(stretch, place, 2).await.unwrap();
        let Some(last) = page.last() else { return found };
        place = last.place;
        found.extend(page);
    }
}

#[tokio::test]
async fn messages_come_in_the_order_of_arrival_while_the_hub_goes_on() {
    for place in Place::both() {
        let store = place.open().await;
        let messages: Vec<_> =
            (0..5).map(|nth| message("lis/a", &format!("{nth}"), &format!("text {nth}"))).collect();
        store.receive(&message("his/b", "1", "of another channel")).await.unwrap();
        for message in &messages {
            store.receive(message).await.unwrap();
        }
        let archive = place.archive().await;
        let of_lis = Stretch { channels: vec!["lis/a".into()], ..Stretch::default() };
        let found = all(&archive, &of_lis).await;
        assert_eq!(
            found.iter().map(|past| (past.id, past.bytes.clone())).collect::<Vec<_>>(),
            messages.iter().map(|message| (message.head.id, message.body.0.clone())).collect::<Vec<_>>()
        );
        assert!(
            found.iter().all(|past| past.state == StateName::Received && past.channel.as_str() == "lis/a")
        );
        assert_eq!(all(&archive, &Stretch::default()).await.len(), 6);
        // What comes later is seen too: the hub was not held up.
        store.receive(&message("lis/a", "late", "text")).await.unwrap();
        assert_eq!(all(&archive, &of_lis).await.len(), 6);
        store.close().await;
    }
}

#[tokio::test]
async fn a_stretch_begins_and_ends_at_its_times() {
    for place in Place::both() {
        let store = place.open().await;
        let start = time::macros::datetime!(2026-11-20 08:00 UTC);
        for hour in 0..4 {
            let mut message = message("lis/a", &format!("{hour}"), &format!("{hour}"));
            message.head.received_at = start + time::Duration::hours(hour);
            store.receive(&message).await.unwrap();
        }
        let archive = place.archive().await;
        let hours = |from: i64, to: i64| Stretch {
            channels: vec!["lis/a".into()],
            from: Some(start + time::Duration::hours(from)),
            to: Some(start + time::Duration::hours(to)),
        };
        let bytes: Vec<_> = all(&archive, &hours(1, 3)).await.into_iter().map(|past| past.bytes).collect();
        assert_eq!(bytes, ["1", "2"]);
        assert!(all(&archive, &hours(9, 10)).await.is_empty());
        let nobody = Stretch { channels: vec!["no/channel".into()], ..Stretch::default() };
        assert!(all(&archive, &nobody).await.is_empty());
        store.close().await;
    }
}

#[tokio::test]
async fn a_message_and_a_resource_are_read_also_when_no_hub_runs() {
    for place in Place::both() {
        let store = place.open().await;
        let given = message("lis/a", "1", "text");
        store.receive(&given).await.unwrap();
        let patient = resource(r#"{"resourceType":"Patient","id":"p","gender":"male"}"#);
        let deleted = reference("Patient/gone");
        let put = Commit { changes: vec![Change::Put(patient)], ..Commit::default() };
        store.commit(Cause::Message(given.head.id), put).await.unwrap();
        store.close().await;
        let archive = place.archive().await;
        assert_eq!(archive.message(given.head.id).await.unwrap(), Some(given.body.0));
        let found = archive.resource(&reference("Patient/p")).await.unwrap().unwrap();
        assert_eq!(found.get("gender").and_then(hub_fhir::Json::as_str), Some("male"));
        assert!(archive.resource(&deleted).await.unwrap().is_none());
        // Nothing was written: the folder opens again as it was.
        drop(archive);
        let again = place.open().await;
        assert_eq!(again.tally().await.unwrap().iter().map(|tally| tally.count).sum::<u64>(), 1);
        again.close().await;
    }
}

#[tokio::test]
async fn resources_are_searched_as_the_hub_searches_them() {
    for place in Place::both() {
        let store = place.open().await;
        let archive = place.archive().await;
        let patient = |id: &str, number: &str| {
            let text = format!(
                r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"urn:id:HIS","value":"{number}"}}]}}"#
            );
            Change::Put(hub_fhir::Resource::from_tree(hub_fhir::json::parse(&text).unwrap()).unwrap())
        };
        let changes = vec![patient("a", "1"), patient("b", "2")];
        store.commit(Cause::Timer { name: "test" }, Commit { changes, ..Commit::default() }).await.unwrap();
        for (number, found) in [("1", 1), ("2", 1), ("3", 0)] {
            let query = [("identifier".to_owned(), format!("urn:id:HIS|{number}"))];
            let search = parse(ResourceType::from_name("Patient").unwrap(), &query).unwrap();
            let (by_hub, by_archive) =
                (store.search(&search).await.unwrap(), archive.search(&search).await.unwrap());
            assert_eq!(by_archive.matches.len(), found);
            let ids = |page: hub_fhir::search::Page| {
                page.matches.into_iter().map(|stored| stored.reference).collect::<Vec<_>>()
            };
            assert_eq!(ids(by_archive), ids(by_hub));
        }
        store.close().await;
    }
}

#[tokio::test]
async fn a_folder_without_a_database_is_said_to_be_so() {
    let folder = TempDir::new().unwrap();
    assert!(matches!(Archive::open(folder.path()).await.err(), Some(OpenError::Folder { .. })));
    assert!(!folder.path().join("hub.db").exists());
}

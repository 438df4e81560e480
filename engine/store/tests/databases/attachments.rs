//! The book of attachments on both databases: what is needed stays, what nobody needs is given up, and no message that arrives at
//! that moment is left without its bytes.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hub_core::attachment::{AttachmentBook, ContentId, PlaceId, Slip, Stowed};
use hub_core::commit::{Change, Commit};
use hub_core::envelope::{Envelope, Raw};
use hub_core::store::{Cause, End, Journal, Received, Resources, StoreError, Upkeep};
use hub_store::{Store, StoreOptions};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::conformance::{message, resource};
use crate::place::Place;
use crate::stretches::long_in_use;

fn tomorrow() -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(2)
}

/// A payload as the archive hands it over, at a place of its own.
pub fn stowed(content: u8) -> Stowed {
    Stowed {
        place: PlaceId(Uuid::new_v4()),
        content: ContentId([content; 32]),
        sha1: [content; 20],
        size: 100,
        media_type: "application/pdf".into(),
    }
}

fn slip(channel: &str, stowed: &Stowed) -> Envelope<Raw> {
    let mut one = message(channel, &Uuid::new_v4().to_string(), "");
    one.body = Raw(Slip::of(stowed, None).to_bytes());
    one.head.digest = stowed.content.digest();
    one
}

async fn end(store: &Store, message: &Envelope<Raw>) {
    store.end(message.head.id, End::Filtered { rule: "r".into() }, vec![]).await.unwrap();
}

async fn prune(store: &Store) {
    while store.prune(tomorrow(), 100).await.unwrap() > 0 {}
}

async fn release(store: &Store, now: OffsetDateTime) -> Vec<PlaceId> {
    while store.release(now, 10).await.unwrap() > 0 {}
    store.given_up(100).await.unwrap()
}

pub async fn the_same_bytes_are_kept_once_and_needed_by_each(store: &Store) {
    let (first, second) = (stowed(1), stowed(1));
    assert_eq!(store.kept(first.content).await.unwrap(), None);
    let one = slip("book/a", &first);
    assert_eq!(store.receive_attachment(&one, &first).await.unwrap(), (Received::New, first.place));
    let kept = store.kept(first.content).await.unwrap().unwrap();
    assert_eq!((kept.place, kept.size, kept.media_type.as_str()), (first.place, 100, "application/pdf"));
    let other = slip("book/a", &second);
    let received = store.receive_attachment(&other, &second).await.unwrap();
    assert_eq!(received, (Received::New, first.place), "the second copy may go");
    let mut again = slip("book/a", &second);
    again.head.dedupe = one.head.dedupe.clone();
    let received = store.receive_attachment(&again, &second).await.unwrap();
    assert_eq!(received, (Received::Duplicate(one.head.id), first.place));
    let detail = store.message(one.head.id).await.unwrap().unwrap();
    assert_eq!(Slip::read(&detail.raw.0).unwrap().content, first.content, "the journal holds the slip");
    for message in [&one, &other] {
        end(store, message).await;
    }
}

#[tokio::test]
async fn an_attachment_goes_with_the_last_message_that_needs_it() {
    for place in Place::both() {
        let store = place.open().await;
        the_same_bytes_are_kept_once_and_needed_by_each(&store).await;
        let (young, same) = (stowed(2), stowed(1));
        let (open, with_it) = (slip("book/b", &young), slip("book/b", &same));
        store.receive_attachment(&open, &young).await.unwrap();
        let (_, kept) = store.receive_attachment(&with_it, &same).await.unwrap();
        // Those of `book/a` go; one that is open needs the same bytes.
        prune(&store).await;
        assert_eq!(release(&store, tomorrow()).await, []);
        end(&store, &with_it).await;
        prune(&store).await;
        if place.url().is_some() {
            // Its stretch is dropped only when all in it has ended.
            end(&store, &open).await;
            store.prune(OffsetDateTime::now_utc() - Duration::days(400), 1).await.unwrap();
            prune(&store).await;
        }
        let given_up = release(&store, tomorrow()).await;
        assert!(given_up.contains(&kept), "{given_up:?}");
        assert_eq!(store.kept(same.content).await.unwrap(), None);
        // The same bytes come again before the object is deleted: they are kept at a place of their own.
        let fresh = stowed(1);
        let again = slip("book/b", &fresh);
        assert_eq!(store.receive_attachment(&again, &fresh).await.unwrap(), (Received::New, fresh.place));
        store.deleted(given_up).await.unwrap();
        assert_eq!(store.given_up(100).await.unwrap(), []);
        assert_eq!(store.kept(same.content).await.unwrap().unwrap().place, fresh.place);
        store.close().await;
    }
}

#[tokio::test]
async fn a_resource_and_its_versions_need_what_they_hold_the_address_of() {
    for place in Place::both() {
        let store = place.open().await;
        let stowed = stowed(3);
        let one = slip("book/c", &stowed);
        store.receive_attachment(&one, &stowed).await.unwrap();
        let document = |url: &str| {
            let text = format!(
                r#"{{"resourceType":"DocumentReference","id":"d","status":"current","content":[{{"attachment":{{"url":"{url}"}}}}]}}"#
            );
            Commit { changes: vec![Change::Put(resource(&text))], ..Commit::default() }
        };
        let with = document(&format!("Binary/{}", stowed.content));
        store.commit(Cause::Message(one.head.id), with).await.unwrap();
        if place.url().is_some() {
            store.prune(OffsetDateTime::now_utc() - Duration::days(400), 1).await.unwrap();
        }
        prune(&store).await;
        assert!(store.message(one.head.id).await.unwrap().is_none(), "the message is gone");
        let mut now = OffsetDateTime::now_utc();
        assert_eq!(release(&store, now).await, []);
        // The address is taken out of the resource; its version before still holds it.
        let command = Cause::Command { user: "u".into(), request: "r".into() };
        store.commit(command, document("https://elsewhere.example/1")).await.unwrap();
        now += Duration::days(2);
        assert_eq!(release(&store, now).await, []);
        store.forget_history(tomorrow()).await.unwrap();
        assert_eq!(
            store.release(now + Duration::hours(1), 10).await.unwrap(),
            0,
            "it is looked at once a day"
        );
        assert_eq!(release(&store, now + Duration::days(2)).await, [stowed.place]);
        store.close().await;
    }
}

#[tokio::test]
async fn what_was_disowned_is_refused_and_must_be_sent_again() {
    for place in Place::both() {
        let store = place.open().await;
        let (orphan, known) = (stowed(4), stowed(5));
        store.receive_attachment(&slip("book/d", &known), &known).await.unwrap();
        let places = vec![orphan.place, known.place];
        assert_eq!(store.known(&places).await.unwrap(), [known.place]);
        store.disown(places).await.unwrap();
        assert_eq!(store.given_up(10).await.unwrap(), [orphan.place], "what a message needs is not disowned");
        for deleted in [false, true] {
            if deleted {
                store.deleted(vec![orphan.place]).await.unwrap();
            }
            let late = slip("book/d", &orphan);
            let refused = store.receive_attachment(&late, &orphan).await;
            assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
            assert!(store.message(late.head.id).await.unwrap().is_none());
        }
        // After a month nobody is on the way with it any more.
        store.release(OffsetDateTime::now_utc() + Duration::days(31), 10).await.unwrap();
        assert_eq!(store.known(&[orphan.place]).await.unwrap(), []);
        store.close().await;
    }
}

/// Objects as a storage has them: a set of places.
#[derive(Clone, Default)]
struct Objects(Arc<Mutex<HashSet<PlaceId>>>);

impl Objects {
    fn put(&self, place: PlaceId) {
        self.0.lock().unwrap().insert(place);
    }

    fn delete(&self, place: PlaceId) {
        self.0.lock().unwrap().remove(&place);
    }

    fn has(&self, place: PlaceId) -> bool {
        self.0.lock().unwrap().contains(&place)
    }
}

/// Messages of the same bytes come and end, again and again, until they were deleted often enough in between; each has its bytes as
/// long as it is open.
async fn keeps_coming(store: Store, objects: Objects, channel: &'static str, deleted: Arc<AtomicUsize>) {
    for nth in 0.. {
        if deleted.load(Ordering::Relaxed) >= DELETED {
            return;
        }
        assert!(nth < 2_000, "they are never deleted: the test shows nothing");
        let stowed = stowed(9);
        objects.put(stowed.place);
        let one = slip(channel, &stowed);
        let (_, place) = store.receive_attachment(&one, &stowed).await.unwrap();
        if place != stowed.place {
            objects.delete(stowed.place);
        }
        for _ in 0..3 {
            let kept = store.kept(stowed.content).await.unwrap().expect("an open message needs it");
            assert!(objects.has(kept.place), "its bytes are gone");
            tokio::task::yield_now().await;
        }
        end(&store, &one).await;
        // Now and then nobody has one open.
        tokio::time::sleep(std::time::Duration::from_millis(nth % 40)).await;
    }
}

/// So often the bytes are deleted while they arrive.
const DELETED: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_arrive_while_the_same_are_deleted_are_never_missing() {
    for place in Place::both() {
        // Messages go row by row, as those of a stretch that is held up.
        let options =
            || StoreOptions { stretch: std::time::Duration::from_secs(24 * 60 * 60), ..place.options() };
        let store = Store::open(options()).await.unwrap();
        // On PostgreSQL another node sweeps; SQLite has one owner.
        let other = match place.url() {
            None => store.clone(),
            Some(_) => Store::open(StoreOptions { node: "other".into(), ..options() }).await.unwrap(),
        };
        let (objects, deleted) = (Objects::default(), Arc::new(AtomicUsize::new(0)));
        let senders = [
            tokio::spawn(keeps_coming(store.clone(), objects.clone(), "race/a", deleted.clone())),
            tokio::spawn(keeps_coming(other.clone(), objects.clone(), "race/b", deleted.clone())),
        ];
        while senders.iter().any(|sender| !sender.is_finished()) {
            while other.prune(OffsetDateTime::now_utc() + Duration::days(900), 100).await.unwrap() > 0 {}
            while other.release(tomorrow(), 10).await.unwrap() > 0 {}
            let places = other.given_up(10).await.unwrap();
            places.iter().for_each(|place| objects.delete(*place));
            deleted.fetch_add(places.len(), Ordering::Relaxed);
            other.deleted(places).await.unwrap();
        }
        for sender in senders {
            sender.await.unwrap();
        }
        other.close().await;
        store.close().await;
    }
}

#[tokio::test]
async fn what_a_dropped_stretch_needed_is_given_up() {
    let place = Place::postgres();
    let store = place.open().await;
    let (old, young) = (stowed(6), stowed(7));
    let one = slip("book/e", &old);
    store.receive_attachment(&one, &old).await.unwrap();
    end(&store, &one).await;
    // The next stretch is begun.
    store.prune(OffsetDateTime::now_utc() - Duration::days(400), 100).await.unwrap();
    let two = slip("book/e", &young);
    store.receive_attachment(&two, &young).await.unwrap();
    long_in_use(&place, 1).await;
    prune(&store).await;
    assert!(store.message(one.head.id).await.unwrap().is_none());
    assert_eq!(release(&store, tomorrow()).await, [old.place]);
    assert_eq!(store.kept(young.content).await.unwrap().unwrap().place, young.place);
    store.close().await;
}

//! How long it takes to know the earliest free slots of a large hospital, on both databases. Run by hand:
//! `cargo test -p hub-directory --test half_a_million -- --ignored --nocapture`, with `SLOTS` as many as wanted.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on stops there, and says what it saw"
)]

#[expect(dead_code, reason = "nothing here ends its server")]
#[path = "../../../tests/harness/postgres.rs"]
mod postgres;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hub_core::commit::{Change, Commit};
use hub_core::store::{Cause, Resources as _};
use hub_directory::{Directory, Keeper, Query};
use hub_fhir::{Json, Object, Resource, tree};
use hub_store::{Store, StoreOptions};
use tempfile::TempDir;
use time::OffsetDateTime;

/// Each doctor has so many sessions, each session so many slots.
const SESSIONS: usize = 28;
const SLOTS: usize = 18;

fn of(to: String) -> Object {
    tree! { "reference" => to }
}

async fn put(store: &Store, all: Vec<Object>) {
    let changes =
        all.into_iter().map(|tree| Change::Put(Resource::from_tree(Json::Object(tree)).unwrap())).collect();
    store.commit(Cause::Timer { name: "test" }, Commit { changes, ..Commit::default() }).await.unwrap();
}

async fn furnish(store: &Store, doctors: usize) {
    let now = OffsetDateTime::now_utc();
    for doctor in 0..doctors {
        let title = tree! { "coding" => [tree! { "system" => "urn:impf:cs:title", "code" => "233" }] };
        let mut all = vec![
            tree! { "resourceType" => "Practitioner", "id" => format!("d{doctor}"), "name" => [tree! { "text" => "林知远" }] },
            tree! { "resourceType" => "PractitionerRole", "id" => format!("r{doctor}"),
            "practitioner" => of(format!("Practitioner/d{doctor}")), "code" => [title] },
        ];
        for session in 0..SESSIONS {
            let id = format!("s{doctor}-{session}");
            all.push(tree! { "resourceType" => "Schedule", "id" => id.clone(), "active" => true,
            "actor" => [of(format!("Practitioner/d{doctor}"))] });
            for slot in 0..SLOTS {
                // Every tenth doctor has no free slot: the hardest to be sure of.
                let status = if doctor % 10 == 0 { "busy" } else { "free" };
                let start = now + time::Duration::minutes((session * 720 + slot * 10 + 60 + doctor) as i64);
                let at = |at| hub_fhir::prepare::instant(at);
                all.push(tree! { "resourceType" => "Slot", "id" => format!("{id}-{slot}"), "status" => status,
                "schedule" => of(format!("Schedule/{id}")), "start" => at(start), "end" => at(start + time::Duration::minutes(10)) });
            }
        }
        put(store, all).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures"]
async fn the_earliest_free_slots_are_known_without_reading_all() {
    let slots: usize = std::env::var("SLOTS").ok().and_then(|slots| slots.parse().ok()).unwrap_or(20_000);
    let doctors = slots / SESSIONS / SLOTS;
    let folder = TempDir::new().unwrap();
    let second = TempDir::new().unwrap();
    let options = StoreOptions::postgres(postgres::shared().database(), second.path());
    for (name, options) in [("SQLite", StoreOptions::new(folder.path())), ("PostgreSQL", options)] {
        let store = Store::open(options).await.unwrap();
        let begun = Instant::now();
        furnish(&store, doctors).await;
        println!("{name}: {doctors} doctors written in {:?}", begun.elapsed());
        // What has just been written is no news any more.
        tokio::time::sleep(Duration::from_secs(12)).await;
        let bookable = |now| now..now + time::Duration::days(14);
        let directory = Arc::new(Directory::new(Arc::new(OffsetDateTime::now_utc), Arc::new(bookable)));
        let keeper =
            Keeper { directory: directory.clone(), resources: Arc::new(store.clone()), publishes: false };
        let (_stop, stopped) = tokio::sync::watch::channel(false);
        let begun = Instant::now();
        let running = tokio::spawn(keeper.run(stopped));
        let query = Query { count: 1, ..Query::default() };
        let expected = doctors - doctors.div_ceil(10);
        while directory.find(&query).is_none_or(|found| found.total < expected) {
            assert!(begun.elapsed() < Duration::from_secs(600));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        println!("{name}: all earliest slots known after {:?}", begun.elapsed());
        running.abort();
    }
}

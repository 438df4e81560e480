//! The journal's promises.

use hub_core::commit::{Commit, Key, Note};
use hub_core::destination::DeliveryError;
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{DestinationId, MessageId};
use hub_core::store::{
    Cause, End, Journal, MessageQuery, MessageState, Outbox, Received, Resources, Settlement, StateName,
    StoreError, Tally,
};
use time::{Duration, OffsetDateTime};

use super::{message, parcel, resource};

fn key(name: &str, value: &str) -> Key {
    Key { name: name.into(), value: value.into() }
}

fn fault() -> Fault {
    Fault {
        step: FaultStep::Map,
        place: Some("PID[1]-7".into()),
        rule: Some("mappings/his/adt.toml:31".into()),
        reason: "expected a date".into(),
    }
}

pub async fn a_second_copy_is_known_and_not_stored(journal: &dyn Journal) {
    let first = message("dup/a", "1", "text");
    let (second, other) = (message("dup/a", "1", "text"), message("dup/a", "1", "other text"));
    assert_eq!(journal.receive(&first).await.unwrap(), Received::New);
    assert_eq!(journal.receive(&second).await.unwrap(), Received::Duplicate(first.head.id));
    assert_eq!(journal.receive(&other).await.unwrap(), Received::Reused(first.head.id));
    assert_eq!(journal.receive(&other).await.unwrap(), Received::Duplicate(other.head.id));
    let elsewhere = message("dup/b", "1", "text");
    assert_eq!(journal.receive(&elsewhere).await.unwrap(), Received::New);
    assert!(journal.message(second.head.id).await.unwrap().is_none());
    assert!(journal.message(other.head.id).await.unwrap().unwrap().row.reused_control_id);
    let channel = "dup/a".into();
    let open = journal.unfinished(&channel, &|_| false, 10).await.unwrap();
    assert_eq!(open.iter().map(|open| open.head.id).collect::<Vec<_>>(), [first.head.id, other.head.id]);
}

pub async fn a_message_comes_back_as_it_was_received(journal: &dyn Journal) {
    let sent = message("back", "1", "text");
    journal.receive(&sent).await.unwrap();
    let channel = "back".into();
    let back = journal.unfinished(&channel, &|_| false, 1).await.unwrap().remove(0);
    assert_eq!(back.body.0, sent.body.0);
    let (back, sent) = (back.head, sent.head);
    assert_eq!((back.id, &back.channel, &back.dedupe), (sent.id, &sent.channel, &sent.dedupe));
    assert_eq!((back.digest, &back.label, &back.correlation), (sent.digest, &sent.label, &sent.correlation));
    assert_eq!((back.peer.address, &back.peer.identity), (sent.peer.address, &sent.peer.identity));
    assert!((back.received_at - sent.received_at).abs() < Duration::microseconds(1));
    let skipped = journal.unfinished(&channel, &|id| id == sent.id, 1).await.unwrap();
    assert!(skipped.is_empty());
}

pub async fn every_end_is_told_with_its_reason(journal: &dyn Journal, resources: &dyn Resources) {
    let messages: Vec<_> = (0..3).map(|n| message("ends", &n.to_string(), "text")).collect();
    for message in &messages {
        journal.receive(message).await.unwrap();
        assert_eq!(journal.state(message.head.id).await.unwrap(), None);
    }
    let [filtered, quarantined, committed] = [&messages[0], &messages[1], &messages[2]].map(|m| m.head.id);
    let end = End::Filtered { rule: "keep[0]".into() };
    journal.end(filtered, end, vec![key("patient", "7")]).await.unwrap();
    journal.end(quarantined, End::Quarantined(fault()), vec![]).await.unwrap();
    let commit = Commit {
        changes: vec![hub_core::commit::Change::Put(resource(r#"{"resourceType":"Patient","id":"ends"}"#))],
        parcels: vec![parcel("ends/to", 77, None)],
        keys: vec![key("patient", "7"), key("visit", "8")],
        notes: vec![Note { place: "PID-7".into(), reason: "expected a date".into() }],
        ..Commit::default()
    };
    resources.commit(Cause::Message(committed), commit).await.unwrap();
    let state = |id| async move { journal.state(id).await.unwrap().unwrap() };
    assert_eq!(state(filtered).await, MessageState::Filtered { rule: "keep[0]".into() });
    assert_eq!(state(quarantined).await, MessageState::Quarantined(fault()));
    assert_eq!(state(committed).await, MessageState::Committed);
    let detail = journal.message(committed).await.unwrap().unwrap();
    assert_eq!(detail.row.keys.len(), 2);
    assert_eq!(detail.notes.len(), 1);
    assert_eq!(detail.wrote, [(super::reference("Patient/ends"), 1)]);
    assert_eq!(detail.parcels.len(), 1);
    assert_eq!(detail.peer, "127.0.0.1:4711 lis");
    assert_eq!(counts(journal, "ends").await, [0, 1, 1, 1, 0]);
    let by_key = |name: Option<&str>, value: &str| MessageQuery {
        key: Some((name.map(Into::into), value.into())),
        limit: 10,
        ..MessageQuery::default()
    };
    let find = |query: MessageQuery| async move { ids(journal, &query).await };
    assert_eq!(find(by_key(Some("patient"), "7")).await, [committed, filtered]);
    assert_eq!(find(by_key(None, "8")).await, [committed]);
    assert_eq!(find(by_key(Some("visit"), "7")).await, []);
}

pub async fn a_message_ends_once_until_it_is_opened_again(journal: &dyn Journal, resources: &dyn Resources) {
    let sent = message("again", "1", "text");
    let id = sent.head.id;
    journal.receive(&sent).await.unwrap();
    assert!(!journal.reopen(id).await.unwrap());
    journal.end(id, End::Quarantined(fault()), vec![key("patient", "old")]).await.unwrap();
    let commit = Commit {
        changes: vec![hub_core::commit::Change::Put(resource(r#"{"resourceType":"Patient","id":"again"}"#))],
        keys: vec![key("patient", "new")],
        ..Commit::default()
    };
    // Processed twice: the second end changes nothing.
    let twice = resources.commit(Cause::Message(id), commit.clone()).await.unwrap();
    assert!(twice.wrote.is_empty());
    assert!(resources.read(&super::reference("Patient/again")).await.unwrap().is_none());
    assert!(journal.reopen(id).await.unwrap());
    assert_eq!(journal.state(id).await.unwrap(), None);
    assert_eq!(counts(journal, "again").await, [1, 0, 0, 0, 0]);
    resources.commit(Cause::Message(id), commit).await.unwrap();
    assert_eq!(counts(journal, "again").await, [0, 1, 0, 0, 0]);
    let row = journal.message(id).await.unwrap().unwrap().row;
    assert_eq!((row.replays, row.state), (1, MessageState::Committed));
    let by =
        |value: &str| MessageQuery { key: Some((None, value.into())), limit: 9, ..MessageQuery::default() };
    assert_eq!(ids(journal, &by("old")).await, []);
    assert_eq!(ids(journal, &by("new")).await, [id]);
    let nobody = MessageId(uuid::Uuid::from_u128(1));
    assert!(!journal.reopen(nobody).await.unwrap());
    let unknown = journal.end(nobody, End::Filtered { rule: String::new() }, vec![]).await;
    assert!(matches!(unknown, Err(StoreError::Invalid { .. })));
}

pub async fn messages_are_found_newest_first_page_by_page(journal: &dyn Journal) {
    let start = OffsetDateTime::now_utc();
    let mut sent = Vec::new();
    for n in 0..25_i64 {
        let mut one = message(["find/a", "find/b"][usize::from(n % 2 == 1)], &format!("f{n}"), "text");
        one.head.received_at = start + Duration::milliseconds(n);
        one.head.label.message_type = Some(["ADT^A01", "ADT^A08"][usize::from(n % 3 == 0)].into());
        journal.receive(&one).await.unwrap();
        if n % 5 == 0 {
            journal.end(one.head.id, End::Quarantined(fault()), vec![]).await.unwrap();
        }
        sent.push((n, one.head.id));
    }
    let all = MessageQuery { since: Some(start), limit: 4, ..MessageQuery::default() };
    let expect = |keep: &dyn Fn(i64) -> bool| {
        sent.iter().rev().filter(|(n, _)| keep(*n)).map(|(_, id)| *id).collect::<Vec<_>>()
    };
    let queries: [(MessageQuery, &dyn Fn(i64) -> bool); 6] = [
        (all.clone(), &|_| true),
        (MessageQuery { channel: Some("find/b".into()), ..all.clone() }, &|n| n % 2 == 1),
        (MessageQuery { state: Some(StateName::Quarantined), ..all.clone() }, &|n| n % 5 == 0),
        (MessageQuery { message_type: Some("ADT^A08".into()), ..all.clone() }, &|n| n % 3 == 0),
        (MessageQuery { control_id: Some("f7".into()), ..all.clone() }, &|n| n == 7),
        (
            MessageQuery {
                until: Some(start + Duration::milliseconds(20)),
                message_type: Some("ADT^A08".into()),
                channel: Some("find/a".into()),
                state: Some(StateName::Received),
                ..all.clone()
            },
            &|n| n < 20 && n % 3 == 0 && n % 2 == 0 && n % 5 != 0,
        ),
    ];
    for (mut query, keep) in queries {
        let mut found = Vec::new();
        loop {
            let page = ids(journal, &query).await;
            query.before = page.last().copied();
            found.extend_from_slice(&page);
            if page.len() < 4 {
                break;
            }
        }
        assert_eq!(found, expect(keep), "{query:?}");
    }
}

pub async fn old_messages_are_forgotten_but_not_what_is_owed(
    journal: &dyn Journal,
    resources: &dyn Resources,
    outbox: &dyn Outbox,
) {
    let long_ago = OffsetDateTime::now_utc() - Duration::days(400);
    let mut ended = Vec::new();
    for n in 0..4 {
        let mut one = message("prune", &n.to_string(), "text");
        one.head.received_at = long_ago;
        journal.receive(&one).await.unwrap();
        ended.push(one.head.id);
    }
    journal.end(ended[0], End::Quarantined(fault()), vec![key("patient", "pruned")]).await.unwrap();
    resources.commit(Cause::Message(ended[1]), Commit::default()).await.unwrap();
    let owing = Commit { parcels: vec![parcel("prune/to", 9_001, None)], ..Commit::default() };
    resources.commit(Cause::Message(ended[2]), owing).await.unwrap();
    let tomorrow = OffsetDateTime::now_utc() + Duration::days(1);
    assert_eq!(journal.prune(long_ago, 100).await.unwrap(), 0);
    let mut pruned = 0;
    loop {
        let count = journal.prune(tomorrow, 1).await.unwrap();
        pruned += count;
        if count == 0 {
            break;
        }
    }
    assert!(pruned >= 2);
    assert_eq!(counts(journal, "prune").await, [1, 1, 0, 0, 0]);
    assert!(journal.message(ended[0]).await.unwrap().is_none());
    assert!(journal.message(ended[2]).await.unwrap().is_some());
    // What was given up waits for a person, and so does its message.
    let to = DestinationId::from("prune/to");
    let leased = outbox.lease(&to, 1, std::time::Duration::from_secs(60)).await.unwrap();
    let refused = DeliveryError::Never { reason: "no".into() };
    assert!(outbox.settle(&leased[0], Settlement::GiveUp(refused, None)).await.unwrap());
    while journal.prune(tomorrow, 100).await.unwrap() > 0 {}
    assert!(journal.message(ended[2]).await.unwrap().is_some());
    let by_key = MessageQuery { key: Some((None, "pruned".into())), limit: 9, ..MessageQuery::default() };
    assert_eq!(ids(journal, &by_key).await, []);
}

async fn ids(journal: &dyn Journal, query: &MessageQuery) -> Vec<MessageId> {
    journal.find(query).await.unwrap().iter().map(|row| row.id).collect()
}

/// Counts by state of one channel.
pub async fn counts(journal: &dyn Journal, channel: &str) -> [u64; 5] {
    let tally = journal.tally().await.unwrap();
    let count = |state| {
        let of = |tally: &&Tally| tally.channel.as_str() == channel && tally.state == state;
        tally.iter().find(of).map_or(0, |tally| tally.count)
    };
    StateName::ALL.map(count)
}

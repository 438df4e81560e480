//! What the store promises of replays: their memory, their order, and which message wrote a version.

use hub_core::commit::{Change, Commit};
use hub_core::envelope::{Envelope, Raw};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::MessageId;
use hub_core::operations::ReplayWhat;
use hub_core::replay::{
    Came, Newer, Owing, Place, ReplayOrder, ReplayState, ReplaySum, ReplayTurn, Replays, Than,
};
use hub_core::store::{Cause, End, Journal, MessageQuery, MessageState, Resources, StateName, StoreError};

use super::journal::counts;
use super::pieces::pieces_of;
use super::{message, reference, resource};

fn by_filter(channel: &str) -> ReplayWhat {
    ReplayWhat::Matching(MessageQuery { channel: Some(channel.into()), ..MessageQuery::default() })
}

fn order(what: ReplayWhat) -> ReplayOrder {
    ReplayOrder { what, newer: Newer::Protect, owing: Owing::Once, rate: 7 }
}

fn put(id: &str, rest: &str) -> Commit {
    let text = format!(r#"{{"resourceType":"Patient","id":"{id}"{rest}}}"#);
    Commit { changes: vec![Change::Put(resource(&text))], ..Commit::default() }
}

async fn received(journal: &dyn Journal, channel: &str, control: &str) -> MessageId {
    let sent = message(channel, control, control);
    journal.receive(&sent).await.unwrap();
    sent.head.id
}

/// All messages of a replay, page by page.
async fn walked(replays: &dyn Replays, what: &ReplayWhat, last: i64, page: u32) -> (Vec<String>, u64) {
    let (mut place, mut texts, mut missing) = (Place::default(), Vec::new(), 0);
    for _ in 0..1_000 {
        let page = replays.page(what, place, last, page).await.unwrap();
        let text = |one: &Envelope<Raw>| String::from_utf8_lossy(&one.body.0).into_owned();
        texts.extend(page.messages.iter().map(|one| text(&one.message)));
        missing += page.missing;
        match page.next {
            Some(next) => {
                assert!(next > place, "it goes on: {place:?} {next:?}");
                place = next;
            }
            None => return (texts, missing),
        }
    }
    panic!("a walk that does not end");
}

pub async fn a_replay_goes_over_its_messages_in_the_order_of_arrival(
    journal: &dyn Journal,
    resources: &dyn Resources,
    replays: &dyn Replays,
) {
    let first = received(journal, "walk", "1").await;
    let whole = message("walk", "whole", "2");
    journal.receive(&whole).await.unwrap();
    let last = received(journal, "walk", "3").await;
    received(journal, "walk-other", "4").await;
    // It is split after the third has arrived, and its pieces stand before that one all the same.
    let pieces = pieces_of(&whole.head, &["2.1", "2.2", "2.3"]);
    journal.expand(whole.head.id, pieces.clone()).await.unwrap();
    for id in [first, last, pieces[0].head.id, pieces[2].head.id] {
        resources.commit(Cause::Message(id), Commit::default()).await.unwrap();
    }
    let (what, end) = replays.resolve(by_filter("walk")).await.unwrap();
    received(journal, "walk", "came later").await;
    for page in [1, 2, 3, 10] {
        let (texts, _) = walked(replays, &what, end, page).await;
        assert_eq!(texts, ["1", "2.1", "2.2", "2.3", "3"], "pages of {page}");
    }
    let committed = MessageQuery {
        channel: Some("walk".into()),
        state: Some(StateName::Committed),
        ..MessageQuery::default()
    };
    let (texts, _) = walked(replays, &ReplayWhat::Matching(committed), end, 2).await;
    assert_eq!(texts, ["1", "2.1", "2.3", "3"]);
    let of_parent = MessageQuery { parent: Some(whole.head.id), ..MessageQuery::default() };
    assert_eq!(walked(replays, &ReplayWhat::Matching(of_parent), end, 2).await.0, ["2.1", "2.2", "2.3"]);
    let unknown = walked(replays, &by_filter("never"), end, 2).await;
    assert_eq!(unknown, (Vec::new(), 0));
    // By ids: in the order of arrival whatever the order they are named in, each once; a whole stands for its pieces.
    let gone = MessageId(uuid::Uuid::from_u128(99));
    let named = ReplayWhat::Messages(vec![last, gone, whole.head.id, first, last]);
    let (named, end) = replays.resolve(named).await.unwrap();
    assert_eq!(end, 6);
    assert_eq!(
        walked(replays, &named, end, 2).await,
        (["1", "2.1", "2.2", "2.3", "3"].map(String::from).to_vec(), 1)
    );
}

pub async fn large_messages_come_few_at_a_time(journal: &dyn Journal, replays: &dyn Replays) {
    let text = |nth: u32| format!("{nth}{}", "x".repeat(3 << 20));
    let mut ids = Vec::new();
    for nth in 0..5 {
        let sent = message("large", &nth.to_string(), &text(nth));
        journal.receive(&sent).await.unwrap();
        ids.push(sent.head.id);
    }
    for what in [by_filter("large"), ReplayWhat::Messages(ids)] {
        let (what, last) = replays.resolve(what).await.unwrap();
        let page = replays.page(&what, Place::default(), last, 64).await.unwrap();
        assert_eq!(page.messages.len(), 2, "8 MiB at once");
        let (texts, missing) = walked(replays, &what, last, 64).await;
        let numbers: Vec<&str> = texts.iter().map(|text| &text[..1]).collect();
        assert_eq!((numbers, missing), (vec!["0", "1", "2", "3", "4"], 0));
    }
}

pub async fn a_replay_is_remembered_step_by_step(replays: &dyn Replays) {
    let number = replays.order(&order(by_filter("steps"))).await.unwrap();
    let row = replays.look(number).await.unwrap().unwrap();
    assert_eq!((row.state, row.place, row.order.rate), (ReplayState::Running, Place::default(), 7));
    assert!(replays.running().await.unwrap().contains(&number));
    assert!(replays.claim(number).await.unwrap());
    assert!(replays.claim(number).await.unwrap(), "its own it may claim again");
    let mut sum = ReplaySum { owed: 2, ..ReplaySum::default() };
    sum.count(Came::HeldBack);
    let (from, to) = (Place::default(), Place { at: 5, nth: 2 });
    let step = replays.step(number, from, to, &sum, false).await.unwrap();
    assert_eq!(step, Some(ReplayState::Running));
    let again = replays.step(number, from, to, &sum, false).await.unwrap();
    assert_eq!(again, None, "a step from where it is no more is not noted");
    let row = replays.look(number).await.unwrap().unwrap();
    assert_eq!((row.place, row.sum), (to, sum));
    assert!(replays.turn(number, ReplayTurn::Pause).await.unwrap());
    assert!(!replays.turn(number, ReplayTurn::Pause).await.unwrap());
    assert!(!replays.claim(number).await.unwrap(), "what is paused is nobody's work");
    let paused = replays.step(number, to, Place { at: 6, nth: 0 }, &sum, true).await.unwrap();
    assert_eq!(paused, Some(ReplayState::Paused), "the page under way is noted, and that is all");
    assert!(replays.turn(number, ReplayTurn::Resume).await.unwrap());
    let done = replays.step(number, Place { at: 6, nth: 0 }, Place { at: 6, nth: 0 }, &sum, true).await;
    assert_eq!(done.unwrap(), Some(ReplayState::Done));
    assert!(!replays.turn(number, ReplayTurn::Stop).await.unwrap());
    let row = replays.look(number).await.unwrap().unwrap();
    assert!(row.ended_at.is_some());
    let second = replays.order(&order(ReplayWhat::Messages(Vec::new()))).await.unwrap();
    assert!(second > number);
    assert!(replays.turn(second, ReplayTurn::Stop).await.unwrap());
    let listed: Vec<u64> = replays.list(2).await.unwrap().iter().map(|row| row.number).collect();
    assert_eq!(listed, [second, number]);
    assert!(replays.look(second + 1).await.unwrap().is_none());
    assert!(!replays.claim(second + 1).await.unwrap());
}

pub async fn a_message_that_has_ended_ends_anew(
    journal: &dyn Journal,
    resources: &dyn Resources,
    replays: &dyn Replays,
) {
    let id = received(journal, "anew", "1").await;
    let open = resources.commit(Cause::Replay(id), put("anew", "")).await;
    assert!(matches!(open, Err(StoreError::Invalid { .. })), "one that has not ended is for its lane");
    let fault = Fault { step: FaultStep::Map, place: None, rule: None, reason: "why".into() };
    let aside = || End::Quarantined(fault.clone());
    assert!(!replays.end_again(id, aside(), Vec::new()).await.unwrap());
    resources.commit(Cause::Message(id), put("anew", "")).await.unwrap();
    let wrote = resources.commit(Cause::Replay(id), put("anew", r#","active":true"#)).await.unwrap().wrote;
    assert_eq!(wrote, [(reference("Patient/anew"), 2)]);
    let detail = journal.message(id).await.unwrap().unwrap();
    assert_eq!((detail.row.replays, &detail.row.state), (1, &MessageState::Committed));
    assert_eq!(detail.wrote, wrote);
    // It changes nothing, and has written what it wrote all the same.
    resources.commit(Cause::Replay(id), put("anew", r#","active":true"#)).await.unwrap();
    assert_eq!(journal.message(id).await.unwrap().unwrap().wrote, wrote);
    assert!(replays.end_again(id, aside(), Vec::new()).await.unwrap());
    assert_eq!(journal.state(id).await.unwrap(), Some(MessageState::Quarantined(fault)));
    assert_eq!(counts(journal, "anew").await, [0, 0, 0, 1, 0]);
    assert_eq!(journal.message(id).await.unwrap().unwrap().row.replays, 3);
}

pub async fn a_version_knows_which_message_wrote_it(
    journal: &dyn Journal,
    resources: &dyn Resources,
    replays: &dyn Replays,
) {
    let name = reference("Patient/by");
    let whole = message("by", "0", "0");
    journal.receive(&whole).await.unwrap();
    let later = received(journal, "by", "1").await;
    let pieces = pieces_of(&whole.head, &["0.1", "0.2"]);
    journal.expand(whole.head.id, pieces.clone()).await.unwrap();
    let (first, second) = (pieces[0].head.id, pieces[1].head.id);
    let write = |cause, n: u32| {
        let commit = put("by", &format!(r#","birthDate":"{}""#, 1900 + n));
        async move { resources.commit(cause, commit).await.unwrap() }
    };
    write(Cause::Message(first), 1).await;
    write(Cause::Message(second), 2).await;
    write(Cause::Message(later), 3).await;
    write(Cause::Replay(first), 4).await;
    write(Cause::Command { user: "nurse".into(), request: "r".into() }, 5).await;
    let place = |what: ReplayWhat| async move {
        let page = replays.page(&what, Place::default(), i64::MAX, 1).await.unwrap();
        (page.messages[0].place, page.messages[0].message.head.received_at)
    };
    let asked = |id| async move {
        let (place, received_at) = place(ReplayWhat::Messages(vec![id])).await;
        replays.later(&name_of(), Than { place, received_at, own: None }, 10).await.unwrap()
    };
    fn name_of() -> hub_fhir::Reference {
        reference("Patient/by")
    }
    // The command's version is later than all; a replay of the first is not.
    assert_eq!(asked(first).await, [5, 3, 2]);
    assert_eq!(asked(second).await, [5, 3], "a piece before it is not later, a whole after its whole is");
    assert_eq!(asked(later).await, [5]);
    let (place, received_at) = place(ReplayWhat::Messages(vec![first])).await;
    let own = Some(5);
    assert_eq!(replays.later(&name, Than { place, received_at, own }, 10).await.unwrap(), [3, 2]);
    assert_eq!(replays.later(&name, Than { place, received_at, own: None }, 1).await.unwrap(), [5]);
}

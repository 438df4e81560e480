//! Messages that hold several: their pieces, their counts, their order, their end.

use bytes::Bytes;
use hub_core::commit::Commit;
use hub_core::envelope::{Envelope, Head, Parent, Raw};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{Digest, MessageId};
use hub_core::store::{
    AnswerName, Answered, Cause, End, Journal, MessageQuery, MessageState, Received, Resources,
};
use time::{Duration, OffsetDateTime};

use super::journal::counts;
use super::message;

/// The pieces of a message, as the runtime makes them.
pub fn pieces_of(parent: &Head, texts: &[&str]) -> Vec<Envelope<Raw>> {
    let piece = |(nth, text): (u32, &&str)| {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let digest = Digest::of(&bytes);
        let head = Head {
            id: MessageId::of_piece(parent.id, digest, 0),
            digest,
            dedupe: format!("piece {nth} of {}", parent.id).into(),
            parent: Some(Parent { id: parent.id, nth }),
            ..parent.clone()
        };
        Envelope { head, body: Raw(bytes) }
    };
    (1..).zip(texts).map(piece).collect()
}

fn ids(pieces: &[Envelope<Raw>]) -> Vec<MessageId> {
    pieces.iter().map(|piece| piece.head.id).collect()
}

fn aside() -> End {
    let fault = Fault {
        step: FaultStep::Map,
        place: Some("PID-3".into()),
        rule: None,
        reason: "expected a number".into(),
    };
    End::Quarantined(fault)
}

async fn open(journal: &dyn Journal, channel: &str) -> Vec<MessageId> {
    let open = journal.unfinished(&channel.into(), &|_| false, 100).await.unwrap();
    open.iter().map(|open| open.head.id).collect()
}

pub async fn a_message_that_holds_several_is_split_once(journal: &dyn Journal, resources: &dyn Resources) {
    let whole = message("split", "1", "a+b+c");
    let id = whole.head.id;
    assert_eq!(journal.receive(&whole).await.unwrap(), Received::New);
    let pieces = pieces_of(&whole.head, &["a", "b", "c"]);
    assert_eq!(journal.expand(id, pieces.clone()).await.unwrap(), ids(&pieces));
    assert_eq!(journal.state(id).await.unwrap(), Some(MessageState::Split { pieces: 3 }));
    assert_eq!(counts(journal, "split").await, [3, 0, 0, 0, 1]);
    assert_eq!(open(journal, "split").await, ids(&pieces));
    let back = journal.unfinished(&"split".into(), &|_| false, 1).await.unwrap().remove(0);
    assert_eq!((back.head.parent, &back.body.0), (Some(Parent { id, nth: 1 }), &pieces[0].body.0));

    // Told again, because the answer was lost: nothing is stored twice, and what is still open is told.
    resources.commit(Cause::Message(pieces[0].head.id), Commit::default()).await.unwrap();
    journal.end(pieces[1].head.id, aside(), vec![]).await.unwrap();
    assert_eq!(journal.expand(id, pieces.clone()).await.unwrap(), [pieces[2].head.id]);
    assert_eq!(counts(journal, "split").await, [1, 1, 0, 1, 1]);
    assert_eq!(journal.family(id).await.unwrap(), [1, 1, 0, 1, 0]);

    let detail = journal.message(id).await.unwrap().unwrap();
    assert_eq!((detail.pieces, detail.row.parent), ([1, 1, 0, 1, 0], None));
    let of = MessageQuery { parent: Some(id), limit: 9, ..MessageQuery::default() };
    let found = journal.find(&of).await.unwrap();
    let nth: Vec<u32> = found.iter().filter_map(|row| Some(row.parent?.nth)).collect();
    assert_eq!(nth, [3, 2, 1], "newest first");
    let set_aside = MessageQuery { state: Some(hub_core::store::StateName::Quarantined), ..of };
    assert_eq!(journal.find(&set_aside).await.unwrap()[0].id, pieces[1].head.id);
}

pub async fn splitting_again_makes_no_piece_twice(journal: &dyn Journal, resources: &dyn Resources) {
    let whole = message("resplit", "1", "a+b+c");
    let id = whole.head.id;
    journal.receive(&whole).await.unwrap();
    let first = pieces_of(&whole.head, &["a", "b", "c"]);
    journal.expand(id, first.clone()).await.unwrap();
    resources.commit(Cause::Message(first[0].head.id), Commit::default()).await.unwrap();
    resources.commit(Cause::Message(first[1].head.id), Commit::default()).await.unwrap();
    journal.end(first[2].head.id, aside(), vec![]).await.unwrap();

    assert!(journal.reopen(id).await.unwrap());
    // The splitting has changed: `a` is there, `b` (committed) and `c` (set aside) are not any more, `d` is new.
    let second = pieces_of(&whole.head, &["a", "d"]);
    assert_eq!(journal.expand(id, second.clone()).await.unwrap(), ids(&second));
    assert_eq!(counts(journal, "resplit").await, [2, 1, 1, 0, 1]);
    let row = journal.message(first[0].head.id).await.unwrap().unwrap().row;
    assert_eq!((row.state, row.replays), (MessageState::Received, 1));
    assert_eq!(journal.state(first[1].head.id).await.unwrap(), Some(MessageState::Committed));
    let state = journal.state(first[2].head.id).await.unwrap();
    assert!(matches!(state, Some(MessageState::Filtered { rule }) if rule.contains("no longer a piece")));
    assert_eq!(journal.state(id).await.unwrap(), Some(MessageState::Split { pieces: 2 }));

    // A piece is replayed by itself.
    assert!(journal.reopen(first[1].head.id).await.unwrap());
    assert_eq!(counts(journal, "resplit").await, [3, 0, 1, 0, 1]);
}

pub async fn pieces_are_read_back_in_the_place_of_their_message(journal: &dyn Journal) {
    let [first, second, third] =
        [1, 2, 3].map(|nth| message("place", &nth.to_string(), &format!("{nth}: a+b")));
    for whole in [&first, &second, &third] {
        journal.receive(whole).await.unwrap();
    }
    // The second is split before the first: its pieces come after the first's all the same.
    let of_second = pieces_of(&second.head, &["a", "b"]);
    journal.expand(second.head.id, of_second.clone()).await.unwrap();
    let of_first = pieces_of(&first.head, &["a", "b"]);
    journal.expand(first.head.id, of_first.clone()).await.unwrap();
    let expected = [ids(&of_first), ids(&of_second), vec![third.head.id]].concat();
    assert_eq!(open(journal, "place").await, expected);
    let skipped = journal.unfinished(&"place".into(), &|id| id == expected[1], 3).await.unwrap();
    let skipped: Vec<MessageId> = skipped.iter().map(|open| open.head.id).collect();
    assert_eq!(skipped, [expected[0], expected[2], expected[3]]);
}

pub async fn a_message_and_its_pieces_are_forgotten_together(
    journal: &dyn Journal,
    resources: &dyn Resources,
) {
    let mut whole = message("forget", "1", "a+b");
    whole.head.received_at = OffsetDateTime::now_utc() - Duration::days(400);
    journal.receive(&whole).await.unwrap();
    let pieces = pieces_of(&whole.head, &["a", "b"]);
    journal.expand(whole.head.id, pieces.clone()).await.unwrap();
    journal.end(pieces[0].head.id, aside(), vec![]).await.unwrap();
    let tomorrow = OffsetDateTime::now_utc() + Duration::days(1);
    while journal.prune(tomorrow, 100).await.unwrap() > 0 {}
    assert_eq!(counts(journal, "forget").await, [1, 0, 0, 1, 1], "one piece has not ended");
    resources.commit(Cause::Message(pieces[1].head.id), Commit::default()).await.unwrap();
    // One at a time: the message goes with the last of its pieces.
    let mut left = Vec::new();
    while journal.prune(tomorrow, 1).await.unwrap() > 0 {
        left.push(counts(journal, "forget").await.iter().sum::<u64>());
    }
    assert_eq!(left.last(), Some(&0));
    assert!(left.is_sorted_by(|before, after| before >= after), "{left:?}");
    assert!(journal.message(whole.head.id).await.unwrap().is_none());
}

pub async fn what_a_sender_was_answered_is_noted(journal: &dyn Journal) {
    let asked = message("answered", "1", "a question");
    journal.receive(&asked).await.unwrap();
    let at = OffsetDateTime::now_utc();
    journal.answered(asked.head.id, Answered { kind: AnswerName::Busy, at }).await.unwrap();
    journal.answered(asked.head.id, Answered { kind: AnswerName::Answered, at }).await.unwrap();
    let row = journal.message(asked.head.id).await.unwrap().unwrap().row;
    assert_eq!(row.answered.map(|answered| answered.kind), Some(AnswerName::Answered));
    let gone = MessageId(uuid::Uuid::from_u128(7));
    journal.answered(gone, Answered { kind: AnswerName::Busy, at }).await.unwrap();
}

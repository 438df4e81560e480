//! What every source that takes HL7 over MLLP has to hold.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub_core::fault::{Fault, FaultStep};
use hub_core::source::{Acknowledge, Outcome, Refusal, Replied, Reply, Source, SourceError, Words};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{PATIENCE, RecordingDoor, field, frame, read_frame};

/// Turns the battery into tests. `$make` makes a source that listens on `127.0.0.1:0`, waits one second for an outcome and
/// takes at most one mebibyte.
#[macro_export]
macro_rules! mllp_source_contract {
    ($make:expr) => {
        $crate::mllp_source_contract!($make;
            told_once_is_answered_and_handed_over_once,
            told_twice_is_answered_twice_and_kept_once,
            slow_and_split_frames_are_whole_messages,
            two_frames_in_one_piece_are_answered_in_order,
            half_a_frame_is_no_message,
            garbage_between_frames_is_passed_over,
            what_cannot_be_read_is_kept_and_rejected,
            a_refusal_is_told_in_hl7s_words,
            on_committed_the_answer_tells_the_outcome,
            an_outcome_that_does_not_come_is_an_error_and_not_a_loss,
            enhanced_mode_says_both_words,
            enhanced_mode_keeps_silent_where_it_is_told_to,
            an_acknowledgement_is_not_acknowledged,
            a_batch_is_acknowledged_whole_where_the_channel_splits,
            a_request_is_answered_with_its_reply,
            a_message_that_is_too_long_closes_only_its_connection,
            a_stop_ends_the_source);
    };
    ($make:expr; $($name:ident),+) => {
        $(#[tokio::test]
        async fn $name() {
            $crate::battery::mllp_source::$name($make).await;
        })+
    };
}

/// A source that runs, and its door.
struct Running {
    door: Arc<RecordingDoor>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), SourceError>>,
}

async fn start(mut source: Box<dyn Source>, acknowledge: Acknowledge) -> Running {
    let door = RecordingDoor::new(acknowledge);
    let bound = source.bind().await.expect("a free port can be had");
    let address = bound.expect("a source that listens tells where");
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(source.run(door.intake(), stopped));
    Running { door, address, stop, task }
}

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.address).await.expect("the source listens")
}

async fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.expect("the source reads");
}

async fn answer(stream: &mut TcpStream) -> Option<Vec<u8>> {
    timeout(PATIENCE, read_frame(stream)).await.expect("the source answers in time")
}

async fn answer_to(stream: &mut TcpStream, message: &[u8]) -> Vec<u8> {
    send(stream, &frame(message)).await;
    answer(stream).await.expect("the source answers and keeps the connection")
}

fn message(control_id: &str, asked: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|APP|FAC|HUB|FAC|20260302080000||ADT^A01^ADT_A01|{control_id}|P|2.5.1|||{asked}\r\
         EVN|A01|20260302080000\rPID|1||1^^^HIS^PI||X\rPV1|1|I\r"
    )
    .into_bytes()
}

fn verdict(answer: &[u8]) -> (String, String) {
    (field(answer, "MSA", 1), field(answer, "MSA", 2))
}

fn pair(code: &str, control_id: &str) -> (String, String) {
    (code.to_owned(), control_id.to_owned())
}

/// Told once.
pub async fn told_once_is_answered_and_handed_over_once(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    let answer = answer_to(&mut stream, &message("1", "")).await;
    assert_eq!(verdict(&answer), pair("AA", "1"));
    assert_eq!(field(&answer, "MSH", 3), "HUB", "the answer goes from the receiver");
    assert_eq!(field(&answer, "MSH", 5), "APP", "to the sender");
    let accepted = running.door.accepted();
    assert_eq!(accepted.len(), 1);
    assert_eq!(accepted[0].bytes, message("1", ""), "not a byte is changed");
    assert_eq!(accepted[0].dedupe.as_str(), "APP|FAC|1");
    assert_eq!(accepted[0].label.message_type.as_deref(), Some("ADT^A01"));
    assert!(accepted[0].peer.address.is_some());
}

/// Told twice.
pub async fn told_twice_is_answered_twice_and_kept_once(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    for _ in 0..2 {
        assert_eq!(verdict(&answer_to(&mut stream, &message("1", "")).await), pair("AA", "1"));
    }
    let mut again = connect(&running).await;
    assert_eq!(
        verdict(&answer_to(&mut again, &message("1", "")).await),
        pair("AA", "1"),
        "after a reconnect"
    );
    assert_eq!(running.door.accepted().len(), 1);
}

/// Slow.
pub async fn slow_and_split_frames_are_whole_messages(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    for piece in frame(&message("1", "")).chunks(17) {
        send(&mut stream, piece).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let answer = answer(&mut stream).await.expect("an answer comes");
    assert_eq!(verdict(&answer), pair("AA", "1"));
}

/// Two in one.
pub async fn two_frames_in_one_piece_are_answered_in_order(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    send(&mut stream, &[frame(&message("1", "")), frame(&message("2", ""))].concat()).await;
    for control_id in ["1", "2"] {
        let answer = answer(&mut stream).await.expect("each frame is answered");
        assert_eq!(verdict(&answer), pair("AA", control_id));
    }
}

/// Dropped.
pub async fn half_a_frame_is_no_message(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    let framed = frame(&message("1", ""));
    send(&mut stream, &framed[..framed.len() / 2]).await;
    drop(stream);
    let mut again = connect(&running).await;
    assert_eq!(
        verdict(&answer_to(&mut again, &message("1", "")).await),
        pair("AA", "1"),
        "it comes again, whole"
    );
    assert_eq!(running.door.accepted().len(), 1);
}

/// Garbage.
pub async fn garbage_between_frames_is_passed_over(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    send(&mut stream, b"\x00\xff\r\nnoise\x1c\r").await;
    assert_eq!(verdict(&answer_to(&mut stream, &message("1", "")).await), pair("AA", "1"));
}

/// Unreadable.
pub async fn what_cannot_be_read_is_kept_and_rejected(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    let answer = answer_to(&mut stream, b"PID|1||1^^^HIS^PI").await;
    assert_eq!(field(&answer, "MSA", 1), "AR");
    let accepted = running.door.accepted();
    assert!(accepted[0].unreadable.is_some(), "it is handed over with the reason");
    assert_eq!(accepted[0].bytes, b"PID|1||1^^^HIS^PI".as_slice());
}

/// Refused.
pub async fn a_refusal_is_told_in_hl7s_words(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    let cases = [
        (Refusal::Unsupported { expected: "ORU^R01".to_owned() }, "AR", "200"),
        (Refusal::Unsupported { expected: "ADT^A08".to_owned() }, "AR", "201"),
        (Refusal::Forbidden, "AR", "207"),
        (Refusal::Busy, "AE", "207"),
    ];
    for (refusal, code, kind) in cases {
        running.door.refuse_next(refusal);
        let answer = answer_to(&mut stream, &message("1", "")).await;
        assert_eq!(verdict(&answer), pair(code, "1"));
        assert!(field(&answer, "ERR", 3).starts_with(kind), "ERR-3 is {kind}");
    }
    assert_eq!(
        verdict(&answer_to(&mut stream, &message("1", "")).await),
        pair("AA", "1"),
        "sent again, it is taken"
    );
}

/// On committed.
pub async fn on_committed_the_answer_tells_the_outcome(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnCommitted).await;
    let mut stream = connect(&running).await;
    assert_eq!(verdict(&answer_to(&mut stream, &message("1", "")).await), pair("AA", "1"));
    running.door.end_with(Some(Outcome::Filtered { rule: "MSH-11.1 = \"P\"".to_owned() }));
    assert_eq!(verdict(&answer_to(&mut stream, &message("2", "")).await), pair("AA", "2"));
    let fault = Fault {
        step: FaultStep::Map,
        place: Some("PID[1]-7".to_owned()),
        rule: None,
        reason: "expected a date".to_owned(),
    };
    running.door.end_with(Some(Outcome::Quarantined(fault)));
    let answer = answer_to(&mut stream, &message("3", "")).await;
    assert_eq!(verdict(&answer), pair("AE", "3"));
    assert!(field(&answer, "ERR", 2).starts_with("PID^1^7"), "ERR-2 is the place");
    assert!(field(&answer, "ERR", 8).contains("expected a date"), "ERR-8 is the reason");
}

/// In doubt.
pub async fn an_outcome_that_does_not_come_is_an_error_and_not_a_loss(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnCommitted).await;
    let mut stream = connect(&running).await;
    running.door.end_with(None);
    let answer = answer_to(&mut stream, &message("1", "")).await;
    assert_eq!(verdict(&answer), pair("AE", "1"));
    assert!(field(&answer, "ERR", 3).starts_with("207"));
    running.door.end_with(Some(Outcome::Committed));
    assert_eq!(
        verdict(&answer_to(&mut stream, &message("1", "")).await),
        pair("AA", "1"),
        "the copy hears the outcome"
    );
    assert_eq!(running.door.accepted().len(), 1);
}

/// Enhanced mode.
pub async fn enhanced_mode_says_both_words(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    let first = answer_to(&mut stream, &message("1", "AL|AL")).await;
    assert_eq!(verdict(&first), pair("CA", "1"));
    let second = answer(&mut stream).await.expect("the application answers, too");
    assert_eq!(verdict(&second), pair("AA", "1"));
    assert_ne!(field(&first, "MSH", 10), field(&second, "MSH", 10), "each answer has its own number");
    for (refusal, code) in [(Refusal::Busy, "CE"), (Refusal::Forbidden, "CR")] {
        running.door.refuse_next(refusal);
        assert_eq!(verdict(&answer_to(&mut stream, &message("2", "AL|AL")).await), pair(code, "2"));
    }
    assert_eq!(verdict(&answer_to(&mut stream, &message("3", "AL|NE")).await), pair("CA", "3"));
}

/// Enhanced mode, silent.
pub async fn enhanced_mode_keeps_silent_where_it_is_told_to(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    for (control_id, asked) in [("1", "NE|NE"), ("2", "ER|NE"), ("3", "NE|ER"), ("4", "ER|ER")] {
        send(&mut stream, &frame(&message(control_id, asked))).await;
    }
    assert_eq!(
        verdict(&answer_to(&mut stream, &message("5", "SU|NE")).await),
        pair("CA", "5"),
        "the first word"
    );
    assert_eq!(verdict(&answer_to(&mut stream, &message("6", "NE|SU")).await), pair("AA", "6"));
    running.door.refuse_next(Refusal::Forbidden);
    assert_eq!(verdict(&answer_to(&mut stream, &message("7", "NE|ER")).await), pair("AR", "7"));
    assert_eq!(running.door.accepted().len(), 6);
}

/// No answer to an answer.
pub async fn an_acknowledgement_is_not_acknowledged(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    send(&mut stream, &frame(b"MSH|^~\\&|APP|FAC|HUB|FAC|20260302||ACK|1|P|2.5.1\rMSA|AA|77\r")).await;
    assert_eq!(
        verdict(&answer_to(&mut stream, &message("2", "")).await),
        pair("AA", "2"),
        "the first answer"
    );
}

/// A batch.
pub async fn a_batch_is_acknowledged_whole_where_the_channel_splits(source: Box<dyn Source>) {
    let batch = b"BHS|^~\\&|APP|FAC|HUB|FAC|20260302||||B7\rMSH|^~\\&|APP|FAC|HUB|FAC|20260302||ADT^A01|1|P|2.6\rBTS|1\r";
    let running = start(source, Acknowledge::OnCommitted).await;
    let mut stream = connect(&running).await;
    assert_eq!(verdict(&answer_to(&mut stream, batch).await).0, "AR", "here a frame is one message");
    running.door.split();
    running.door.end_with(Some(Outcome::Split { pieces: 100, set_aside: 0 }));
    let copy = [&batch[..], b"\r"].concat();
    let answer = answer_to(&mut stream, &copy).await;
    assert_eq!(verdict(&answer), pair("AA", "B7"), "MSA-2 is the control id of the batch (BHS-11)");
    assert_eq!(field(&answer, "MSH", 5), "APP", "MSH-5 is the sender of the batch");
    assert_eq!(field(&answer, "MSH", 12), "2.6", "MSH-12 is the version of its messages: a batch names none");
    running.door.end_with(Some(Outcome::Split { pieces: 100, set_aside: 3 }));
    let answer = answer_to(&mut stream, &copy).await;
    assert_eq!(verdict(&answer), pair("AE", "B7"));
    assert!(field(&answer, "ERR", 8).contains("3 of 100 were set aside"), "ERR-8 sums them up");
    let accepted = running.door.accepted();
    assert_eq!((accepted.len(), accepted[1].label.control_id.as_deref()), (2, Some("B7")));
}

/// A query.
pub async fn a_request_is_answered_with_its_reply(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnAnswered).await;
    let mut stream = connect(&running).await;
    let say = |kind, text: &'static str| {
        let words = Words { body: Bytes::from_static(text.as_bytes()), content_type: "text/plain".into() };
        running.door.reply_with(Some(Reply { kind, words: Some(words) }));
    };
    let found = "MSH|^~\\&|HUB|FAC|APP|FAC|20260302||RSP^K22|R1|P|2.5.1\rMSA|AA|1\r";
    say(Replied::Answered, found);
    assert_eq!(answer_to(&mut stream, &message("1", "")).await, found.as_bytes());
    let enhanced = answer_to(&mut stream, &message("2", "AL|AL")).await;
    assert_eq!(verdict(&enhanced), pair("CA", "2"), "that it is safe is said first");
    assert_eq!(answer(&mut stream).await.as_deref(), Some(found.as_bytes()));
    say(Replied::Busy, "busy, in the partner's words");
    assert_eq!(answer_to(&mut stream, &message("3", "")).await, b"busy, in the partner's words");
    running.door.reply_with(None);
    assert_eq!(verdict(&answer_to(&mut stream, &message("3", "")).await), pair("AE", "3"));
    running.door.refuse_next(Refusal::Unsupported { expected: "QBP^Q22".to_owned() });
    assert_eq!(verdict(&answer_to(&mut stream, &message("4", "")).await), pair("AR", "4"));
}

/// Too long.
pub async fn a_message_that_is_too_long_closes_only_its_connection(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut other = connect(&running).await;
    let mut stream = connect(&running).await;
    let long = [message("1", ""), vec![b'x'; 2 << 20]].concat();
    // The source closes while it is still being sent: then writing fails, as it should.
    let _cut = stream.write_all(&frame(&long)).await;
    assert_eq!(timeout(PATIENCE, read_frame(&mut stream)).await, Ok(None));
    assert_eq!(verdict(&answer_to(&mut other, &message("2", "")).await), pair("AA", "2"));
}

/// A stop.
pub async fn a_stop_ends_the_source(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    answer_to(&mut stream, &message("1", "")).await;
    running.stop.send(true).expect("the source runs");
    let ended = timeout(PATIENCE, running.task).await.expect("it ends in time").expect("it does not panic");
    assert!(ended.is_ok());
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
}

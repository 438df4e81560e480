//! What every source that takes messages by HTTP has to hold.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hub_core::fault::{Fault, FaultStep};
use hub_core::source::{Acknowledge, Outcome, Refusal, Replied, Reply, Source, SourceError, Words};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{PATIENCE, RecordingDoor};

/// Turns the battery into tests. `$make` makes a source that listens on `127.0.0.1:0` at the path `/in`, waits one second for an
/// outcome and for a whole request, and takes at most one mebibyte.
#[macro_export]
macro_rules! http_source_contract {
    ($make:expr) => {
        $crate::http_source_contract!($make;
            what_is_posted_is_handed_over_once,
            posted_twice_it_is_answered_twice_and_kept_once,
            a_request_in_pieces_is_a_whole_message,
            half_a_request_is_no_message,
            a_refusal_is_told_by_its_status,
            on_committed_the_status_tells_the_outcome,
            an_outcome_that_does_not_come_is_asked_for_again,
            on_answered_the_reply_is_the_answer,
            a_message_that_is_too_long_is_refused_before_it_is_read,
            only_its_path_and_its_method_are_taken,
            a_connection_is_used_again,
            a_stop_ends_the_source);
    };
    ($make:expr; $($name:ident),+) => {
        $(#[tokio::test]
        async fn $name() {
            $crate::battery::http_source::$name($make).await;
        })+
    };
}

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

fn request(head: &str, body: &str) -> Vec<u8> {
    format!(
        "{head} HTTP/1.1\r\nHost: hub\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A request with a number of its own.
fn numbered(number: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST /in HTTP/1.1\r\nHost: hub\r\nIdempotency-Key: {number}\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

async fn answer(stream: &mut TcpStream) -> Option<Answer> {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut answer = Answer { status: head.get(9..12)?.parse().ok()?, head, body: String::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Some(answer)
    };
    timeout(PATIENCE, read).await.expect("the source answers in time")
}

async fn post(running: &Running, bytes: &[u8]) -> Answer {
    let mut stream = connect(running).await;
    stream.write_all(bytes).await.expect("the source reads");
    answer(&mut stream).await.expect("the source answers")
}

/// Told once.
pub async fn what_is_posted_is_handed_over_once(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let taken = post(&running, &numbered("n1", "the message")).await;
    assert_eq!(taken.status, 202);
    assert!(taken.body.contains("\"state\":\"received\""), "{}", taken.body);
    let accepted = running.door.accepted();
    assert_eq!(accepted.len(), 1);
    assert_eq!(accepted[0].bytes, "the message", "not a byte is changed");
    assert_eq!(accepted[0].label.control_id.as_deref(), Some("n1"));
    assert!(accepted[0].peer.address.is_some());
}

/// Told twice.
pub async fn posted_twice_it_is_answered_twice_and_kept_once(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    for body in ["a", "b"] {
        for _ in 0..2 {
            assert_eq!(post(&running, &request("POST /in", body)).await.status, 202);
        }
    }
    assert_eq!(running.door.accepted().len(), 2, "without a number the content tells");
    for _ in 0..2 {
        assert_eq!(post(&running, &numbered("n1", "a")).await.status, 202);
    }
    assert_eq!(running.door.accepted().len(), 3);
}

/// Slow.
pub async fn a_request_in_pieces_is_a_whole_message(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    for piece in numbered("n1", "the message").chunks(7) {
        stream.write_all(piece).await.expect("the source reads");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert_eq!(answer(&mut stream).await.expect("it answers").status, 202);
    let chunked = b"POST /in HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(post(&running, chunked).await.status, 202);
    let accepted = running.door.accepted();
    assert_eq!((&accepted[0].bytes[..], &accepted[1].bytes[..]), (&b"the message"[..], &b"abcde"[..]));
}

/// Dropped.
pub async fn half_a_request_is_no_message(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let whole = numbered("n1", "the message");
    let mut dropped = connect(&running).await;
    dropped.write_all(&whole[..whole.len() - 3]).await.expect("the source reads");
    drop(dropped);
    let late = post(&running, &whole[..whole.len() - 3]).await;
    assert_eq!(late.status, 408, "it is not waited for without end");
    assert!(running.door.accepted().is_empty());
}

/// Refused.
pub async fn a_refusal_is_told_by_its_status(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let fault = Fault {
        step: FaultStep::Parse,
        place: Some("line 3".to_owned()),
        rule: None,
        reason: "no".to_owned(),
    };
    let cases = [
        (Refusal::Unsupported { expected: "order".to_owned() }, 422),
        (Refusal::Unreadable(fault), 422),
        (Refusal::Forbidden, 403),
        (Refusal::Busy, 503),
    ];
    for (refusal, status) in cases {
        running.door.refuse_next(refusal);
        let refused = post(&running, &numbered("n1", "a")).await;
        assert_eq!(refused.status, status);
        assert_eq!(refused.header("retry-after").is_some(), status == 503);
    }
    assert_eq!(post(&running, &numbered("n1", "a")).await.status, 202, "sent again, it is taken");
}

/// On committed.
pub async fn on_committed_the_status_tells_the_outcome(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnCommitted).await;
    assert_eq!(post(&running, &numbered("1", "a")).await.status, 200);
    running.door.end_with(Some(Outcome::Filtered { rule: "kind = \"x\"".to_owned() }));
    assert_eq!(post(&running, &numbered("2", "a")).await.status, 200);
    let fault = Fault {
        step: FaultStep::Map,
        place: Some("items[1].code".to_owned()),
        rule: None,
        reason: "expected a code".to_owned(),
    };
    running.door.end_with(Some(Outcome::Quarantined(fault)));
    let refused = post(&running, &numbered("3", "a")).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("items[1].code") && refused.body.contains("expected a code"));
    running.door.end_with(Some(Outcome::Split { pieces: 100, set_aside: 3 }));
    let some = post(&running, &numbered("4", "a")).await;
    assert_eq!(some.status, 422);
    assert!(some.body.contains("\"pieces\":100") && some.body.contains("\"set_aside\":3"), "{}", some.body);
    running.door.end_with(Some(Outcome::Split { pieces: 100, set_aside: 0 }));
    assert_eq!(post(&running, &numbered("5", "a")).await.status, 200);
}

/// Not in time.
pub async fn an_outcome_that_does_not_come_is_asked_for_again(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnCommitted).await;
    running.door.end_with(None);
    let later = post(&running, &numbered("1", "a")).await;
    assert_eq!((later.status, later.header("retry-after")), (503, Some("5")));
    running.door.end_with(Some(Outcome::Committed));
    assert_eq!(post(&running, &numbered("1", "a")).await.status, 200, "the copy hears the outcome");
    assert_eq!(running.door.accepted().len(), 1);
}

/// On answered.
pub async fn on_answered_the_reply_is_the_answer(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnAnswered).await;
    let say = |kind, body: &'static str| {
        let words = Words { body: Bytes::from_static(body.as_bytes()), content_type: "text/xml".into() };
        running.door.reply_with(Some(Reply { kind, words: Some(words) }));
    };
    say(Replied::Answered, "<found/>");
    let found = post(&running, &numbered("1", "a")).await;
    assert_eq!((found.status, found.body.as_str()), (200, "<found/>"));
    assert_eq!(found.header("content-type"), Some("text/xml"));
    say(Replied::Busy, "<busy/>");
    let busy = post(&running, &numbered("1", "a")).await;
    assert_eq!((busy.status, busy.body.as_str()), (503, "<busy/>"));
    assert!(busy.header("retry-after").is_some());
    running.door.reply_with(None);
    assert_eq!(post(&running, &numbered("2", "a")).await.status, 503, "the protocol's own words");
    running.door.refuse_next(Refusal::Forbidden);
    assert_eq!(post(&running, &numbered("3", "a")).await.status, 403);
}

/// Too long.
pub async fn a_message_that_is_too_long_is_refused_before_it_is_read(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    let head = b"POST /in HTTP/1.1\r\nHost: hub\r\nContent-Length: 2000000\r\n\r\n";
    stream.write_all(head).await.expect("the source reads");
    assert_eq!(answer(&mut stream).await.expect("it answers").status, 413);
    let mut stream = connect(&running).await;
    let head = b"POST /in HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head).await.expect("the source reads");
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    // The source may close while it is still being sent: then writing fails, as it should.
    for _ in 0..20 {
        let _cut = stream.write_all(&chunk).await;
    }
    assert!(answer(&mut stream).await.is_none_or(|answer| answer.status == 413));
    assert!(running.door.accepted().is_empty());
}

/// Elsewhere.
pub async fn only_its_path_and_its_method_are_taken(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    assert_eq!(post(&running, &request("POST /other", "a")).await.status, 404);
    let put = post(&running, &request("PUT /in", "a")).await;
    assert_eq!((put.status, put.header("allow")), (405, Some("GET, HEAD, POST")));
    assert_eq!(post(&running, &request("GET /in?x=1", "")).await.status, 200, "a monitor may ask");
    assert!(running.door.accepted().is_empty());
}

/// Kept open.
pub async fn a_connection_is_used_again(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    let mut stream = connect(&running).await;
    for number in ["1", "2", "3"] {
        stream.write_all(&numbered(number, "a")).await.expect("the source reads");
        assert_eq!(answer(&mut stream).await.expect("it answers").status, 202);
    }
    assert_eq!(running.door.accepted().len(), 3);
}

/// A stop.
pub async fn a_stop_ends_the_source(source: Box<dyn Source>) {
    let running = start(source, Acknowledge::OnReceived).await;
    assert_eq!(post(&running, &numbered("1", "a")).await.status, 202);
    running.stop.send(true).expect("the source runs");
    let ended = timeout(PATIENCE, running.task).await.expect("it ends in time").expect("it does not panic");
    assert!(ended.is_ok());
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
}

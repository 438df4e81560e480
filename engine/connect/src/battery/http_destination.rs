//! What every destination that sends over HTTP has to hold.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hub_core::commit::Parcel;
use hub_core::destination::{DeliveryError, Destination};
use hub_core::id::{DestinationId, MessageId, ParcelId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Turns the battery into tests. `$make` makes a destination of a URL and `idempotent`; it waits one second for an answer.
#[macro_export]
macro_rules! http_destination_contract {
    ($make:expr) => {
        $crate::http_destination_contract!($make;
            what_is_taken_is_delivered_with_its_answer,
            told_twice_it_hands_over_the_same_key,
            what_cannot_be_taken_now_is_tried_when_the_peer_says,
            what_is_refused_is_not_tried_again,
            a_silent_or_dropping_peer_leaves_it_in_doubt,
            noise_and_half_a_head_leave_it_in_doubt,
            an_answer_that_comes_too_late_is_not_the_next_one_s,
            a_second_answer_is_not_the_next_one_s,
            an_answer_whose_body_breaks_off_is_an_answer,
            a_peer_that_is_not_there_is_tried_later,
            a_check_says_whether_the_peer_is_there);
    };
    ($make:expr; $($name:ident),+) => {
        $(#[tokio::test]
        async fn $name() {
            $crate::battery::http_destination::$name($make).await;
        })+
    };
}

/// How the peer behaves to one request.
#[derive(Clone, Copy)]
enum Manner {
    /// These bytes, and the connection is closed.
    Say(&'static str),
    Silence,
    Drop,
    /// These bytes after so many milliseconds, and the connection is kept.
    SayAfter(&'static str, u64),
}

const CREATED: &str = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// One request as it came.
#[derive(Clone)]
struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

#[derive(Clone)]
struct Peer {
    url: String,
    received: Arc<Mutex<Vec<Request>>>,
}

impl Peer {
    /// Behaves so, request by request, and then takes everything.
    async fn start(manners: &[Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port can be had");
        let address = listener.local_addr().expect("it is bound");
        let peer = Self { url: format!("http://{address}/notices"), received: Arc::default() };
        let serving = peer.clone();
        let mut manners = VecDeque::from(manners.to_vec());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let manner = manners.pop_front().unwrap_or(Manner::Say(CREATED));
                tokio::spawn(serving.clone().converse(stream, manner));
            }
        });
        peer
    }

    async fn converse(self, mut stream: TcpStream, manner: Manner) {
        let Some(request) = read(&mut stream).await else { return };
        self.received.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        match manner {
            Manner::Drop => {}
            Manner::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
            Manner::Say(answer) => {
                // Whether the destination still listens is its own affair.
                let _told = stream.write_all(answer.as_bytes()).await;
            }
            Manner::SayAfter(answer, millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                let _told = stream.write_all(answer.as_bytes()).await;
                // What else comes on this connection is answered as it should be.
                while let Some(request) = read(&mut stream).await {
                    self.received.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                    let _told = stream.write_all(CREATED.as_bytes()).await;
                }
            }
        }
    }

    fn received(&self) -> Vec<Request> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let mut request = Request { head: String::from_utf8_lossy(&head).into_owned(), body: Vec::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

fn parcel() -> Parcel {
    let to = DestinationId::from("battery/peer");
    Parcel {
        id: ParcelId::of(MessageId(uuid::Uuid::from_u128(1)), &to, 0),
        to,
        body: Bytes::from_static(b"{\"value\":6.90}"),
        content_type: "application/json".into(),
        correlation: "battery".into(),
        order_key: None,
    }
}

/// Told once.
pub async fn what_is_taken_is_delivered_with_its_answer(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let peer = Peer::start(&[]).await;
    let delivered = make(&peer.url, true).deliver(&parcel()).await.expect("201 is a delivery");
    assert_eq!(delivered.answer.as_deref(), Some(b"ok".as_slice()));
    let request = &peer.received()[0];
    assert!(request.head.starts_with("POST /notices HTTP/1.1"));
    assert_eq!(request.body, parcel().body, "not a byte is changed");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("idempotency-key"), Some(parcel().id.to_string().as_str()));
}

/// Told twice.
pub async fn told_twice_it_hands_over_the_same_key(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let peer = Peer::start(&[]).await;
    let destination = make(&peer.url, true);
    for _ in 0..2 {
        assert!(destination.deliver(&parcel()).await.is_ok());
    }
    let keys: Vec<Request> = peer.received();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0].header("idempotency-key"), keys[1].header("idempotency-key"));
}

/// Not now.
pub async fn what_cannot_be_taken_now_is_tried_when_the_peer_says(
    make: impl Fn(&str, bool) -> Box<dyn Destination>,
) {
    let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let many = "HTTP/1.1 429 Many\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let peer = Peer::start(&[Manner::Say(busy), Manner::Say(many)]).await;
    let destination = make(&peer.url, false);
    let later = destination.deliver(&parcel()).await;
    assert!(matches!(later, Err(DeliveryError::Later { after: Some(after), .. }) if after.as_secs() == 7));
    assert!(matches!(destination.deliver(&parcel()).await, Err(DeliveryError::Later { after: None, .. })));
}

/// No HTTP.
pub async fn noise_and_half_a_head_leave_it_in_doubt(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    for noise in ["\u{b}MSH|^~\\&|\u{1c}\r", "HTTP/1.1 20"] {
        let peer = Peer::start(&[Manner::Say(noise), Manner::Say(noise)]).await;
        let doubted = make(&peer.url, false).deliver(&parcel()).await;
        assert!(matches!(doubted, Err(DeliveryError::InDoubt { .. })), "where copies are not known");
        let destination = make(&peer.url, true);
        let later = destination.deliver(&parcel()).await;
        assert!(matches!(later, Err(DeliveryError::Later { .. })), "where copies are known");
        assert!(destination.deliver(&parcel()).await.is_ok());
    }
}

const REFUSED: &str = "HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n";

/// Too late.
pub async fn an_answer_that_comes_too_late_is_not_the_next_one_s(
    make: impl Fn(&str, bool) -> Box<dyn Destination>,
) {
    let peer = Peer::start(&[Manner::SayAfter(REFUSED, 1_200), Manner::SayAfter(CREATED, 500)]).await;
    let destination = make(&peer.url, true);
    let late = destination.deliver(&parcel()).await;
    assert!(matches!(late, Err(DeliveryError::Later { .. })), "none within a second");
    assert!(destination.deliver(&parcel()).await.is_ok(), "the late refusal is nobody's");
}

/// Twice.
pub async fn a_second_answer_is_not_the_next_one_s(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let twice = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n";
    let peer = Peer::start(&[Manner::SayAfter(twice, 0)]).await;
    let destination = make(&peer.url, true);
    for _ in 0..2 {
        let delivered = destination.deliver(&parcel()).await.expect("each has its own answer");
        assert_eq!(delivered.answer.as_deref(), Some(b"ok".as_slice()));
    }
}

/// Refused.
pub async fn what_is_refused_is_not_tried_again(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let refused = "HTTP/1.1 422 No\r\nContent-Length: 7\r\nConnection: close\r\n\r\nWANG LI";
    let peer = Peer::start(&[Manner::Say(refused)]).await;
    match make(&peer.url, true).deliver(&parcel()).await {
        Err(DeliveryError::Never { reason }) => assert!(!reason.contains("WANG"), "content is no reason"),
        other => panic!("expected a refusal, found {other:?}"),
    }
}

/// In doubt.
pub async fn a_silent_or_dropping_peer_leaves_it_in_doubt(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    for manner in [Manner::Silence, Manner::Drop] {
        let peer = Peer::start(&[manner, manner, manner]).await;
        let doubted = make(&peer.url, false).deliver(&parcel()).await;
        assert!(matches!(doubted, Err(DeliveryError::InDoubt { .. })), "where copies are not known");
        let later = make(&peer.url, true).deliver(&parcel()).await;
        assert!(matches!(later, Err(DeliveryError::Later { .. })), "where copies are known");
    }
}

/// Half an answer.
pub async fn an_answer_whose_body_breaks_off_is_an_answer(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\nConnection: close\r\n\r\nhalf";
    let peer = Peer::start(&[Manner::Say(half)]).await;
    let delivered = make(&peer.url, false).deliver(&parcel()).await.expect("the status says it all");
    assert!(delivered.answer.is_none());
}

/// Not there.
pub async fn a_peer_that_is_not_there_is_tried_later(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let later = make("http://127.0.0.1:1/notices", false).deliver(&parcel()).await;
    assert!(matches!(later, Err(DeliveryError::Later { .. })));
}

/// A check.
pub async fn a_check_says_whether_the_peer_is_there(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let peer = Peer::start(&[]).await;
    assert!(make(&peer.url, true).check().await.is_ok());
    assert!(peer.received().iter().all(|request| request.body.is_empty()), "a check delivers nothing");
    assert!(make("http://127.0.0.1:1/notices", true).check().await.is_err());
}

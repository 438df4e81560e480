//! What every destination that sends HL7 over MLLP has to hold.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hub_core::commit::Parcel;
use hub_core::destination::{DeliveryError, Destination};
use hub_core::id::{DestinationId, MessageId, ParcelId};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::{field, frame, read_frame};

/// Turns the battery into tests. `$make` makes a destination of a URL and `resend`; it waits one second for an answer.
#[macro_export]
macro_rules! mllp_destination_contract {
    ($make:expr) => {
        $crate::mllp_destination_contract!($make;
            what_is_accepted_is_delivered_once,
            told_twice_it_sends_the_same_bytes_twice,
            what_is_answered_with_an_error_is_tried_again,
            what_is_rejected_is_not_tried_again,
            an_answer_to_another_message_is_none,
            after_an_answer_to_another_message_the_next_gets_its_own,
            an_answer_that_comes_too_late_is_not_the_next_one_s,
            half_an_answer_and_noise_leave_it_in_doubt,
            a_peer_that_is_silent_or_drops_leaves_it_in_doubt,
            a_peer_that_is_not_there_is_tried_later,
            after_a_dropped_connection_it_connects_again,
            a_parcel_that_is_no_message_is_never_sent,
            a_check_says_whether_the_peer_is_there);
    };
    ($make:expr; $($name:ident),+) => {
        $(#[tokio::test]
        async fn $name() {
            $crate::battery::mllp_destination::$name($make).await;
        })+
    };
}

/// How the peer behaves to one message.
#[derive(Clone, Copy)]
enum Manner {
    Say(&'static str),
    SayToAnother,
    Silence,
    Drop,
    Garbage,
    /// After so many milliseconds.
    SayAfter(&'static str, u64),
    /// Half of an answer, and the connection is closed.
    HalfAnswer,
    /// What no partner says.
    Noise,
}

#[derive(Clone)]
struct Peer {
    url: String,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Peer {
    /// Behaves so, message by message, and then accepts everything.
    async fn start(manners: &[Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port can be had");
        let address = listener.local_addr().expect("it is bound");
        let peer = Self { url: format!("mllp://{address}"), received: Arc::default() };
        let manners = Arc::new(Mutex::new(VecDeque::from(manners.to_vec())));
        let serving = peer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().converse(stream, Arc::clone(&manners)));
            }
        });
        peer
    }

    async fn converse(self, mut stream: TcpStream, manners: Arc<Mutex<VecDeque<Manner>>>) {
        // Out of step: it answers each message with what it owes to the one before.
        let mut owed = None;
        while let Some(message) = read_frame(&mut stream).await {
            let control_id = field(&message, "MSH", 10);
            self.received.lock().unwrap_or_else(PoisonError::into_inner).push(message);
            let next = manners.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let say = |code: &str, id: &str| {
                frame(format!("MSH|^~\\&|P|F|H|F|20260302||ACK|A1|P|2.5.1\rMSA|{code}|{id}\r").as_bytes())
            };
            let answer = match next.unwrap_or(Manner::Say("AA")) {
                Manner::Say(code) => match owed.replace(control_id.clone()) {
                    Some(before) => say(code, &before),
                    None => {
                        owed = None;
                        say(code, &control_id)
                    }
                },
                Manner::SayToAnother => {
                    owed = Some(control_id);
                    say("AA", "SOMEBODY-ELSE")
                }
                Manner::SayAfter(code, millis) => {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    say(code, &control_id)
                }
                Manner::HalfAnswer => {
                    let answer = say("AA", &control_id);
                    let _told = stream.write_all(&answer[..answer.len() / 2]).await;
                    return;
                }
                Manner::Noise => {
                    let _told = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                    return;
                }
                Manner::Garbage => frame(b"no acknowledgement"),
                Manner::Silence => continue,
                Manner::Drop => return,
            };
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }

    fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn parcel(control_id: &str) -> Parcel {
    let message = format!("MSH|^~\\&|H|F|P|F|20260302080000||ADT^A01|{control_id}|P|2.5.1\rPID|1||1\r");
    let to = DestinationId::from("battery/peer");
    Parcel {
        id: ParcelId::of(MessageId(uuid::Uuid::from_u128(1)), &to, 0),
        to,
        body: Bytes::from(message),
        content_type: "x-application/hl7-v2+er7".into(),
        correlation: "battery".into(),
        order_key: None,
    }
}

fn is_later<T>(result: &Result<T, DeliveryError>) -> bool {
    matches!(result, Err(DeliveryError::Later { .. }))
}

/// Told once.
pub async fn what_is_accepted_is_delivered_once(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let peer = Peer::start(&[Manner::Say("AA"), Manner::Say("CA")]).await;
    let destination = make(&peer.url, true);
    for control_id in ["1", "2"] {
        let delivered = destination.deliver(&parcel(control_id)).await.expect("AA and CA are deliveries");
        let answer = delivered.answer.expect("the answer is kept");
        assert_eq!(field(&answer, "MSA", 2), control_id);
    }
    assert_eq!(peer.received(), [parcel("1").body, parcel("2").body], "not a byte is changed");
}

/// Told twice.
pub async fn told_twice_it_sends_the_same_bytes_twice(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let peer = Peer::start(&[]).await;
    let destination = make(&peer.url, true);
    for _ in 0..2 {
        assert!(destination.deliver(&parcel("1")).await.is_ok());
    }
    let received = peer.received();
    assert!(received.len() == 2 && received[0] == received[1], "the peer can tell a copy by MSH-10");
}

/// Not now.
pub async fn what_is_answered_with_an_error_is_tried_again(
    make: impl Fn(&str, bool) -> Box<dyn Destination>,
) {
    let peer = Peer::start(&[Manner::Say("AE"), Manner::Say("CE")]).await;
    let destination = make(&peer.url, false);
    for _ in 0..2 {
        assert!(is_later(&destination.deliver(&parcel("1")).await));
    }
    assert!(destination.deliver(&parcel("1")).await.is_ok());
}

/// Refused.
pub async fn what_is_rejected_is_not_tried_again(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let peer = Peer::start(&[Manner::Say("AR"), Manner::Say("CR")]).await;
    let destination = make(&peer.url, true);
    for _ in 0..2 {
        assert!(matches!(destination.deliver(&parcel("1")).await, Err(DeliveryError::Never { .. })));
    }
}

/// Wrong answer.
pub async fn an_answer_to_another_message_is_none(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let peer = Peer::start(&[Manner::SayToAnother, Manner::SayToAnother, Manner::Garbage]).await;
    assert!(is_later(&make(&peer.url, true).deliver(&parcel("1")).await));
    let destination = make(&peer.url, false);
    for _ in 0..2 {
        assert!(matches!(destination.deliver(&parcel("1")).await, Err(DeliveryError::InDoubt { .. })));
    }
}

/// Out of step.
pub async fn after_an_answer_to_another_message_the_next_gets_its_own(
    make: impl Fn(&str, bool) -> Box<dyn Destination>,
) {
    let peer = Peer::start(&[Manner::SayToAnother]).await;
    let destination = make(&peer.url, true);
    assert!(is_later(&destination.deliver(&parcel("1")).await));
    for control_id in ["2", "3"] {
        let delivered =
            destination.deliver(&parcel(control_id)).await.expect("a line out of step is not used");
        assert_eq!(field(&delivered.answer.expect("the answer is kept"), "MSA", 2), control_id);
    }
}

/// Too late. The next message has the same control id: only the line tells the answers apart.
pub async fn an_answer_that_comes_too_late_is_not_the_next_one_s(
    make: impl Fn(&str, bool) -> Box<dyn Destination>,
) {
    let peer = Peer::start(&[Manner::SayAfter("AR", 1_200), Manner::SayAfter("AA", 500)]).await;
    let destination = make(&peer.url, true);
    assert!(is_later(&destination.deliver(&parcel("1")).await), "none within a second");
    assert!(destination.deliver(&parcel("1")).await.is_ok(), "the late refusal is nobody's");
}

/// Broken answers.
pub async fn half_an_answer_and_noise_leave_it_in_doubt(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    for manner in [Manner::HalfAnswer, Manner::Noise] {
        let peer = Peer::start(&[manner, manner]).await;
        let doubted = make(&peer.url, false).deliver(&parcel("1")).await;
        assert!(matches!(doubted, Err(DeliveryError::InDoubt { .. })), "where copies are not known");
        let destination = make(&peer.url, true);
        assert!(is_later(&destination.deliver(&parcel("1")).await), "where copies are known");
        assert!(destination.deliver(&parcel("1")).await.is_ok());
    }
}

/// In doubt.
pub async fn a_peer_that_is_silent_or_drops_leaves_it_in_doubt(
    make: impl Fn(&str, bool) -> Box<dyn Destination>,
) {
    for manner in [Manner::Silence, Manner::Drop] {
        let peer = Peer::start(&[manner, manner]).await;
        let doubted = make(&peer.url, false).deliver(&parcel("1")).await;
        assert!(matches!(doubted, Err(DeliveryError::InDoubt { .. })), "where copies are not known");
        assert!(is_later(&make(&peer.url, true).deliver(&parcel("1")).await), "where copies are known");
    }
}

/// Not there.
pub async fn a_peer_that_is_not_there_is_tried_later(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port can be had");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    assert!(is_later(&make(&format!("mllp://{address}"), false).deliver(&parcel("1")).await));
}

/// Reconnect.
pub async fn after_a_dropped_connection_it_connects_again(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let peer = Peer::start(&[Manner::Say("AA"), Manner::Drop]).await;
    let destination = make(&peer.url, true);
    assert!(destination.deliver(&parcel("1")).await.is_ok());
    assert!(is_later(&destination.deliver(&parcel("2")).await));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(destination.deliver(&parcel("2")).await.is_ok());
}

/// Not a message.
pub async fn a_parcel_that_is_no_message_is_never_sent(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let peer = Peer::start(&[]).await;
    let wrong = Parcel { body: Bytes::from_static(b"{}"), ..parcel("1") };
    assert!(matches!(make(&peer.url, true).deliver(&wrong).await, Err(DeliveryError::Never { .. })));
    assert!(peer.received().is_empty());
}

/// A check.
pub async fn a_check_says_whether_the_peer_is_there(make: impl Fn(&str, bool) -> Box<dyn Destination>) {
    let peer = Peer::start(&[]).await;
    assert!(make(&peer.url, true).check().await.is_ok());
    assert!(peer.received().is_empty(), "a check sends nothing");
    assert!(is_later(&make("mllp://127.0.0.1:1", true).check().await));
}

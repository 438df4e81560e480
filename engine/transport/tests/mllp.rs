//! Listener and sender against each other and against peers that misbehave.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hub_transport::mllp::frame;
use hub_transport::mllp_client::{ClientSettings, ExchangeError, MllpClient};
use hub_transport::mllp_server::{Handler, MllpServer, PeerInfo, Replies, ServerLimits, Trouble};
use hub_transport::tls::{TlsClient, TlsServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Answers `ok:` and the frame; some frames have a meaning.
#[derive(Default)]
struct Echo {
    troubles: AtomicUsize,
    garbage: AtomicUsize,
}

#[async_trait]
impl Handler for Echo {
    async fn handle(&self, frame: Bytes, peer: &PeerInfo) -> Replies {
        let answer = Bytes::from([b"ok:", &frame[..]].concat());
        match &frame[..] {
            b"slow" => tokio::time::sleep(Duration::from_millis(300)).await,
            b"close" => return Replies { close: true, ..Replies::one(answer) },
            b"silent" => return Replies::default(),
            b"twice" => {
                let later = Box::pin(async { Some(Bytes::from_static(b"later")) });
                return Replies { later: Some(later), ..Replies::one(answer) };
            }
            b"who" => return Replies::one(peer.identity.clone().unwrap_or_default()),
            _ => {}
        }
        Replies::one(answer)
    }

    fn trouble(&self, trouble: Trouble<'_>, _peer: SocketAddr) {
        self.troubles.fetch_add(1, Ordering::SeqCst);
        if let Trouble::Garbage(bytes) = trouble {
            self.garbage.fetch_add(bytes as usize, Ordering::SeqCst);
        }
    }
}

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    echo: Arc<Echo>,
}

impl Running {
    async fn ended(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

async fn running(limits: ServerLimits, tls: Option<&TlsServer>) -> Running {
    let (server, address) = MllpServer::bind("127.0.0.1:0", limits, tls).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let echo = Arc::new(Echo::default());
    let task = tokio::spawn(server.serve(echo.clone(), stopped));
    Running { address, stop, task, echo }
}

fn limits() -> ServerLimits {
    ServerLimits { max_message_bytes: 1000, idle: Duration::from_secs(5), ..ServerLimits::default() }
}

fn settings(address: SocketAddr) -> ClientSettings {
    ClientSettings { answer: Duration::from_millis(500), ..ClientSettings::new(address.to_string()) }
}

async fn read_all(socket: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _reset_is_an_end_too = socket.read_to_end(&mut all).await;
    all
}

#[tokio::test]
async fn a_message_is_answered_on_a_connection_that_is_kept() {
    let server = running(limits(), None).await;
    let client = MllpClient::new(settings(server.address)).unwrap();
    client.check().await.unwrap();
    for message in [&b"one"[..], b"two", b"three"] {
        assert_eq!(client.exchange(message).await.unwrap(), [b"ok:", message].concat());
    }
    server.ended().await;
}

#[tokio::test]
async fn frames_in_one_segment_are_answered_in_order_and_garbage_is_told() {
    let server = running(limits(), None).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let wire = [b"junk", &frame(b"a")[..], b"xx", &frame(b"b")[..], &frame(b"close")[..]].concat();
    socket.write_all(&wire).await.unwrap();
    let expected = [frame(b"ok:a"), frame(b"ok:b"), frame(b"ok:close")].concat();
    assert_eq!(read_all(&mut socket).await, expected);
    assert_eq!(server.echo.garbage.load(Ordering::SeqCst), 6);
    server.ended().await;
}

#[tokio::test]
async fn a_second_answer_may_follow() {
    let server = running(limits(), None).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(&[frame(b"twice"), frame(b"close")].concat()).await.unwrap();
    assert_eq!(
        read_all(&mut socket).await,
        [frame(b"ok:twice"), frame(b"later"), frame(b"ok:close")].concat()
    );
    server.ended().await;
}

#[tokio::test]
async fn a_frame_that_is_too_long_closes_the_connection() {
    let server = running(limits(), None).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(&frame(&[b'x'; 2000])).await.unwrap();
    assert!(read_all(&mut socket).await.is_empty());
    assert_eq!(server.echo.troubles.load(Ordering::SeqCst), 1);
    server.ended().await;
}

#[tokio::test]
async fn an_idle_connection_and_half_a_frame_are_closed_in_time() {
    let server = running(ServerLimits { idle: Duration::from_millis(50), ..limits() }, None).await;
    for wire in [&b""[..], b"\x0Bhalf"] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(wire).await.unwrap();
        assert!(read_all(&mut socket).await.is_empty());
    }
    server.ended().await;
}

#[tokio::test]
async fn one_connection_too_many_is_closed() {
    let server = running(ServerLimits { max_connections: 1, ..limits() }, None).await;
    let client = MllpClient::new(settings(server.address)).unwrap();
    client.exchange(b"a").await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    assert!(read_all(&mut second).await.is_empty());
    client.exchange(b"b").await.unwrap();
    server.ended().await;
}

#[tokio::test]
async fn a_stop_answers_what_is_being_handled_and_takes_nothing_new() {
    let server = running(limits(), None).await;
    let client = Arc::new(MllpClient::new(settings(server.address)).unwrap());
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.exchange(b"slow").await }
    });
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send_replace(true);
    assert!(read_all(&mut idle).await.is_empty());
    assert_eq!(slow.await.unwrap().unwrap(), b"ok:slow"[..]);
    server.task.await.unwrap();
    assert!(matches!(client.exchange(b"a").await, Err(ExchangeError::Connect { .. })));
}

#[tokio::test]
async fn a_stop_is_bounded_by_the_drain_time() {
    let server = running(ServerLimits { drain: Duration::from_millis(50), ..limits() }, None).await;
    let client = MllpClient::new(settings(server.address)).unwrap();
    let exchange = tokio::spawn(async move { client.exchange(b"slow").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.ended().await;
    assert!(matches!(exchange.await.unwrap(), Err(ExchangeError::InDoubt { .. })));
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_the_next_ones() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for delay in [700, 0] {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 100];
                while let Ok(1..) = socket.read(&mut buffer).await {
                    tokio::time::sleep(Duration::from_millis(delay)).await;
                    let answer: &[u8] = if delay > 0 { b"late" } else { b"right" };
                    let _gone = socket.write_all(&frame(answer)).await;
                }
            });
        }
    });
    let client = MllpClient::new(settings(address)).unwrap();
    assert!(matches!(client.exchange(b"1").await, Err(ExchangeError::InDoubt { .. })));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(client.exchange(b"2").await.unwrap(), b"right"[..]);
}

#[tokio::test]
async fn two_answers_to_one_message_make_the_connection_useless() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let nth = count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut buffer = [0; 100];
                while let Ok(1..) = socket.read(&mut buffer).await {
                    let answer = frame(format!("answer {nth}").as_bytes());
                    socket.write_all(&[answer.clone(), answer].concat()).await.unwrap();
                }
            });
        }
    });
    let client = MllpClient::new(settings(address)).unwrap();
    assert_eq!(client.exchange(b"1").await.unwrap(), b"answer 0"[..]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(client.exchange(b"2").await.unwrap(), b"answer 1"[..]);
}

#[tokio::test]
async fn a_connection_that_the_peer_closed_is_noticed_before_sending() {
    let server = running(limits(), None).await;
    let client = MllpClient::new(settings(server.address)).unwrap();
    for _ in 0..20 {
        assert_eq!(client.exchange(b"close").await.unwrap(), b"ok:close"[..]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.ended().await;
}

#[tokio::test]
async fn failures_say_what_is_known() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = MllpClient::new(settings(free)).unwrap();
    assert!(matches!(nobody.exchange(b"a").await, Err(ExchangeError::Connect { .. })));
    assert!(matches!(nobody.check().await, Err(ExchangeError::Connect { .. })));

    let server = running(limits(), None).await;
    let client = MllpClient::new(settings(server.address)).unwrap();
    assert!(matches!(client.exchange(b"silent").await, Err(ExchangeError::InDoubt { .. })));
    server.ended().await;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for answer in [&b""[..], b"\x0Bhalf", b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 100];
            assert!(socket.read(&mut buffer).await.unwrap() > 0);
            socket.write_all(answer).await.unwrap();
        }
    });
    let client = MllpClient::new(ClientSettings { max_answer_bytes: 20, ..settings(address) }).unwrap();
    assert!(matches!(client.exchange(b"1").await, Err(ExchangeError::InDoubt { .. })));
    assert!(matches!(client.exchange(b"2").await, Err(ExchangeError::InDoubt { .. })));
    assert!(matches!(client.exchange(b"3").await, Err(ExchangeError::Garbage { .. })));
}

#[tokio::test]
async fn several_connections_carry_messages_side_by_side() {
    let server = running(limits(), None).await;
    let client =
        Arc::new(MllpClient::new(ClientSettings { connections: 4, ..settings(server.address) }).unwrap());
    let started = std::time::Instant::now();
    let exchanges: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.exchange(b"slow").await })
        })
        .collect();
    for exchange in exchanges {
        exchange.await.unwrap().unwrap();
    }
    assert!(started.elapsed() < Duration::from_millis(1100), "one after the other would be 1200 ms");
    server.ended().await;
}

struct Signed {
    ca_pem: String,
    certificate_pem: String,
    key_pem: String,
    client: (String, String),
}

fn signed() -> Signed {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let leaf = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &ca).unwrap().pem(), key.serialize_pem())
    };
    let (certificate_pem, key_pem) = leaf("127.0.0.1");
    Signed { ca_pem: ca.pem(), certificate_pem, key_pem, client: leaf("his.example") }
}

#[tokio::test]
async fn tls_carries_frames_and_proves_the_client() {
    let signed = signed();
    let tls = TlsServer {
        certificate_pem: signed.certificate_pem.clone(),
        key_pem: signed.key_pem.clone(),
        client_ca_pem: Some(signed.ca_pem.clone()),
    };
    let server = running(limits(), Some(&tls)).await;
    let with = |identity_pem, ca_pem: &str| {
        let tls = TlsClient { ca_pem: Some(ca_pem.to_owned()), identity_pem, server_name: None };
        MllpClient::new(ClientSettings { tls: Some(tls), ..settings(server.address) }).unwrap()
    };
    let known = with(Some(signed.client.clone()), &signed.ca_pem);
    let identity = known.exchange(b"who").await.unwrap();
    assert!(identity.starts_with(b"sha256:") && identity.len() == 71);
    assert_eq!(known.exchange(b"a").await.unwrap(), b"ok:a"[..]);

    assert!(with(None, &signed.ca_pem).exchange(b"a").await.is_err());
    let stranger = with(Some(signed.client.clone()), &self::signed().ca_pem);
    assert!(matches!(stranger.exchange(b"a").await, Err(ExchangeError::Connect { .. })));
    let plain = MllpClient::new(settings(server.address)).unwrap();
    assert!(plain.exchange(b"a").await.is_err());
    server.ended().await;
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_told_before_anything_listens() {
    let tls = TlsServer { certificate_pem: "x".to_owned(), key_pem: "y".to_owned(), client_ca_pem: None };
    assert!(MllpServer::bind("127.0.0.1:0", limits(), Some(&tls)).await.is_err());
    assert!(MllpServer::bind("256.0.0.1:0", limits(), None).await.is_err());
}

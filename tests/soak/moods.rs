//! Partners that have moods: they are well, gone, slow, late, or take everything and say nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::harness::mllp::control_id;
use crate::harness::partners::{Received, receipt};

/// How a partner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mood {
    Well,
    /// Nobody listens, and what was open is closed.
    Down,
    /// It answers, in time, but not soon.
    Slow,
    /// It answers when nobody waits for it any more.
    Late,
    /// It takes everything and never answers.
    Silent,
}

/// How long the hub waits for an answer here, in seconds.
pub const ANSWER_SECS: u64 = 3;

impl Mood {
    /// The bad ones.
    pub const BAD: [Self; 4] = [Self::Down, Self::Slow, Self::Late, Self::Silent];

    /// How long an answer takes; `None`: there is none.
    fn pause(self) -> Option<Duration> {
        match self {
            Self::Well => Some(Duration::ZERO),
            Self::Slow => Some(Duration::from_millis(400)),
            Self::Late => Some(Duration::from_millis(ANSWER_SECS * 1_000 + 700)),
            Self::Down | Self::Silent => None,
        }
    }
}

/// A partner of the hub and what it has got.
pub struct Partner {
    pub address: String,
    pub received: Received,
    mood: watch::Sender<Mood>,
}

impl Partner {
    /// From now on it is so.
    pub fn is(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// A receiver of HL7 over MLLP.
    pub async fn hl7() -> Self {
        let (mood, feels) = watch::channel(Mood::Well);
        let received = Received::default();
        let kept = received.clone();
        let address = listen(feels.clone(), move |stream| talk(stream, kept.clone(), feels.clone())).await;
        Self { address, received, mood }
    }

    /// A web hook.
    pub async fn web() -> Self {
        let (mood, feels) = watch::channel(Mood::Well);
        let received = Received::default();
        let kept = received.clone();
        let address = listen(feels.clone(), move |stream| serve(stream, kept.clone(), feels.clone())).await;
        Self { address, received, mood }
    }
}

/// Listens at one address, except while the partner is down; gives the address.
async fn listen<Talk: Future<Output = ()> + Send + 'static>(
    mut feels: watch::Receiver<Mood>,
    talk: impl Fn(TcpStream) -> Talk + Send + 'static,
) -> String {
    let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let mut open = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((stream, _)) = accepted {
                            open.spawn(talk(stream));
                        }
                    }
                    _ = feels.wait_for(|mood| *mood == Mood::Down) => break,
                }
            }
            drop(listener);
            open.shutdown().await;
            if feels.wait_for(|mood| *mood != Mood::Down).await.is_err() {
                return;
            }
            listener = bind_again(address).await;
        }
    });
    address.to_string()
}

async fn bind_again(address: std::net::SocketAddr) -> TcpListener {
    for _ in 0..600 {
        if let Ok(listener) = TcpListener::bind(address).await {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("a partner cannot have its port back")
}

async fn talk(mut stream: TcpStream, received: Received, feels: watch::Receiver<Mood>) {
    let mut buffer = Vec::new();
    let mut chunk = [0; 8192];
    while let Ok(read) = stream.read(&mut chunk).await {
        if read == 0 {
            return;
        }
        buffer.extend_from_slice(&chunk[..read]);
        while let Some(end) = buffer.windows(2).position(|window| window == [0x1c, 0x0d]) {
            let frame: Vec<u8> = buffer.drain(..end + 2).collect();
            let message = frame[1..end].to_vec();
            let id = control_id(&message);
            received.take(id.clone(), message);
            let mood = *feels.borrow();
            let Some(pause) = mood.pause() else { continue };
            tokio::time::sleep(pause).await;
            let answer =
                format!("\u{b}MSH|^~\\&|LIS|TEST|HUB|HUB|20261123||ACK|A{id}|P|2.5.1\rMSA|AA|{id}\r\u{1c}\r");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// As much of HTTP as a receiver of notices needs.
async fn serve(mut stream: TcpStream, received: Received, feels: watch::Receiver<Mood>) {
    let mut buffer = Vec::new();
    while let Some((key, body)) = request(&mut stream, &mut buffer).await {
        received.take(key.clone(), body.clone());
        let mood = *feels.borrow();
        let Some(pause) = mood.pause() else { continue };
        tokio::time::sleep(pause).await;
        let receipt = receipt(&key, &body);
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{receipt}",
            receipt.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request's key and body; `None` when the connection ends.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let mut chunk = [0; 8192];
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let header = |name: &str| {
                let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
                lines.find(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
            };
            let length: usize = header("content-length").unwrap().parse().unwrap();
            if buffer.len() >= end + 4 + length {
                let request: Vec<u8> = buffer.drain(..end + 4 + length).collect();
                return Some((header("idempotency-key").unwrap(), request[end + 4..].to_vec()));
            }
        }
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        buffer.extend_from_slice(&chunk[..read]);
    }
}

//! Partners of the hub, written apart from its own code: they count what they get.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::mllp::control_id;

/// What a partner has got: how often under each key, in the order of first arrival.
#[derive(Clone, Default)]
pub struct Received(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    first: Vec<(String, Vec<u8>)>,
    times: BTreeMap<String, u64>,
}

impl Received {
    /// Takes what came under a key.
    pub fn take(&self, key: String, body: Vec<u8>) {
        let mut received = self.0.lock().unwrap();
        let times = received.times.entry(key.clone()).or_default();
        *times += 1;
        if *times == 1 {
            received.first.push((key, body));
        }
    }

    /// The keys, in the order of first arrival.
    pub fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().first.iter().map(|(key, _)| key.clone()).collect()
    }

    /// The bodies, in the order of first arrival.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().first.iter().map(|(_, body)| body.clone()).collect()
    }

    /// How often anything came, repetitions included.
    pub fn times(&self) -> u64 {
        self.0.lock().unwrap().times.values().sum()
    }
}

/// A listener that acknowledges every HL7 message and knows them by MSH-10.
pub async fn hl7() -> (String, Received) {
    hl7_at("127.0.0.1:0").await
}

/// The same, at this address.
pub async fn hl7_at(address: &str) -> (String, Received) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let received = Received::default();
    let kept = received.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, kept.clone()));
        }
    });
    (address, received)
}

async fn talk(mut stream: TcpStream, received: Received) {
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
            let answer =
                format!("\u{b}MSH|^~\\&|LIS|TEST|HUB|HUB|20261123||ACK|A{id}|P|2.5.1\rMSA|AA|{id}\r\u{1c}\r");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// A web hook that knows what it gets by its `Idempotency-Key`. Gives the URL.
pub async fn web() -> (String, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/notices", listener.local_addr().unwrap());
    let received = Received::default();
    let router = Router::new().route("/notices", post(notice)).with_state(received.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

async fn notice(State(received): State<Received>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
        return (StatusCode::BAD_REQUEST, String::new());
    };
    received.take(key.to_owned(), body.to_vec());
    (StatusCode::OK, receipt(key, &body))
}

/// What the ward's service answers to a notice.
pub fn receipt(key: &str, body: &[u8]) -> String {
    let notice: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let receipt = serde_json::json!({
        "id": key,
        "received": "2026-11-23T01:00:00Z",
        "patient": notice["patient"],
        "observation": notice["observation"],
    });
    receipt.to_string()
}

//! What the tests of SMS and WeChat live in: parcels, secrets, requests by hand, and a partner that says what it is told to.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hub_core::commit::Parcel;
use hub_core::destination::{DeliveryError, Destination};
use hub_core::id::{DestinationId, MessageId, ParcelId};
use hub_core::registry::{BuildError, Secrets};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub mod sms;

/// The keys of the simulated gateways, by name; what else is asked for is not set.
pub struct Keys;

impl Secrets for Keys {
    fn get(&self, name: &str) -> Result<String, BuildError> {
        let sms = connector_notify::sim::sms::SimSettings::default();
        let wechat = connector_notify::sim::wechat::SimSettings::default();
        Ok(match name {
            "sms-key-id" => sms.key_id,
            "sms-key" => sms.key,
            "app-secret" => wechat.app_secret,
            "other" => "another secret".to_owned(),
            "word" => "h7Gq2".to_owned(),
            _ => return Err(BuildError::Secret { name: name.to_owned() }),
        })
    }
}

pub fn parcel(notice: &Value) -> Parcel {
    let to = DestinationId::from("notices/out/sms");
    let message: MessageId = "00000000-0000-7000-8000-000000000001".parse().unwrap();
    Parcel {
        id: ParcelId::of(message, &to, 0),
        to,
        body: notice.to_string().into(),
        content_type: "application/json".into(),
        correlation: "test".into(),
        order_key: None,
    }
}

/// A notice of a visit that is booked.
pub fn booked(to: &str, reference: &str) -> Value {
    json!({
        "to": to, "template": "booking-confirmed", "language": "zh-Hans", "ref": reference,
        "params": { "time": "2026年3月2日 08:30", "place": "门诊三楼东区" },
    })
}

pub async fn put(destination: &dyn Destination, notice: &Value) -> Result<Value, DeliveryError> {
    let delivered = destination.deliver(&parcel(notice)).await?;
    Ok(serde_json::from_slice(&delivered.answer.unwrap()).unwrap())
}

/// `later`, `in doubt` or `never`; what is answered is none of them.
pub fn class<T>(told: &Result<T, DeliveryError>) -> &'static str {
    match told {
        Ok(_) => "answered",
        Err(DeliveryError::Later { .. }) => "later",
        Err(DeliveryError::InDoubt { .. }) => "in doubt",
        Err(DeliveryError::Never { .. }) => "never",
    }
}

/// One request by hand, its head as it stands: status and body of the answer.
pub async fn ask(address: SocketAddr, head: &str, body: &str) -> (u16, String) {
    let request = format!("{head}\r\nHost: partner\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    exchange(address, request.as_bytes()).await
}

/// One request by hand, every byte of it.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// An order to a simulator.
pub async fn control(address: SocketAddr, request: &str, order: Value) -> Value {
    let head = format!("{request} HTTP/1.0\r\nContent-Type: application/json");
    let (status, body) = ask(address, &head, &order.to_string()).await;
    assert!(matches!(status, 200 | 204), "{request}: {status}");
    serde_json::from_str(&body).unwrap_or_default()
}

/// A partner that answers each request with the next of these bodies, and remembers what it was sent.
pub struct Scripted {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    serving: JoinHandle<()>,
}

impl Scripted {
    pub async fn new(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answers: Vec<String> = answers
            .iter()
            .map(|(status, body)| {
                format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                )
            })
            .collect();
        let kept = Arc::clone(&requests);
        let serving = tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = whole(&mut stream).await;
                kept.lock().unwrap().push(request);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { address, requests, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came, once every answer has been given.
    pub async fn requests(self) -> Vec<Vec<u8>> {
        self.serving.await.unwrap();
        let requests = self.requests.lock().unwrap();
        requests.clone()
    }
}

/// A request, to the end of its body.
async fn whole(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return request;
            }
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "the request broke off");
        request.extend_from_slice(&piece[..count]);
    }
}

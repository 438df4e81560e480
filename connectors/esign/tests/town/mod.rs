//! A simulated signing service, the connector's two ends, and a hub's door that remembers: what the tests of this connector live in.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connector_esign::Account;
use connector_esign::destination::{Esign as Desk, EsignDestinationConfig};
use connector_esign::sim::{Report, Sim, SimSettings, keys};
use connector_esign::source::{Esign as Notices, EsignSourceConfig};
use hub_connect::battery::RecordingDoor;
use hub_core::commit::Parcel;
use hub_core::destination::{Asked, DeliveryError, Destination};
use hub_core::id::{DestinationId, MessageId, ParcelId};
use hub_core::registry::{BuildError, DestinationKind, Secrets, SourceKind};
use hub_core::source::Acknowledge;
use lopdf::{Document, Object, Stream, dictionary};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The keys of the simulated service and its hospital, by name.
pub struct Keys;

impl Secrets for Keys {
    fn get(&self, name: &str) -> Result<String, BuildError> {
        match name {
            "ours" => Ok(keys::hospital()),
            "theirs" => Ok(keys::service_public()),
            _ => Err(BuildError::Secret { name: name.to_owned() }),
        }
    }
}

/// The hospital's account with the simulated service.
pub fn account(url: &str) -> Account {
    let settings = json!({
        "url": url, "app_id": SimSettings::default().app_id, "private_key": "ours", "service_key": "theirs",
        "timeout_secs": 2,
    });
    serde_json::from_value(settings).unwrap()
}

pub struct Town {
    pub door: Arc<RecordingDoor>,
    pub notify: SocketAddr,
    pub service: SocketAddr,
    destination: Box<dyn Destination>,
    stop: watch::Sender<bool>,
    running: JoinHandle<Report>,
}

impl Town {
    pub async fn new() -> Self {
        let config = EsignSourceConfig {
            listen: "127.0.0.1:0".to_owned(),
            path: "/notices".to_owned(),
            tls: None,
            account: account("http://127.0.0.1"),
            max_connections: 16,
        };
        let mut source = Notices::build(config, &Keys).unwrap();
        let notify = source.bind().await.unwrap().unwrap();
        let settings = SimSettings {
            listen: "127.0.0.1:0".to_owned(),
            notify_url: format!("http://{notify}/notices"),
            ladder_speed: 1000.0,
            slow_secs: 0.2,
            ..SimSettings::default()
        };
        let sim = Sim::bind(settings).await.unwrap();
        let service = sim.address();
        let config =
            EsignDestinationConfig { account: account(&format!("http://{service}")), connections: 4 };
        let destination = Desk::build(config, &Keys).unwrap();
        let door = RecordingDoor::new(Acknowledge::OnReceived);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(source.run(door.intake(), stopped.clone()));
        let running = tokio::spawn(sim.run(stopped));
        Self { door, notify, service, destination, stop, running }
    }

    pub async fn end(self) -> Report {
        self.stop.send(true).unwrap();
        self.running.await.unwrap()
    }

    pub async fn put(&self, errand: Value) -> Result<Value, DeliveryError> {
        let delivered = self.destination.deliver(&parcel(&errand)).await?;
        Ok(serde_json::from_slice(&delivered.answer.unwrap()).unwrap())
    }

    /// What became of an errand; nothing where it is safe to send it again.
    pub async fn ask(&self, errand: Value) -> Option<Value> {
        match self.destination.ask(&parcel(&errand)).await.unwrap() {
            Asked::Arrived(delivered) => Some(serde_json::from_slice(&delivered.answer.unwrap()).unwrap()),
            Asked::NotArrived => None,
            Asked::CannotTell => panic!("this service can be asked"),
        }
    }

    pub async fn fault(&self, name: &str) {
        self.control("POST /__sim/fault", json!({ "name": name })).await;
    }

    pub async fn control(&self, request: &str, order: Value) -> Value {
        let head = format!("{request} HTTP/1.0\r\nContent-Type: application/json");
        let (status, body) = send(self.service, &head, &order.to_string()).await;
        assert!(matches!(status, 200 | 204), "{request}: {status}");
        serde_json::from_str(&body).unwrap_or(Value::String(body))
    }

    /// A document that can be signed: the task's number.
    pub async fn opened(&self, number: &str) -> String {
        self.put(task(number)).await.unwrap()["taskId"].as_str().unwrap().to_owned()
    }

    /// A document that is signed: what the service told.
    pub async fn signed(&self, number: &str) -> Value {
        let task = self.opened(number).await;
        self.put(writing(&task)).await.unwrap()
    }

    /// So many notices, or more, that the hub has taken.
    pub async fn notices(&self, count: usize) -> Vec<Value> {
        for _ in 0..400 {
            let taken = self.door.accepted();
            if taken.len() >= count {
                return taken.iter().map(|inbound| serde_json::from_slice(&inbound.bytes).unwrap()).collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} notices were expected, {} came", self.door.accepted().len());
    }

    /// Waits until the service has counted so many of these.
    pub async fn counted(&self, what: &str, count: u64) {
        for _ in 0..400 {
            let status = self.control("GET /__sim/status", json!({})).await;
            if status["report"][what].as_u64() >= Some(count) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("`{what}` did not come to {count}");
    }
}

/// A page with a few words on it.
pub fn document() -> Vec<u8> {
    let mut document = Document::with_version("1.7");
    let font = document
        .add_object(dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" });
    let words = b"BT /F1 18 Tf 72 720 Td (Informed consent) Tj ET".to_vec();
    let content = document.add_object(Stream::new(dictionary! {}, words));
    let pages = document.new_object_id();
    let page = document.add_object(dictionary! {
        "Type" => "Page", "Parent" => pages, "Contents" => content,
        "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
        "Resources" => dictionary! { "Font" => dictionary! { "F1" => font } },
    });
    let kids: Vec<Object> = vec![page.into()];
    document.objects.insert(pages, dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => 1 }.into());
    let root = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    document.trailer.set("Root", root);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

/// The errand that makes a document ready to be signed.
pub fn task(number: &str) -> Value {
    json!({
        "act": "sign-task", "bizType": "CONSENT", "bizId": number, "version": "3", "signerKey": "Patient/p1",
        "template": "urn:impf:consent:booking|3", "language": "zh-Hant", "pdf": STANDARD.encode(document()),
        "patient": { "name": "陳大文", "idType": "09", "idNo": "A1234563", "phone": "+85261234567" },
    })
}

/// The errand that signs it with what was written by hand.
pub fn writing(task: &str) -> Value {
    json!({
        "act": "submit", "taskId": task, "handwriting": STANDARD.encode(b"\x89PNG\r\n\x1a\n and more"),
        "strokes": "[[[1,2,0],[3,4,16]],[[5,6,400],[7,8,416]]]",
        "identity": { "method": "SMS", "reference": "8F3A" }, "ip": "203.0.113.7", "device": "a phone",
    })
}

/// A told document's bytes.
pub fn bytes(told: &Value) -> Vec<u8> {
    STANDARD.decode(told["pdf"].as_str().unwrap()).unwrap()
}

fn parcel(errand: &Value) -> Parcel {
    let to = DestinationId::from("esign/errands/esign");
    let message: MessageId = "00000000-0000-7000-8000-000000000001".parse().unwrap();
    Parcel {
        id: ParcelId::of(message, &to, 0),
        to,
        body: errand.to_string().into(),
        content_type: "application/json".into(),
        correlation: "test".into(),
        order_key: None,
    }
}

/// One request by hand: status and body of its answer.
pub async fn send(to: SocketAddr, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let request = format!("{head}\r\nHost: esign\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

//! A simulated bank, the connector's three ends, and a hub's door that remembers: what the tests of this connector live in.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;
use std::time::Duration;

use connector_bank::destination::{Bank as Counter, BankDestinationConfig};
use connector_bank::sim::{Report, Sim, SimSettings, keys};
use connector_bank::source::{Bank as Notices, BankSourceConfig};
use connector_bank::{Account, bill};
use hub_connect::battery::RecordingDoor;
use hub_core::commit::Parcel;
use hub_core::destination::{Asked, DeliveryError, Destination};
use hub_core::id::{DestinationId, MessageId, ParcelId};
use hub_core::registry::{BuildError, DestinationKind, Secrets, SourceKind};
use hub_core::source::Acknowledge;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The dialects that every test speaks.
pub const DIALECTS: [&str; 3] = ["wechat", "cmb", "unionpay"];

/// The keys of the simulated bank and its merchant, by name.
pub struct Keys;

impl Secrets for Keys {
    fn get(&self, name: &str) -> Result<String, BuildError> {
        let settings = SimSettings::default();
        Ok(match name {
            "wechat-merchant" | "unionpay-merchant" => keys::MERCHANT.to_owned(),
            "wechat-bank" => keys::BANK_PUBLIC.to_owned(),
            "wechat-shared" => settings.api_key,
            "unionpay-bank" => keys::AUTHORITY.to_owned(),
            "cmb-merchant" => keys::sm2_merchant(),
            "cmb-bank" => keys::sm2_bank_public(),
            "cmb-shared" => settings.app_secret,
            _ => return Err(BuildError::Secret { name: name.to_owned() }),
        })
    }
}

/// The hospital's account with the simulated bank.
pub fn account(dialect: &str, url: &str, notify_url: &str) -> Account {
    let sim = SimSettings::default();
    let bank_name = if dialect == "unionpay" { "中国银联股份有限公司" } else { &sim.bank_name };
    let settings = json!({
        "dialect": dialect, "url": url, "merchant": sim.merchant, "app_id": sim.app_id, "serial": sim.serial,
        "private_key": format!("{dialect}-merchant"), "bank_key": format!("{dialect}-bank"),
        "bank_name": bank_name, "shared_key": format!("{dialect}-shared"), "notify_url": notify_url,
        "timeout_secs": 1,
    });
    serde_json::from_value(settings).unwrap()
}

/// When every order and refund of the tests is made, where that is part of its name.
const TIME: &str = "2026-03-02T08:00:00+08:00";

pub struct Town {
    pub door: Arc<RecordingDoor>,
    pub notify_url: String,
    pub account: Account,
    pub destination: Box<dyn Destination>,
    bank: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    running: JoinHandle<Report>,
}

impl Town {
    pub async fn new(dialect: &str) -> Self {
        Self::with(dialect, SimSettings { ladder_speed: 1000.0, ..SimSettings::default() }).await
    }

    pub async fn with(dialect: &str, settings: SimSettings) -> Self {
        let sim = Sim::bind(SimSettings { listen: "127.0.0.1:0".to_owned(), ..settings }).await.unwrap();
        let url = format!("http://{}", sim.address());
        let config = BankSourceConfig {
            listen: "127.0.0.1:0".to_owned(),
            path: "/notices".to_owned(),
            tls: None,
            account: account(dialect, &url, "http://127.0.0.1/unused"),
            max_connections: 16,
        };
        let mut source = Notices::build(config, &Keys).unwrap();
        let notify_url = format!("http://{}/notices", source.bind().await.unwrap().unwrap());
        let account = account(dialect, &url, &notify_url);
        let config = BankDestinationConfig { account: account.clone(), connections: 8 };
        let destination = Counter::build(config, &Keys).unwrap();
        let door = RecordingDoor::new(Acknowledge::OnReceived);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(source.run(door.intake(), stopped.clone()));
        let bank = sim.address();
        let running = tokio::spawn(sim.run(stopped));
        Self { door, notify_url, account, destination, bank, stop, running }
    }

    pub async fn end(self) -> Report {
        self.stop.send(true).unwrap();
        self.running.await.unwrap()
    }

    pub async fn put(&self, errand: Value) -> Result<Value, DeliveryError> {
        let delivered = self.destination.deliver(&parcel(&errand)).await?;
        Ok(serde_json::from_slice(&delivered.answer.unwrap()).unwrap())
    }

    /// What the bank says that became of it; nothing where it is safe to send it again.
    pub async fn ask(&self, errand: Value) -> Option<Value> {
        match self.destination.ask(&parcel(&errand)).await.unwrap() {
            Asked::Arrived(delivered) => Some(serde_json::from_slice(&delivered.answer.unwrap()).unwrap()),
            Asked::NotArrived => None,
            Asked::CannotTell => panic!("this bank can be asked"),
        }
    }

    pub async fn fault(&self, name: &str) {
        self.control("POST /__sim/fault", json!({ "name": name })).await;
    }

    pub async fn control(&self, request: &str, order: Value) -> Value {
        let (status, body) = self.request(request, &order.to_string()).await;
        assert!(matches!(status, 200 | 204), "{request}: {status}");
        serde_json::from_str(&body).unwrap_or_default()
    }

    pub async fn request(&self, request: &str, body: &str) -> (u16, String) {
        let address = self.bank.to_string();
        post(&address, &format!("{request} HTTP/1.0\r\nContent-Type: application/json"), body).await
    }

    /// An order of 500 yuan, open.
    pub async fn open(&self, order_no: &str) -> Value {
        self.put(self.create(order_no)).await.unwrap()
    }

    /// The errand that opens an order of 500 yuan with one request.
    pub fn create(&self, order_no: &str) -> Value {
        let mut errand = create(order_no);
        if self.is_unionpay() {
            errand["method"] = "app".into();
        }
        errand
    }

    /// The errand that gives so many fen of a paid order of 500 yuan back.
    pub async fn refund(&self, refund_no: &str, order_no: &str, fen: i64) -> Value {
        let mut errand = refund(refund_no, order_no, fen);
        if self.is_unionpay() {
            let orders = self.control("GET /__sim/orders", json!({})).await;
            let order = orders.as_array().unwrap().iter().find(|order| order["no"] == order_no);
            let paid = order.unwrap()["payments"][0]["tradeNo"].as_str().unwrap_or("420000000000000000000");
            errand["bankTradeNo"] = paid.into();
        }
        errand
    }

    pub fn is_unionpay(&self) -> bool {
        self.account.dialect == connector_bank::DialectName::UnionPay
    }

    /// An order of 500 yuan, paid and told of.
    pub async fn paid(&self, order_no: &str) -> Value {
        self.open(order_no).await;
        let known = self.door.accepted().len();
        self.control("POST /__sim/pay", json!({ "orderNo": order_no })).await;
        self.notices(known + 1).await.pop().unwrap()
    }

    /// Sends the form of a page, as a browser does that opens it; the status of the answer.
    pub async fn submit(&self, page: &str) -> u16 {
        let plain = |text: &str| text.replace("&quot;", "\"").replace("&lt;", "<").replace("&amp;", "&");
        let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let inputs = page.split("<input type=\"hidden\" name=\"").skip(1);
        let pairs = inputs.map(|input| {
            let (name, rest) = input.split_once("\" value=\"").unwrap();
            let (value, _) = rest.split_once("\">").unwrap();
            format!("{name}={}", encoded(&plain(value)))
        });
        let action = page.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
        let path = &action[action.find("/gateway").unwrap()..];
        let body = pairs.collect::<Vec<_>>().join("&");
        self.request(&format!("POST {path}"), &body).await.0
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

    /// Waits until the bank has counted so many of these.
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

    /// Runs the source of bills until the hub's door has something, or for a while.
    pub async fn fetch_bills(&self) {
        let config =
            bill::BankBillConfig { account: self.account.clone(), ready_hour: 0, days: 1, every_secs: 3600 };
        let source = bill::BankBill::build(config, &Keys).unwrap();
        let (stop, stopped) = watch::channel(false);
        let known = self.door.accepted().len();
        let fetching = tokio::spawn(source.run(self.door.intake(), stopped));
        for _ in 0..100 {
            if self.door.accepted().len() > known {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.send(true).unwrap();
        fetching.await.unwrap().unwrap();
    }
}

/// An errand's opening of an order of 500 yuan.
pub fn create(order_no: &str) -> Value {
    json!({
        "act": "create", "orderNo": order_no, "amountFen": "50000", "currency": "CNY", "method": "jsapi",
        "orderTime": TIME, "payer": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "clientIp": "198.51.100.7", "goods": "诊查费 & 挂号费",
    })
}

/// An errand about a refund of so many fen of an order of 500 yuan.
pub fn refund(refund_no: &str, order_no: &str, fen: i64) -> Value {
    json!({
        "act": "refund", "refundNo": refund_no, "orderNo": order_no, "refundFen": fen, "totalFen": 50_000,
        "reason": "退诊查费", "orderTime": TIME,
    })
}

/// Any other errand about an order or a refund.
pub fn about(act: &str, number: &str) -> Value {
    json!({ "act": act, "orderNo": number, "refundNo": number, "orderTime": TIME })
}

fn parcel(errand: &Value) -> Parcel {
    let to = DestinationId::from("payments/out/bank");
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
pub async fn post(address: &str, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}\r\nHost: bank\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

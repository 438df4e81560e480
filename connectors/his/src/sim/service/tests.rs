//! The service over HTTP, with requests put together by hand.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::sim::service::element::Element;

mod booking;
mod crowd;
mod fees;
mod laws;
mod masters;
mod misbehaviour;
mod patients;
mod pushes;
mod wire;

/// A Monday, before the first session of the day; the clock stands still.
const START: &str = "20260302070000";
/// A patient of the seed, and another one.
const ANNA: &str = "1000001";
const BEN: &str = "1000002";

/// A service that runs, and how to talk to it.
struct Desk {
    address: SocketAddr,
    settings: ServiceSettings,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<Report>,
    next: std::sync::atomic::AtomicU64,
}

fn settings() -> ServiceSettings {
    ServiceSettings {
        listen: "127.0.0.1:0".to_owned(),
        start: Some(START.to_owned()),
        frozen: true,
        retry_secs: vec![0.05],
        slow_secs: 0.2,
        ..ServiceSettings::default()
    }
}

/// An answer of the HIS.
struct Answer(Element);

impl Answer {
    fn code(&self) -> &str {
        self.0.child("Head").unwrap().get("ResultCode")
    }

    fn body(&self) -> &Element {
        self.0.child("Body").unwrap()
    }

    fn get(&self, name: &str) -> &str {
        self.body().get(name)
    }
}

impl Desk {
    async fn open() -> Self {
        Self::with(settings()).await
    }

    async fn with(settings: ServiceSettings) -> Self {
        let service = Service::bind(settings.clone()).await.unwrap();
        let address = service.address();
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(service.run(stopped));
        Self { address, settings, stop, running, next: std::sync::atomic::AtomicU64::new(1) }
    }

    async fn close(self) -> Report {
        self.stop.send(true).unwrap();
        self.running.await.unwrap()
    }

    /// A TransSeq that was not used yet.
    fn seq(&self) -> String {
        format!("{:032x}", self.next.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
    }

    async fn ask(&self, code: &str, body: &str) -> Answer {
        self.ask_as(&self.seq(), code, body).await
    }

    async fn ask_as(&self, seq: &str, code: &str, body: &str) -> Answer {
        let (status, bytes) = self.post_soap(&self.soap(seq, code, body)).await.unwrap();
        assert_eq!(status, 200);
        answer_of(&self.settings.charset.decode(&bytes).unwrap())
    }

    /// A signed request in SOAP 1.1.
    fn soap(&self, seq: &str, code: &str, body: &str) -> String {
        let seal =
            Seal { hash: self.settings.sign, wire: self.settings.charset, key: self.settings.key.clone() };
        let time = "2026-03-02 07:00:00";
        let sign = seal.sign(code, seq, time, body);
        enveloped(
            code,
            &format!(
                "<Request><Head><TransCode>{code}</TransCode><TransSeq>{seq}</TransSeq><AppId>IMPF</AppId>\
                 <OrgCode>SZIMH</OrgCode><OperatorId>hub</OperatorId><ReqTime>{time}</ReqTime><Sign>{sign}</Sign>\
                 </Head><Body>{body}</Body></Request>"
            ),
        )
    }

    /// Posts SOAP 1.1; `None` when the connection ends without an answer.
    async fn post_soap(&self, text: &str) -> Option<(u16, Vec<u8>)> {
        let charset = self.settings.charset;
        let content_type = format!("text/xml; charset={}", charset.name());
        http(self.address, "POST", http::PATH, &content_type, &charset.encode(text)).await
    }

    async fn control(&self, path: &str, order: Value) -> (u16, Value) {
        let path = format!("/__sim/{path}");
        let body = order.to_string();
        let (status, bytes) =
            http(self.address, "POST", &path, "application/json", body.as_bytes()).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn list(&self, name: &str) -> Value {
        let path = format!("/__sim/{name}");
        let (status, bytes) = http(self.address, "GET", &path, "", b"").await.unwrap();
        assert_eq!(status, 200);
        serde_json::from_slice(&bytes).unwrap()
    }

    /// A day's sessions of a kind of clinic that can be booked, from the day after START.
    async fn session(&self, clinic: &str) -> Element {
        let asked = format!(
            "<StartDate>2026-03-03</StartDate><EndDate>2026-03-09</EndDate><ClinicType>{clinic}</ClinicType>"
        );
        let answer = self.ask("H301", &asked).await;
        let sessions = answer.body().list("Schedules");
        sessions.iter().find(|session| session.get("Status") == "1").unwrap().clone()
    }

    /// A number nobody has yet, of an international session, and the session.
    async fn free(&self) -> (String, Element) {
        let session = self.session("1").await;
        (self.free_of(&session).await, session)
    }

    async fn free_of(&self, session: &Element) -> String {
        let asked = format!("<ScheduleId>{}</ScheduleId>", session.get("ScheduleId"));
        let answer = self.ask("H302", &asked).await;
        let slots = answer.body().list("Slots");
        slots.iter().find(|slot| slot.get("Status") == "0").unwrap().get("SlotId").to_owned()
    }

    async fn lock(&self, slot: &str, patient: &str) -> Answer {
        self.ask("H303", &format!("<SlotId>{slot}</SlotId><PatientId>{patient}</PatientId>")).await
    }

    /// Locks and confirms; gives back the RegNo.
    async fn book(&self, slot: &str, patient: &str) -> String {
        let lock = self.lock(slot, patient).await;
        assert_eq!(lock.code(), "0");
        let order = format!("ORDER{}", self.seq());
        let confirmed =
            self.ask("H305", &paid(lock.get("LockId"), patient, lock.get("TotalFee"), &order)).await;
        assert_eq!(confirmed.code(), "0");
        confirmed.get("RegNo").to_owned()
    }
}

/// The body of H305.
fn paid(lock: &str, patient: &str, amount: &str, order: &str) -> String {
    format!(
        "<LockId>{lock}</LockId><PatientId>{patient}</PatientId><PayMode>WX</PayMode><PayAmount>{amount}</PayAmount>\
         <PayTime>2026-03-02 07:00:00</PayTime><MchOrderNo>{order}</MchOrderNo><BankTradeNo>B{order}</BankTradeNo>"
    )
}

fn enveloped(code: &str, request: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
         <Invoke xmlns=\"http://tempuri.org/\"><transCode>{code}</transCode>\
         <requestXml><![CDATA[{request}]]></requestXml></Invoke></s:Body></s:Envelope>"
    )
}

/// The Response within a SOAP answer.
fn answer_of(text: &str) -> Answer {
    let result = soap::result_of(text).unwrap();
    Answer(Element::read(&result).ok().unwrap())
}

/// One exchange; `None` when the connection ends without an answer.
async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: his\r\nContent-Type: {content_type}\r\nSOAPAction: \"\"\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = std::str::from_utf8(&answer[9..12]).ok()?.parse().ok()?;
    Some((status, answer.split_off(end + 4)))
}

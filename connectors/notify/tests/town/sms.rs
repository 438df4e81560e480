//! A simulated SMS gateway and the destination that speaks to it.

use std::net::SocketAddr;
use std::time::Duration;

use connector_notify::sim::sms::{Report, Sim, SimSettings};
use connector_notify::sms::{Sms, SmsConfig};
use hub_core::destination::{Asked, DeliveryError, Destination};
use hub_core::registry::{BuildError, DestinationKind};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Keys, control, parcel, put};

/// The styles that every test speaks.
pub const STYLES: [&str; 2] = ["acs3", "tc3"];
pub const PHONE: &str = "+8613800000001";
pub const ABROAD: &str = "+85251234567";

/// The settings of a destination, as a channel file has them.
pub fn settings(style: &str, url: &str) -> toml::Table {
    let sim = SimSettings::default();
    let app_id =
        if style == "tc3" { format!("app_id = '{}'\nsender = 'HUITONG'", sim.app_id) } else { String::new() };
    let code = |number: u32| if style == "tc3" { number.to_string() } else { format!("SMS_{number}") };
    let text = format!(
        "style = '{style}'\nkey_id = 'sms-key-id'\nkey = 'sms-key'\nsign_name = '{}'\n{app_id}\n\
         [endpoint]\nurl = '{url}'\ntimeout_secs = 1\n\
         [templates.sign-in-code.zh-Hans]\ncode = '{}'\nparams = ['code', 'minutes']\nlimits = {{ code = 6 }}\n\
         [templates.booking-confirmed.zh-Hans]\ncode = '{}'\nparams = ['time', 'place']\n\
         [templates.booking-confirmed.en]\ncode = '{}'\noverseas_code = '{}'\nparams = ['time', 'place']\n\
         [templates.refund-done.zh-Hans]\ncode = 'SMS_9999'\nparams = ['amount']\n",
        sim.sign_name,
        code(1001),
        code(1011),
        code(1013),
        code(2013),
    );
    toml::from_str(&text).unwrap()
}

pub fn build(settings: toml::Table) -> Result<Box<dyn Destination>, BuildError> {
    let config: SmsConfig = settings.try_into().unwrap();
    Sms::build(config, &Keys)
}

pub struct Town {
    pub destination: Box<dyn Destination>,
    pub gateway: SocketAddr,
    stop: watch::Sender<bool>,
    running: JoinHandle<Report>,
}

impl Town {
    pub async fn new(style: &str) -> Self {
        Self::with(style, SimSettings { way_secs: 0.0, ..SimSettings::default() }).await
    }

    pub async fn with(style: &str, sim: SimSettings) -> Self {
        let sim = Sim::bind(SimSettings { listen: "127.0.0.1:0".to_owned(), ..sim }).await.unwrap();
        let gateway = sim.address();
        let destination = build(settings(style, &format!("http://{gateway}"))).unwrap();
        let (stop, stopped) = watch::channel(false);
        Self { destination, gateway, stop, running: tokio::spawn(sim.run(stopped)) }
    }

    pub async fn put(&self, notice: &Value) -> Result<Value, DeliveryError> {
        put(self.destination.as_ref(), notice).await
    }

    pub async fn ask(&self, notice: &Value) -> Asked {
        self.destination.ask(&parcel(notice)).await.unwrap()
    }

    pub async fn control(&self, request: &str, order: Value) -> Value {
        control(self.gateway, request, order).await
    }

    pub async fn fault(&self, order: Value) {
        self.control("POST /__sim/fault", order).await;
    }

    pub async fn texts(&self, phone: &str) -> Vec<String> {
        let sent = self.control(&format!("GET /__sim/messages?phone={phone}"), json!({})).await;
        sent.as_array().unwrap().iter().map(|sent| sent["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until every text that was sent has been reported.
    pub async fn reported(&self) {
        for _ in 0..400 {
            let sent = self.control("GET /__sim/messages", json!({})).await;
            if sent.as_array().unwrap().iter().all(|sent| sent["receipt"].is_string()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("a text was not reported");
    }

    pub async fn problems(&self) -> Value {
        self.control("GET /__sim/status", json!({})).await["problems"].clone()
    }

    pub async fn end(self) -> Report {
        self.stop.send(true).unwrap();
        self.running.await.unwrap()
    }
}

//! An SMS gateway in both styles at once, strict about what it is sent. `huitong sim sms`.
//!
//! It reads signatures with code of its own (`seal.rs`), and knows nothing of the connector's.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use sim_kit::SimError;
pub use sim_kit::board::Report;
use sim_kit::control::{self as kit, stopped};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::mischief::{ANSWERS, Mischief, Order};
use super::office::{self, Beginning, Office, Sent};

mod acs3;
mod receipts;
mod rules;
mod seal;
mod tc3;

const LONGEST_REQUEST: usize = 64 * 1024;

/// How the gateway behaves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimSettings {
    /// Where it listens: `POST /` in both styles, and the control API under `/__sim`.
    pub listen: String,
    /// What the clock shows at the beginning, `20260302080000`; without it the real time in Beijing.
    pub start: Option<String>,
    /// Whether the clock stands still until it is set.
    pub frozen: bool,
    /// The name of the hospital's key in both styles; others are refused.
    pub key_id: String,
    /// The key. It is published here and protects nothing.
    pub key: String,
    /// The approved signature; others are refused.
    pub sign_name: String,
    /// The number of the application in the style `tc3`; others are refused.
    pub app_id: String,
    /// The approved templates.
    pub templates: Vec<Template>,
    /// The longest value of a variable, in characters.
    pub longest_value: usize,
    /// How many messages a number gets in a minute; 0: any number.
    pub per_minute: usize,
    /// The same in an hour.
    pub per_hour: usize,
    /// The same on a day.
    pub per_day: usize,
    /// Where reports of the style `acs3` go, `http://...`.
    pub acs3_callback: Option<String>,
    /// Where reports of the style `tc3` go.
    pub tc3_callback: Option<String>,
    /// How long a message is on its way to the phone.
    pub way_secs: f64,
    /// How long after each other a report is sent that was not taken.
    pub ladder_secs: Vec<f64>,
    /// How many times faster than that it is.
    pub ladder_speed: f64,
    /// How late the fault `slow` is.
    pub slow_secs: f64,
    /// What goes wrong from the beginning.
    pub faults: Vec<Order>,
}

/// An approved template.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its code in the style `acs3`.
    pub code: String,
    /// Its number in the style `tc3`.
    pub id: String,
    /// The text with its variables, `${code}`; in the style `tc3` they go by their place.
    pub text: String,
    /// Whether it is for numbers that are not of mainland China, and for no others.
    #[serde(default)]
    pub overseas: bool,
}

impl Default for SimSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:2596".to_owned(),
            start: None,
            frozen: false,
            key_id: "simulated-key-id".to_owned(),
            key: "simulated-sms-key".to_owned(),
            sign_name: "汇通国际医疗".to_owned(),
            app_id: "1400006666".to_owned(),
            templates: super::approved().sms,
            longest_value: 35,
            per_minute: 1,
            per_hour: 5,
            per_day: 10,
            acs3_callback: None,
            tc3_callback: None,
            way_secs: 0.2,
            ladder_secs: vec![60.0, 300.0, 600.0],
            ladder_speed: 60.0,
            slow_secs: 2.0,
            faults: Vec::new(),
        }
    }
}

/// In which style something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Acs3,
    Tc3,
}

/// What a request asks for, once it is the hospital's.
enum Asked {
    /// To send a text.
    Send(Wanted),
    /// What was sent.
    List(Lookup),
}

/// A text that shall be sent.
struct Wanted {
    speech: Speech,
    /// With its country, `+86...`.
    phone: String,
    sign_name: String,
    template: String,
    values: Values,
    reference: String,
}

/// What variables stand for.
enum Values {
    Named(Vec<(String, String)>),
    Placed(Vec<String>),
}

/// Which messages are asked for.
struct Lookup {
    phone: String,
    /// Unix seconds, both included.
    from: i64,
    to: i64,
    skip: usize,
    take: usize,
}

/// What a request comes to.
enum Said {
    Sent(Sent),
    Listed { total: usize, page: Vec<Sent> },
}

/// Why it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
enum No {
    /// The key is not known, or the text was not signed with it.
    Signature,
    /// Signed too long ago, or in the future.
    Stale,
    /// The number of the request has been used.
    Replayed,
    /// No such operation or version.
    Action,
    /// A parameter is missing or has not its form.
    Parameter(&'static str),
    SignName,
    AppId,
    Template,
    Variables,
    Length,
    Number,
    Declined,
    PerMinute,
    PerHour,
    PerDay,
    Forced(String),
}

impl No {
    /// What rule of the profile the hub broke; nothing where it is the person's or the gateway's own affair.
    fn problem(&self) -> Option<String> {
        let words = match self {
            Self::Number
            | Self::Declined
            | Self::PerMinute
            | Self::PerHour
            | Self::PerDay
            | Self::Forced(_) => return None,
            Self::Parameter(name) => return Some(format!("`{name}` is missing or has not its form")),
            Self::Signature => "the signature or its key is wrong",
            Self::Stale => "the time of the request is not of now",
            Self::Replayed => "the number of the request has been used",
            Self::Action => "there is no such operation or version",
            Self::SignName => "the signature of texts is not approved",
            Self::AppId => "the application is not the hospital's",
            Self::Template => "the template is not approved for such a number",
            Self::Variables => "the variables are not those of the template",
            Self::Length => "the value of a variable is too long",
        };
        Some(words.to_owned())
    }
}

/// What every request meets.
struct House {
    settings: SimSettings,
    office: Arc<Office>,
    /// What was signed with, so that nothing is signed for twice.
    nonces: Mutex<BTreeSet<String>>,
    telling: mpsc::UnboundedSender<(Speech, Sent)>,
}

/// Runs the gateway until `stop` turns true.
pub async fn run(settings: SimSettings, stop: watch::Receiver<bool>) -> Result<Report, SimError> {
    Ok(Sim::bind(settings).await?.run(stop).await)
}

/// A gateway whose address is taken and that does not answer yet.
pub struct Sim {
    listener: TcpListener,
    address: SocketAddr,
    house: Arc<House>,
    told: mpsc::UnboundedReceiver<(Speech, Sent)>,
}

impl Sim {
    /// Checks the settings and takes the address.
    pub async fn bind(settings: SimSettings) -> Result<Self, SimError> {
        let wrong = |setting| SimError::Setting { setting, what: "expected more than 0".to_owned() };
        if settings.ladder_speed.is_nan() || settings.ladder_speed <= 0.0 {
            return Err(wrong("ladder_speed"));
        }
        let office = Office::new(Beginning {
            name: "sms",
            start: settings.start.as_deref(),
            is_frozen: settings.frozen,
            slow_secs: settings.slow_secs,
            faults: settings.faults.clone(),
        })?;
        let listener = kit::listen(&settings.listen).await?;
        let failed = |source| SimError::Listen { address: settings.listen.clone(), source };
        let address = listener.local_addr().map_err(failed)?;
        let (telling, told) = mpsc::unbounded_channel();
        let house = House { settings, office: Arc::new(office), nonces: Mutex::default(), telling };
        Ok(Self { listener, address, house: Arc::new(house), told })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `stop` turns true.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Report {
        let Self { listener, house, told, .. } = self;
        let routes = Router::new()
            .route("/", post(take))
            .layer(DefaultBodyLimit::max(LONGEST_REQUEST))
            .with_state(Arc::clone(&house))
            .merge(office::routes(Arc::clone(&house.office)));
        tokio::select! {
            // A client that keeps its connection open must not keep the simulator.
            () = stopped(stop) => {}
            () = receipts::run(Arc::clone(&house), told) => {}
            served = async { axum::serve(listener, routes).await } => {
                if let Err(error) = served {
                    tracing::warn!(%error, "The simulated SMS gateway stopped.");
                }
            }
        }
        house.office.board.report()
    }
}

async fn take(
    State(house): State<Arc<House>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    house.office.board.count(|report| report.received += 1);
    let query = query.unwrap_or_default();
    let (speech, asked) = match (headers.contains_key("x-acs-action"), headers.contains_key("x-tc-action")) {
        (true, false) => (Speech::Acs3, house.acs3(&query, &headers, &body)),
        (false, true) => (Speech::Tc3, house.tc3(&query, &headers, &body)),
        _ => {
            house.office.board.reject("the request is in neither style");
            return StatusCode::BAD_REQUEST.into_response();
        }
    };
    let asked_for = match &asked {
        Ok(Asked::Send(wanted)) => wanted.phone.clone(),
        _ => String::new(),
    };
    // Faults are for what the hospital asks, not for whoever knocks.
    let fault = asked.is_ok().then(|| house.office.takes(&ANSWERS)).flatten();
    let said = match (asked, &fault) {
        (Err(no), _) => Err(no),
        (Ok(_), Some(Order { name: Mischief::Limit, .. })) => Err(No::PerMinute),
        (Ok(_), Some(Order { name: Mischief::ForcedCode, code, .. })) => Err(No::Forced(code.clone())),
        (Ok(Asked::Send(wanted)), _) => house.send(wanted).map(Said::Sent),
        (Ok(Asked::List(lookup)), _) => Ok(house.list(&lookup)),
    };
    if let Some(problem) = said.as_ref().err().and_then(No::problem) {
        house.office.board.reject(&problem);
    }
    let answer = match speech {
        Speech::Acs3 => acs3::say(said),
        Speech::Tc3 => tc3::say(said, &asked_for),
    };
    house.office.spoilt(fault.map(|fault| fault.name), answer).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gateway of a hospital with this key; nobody hears what it reports.
    pub(super) fn house(key_id: &str, key: &str) -> House {
        let settings =
            SimSettings { key_id: key_id.to_owned(), key: key.to_owned(), ..SimSettings::default() };
        let beginning =
            Beginning { name: "sms", start: None, is_frozen: true, slow_secs: 0.0, faults: Vec::new() };
        let office = Arc::new(Office::new(beginning).unwrap());
        House { settings, office, nonces: Mutex::default(), telling: mpsc::unbounded_channel().0 }
    }

    #[test]
    fn no_two_packed_templates_share_a_code() {
        let templates = SimSettings::default().templates;
        let codes: BTreeSet<&str> = templates.iter().map(|template| template.code.as_str()).collect();
        let ids: BTreeSet<&str> = templates.iter().map(|template| template.id.as_str()).collect();
        assert_eq!((codes.len(), ids.len()), (templates.len(), templates.len()));
        assert!(templates.len() > 20);
    }
}

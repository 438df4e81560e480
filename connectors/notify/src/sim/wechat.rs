//! WeChat's end: access tokens, subscription messages and template messages, strict about what it is sent. `huitong sim wechat`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use sim_kit::SimError;
pub use sim_kit::board::Report;
use sim_kit::control::{self as kit, stopped};
use time::{Duration, PrimitiveDateTime};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::mischief::{ANSWERS, Mischief, Order};
use super::office::{self, Beginning, Office, Sent, locked};

mod rules;

const LONGEST_REQUEST: usize = 64 * 1024;
/// How long a token is good.
const TOKEN: Duration = Duration::seconds(7200);

/// How WeChat behaves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimSettings {
    /// Where it listens: `/cgi-bin`, and the control API under `/__sim`.
    pub listen: String,
    /// What the clock shows at the beginning, `20260302080000`; without it the real time in Beijing. Tokens go by it.
    pub start: Option<String>,
    /// Whether the clock stands still until it is set.
    pub frozen: bool,
    /// The number of the mini program or account; others are refused.
    pub app_id: String,
    /// Its secret. It is published here and protects nothing.
    pub app_secret: String,
    /// The approved templates.
    pub templates: Vec<Template>,
    /// How late the fault `slow` is.
    pub slow_secs: f64,
    /// What goes wrong from the beginning.
    pub faults: Vec<Order>,
}

/// An approved template.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its id.
    pub id: String,
    /// The text with its fields: `{{thing3.DATA}}`.
    pub text: String,
    /// Whether it is the official account's and not the mini program's.
    #[serde(default)]
    pub official: bool,
}

impl Default for SimSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:2597".to_owned(),
            start: None,
            frozen: false,
            app_id: "wxd678efh567hg6787".to_owned(),
            app_secret: "simulated-app-secret".to_owned(),
            templates: super::approved().wechat,
            slow_secs: 2.0,
            faults: Vec::new(),
        }
    }
}

/// What every request meets.
struct House {
    settings: SimSettings,
    office: Arc<Office>,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: String,
    until: PrimitiveDateTime,
}

/// Runs WeChat until `stop` turns true.
pub async fn run(settings: SimSettings, stop: watch::Receiver<bool>) -> Result<Report, SimError> {
    Ok(Sim::bind(settings).await?.run(stop).await)
}

/// A WeChat whose address is taken and that does not answer yet.
pub struct Sim {
    listener: TcpListener,
    address: SocketAddr,
    house: Arc<House>,
}

impl Sim {
    /// Checks the settings and takes the address.
    pub async fn bind(settings: SimSettings) -> Result<Self, SimError> {
        let office = Office::new(Beginning {
            name: "wechat",
            start: settings.start.as_deref(),
            is_frozen: settings.frozen,
            slow_secs: settings.slow_secs,
            faults: settings.faults.clone(),
        })?;
        let listener = kit::listen(&settings.listen).await?;
        let failed = |source| SimError::Listen { address: settings.listen.clone(), source };
        let address = listener.local_addr().map_err(failed)?;
        let house = House { settings, office: Arc::new(office), token: Mutex::default() };
        Ok(Self { listener, address, house: Arc::new(house) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `stop` turns true.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Report {
        let Self { listener, house, .. } = self;
        let routes = Router::new()
            .route("/cgi-bin/stable_token", post(stable_token))
            .route("/cgi-bin/message/subscribe/send", post(subscribe))
            .route("/cgi-bin/message/template/send", post(template))
            .layer(DefaultBodyLimit::max(LONGEST_REQUEST))
            .with_state(Arc::clone(&house))
            .merge(office::routes(Arc::clone(&house.office)));
        tokio::select! {
            // A client that keeps its connection open must not keep the simulator.
            () = stopped(stop) => {}
            served = async { axum::serve(listener, routes).await } => {
                if let Err(error) = served {
                    tracing::warn!(%error, "The simulated WeChat stopped.");
                }
            }
        }
        house.office.board.report()
    }
}

type Desk = State<Arc<House>>;

#[derive(Deserialize)]
struct Asker {
    grant_type: String,
    appid: String,
    secret: String,
    #[serde(default)]
    force_refresh: bool,
}

fn says(errcode: i64, errmsg: &str) -> Response {
    Json(json!({ "errcode": errcode, "errmsg": errmsg })).into_response()
}

async fn stable_token(State(house): Desk, body: Bytes) -> Response {
    let Ok(asker) = serde_json::from_slice::<Asker>(&body) else {
        house.office.board.reject("the request for a token is not whole");
        return says(47001, "data format error");
    };
    let refused = if asker.grant_type != "client_credential" {
        Some((40002, "invalid grant_type"))
    } else if asker.appid != house.settings.app_id {
        Some((40013, "invalid appid"))
    } else if asker.secret != house.settings.app_secret {
        Some((40125, "invalid appsecret"))
    } else {
        None
    };
    if let Some((code, words)) = refused {
        house.office.board.reject("the request for a token is not the hospital's");
        return says(code, words);
    }
    let now = house.office.now();
    let mut held = locked(&house.token);
    let good = held.take().filter(|token| token.until > now && !asker.force_refresh);
    let token = good.unwrap_or_else(|| Token {
        text: format!("simulated_{:06}-token", house.office.number()),
        until: now + TOKEN,
    });
    let left = (token.until - now).whole_seconds();
    let answer = json!({ "access_token": token.text, "expires_in": left });
    *held = Some(token);
    Json(answer).into_response()
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    access_token: String,
}

/// A message, in either way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    touser: String,
    template_id: String,
    data: BTreeMap<String, Field>,
    // Of the mini program.
    #[serde(default)]
    page: String,
    #[serde(default)]
    miniprogram_state: String,
    #[serde(default)]
    lang: String,
    // Of the official account.
    #[serde(default)]
    url: String,
    #[serde(default)]
    client_msg_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    value: String,
}

async fn subscribe(State(house): Desk, Query(shown): Query<Shown>, body: Bytes) -> Response {
    house.take(&shown.access_token, &body, false).await
}

async fn template(State(house): Desk, Query(shown): Query<Shown>, body: Bytes) -> Response {
    house.take(&shown.access_token, &body, true).await
}

/// Why a message is not sent: WeChat's code, and the rule the hub broke, where it did.
struct No(i64, Option<&'static str>);

impl House {
    async fn take(&self, token: &str, body: &[u8], is_official: bool) -> Response {
        self.office.board.count(|report| report.received += 1);
        // A token that is over is the way tokens go: no rule is broken.
        if let Err(code) = self.is_good(token) {
            return says(code, "access_token");
        }
        let fault = self.office.takes(&ANSWERS);
        let sent = match &fault {
            Some(Order { name: Mischief::Limit, .. }) => Err(No(45009, None)),
            Some(Order { name: Mischief::ForcedCode, code, .. }) => Err(No(code.parse().unwrap_or(-1), None)),
            _ => self.send(body, is_official),
        };
        let answer = match sent {
            Ok(id) if is_official => {
                Json(json!({ "errcode": 0, "errmsg": "ok", "msgid": id })).into_response()
            }
            // The manual of mini programs promises no number.
            Ok(_) => says(0, "ok"),
            Err(No(code, problem)) => {
                if let Some(problem) = problem {
                    self.office.board.reject(problem);
                }
                says(code, "refused")
            }
        };
        self.office.spoilt(fault.map(|fault| fault.name), answer).await
    }

    fn is_good(&self, token: &str) -> Result<(), i64> {
        match &*locked(&self.token) {
            Some(held) if held.text != token => Err(40001),
            Some(held) if held.until <= self.office.now() => Err(42001),
            Some(_) => Ok(()),
            None => Err(40001),
        }
    }

    fn send(&self, body: &[u8], is_official: bool) -> Result<u64, No> {
        let wanted: Wanted =
            serde_json::from_slice(body).map_err(|_| No(47001, Some("the message is not whole")))?;
        if wanted.touser.len() != 28 || !wanted.touser.starts_with('o') {
            return Err(No(40003, None));
        }
        let is_meant =
            |approved: &&Template| approved.id == wanted.template_id && approved.official == is_official;
        let approved = self.settings.templates.iter().find(is_meant);
        let approved = approved.ok_or(No(40037, Some("the template is not approved for this way")))?;
        rules::check_way(&wanted, is_official)?;
        rules::check_fields(approved, &wanted.data)?;
        if self.office.is_declined(&wanted.touser) {
            return Err(No(if is_official { 43004 } else { 43101 }, None));
        }
        if let Some(known) = self.known(&wanted) {
            return Ok(known);
        }
        let number = 2_000_000_000_000_000_000 + self.office.number();
        let params: BTreeMap<String, String> =
            wanted.data.into_iter().map(|(name, field)| (name, field.value)).collect();
        let text = params.iter().fold(approved.text.clone(), |text, (name, value)| {
            text.replace(&format!("{{{{{name}.DATA}}}}"), value)
        });
        self.office.keep(Sent {
            to: wanted.touser,
            template: wanted.template_id,
            text,
            params,
            reference: wanted.client_msg_id,
            partner_id: number.to_string(),
            at: self.office.now(),
            receipt: None,
        });
        Ok(number)
    }

    /// The number of a message that an official account has sent with the same `client_msg_id` in the last ten minutes.
    fn known(&self, wanted: &Wanted) -> Option<u64> {
        let now = self.office.now();
        let sent = locked(&self.office.sent);
        let same = sent.iter().find(|sent| {
            !wanted.client_msg_id.is_empty()
                && sent.reference == wanted.client_msg_id
                && sent.to == wanted.touser
                && now - sent.at < Duration::minutes(10)
        })?;
        same.partner_id.parse().ok()
    }
}

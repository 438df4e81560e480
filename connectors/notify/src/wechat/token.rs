//! WeChat's access token: fetched once, kept until it is over, and fetched anew when WeChat says that it is no longer good.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hub_core::destination::DeliveryError;
use hub_transport::http_client::HttpClient;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::not_sent;
use crate::gateway::{failed, later, read};
use crate::notice::never;

/// Given up so long before its end, so that none runs out under way.
const EARLY: Duration = Duration::from_secs(300);

/// Whether another token is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    /// It is over: WeChat gives another by itself.
    Over,
    /// It is not one: WeChat must be made to give another.
    Forced,
}

impl Refresh {
    /// What a code says of the token.
    pub(super) fn after(errcode: i64) -> Option<Self> {
        match errcode {
            42001 => Some(Self::Over),
            40001 | 40014 => Some(Self::Forced),
            _ => None,
        }
    }
}

/// The one token of an app. No `Debug`: it holds secrets.
pub(super) struct Tokens {
    app_id: String,
    app_secret: String,
    /// Held while one is fetched: everybody else waits for the same.
    held: Mutex<Option<Held>>,
}

struct Held {
    token: String,
    until: Instant,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    errcode: i64,
    access_token: Option<String>,
    #[serde(default)]
    expires_in: u64,
}

impl Tokens {
    pub(super) fn new(app_id: String, app_secret: String) -> Self {
        Self { app_id, app_secret, held: Mutex::default() }
    }

    /// The token that is good now.
    pub(super) async fn get(&self, client: &HttpClient) -> Result<String, DeliveryError> {
        let mut held = self.held.lock().await;
        if let Some(good) = held.as_ref().filter(|held| held.until > Instant::now()) {
            return Ok(good.token.clone());
        }
        self.fetch(client, &mut held, Refresh::Over).await
    }

    /// Another token than this, which another notice may have fetched meanwhile.
    pub(super) async fn renew(
        &self,
        client: &HttpClient,
        refused: &str,
        refresh: Refresh,
    ) -> Result<String, DeliveryError> {
        let mut held = self.held.lock().await;
        if let Some(newer) = held.as_ref().filter(|held| held.token != refused) {
            return Ok(newer.token.clone());
        }
        self.fetch(client, &mut held, refresh).await
    }

    /// Fetched as the "stable" token: the secret is not in an address, and another hub with the same app keeps its own.
    async fn fetch(
        &self,
        client: &HttpClient,
        held: &mut Option<Held>,
        refresh: Refresh,
    ) -> Result<String, DeliveryError> {
        *held = None;
        let body = json!({
            "grant_type": "client_credential",
            "appid": self.app_id,
            "secret": self.app_secret,
            "force_refresh": refresh == Refresh::Forced,
        });
        let client = client.at("/cgi-bin/stable_token");
        let answer = client.send("POST", Bytes::from(body.to_string()), "application/json", &[]).await;
        let answer = answer.map_err(|failure| not_sent(failed(&failure)))?;
        let said: Said = read(&answer).map_err(not_sent)?;
        match said {
            Said { access_token: Some(token), expires_in, errcode: 0 } if fits(&token) => {
                let lasts = Duration::from_secs(expires_in).saturating_sub(EARLY);
                *held = Some(Held { token: token.clone(), until: Instant::now() + lasts });
                Ok(token)
            }
            Said { errcode: errcode @ (-1 | 0 | 45009 | 45011), .. } => {
                Err(later(format!("WeChat says {errcode} and gives no token"), None))
            }
            Said { errcode, .. } => Err(never(format!("WeChat says {errcode} and gives no token"))),
        }
    }
}

/// Whether it may stand in an address as it is.
fn fits(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.!".contains(&byte))
}

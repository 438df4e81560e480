//! Asks the running hub over its operators' API.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hub_auth::local::LocalTokens;
use hub_core::who::Role;
use serde_json::Value;
use time::OffsetDateTime;

use crate::cli::{Global, MessageFilter};
use crate::settings::Settings;

/// How long an answer that comes line by line may take.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer that comes line by line.
pub struct Lines {
    answer: reqwest::Response,
    waiting: Vec<u8>,
}

impl Lines {
    /// The next line; `None` after the last.
    pub async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.waiting.drain(..=end).collect();
                let text = std::str::from_utf8(&line).context("the hub's answer is not text")?;
                return Ok(Some(text.trim_end().to_owned()));
            }
            match self.answer.chunk().await.context("the hub broke off")? {
                Some(chunk) => self.waiting.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// The variable that holds an access token for a hub whose data folder is not at hand.
const TOKEN: &str = "HUITONG_TOKEN";

/// The running hub's operators' API.
pub struct Client {
    base: String,
    http: reqwest::Client,
}

/// The token that is shown: the variable's, or one that is made with the key of the data folder, for a hub at this machine alone.
fn token(global: &Global, base: &str) -> anyhow::Result<Option<String>> {
    if let Ok(token) = std::env::var(TOKEN) {
        return Ok(Some(token));
    }
    let url = reqwest::Url::parse(base).with_context(|| format!("`{base}` is not a URL"))?;
    let is_here = url.host_str().is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    });
    let folder = Settings::read(global)?.data_dir;
    if !is_here || !LocalTokens::is_there(&folder) {
        return Ok(None);
    }
    // Who may not read the key asks without a token: the hub says what it thinks of that.
    let tokens = LocalTokens::open(&folder, Arc::new(OffsetDateTime::now_utc)).ok();
    Ok(tokens.and_then(|tokens| tokens.token(Role::Administrator, None, time::Duration::hours(12))))
}

impl Client {
    /// The hub of `--url`, or the one these settings would start.
    pub fn new(global: &Global) -> anyhow::Result<Self> {
        let base = match &global.url {
            Some(url) => base_of(url)?,
            None => format!("http://{}", Settings::read(global)?.http.listen),
        };
        let mut headers = HeaderMap::new();
        if let Some(token) = token(global, &base)? {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .with_context(|| format!("the variable {TOKEN} holds no token"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).no_proxy();
        let http = http.default_headers(headers).build()?;
        Ok(Self { base, http })
    }

    /// A GET below `/ops`, as JSON.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        let answer = self.request(path, query).await?;
        answer.json().await.context("the hub's answer is not JSON")
    }

    /// A GET below `/ops`, as bytes.
    pub async fn get_bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        Ok(self.request(path, &[]).await?.bytes().await?.to_vec())
    }

    /// A POST below `/ops`.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}/ops/{path}", self.base)).json(body);
        let answer = self.checked(request.send().await).await?;
        answer.json().await.context("the hub's answer is not JSON")
    }

    /// A GET below `/ops`, as text.
    pub async fn get_text(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<String> {
        Ok(self.request(path, query).await?.text().await?)
    }

    /// A POST below `/ops` that may well be refused.
    pub async fn order(&self, path: &str, body: &Value) -> anyhow::Result<Result<Value, Refused>> {
        let sent = self.http.post(format!("{}/ops/{path}", self.base)).json(body).send().await;
        let answer = sent.map_err(|error| self.no_answer(&error))?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        match (status.is_success(), body.get("error")) {
            (true, _) => Ok(Ok(body)),
            (false, Some(error)) if error["message"].is_string() => Ok(Err(Refused { error: error.clone() })),
            (false, _) => bail!("what answers at {} is not a hub: it said {status}", self.base),
        }
    }

    /// A POST of bytes below `/ops`.
    pub async fn post_bytes(&self, path: &str, body: bytes::Bytes) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}/ops/{path}", self.base));
        let request = request.header("content-type", "application/octet-stream").body(body);
        let answer = self.checked(request.send().await).await?;
        answer.json().await.context("the hub's answer is not JSON")
    }

    /// Whether something answers there at all.
    pub async fn answers(&self) -> bool {
        self.http.get(format!("{}/health/live", self.base)).send().await.is_ok()
    }

    /// A POST below `/ops` that is answered line by line, for as long as it takes.
    pub async fn post_lines(&self, path: &str, body: &Value) -> anyhow::Result<Lines> {
        let request = self.http.post(format!("{}/ops/{path}", self.base)).json(body).timeout(A_DAY);
        let answer = self.checked(request.send().await).await?;
        Ok(Lines { answer, waiting: Vec::new() })
    }

    async fn request(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<reqwest::Response> {
        let mut url = reqwest::Url::parse(&format!("{}/ops/{path}", self.base))
            .with_context(|| format!("`{}` is not a URL", self.base))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        self.checked(self.http.get(url).send().await).await
    }

    async fn checked(&self, answer: reqwest::Result<reqwest::Response>) -> anyhow::Result<reqwest::Response> {
        let answer = answer.map_err(|error| self.no_answer(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        let error = &body["error"];
        match error["message"].as_str() {
            Some(message) => bail!("{message}"),
            None => bail!("what answers at {} is not a hub: it said {status}", self.base),
        }
    }

    fn no_answer(&self, error: &reqwest::Error) -> anyhow::Error {
        // The last cause is the system's own word; what stands before it repeats the address.
        let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
        let cause = causes.last().map(ToString::to_string).unwrap_or_default();
        anyhow::anyhow!(
            "no hub answers at {}: {cause}\n  start one with `huitong run`, or say where it is with --url http://ADDRESS:PORT",
            self.base
        )
    }
}

/// Why the hub did not do what it was told.
pub struct Refused {
    /// Its `message`, and what else it says.
    pub error: Value,
}

/// `http://address:port`, whatever of it was written.
fn base_of(url: &str) -> anyhow::Result<String> {
    let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let parsed = reqwest::Url::parse(&whole).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    if parsed.is_none() {
        bail!("--url {url}: expected http://ADDRESS:PORT");
    }
    Ok(whole.trim_end_matches('/').to_owned())
}

impl MessageFilter {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        self.pairs().is_empty()
    }

    /// As names and values of the operators' API.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let key = self.key.as_ref().map(|key| key.replacen('=', ":", 1));
        [
            ("channel", self.channel.clone()),
            ("state", self.state.clone()),
            ("type", self.message_type.clone()),
            ("control_id", self.control_id.clone()),
            ("patient", self.patient.clone()),
            ("key", key),
            ("parent", self.parent.map(|id| id.to_string())),
            ("since", self.since.clone()),
            ("until", self.until.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

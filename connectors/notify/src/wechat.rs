//! The destination `wechat`: subscription messages of a mini program, template messages of an official account.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::commit::Parcel;
use hub_core::destination::{Delivered, DeliveryError, Destination};
use hub_core::registry::{BuildError, DestinationKind, Secrets};
use hub_transport::http_client::{HttpClient, HttpFailure};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::gateway::{Endpoint, failed, later, read, wrong};
use crate::notice::{Notice, Told, code, never};
use crate::templates::{self, Templates};

mod token;

use token::{Refresh, Tokens};

/// The destination `wechat`.
pub struct Wechat;

/// Which of WeChat's two ways a notice goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A subscription message: the person has agreed to it in the mini program, each time.
    MiniProgram,
    /// A template message: the person follows the account.
    Official,
}

/// The settings of the destination `wechat`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WechatConfig {
    /// The way.
    pub kind: Kind,
    /// Where WeChat is: `https://api.weixin.qq.com`.
    pub endpoint: Endpoint,
    /// The number of the mini program or account.
    pub app_id: String,
    /// The secret with its `AppSecret`.
    pub app_secret: String,
    /// Which build of the mini program a tap opens: `formal`, `trial` or `developer`.
    #[serde(default)]
    pub build: Build,
    /// The approved templates.
    pub templates: Templates<WechatTemplate>,
    /// How many notices may be under way at once.
    #[serde(default = "eight")]
    pub connections: usize,
}

/// A build of a mini program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Build {
    #[default]
    Formal,
    Trial,
    Developer,
}

/// An approved template.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WechatTemplate {
    /// WeChat's id of it.
    pub id: String,
    /// Which variable stands in which of the template's fields: `{ date2 = "time", thing3 = "place" }`.
    pub fields: BTreeMap<String, String>,
    /// What a tap opens: a page of the mini program, the address of a page for an account.
    pub page: Option<String>,
}

fn eight() -> usize {
    8
}

impl DestinationKind for Wechat {
    const TYPE: &'static str = "wechat";
    const FORMAT: Option<&'static str> = Some("json");
    type Config = WechatConfig;

    fn build(config: WechatConfig, secrets: &dyn Secrets) -> Result<Box<dyn Destination>, BuildError> {
        if config.connections == 0 {
            return Err(wrong("connections", "`connections` is 0: expected 1 or more"));
        }
        // The address must be no more than a host: tokens go to nobody else.
        config.endpoint.host()?;
        let tokens = Tokens::new(config.app_id.clone(), secrets.get(&config.app_secret)?.trim().to_owned());
        Ok(Box::new(Desk { client: config.endpoint.client(secrets)?, tokens, config }))
    }
}

/// How many characters a field may have: its name begins with its kind.
fn longest(field: &str) -> usize {
    match field.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "thing" => 20,
        "phrase" | "symbol" => 5,
        "name" => 20,
        "phone_number" => 17,
        "car_number" => 8,
        "number" | "letter" | "character_string" => 32,
        // Dates, times and amounts are held against their form by WeChat.
        _ => 64,
    }
}

impl WechatTemplate {
    fn fill(&self, notice: &Notice) -> Result<Value, DeliveryError> {
        let names: Vec<&str> = self.fields.values().map(String::as_str).collect();
        let limit = |name: &str| {
            let stands_in = self.fields.iter().filter(|(_, variable)| *variable == name);
            stands_in.map(|(field, _)| longest(field)).min().unwrap_or_default()
        };
        let values = templates::fill(notice, &names, limit)?;
        let filled = self.fields.keys().zip(values);
        Ok(filled
            .map(|(field, value)| (field.clone(), json!({ "value": value })))
            .collect::<serde_json::Map<_, _>>()
            .into())
    }
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    errcode: i64,
    msgid: Option<Value>,
}

/// Where notices are put to WeChat.
struct Desk {
    config: WechatConfig,
    client: HttpClient,
    tokens: Tokens,
}

impl Desk {
    fn message(&self, notice: &Notice) -> Result<(&'static str, Value), DeliveryError> {
        let template = templates::find(&self.config.templates, notice)?;
        let mut message =
            json!({ "touser": notice.to, "template_id": template.id, "data": template.fill(notice)? });
        let way = match self.config.kind {
            Kind::MiniProgram => {
                let state = match self.config.build {
                    Build::Formal => "formal",
                    Build::Trial => "trial",
                    Build::Developer => "developer",
                };
                message["miniprogram_state"] = state.into();
                message["lang"] = language(&notice.language).into();
                if let Some(page) = &template.page {
                    message["page"] = page.as_str().into();
                }
                "/cgi-bin/message/subscribe/send"
            }
            Kind::Official => {
                // Within ten minutes WeChat sends the same number once.
                message["client_msg_id"] = notice.reference.as_str().into();
                if let Some(url) = &template.page {
                    message["url"] = url.as_str().into();
                }
                "/cgi-bin/message/template/send"
            }
        };
        Ok((way, message))
    }

    async fn send(&self, way: &str, message: &Value, token: &str) -> Result<Said, DeliveryError> {
        let client = self.client.at(&format!("{way}?access_token={token}"));
        let body = Bytes::from(message.to_string());
        let answer = client.send("POST", body, "application/json", &[]).await;
        read(&answer.map_err(|failure| failed(&failure))?)
    }
}

fn language(language: &str) -> &'static str {
    match language {
        "en" => "en_US",
        "zh-Hant" => "zh_HK",
        _ => "zh_CN",
    }
}

/// What WeChat's code means for a notice.
fn told(notice: &Notice, said: &Said) -> Result<Told, DeliveryError> {
    let reason = format!("WeChat says {}", said.errcode);
    match said.errcode {
        0 => {
            let id = match &said.msgid {
                Some(Value::String(id)) => Some(id.clone()),
                Some(Value::Number(id)) => Some(id.to_string()),
                // The manual of mini programs promises none.
                _ => None,
            };
            Ok(Told::accepted(notice, id))
        }
        40003 => Ok(Told::refused(notice, code::RECIPIENT_UNKNOWN)),
        43004 | 43101 => Ok(Told::refused(notice, code::RECIPIENT_DECLINED)),
        87014 => Ok(Told::refused(notice, code::CONTENT_REFUSED)),
        // Busy, too many in a minute, too many today, a token that two fetched at once.
        -1 | 45009 | 45011 | 40001 | 40014 | 42001 => Err(later(reason, None)),
        _ => Err(never(reason)),
    }
}

#[async_trait]
impl Destination for Desk {
    async fn deliver(&self, parcel: &Parcel) -> Result<Delivered, DeliveryError> {
        let notice = Notice::of(parcel)?;
        if notice.is_over(OffsetDateTime::now_utc()) {
            return Ok(Told::refused(&notice, code::EXPIRED).delivered());
        }
        let (way, message) = self.message(&notice)?;
        let token = self.tokens.get(&self.client).await?;
        let mut said = self.send(way, &message, &token).await?;
        if let Some(refresh) = Refresh::after(said.errcode) {
            // Nothing was sent: once more with another token is safe.
            let token = self.tokens.renew(&self.client, &token, refresh).await?;
            said = self.send(way, &message, &token).await?;
        }
        Ok(told(&notice, &said)?.delivered())
    }

    /// Any answer proves that WeChat is there.
    async fn check(&self) -> Result<(), DeliveryError> {
        match self.client.send("GET", Bytes::new(), "application/json", &[]).await {
            Ok(_) | Err(HttpFailure::Unreadable { .. }) => Ok(()),
            Err(_) => Err(later("could not reach WeChat", None)),
        }
    }

    fn parallel(&self) -> usize {
        self.config.connections
    }
}

/// It is not known whether a token was given; nothing was sent with it.
fn not_sent(error: DeliveryError) -> DeliveryError {
    match error {
        DeliveryError::InDoubt { reason } => later(reason, None),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_field_says_how_long_it_may_be() {
        assert_eq!((longest("thing3"), longest("phrase1"), longest("date2")), (20, 5, 64));
    }
}

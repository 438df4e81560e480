//! The destination `sms`: puts notices to an SMS gateway as approved templates, in one of two styles.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::commit::Parcel;
use hub_core::destination::{Asked, Delivered, DeliveryError, Destination};
use hub_core::registry::{BuildError, DestinationKind, Secrets};
use hub_transport::http_client::{Answer, HttpClient, HttpFailure};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::gateway::{Endpoint, failed, later, wrong};
use crate::notice::{Notice, Told, code, never};
use crate::templates::{self, Templates};

mod acs3;
mod meaning;
mod signing;
mod tc3;

/// What a variable may have where the template says nothing.
const LONGEST_VALUE: usize = 35;

/// No person has more texts on a day than stand on so many pages: a list that never ends is none.
const MOST_PAGES: u32 = 20;

/// The destination `sms`.
pub struct Sms;

/// How a gateway is spoken to and its requests signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// ACS3-HMAC-SHA256, as Aliyun's `SendSms` of 2017-05-25.
    Acs3,
    /// TC3-HMAC-SHA256, as Tencent's `SendSms` of 2021-01-11.
    Tc3,
}

/// The settings of the destination `sms`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsConfig {
    /// The style.
    pub style: Style,
    /// Where the gateway is.
    pub endpoint: Endpoint,
    /// The secret with the name of the key: access key id, or secret id.
    pub key_id: String,
    /// The secret with the key.
    pub key: String,
    /// The approved signature that stands before every text, without its brackets.
    pub sign_name: String,
    /// The application's number (`tc3`).
    #[serde(default)]
    pub app_id: String,
    /// The region (`tc3`).
    #[serde(default = "guangzhou")]
    pub region: String,
    /// The sender that people abroad see (`tc3`; at the other style it belongs to the contract).
    pub sender: Option<String>,
    /// The approved templates.
    pub templates: Templates<SmsTemplate>,
    /// How many notices may be under way at once.
    #[serde(default = "eight")]
    pub connections: usize,
}

/// An approved template.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsTemplate {
    /// The gateway's code of it: `SMS_1`, `1400001`.
    pub code: Option<String>,
    /// The code of the one for numbers that are not of mainland China: gateways keep the two apart.
    pub overseas_code: Option<String>,
    /// Its variables, in their order.
    #[serde(default)]
    pub params: Vec<String>,
    /// The longest value of a variable, in characters, where it is not 35.
    #[serde(default)]
    pub limits: BTreeMap<String, usize>,
}

impl SmsTemplate {
    fn check(&self) -> Result<(), String> {
        if self.code.is_none() && self.overseas_code.is_none() {
            return Err("has neither `code` nor `overseas_code`".to_owned());
        }
        match self.limits.keys().find(|name| !self.params.contains(name)) {
            Some(name) => Err(format!("has a limit for `{name}`, which is none of its variables")),
            None => Ok(()),
        }
    }
}

fn guangzhou() -> String {
    "ap-guangzhou".to_owned()
}

fn eight() -> usize {
    8
}

/// One text message, ready to be put in a gateway's words.
pub(crate) struct Text<'a> {
    to: Number<'a>,
    code: &'a str,
    /// Name and value, in the template's order.
    values: Vec<(&'a str, &'a str)>,
    reference: &'a str,
}

/// A number with its country.
#[derive(Clone, Copy)]
pub(crate) struct Number<'a>(&'a str);

impl<'a> Number<'a> {
    /// E.164: `+`, then 8 to 15 digits. In mainland China no others than mobile numbers have texts; without their country they would
    /// be taken for somebody's abroad.
    fn read(text: &'a str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let fits = (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_right = match digits.strip_prefix("86") {
            Some(mobile) => mobile.len() == 11 && mobile.starts_with('1'),
            None => !digits.starts_with('0'),
        };
        (fits && is_right).then_some(Self(digits))
    }

    fn is_overseas(self) -> bool {
        !self.0.starts_with("86")
    }
}

/// One request, all but its way.
pub(crate) struct Call {
    /// The path and query below the endpoint's URL.
    path: String,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// What a gateway says when it is asked for a message.
enum Found {
    /// It has it, by its own number where it tells that.
    Yes(Option<String>),
    /// Not on this page; there are more.
    More,
    /// It does not have it.
    No,
    /// Its silence proves nothing.
    Unknown,
}

/// A gateway's way of speaking.
trait Gateway: Send + Sync {
    /// The request that sends a text.
    fn send(&self, text: &Text<'_>, now: OffsetDateTime) -> Call;

    /// What became of it.
    fn told(&self, notice: &Notice, answer: &Answer) -> Result<Told, DeliveryError>;

    /// The request for what was sent to a number, so many days ago and so many pages on.
    fn query(&self, to: Number<'_>, days_ago: u8, page: u32, now: OffsetDateTime) -> Call;

    /// Whether the message is among what was sent.
    fn found(&self, notice: &Notice, answer: &Answer) -> Result<Found, DeliveryError>;
}

impl DestinationKind for Sms {
    const TYPE: &'static str = "sms";
    const FORMAT: Option<&'static str> = Some("json");
    type Config = SmsConfig;

    fn build(config: SmsConfig, secrets: &dyn Secrets) -> Result<Box<dyn Destination>, BuildError> {
        config.check()?;
        let gateway: Box<dyn Gateway> = match config.style {
            Style::Acs3 => Box::new(acs3::Acs3::new(&config, secrets)?),
            Style::Tc3 => Box::new(tc3::Tc3::new(&config, secrets)?),
        };
        Ok(Box::new(Desk { client: config.endpoint.client(secrets)?, gateway, config }))
    }
}

impl SmsConfig {
    fn check(&self) -> Result<(), BuildError> {
        if self.connections == 0 {
            return Err(wrong("connections", "`connections` is 0: expected 1 or more"));
        }
        if self.sign_name.is_empty() {
            return Err(wrong("sign_name", "`sign_name` is empty: gateways send nothing without it"));
        }
        match (self.style, self.app_id.is_empty(), &self.sender) {
            (Style::Tc3, true, _) => Err(wrong("app_id", "the style `tc3` needs an `app_id`")),
            (Style::Acs3, false, _) => Err(wrong("app_id", "the style `acs3` has no `app_id`")),
            (Style::Acs3, _, Some(_)) => Err(wrong("sender", "the style `acs3` has no `sender`")),
            _ => Ok(()),
        }?;
        for (event, languages) in &self.templates {
            for template in languages.values() {
                template
                    .check()
                    .map_err(|what| wrong("templates", format!("the template `{event}` {what}")))?;
            }
        }
        Ok(())
    }

    fn text<'a>(&'a self, notice: &'a Notice, to: Number<'a>) -> Result<Text<'a>, DeliveryError> {
        let template = templates::find(&self.templates, notice)?;
        let (code, which) = match to.is_overseas() {
            true => (&template.overseas_code, "overseas_code"),
            false => (&template.code, "code"),
        };
        let code = code
            .as_deref()
            .ok_or_else(|| never(format!("the template `{}` has no `{which}`", notice.template)))?;
        let names: Vec<&str> = template.params.iter().map(String::as_str).collect();
        let limit = |name: &str| template.limits.get(name).copied().unwrap_or(LONGEST_VALUE);
        let values = templates::fill(notice, &names, limit)?;
        let values = names.into_iter().zip(values).collect();
        Ok(Text { to, code, values, reference: &notice.reference })
    }
}

/// Where notices are put to the gateway.
struct Desk {
    config: SmsConfig,
    client: HttpClient,
    gateway: Box<dyn Gateway>,
}

impl Desk {
    async fn call(&self, call: Call) -> Result<Answer, DeliveryError> {
        let headers: Vec<_> = call.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let client = self.client.at(&call.path);
        let answer = client.send("POST", call.body, call.content_type, &headers).await;
        answer.map_err(|failure| failed(&failure))
    }
}

#[async_trait]
impl Destination for Desk {
    async fn deliver(&self, parcel: &Parcel) -> Result<Delivered, DeliveryError> {
        let notice = Notice::of(parcel)?;
        let now = OffsetDateTime::now_utc();
        if notice.is_over(now) {
            return Ok(Told::refused(&notice, code::EXPIRED).delivered());
        }
        let Some(to) = Number::read(&notice.to) else {
            return Ok(Told::refused(&notice, code::RECIPIENT_UNKNOWN).delivered());
        };
        let call = self.gateway.send(&self.config.text(&notice, to)?, now);
        let answer = self.call(call).await?;
        Ok(self.gateway.told(&notice, &answer)?.delivered())
    }

    /// Looks through what was sent to the number today and, for what was sent at midnight, yesterday.
    async fn ask(&self, parcel: &Parcel) -> Result<Asked, DeliveryError> {
        let notice = Notice::of(parcel)?;
        let Some(to) = Number::read(&notice.to) else { return Ok(Asked::NotArrived) };
        let now = OffsetDateTime::now_utc();
        for days_ago in [0, 1] {
            for page in 1..=MOST_PAGES {
                let answer = self.call(self.gateway.query(to, days_ago, page, now)).await;
                // A question changes nothing: it may be asked again.
                let found = answer.and_then(|answer| self.gateway.found(&notice, &answer));
                match found.map_err(again)? {
                    Found::Yes(id) => return Ok(Asked::Arrived(Told::accepted(&notice, id).delivered())),
                    Found::More => {}
                    Found::No => break,
                    Found::Unknown => return Ok(Asked::CannotTell),
                }
                if page == MOST_PAGES {
                    return Ok(Asked::CannotTell);
                }
            }
        }
        Ok(Asked::NotArrived)
    }

    /// Any answer proves that the gateway is there: what it says to a request without a signature is its own affair.
    async fn check(&self) -> Result<(), DeliveryError> {
        match self.client.send("GET", Bytes::new(), "application/json", &[]).await {
            Ok(_) | Err(HttpFailure::Unreadable { .. }) => Ok(()),
            Err(_) => Err(later("could not reach the gateway", None)),
        }
    }

    fn parallel(&self) -> usize {
        self.config.connections
    }
}

fn again(error: DeliveryError) -> DeliveryError {
    match error {
        DeliveryError::InDoubt { reason } => later(reason, None),
        error => error,
    }
}

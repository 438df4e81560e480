//! Style `acs3`: `SendSms` and `QuerySendDetails` of 2017-05-25 with their parameters in the query, signed with ACS3-HMAC-SHA256.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hub_core::destination::DeliveryError;
use hub_core::registry::{BuildError, Secrets};
use hub_transport::http_client::Answer;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use time::OffsetDateTime;
use time::macros::{format_description, offset};
use uuid::Uuid;

use super::meaning::Meaning;
use super::signing::{hex, hmac, sha256};
use super::{Call, Found, Gateway, Number, SmsConfig, Text};
use crate::gateway::read;
use crate::notice::{Notice, Told, code};

const VERSION: &str = "2017-05-25";
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";
/// RFC 3986: everything but the unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The most that the gateway lists at once.
const PAGE: u32 = 50;

/// A gateway of the style `acs3`.
pub(super) struct Acs3 {
    host: String,
    key_id: String,
    key: String,
    sign_name: String,
}

impl Acs3 {
    pub(super) fn new(config: &SmsConfig, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        Ok(Self {
            host: config.endpoint.host()?,
            key_id: secrets.get(&config.key_id)?.trim().to_owned(),
            key: secrets.get(&config.key)?.trim().to_owned(),
            sign_name: config.sign_name.clone(),
        })
    }

    fn call(&self, action: &str, params: &BTreeMap<&str, String>, now: OffsetDateTime) -> Call {
        let date = now.to_offset(time::UtcOffset::UTC);
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        // What is sent is signed: the empty body's type too.
        let signed = BTreeMap::from([
            ("content-type", CONTENT_TYPE.to_owned()),
            ("host", self.host.clone()),
            ("x-acs-action", action.to_owned()),
            ("x-acs-content-sha256", sha256(b"")),
            ("x-acs-date", date.format(format).unwrap_or_default()),
            ("x-acs-signature-nonce", Uuid::new_v4().simple().to_string()),
            ("x-acs-version", VERSION.to_owned()),
        ]);
        let query = canonical_query(params);
        let authorization = authorization(&self.key_id, &self.key, &query, &signed, b"");
        let own = ["content-type", "host"];
        let sent = signed.into_iter().filter(|(name, _)| !own.contains(name));
        Call {
            path: format!("/?{query}"),
            content_type: CONTENT_TYPE,
            headers: sent.chain([("authorization", authorization)]).collect(),
            body: Bytes::new(),
        }
    }
}

/// Numbers of mainland China stand without their country, others with it and without `+`.
fn phone(to: Number<'_>) -> &str {
    to.0.strip_prefix("86").unwrap_or(to.0)
}

fn canonical_query(params: &BTreeMap<&str, String>) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let pairs = params.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The header `Authorization` of `POST /?query`, with these headers signed.
fn authorization(
    key_id: &str,
    key: &str,
    query: &str,
    headers: &BTreeMap<&'static str, String>,
    body: &[u8],
) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let names = headers.keys().copied().collect::<Vec<_>>().join(";");
    let request = format!("POST\n/\n{query}\n{lines}\n{names}\n{}", sha256(body));
    let text = format!("ACS3-HMAC-SHA256\n{}", sha256(request.as_bytes()));
    let signature = hex(&hmac(key.as_bytes(), &text));
    format!("ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={names},Signature={signature}")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    code: String,
    #[serde(default)]
    message: String,
    biz_id: Option<String>,
    #[serde(rename = "SmsSendDetailDTOs")]
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(rename = "SmsSendDetailDTO", default)]
    all: Vec<Detail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Detail {
    #[serde(default)]
    out_id: String,
}

/// What a code means. `message` tells which of the limits it is.
fn meaning(code: &str, message: &str) -> Meaning {
    let span = match message {
        of if of.contains("分钟级") => Some(Duration::from_secs(60)),
        of if of.contains("小时级") => Some(Duration::from_secs(3600)),
        of if of.contains("天级") => Some(Duration::from_secs(86_400)),
        _ => None,
    };
    match code {
        "isv.BUSINESS_LIMIT_CONTROL" | "isv.DAY_LIMIT_CONTROL" | "isv.MONTH_LIMIT_CONTROL" => {
            Meaning::Limit(span)
        }
        "ServiceUnavailable" => Meaning::Busy,
        _ if code.starts_with("Throttling") => Meaning::Busy,
        "isp.SYSTEM_ERROR" | "InternalError" => Meaning::Unknown,
        "isv.MOBILE_NUMBER_ILLEGAL" => Meaning::Refused(code::RECIPIENT_UNKNOWN),
        "isv.SMS_CONTENT_ILLEGAL" | "isv.PARAM_NOT_SUPPORT_URL" | "isv.BLACK_KEY_CONTROL_LIMIT" => {
            Meaning::Refused(code::CONTENT_REFUSED)
        }
        _ => Meaning::Wrong,
    }
}

impl Gateway for Acs3 {
    fn send(&self, text: &Text<'_>, now: OffsetDateTime) -> Call {
        let values: BTreeMap<_, _> = text.values.iter().copied().collect();
        let values = serde_json::to_string(&values).expect("texts can be written as JSON");
        let params = BTreeMap::from([
            ("OutId", text.reference.to_owned()),
            ("PhoneNumbers", phone(text.to).to_owned()),
            ("SignName", self.sign_name.clone()),
            ("TemplateCode", text.code.to_owned()),
            ("TemplateParam", values),
        ]);
        self.call("SendSms", &params, now)
    }

    fn told(&self, notice: &Notice, answer: &Answer) -> Result<Told, DeliveryError> {
        let said: Said = read(answer)?;
        match (said.code.as_str(), said.biz_id) {
            ("OK", Some(id)) if answer.is_success() => Ok(Told::accepted(notice, Some(id))),
            ("OK", _) => Meaning::Unknown.told(notice, "OK"),
            (code, _) => meaning(code, &said.message).told(notice, code),
        }
    }

    fn query(&self, to: Number<'_>, days_ago: u8, page: u32, now: OffsetDateTime) -> Call {
        let day = now.to_offset(offset!(+8)).date() - time::Duration::days(days_ago.into());
        let day = day.format(format_description!("[year][month][day]")).unwrap_or_default();
        let params = BTreeMap::from([
            ("CurrentPage", page.to_string()),
            ("PageSize", PAGE.to_string()),
            ("PhoneNumber", phone(to).to_owned()),
            ("SendDate", day),
        ]);
        self.call("QuerySendDetails", &params, now)
    }

    fn found(&self, notice: &Notice, answer: &Answer) -> Result<Found, DeliveryError> {
        let said: Said = read(answer)?;
        if said.code != "OK" {
            return match meaning(&said.code, &said.message).told(notice, &said.code) {
                Err(error) => Err(error),
                // The number is none, and so has had nothing.
                Ok(_) => Ok(Found::No),
            };
        }
        let all = said.details.map(|details| details.all).unwrap_or_default();
        let is_full = all.len() >= PAGE as usize;
        Ok(if all.into_iter().any(|detail| detail.out_id == notice.reference) {
            // A list does not tell `BizId`; reports tell our own number.
            Found::Yes(None)
        } else if is_full {
            Found::More
        } else {
            Found::No
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the vendor's page "V3 request structure and signature".
    #[test]
    fn the_signature_is_the_one_of_the_vendors_example() {
        let params = BTreeMap::from([
            ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd".to_owned()),
            ("RegionId", "cn-shanghai".to_owned()),
        ]);
        let headers = BTreeMap::from([
            ("host", "ecs.cn-shanghai.aliyuncs.com".to_owned()),
            ("x-acs-action", "RunInstances".to_owned()),
            ("x-acs-content-sha256", sha256(b"")),
            ("x-acs-date", "2023-10-26T10:22:32Z".to_owned()),
            ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d".to_owned()),
            ("x-acs-version", "2014-05-26".to_owned()),
        ]);
        let found =
            authorization("YourAccessKeyId", "YourAccessKeySecret", &canonical_query(&params), &headers, b"");
        assert_eq!(
            found,
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;\
             x-acs-date;x-acs-signature-nonce;x-acs-version,\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
    }

    #[test]
    fn a_query_is_encoded_as_rfc_3986_says() {
        let params = BTreeMap::from([("A", "a b*~+张".to_owned())]);
        assert_eq!(canonical_query(&params), "A=a%20b%2A~%2B%E5%BC%A0");
    }
}

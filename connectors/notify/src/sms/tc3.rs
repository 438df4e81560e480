//! Style `tc3`: `SendSms` and `PullSmsSendStatusByPhoneNumber` of 2021-01-11 as JSON, signed with TC3-HMAC-SHA256.

use std::time::Duration;

use bytes::Bytes;
use hub_core::destination::DeliveryError;
use hub_core::registry::{BuildError, Secrets};
use hub_transport::http_client::Answer;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::meaning::Meaning;
use super::signing::{hex, hmac, sha256};
use super::{Call, Found, Gateway, Number, SmsConfig, Text};
use crate::gateway::read;
use crate::notice::{Notice, Told, code};

const VERSION: &str = "2021-01-11";
const SERVICE: &str = "sms";
const CONTENT_TYPE: &str = "application/json; charset=utf-8";
/// The most that the gateway lists at once.
const PAGE: u32 = 100;

/// A gateway of the style `tc3`.
pub(super) struct Tc3 {
    host: String,
    key_id: String,
    key: String,
    sign_name: String,
    app_id: String,
    region: String,
    sender: Option<String>,
}

impl Tc3 {
    pub(super) fn new(config: &SmsConfig, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        Ok(Self {
            host: config.endpoint.host()?,
            key_id: secrets.get(&config.key_id)?.trim().to_owned(),
            key: secrets.get(&config.key)?.trim().to_owned(),
            sign_name: config.sign_name.clone(),
            app_id: config.app_id.clone(),
            region: config.region.clone(),
            sender: config.sender.clone(),
        })
    }

    fn call(&self, action: &str, body: &Value, now: OffsetDateTime) -> Call {
        let body = body.to_string();
        let at = now.unix_timestamp();
        let credentials = Credentials { key_id: &self.key_id, key: &self.key, service: SERVICE };
        let authorization = credentials.authorization(&self.host, body.as_bytes(), at);
        let headers = vec![
            ("x-tc-action", action.to_owned()),
            ("x-tc-version", VERSION.to_owned()),
            ("x-tc-region", self.region.clone()),
            ("x-tc-timestamp", at.to_string()),
            ("authorization", authorization),
        ];
        Call { path: "/".to_owned(), content_type: CONTENT_TYPE, headers, body: Bytes::from(body) }
    }
}

struct Credentials<'a> {
    key_id: &'a str,
    key: &'a str,
    service: &'a str,
}

impl Credentials<'_> {
    /// The header `Authorization` of `POST /`, with `content-type` and `host` signed.
    fn authorization(&self, host: &str, body: &[u8], at: i64) -> String {
        let signed = "content-type;host";
        let request =
            format!("POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\n\n{signed}\n{}", sha256(body));
        let date = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH).date();
        let date = date.format(format_description!("[year]-[month]-[day]")).unwrap_or_default();
        let scope = format!("{date}/{}/tc3_request", self.service);
        let text = format!("TC3-HMAC-SHA256\n{at}\n{scope}\n{}", sha256(request.as_bytes()));
        let of_day = hmac(format!("TC3{}", self.key).as_bytes(), &date);
        let of_request = hmac(&hmac(&of_day, self.service), "tc3_request");
        let signature = hex(&hmac(&of_request, &text));
        format!(
            "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}",
            self.key_id
        )
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    error: Option<Failure>,
    #[serde(default)]
    send_status_set: Vec<Status>,
    #[serde(default)]
    pull_sms_send_status_set: Vec<Pulled>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    code: String,
    #[serde(default)]
    serial_no: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pulled {
    session_context: Option<String>,
    #[serde(default)]
    serial_no: String,
}

fn meaning(code: &str) -> Meaning {
    match code {
        "LimitExceeded.PhoneNumberThirtySecondLimit" => Meaning::Limit(Some(Duration::from_secs(30))),
        "LimitExceeded.PhoneNumberOneHourLimit" => Meaning::Limit(Some(Duration::from_secs(3600))),
        "LimitExceeded.PhoneNumberDailyLimit" | "LimitExceeded.PhoneNumberSameContentDailyLimit" => {
            Meaning::Limit(Some(Duration::from_secs(86_400)))
        }
        _ if code.starts_with("LimitExceeded") => Meaning::Limit(None),
        _ if code.starts_with("RequestLimitExceeded") => Meaning::Busy,
        "ResourceUnavailable" | "FailedOperation.MarketingSendTimeConstraint" => Meaning::Busy,
        "InvalidParameterValue.IncorrectPhoneNumber" | "FailedOperation.PhoneNumberParseFail" => {
            Meaning::Refused(code::RECIPIENT_UNKNOWN)
        }
        "FailedOperation.PhoneNumberInBlacklist" => Meaning::Refused(code::RECIPIENT_DECLINED),
        "FailedOperation.ContainSensitiveWord"
        | "InvalidParameter.DirtyWordFound"
        | "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter" => {
            Meaning::Refused(code::CONTENT_REFUSED)
        }
        "InternalError.RequestTimeException"
        | "InternalError.RestApiInterfaceNotExist"
        | "InternalError.SigFieldMissing"
        | "InternalError.SigVerificationFail" => Meaning::Wrong,
        _ if code.starts_with("InternalError") => Meaning::Unknown,
        _ => Meaning::Wrong,
    }
}

impl Gateway for Tc3 {
    fn send(&self, text: &Text<'_>, now: OffsetDateTime) -> Call {
        let values: Vec<&str> = text.values.iter().map(|(_, value)| *value).collect();
        let mut body = json!({
            "PhoneNumberSet": [format!("+{}", text.to.0)],
            "SmsSdkAppId": self.app_id,
            "SignName": self.sign_name,
            "TemplateId": text.code,
            "TemplateParamSet": values,
            "SessionContext": text.reference,
        });
        if let Some(sender) = self.sender.as_deref().filter(|_| text.to.is_overseas()) {
            body["SenderId"] = sender.into();
        }
        self.call("SendSms", &body, now)
    }

    fn told(&self, notice: &Notice, answer: &Answer) -> Result<Told, DeliveryError> {
        let Response { error, send_status_set, .. } = read::<Said>(answer)?.response;
        if let Some(Failure { code }) = error {
            return meaning(&code).told(notice, &code);
        }
        match send_status_set.into_iter().next() {
            Some(Status { code, serial_no }) if code == "Ok" => Ok(Told::accepted(notice, Some(serial_no))),
            Some(Status { code, .. }) => meaning(&code).told(notice, &code),
            None => Meaning::Unknown.told(notice, ""),
        }
    }

    fn query(&self, to: Number<'_>, days_ago: u8, page: u32, now: OffsetDateTime) -> Call {
        let end = now - time::Duration::days(days_ago.into());
        let body = json!({
            "BeginTime": (end - time::Duration::days(1)).unix_timestamp(),
            "EndTime": end.unix_timestamp(),
            "Offset": (page - 1) * PAGE,
            "Limit": PAGE,
            "PhoneNumber": format!("+{}", to.0),
            "SmsSdkAppId": self.app_id,
        });
        self.call("PullSmsSendStatusByPhoneNumber", &body, now)
    }

    fn found(&self, notice: &Notice, answer: &Answer) -> Result<Found, DeliveryError> {
        let Response { error, pull_sms_send_status_set: all, .. } = read::<Said>(answer)?.response;
        if error.is_some() {
            // The question must be opened for an account: without that it answers with an error, however often.
            return Ok(Found::Unknown);
        }
        let is_full = all.len() >= PAGE as usize;
        let mut all = all.into_iter();
        let ours = all.find(|pulled| pulled.session_context.as_deref() == Some(&notice.reference));
        Ok(match ours {
            Some(pulled) => Found::Yes(Some(pulled.serial_no)),
            None if is_full => Found::More,
            // It lists only what a report has come for.
            None => Found::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the vendor's page "Signature v3".
    #[test]
    fn the_signature_is_the_one_of_the_vendors_example() {
        let credentials = Credentials {
            key_id: "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE",
            key: "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE",
            service: "cvm",
        };
        let body =
            br#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        assert_eq!(sha256(body), "35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064");
        assert_eq!(
            credentials.authorization("cvm.tencentcloudapi.com", body, 1_551_113_065),
            "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE/2019-02-25/cvm/tc3_request, \
             SignedHeaders=content-type;host, \
             Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
        );
    }
}

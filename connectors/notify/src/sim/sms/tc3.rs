//! The gateway's end of the style `tc3`: reads and checks a request, and answers in its words.

use axum::Json;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::offset;

use super::seal::{code, digest, header, letters, lines, parts};
use super::{Asked, House, Lookup, No, Said, Sent, Speech, Values, Wanted};

/// How far the request's clock may be from the gateway's.
const SKEW_SECS: u64 = 300;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendSms {
    phone_number_set: Vec<String>,
    sms_sdk_app_id: String,
    #[serde(default)]
    sign_name: String,
    template_id: String,
    #[serde(default)]
    template_param_set: Vec<String>,
    #[serde(default)]
    session_context: String,
    #[serde(rename = "SenderId")]
    _sender: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Pull {
    begin_time: i64,
    end_time: i64,
    offset: usize,
    limit: usize,
    phone_number: String,
    sms_sdk_app_id: String,
}

impl House {
    pub(super) fn tc3(&self, query: &str, headers: &HeaderMap, body: &[u8]) -> Result<Asked, No> {
        self.is_signed_tc3(query, headers, body)?;
        if header(headers, "x-tc-version") != "2021-01-11" {
            return Err(No::Action);
        }
        if header(headers, "x-tc-region").is_empty() {
            return Err(No::Parameter("X-TC-Region"));
        }
        match header(headers, "x-tc-action") {
            "SendSms" => {
                let wanted: SendSms = serde_json::from_slice(body).map_err(|_| No::Parameter("body"))?;
                self.is_app(&wanted.sms_sdk_app_id)?;
                // More at once are allowed there; a parcel is one.
                let [phone] = wanted.phone_number_set.as_slice() else {
                    return Err(No::Parameter("PhoneNumberSet"));
                };
                Ok(Asked::Send(Wanted {
                    speech: Speech::Tc3,
                    phone: e164(phone)?,
                    sign_name: wanted.sign_name,
                    template: wanted.template_id,
                    values: Values::Placed(wanted.template_param_set),
                    reference: wanted.session_context,
                }))
            }
            "PullSmsSendStatusByPhoneNumber" => {
                let pull: Pull = serde_json::from_slice(body).map_err(|_| No::Parameter("body"))?;
                self.is_app(&pull.sms_sdk_app_id)?;
                if pull.limit == 0 || pull.limit > 100 {
                    return Err(No::Parameter("Limit"));
                }
                // The gateway's own clock is without a zone: seconds as if it were UTC.
                let beijing = i64::from(offset!(+8).whole_seconds());
                Ok(Asked::List(Lookup {
                    phone: e164(&pull.phone_number)?,
                    from: pull.begin_time + beijing,
                    to: pull.end_time + beijing,
                    skip: pull.offset,
                    take: pull.limit,
                }))
            }
            _ => Err(No::Action),
        }
    }

    fn is_app(&self, app_id: &str) -> Result<(), No> {
        if app_id == self.settings.app_id { Ok(()) } else { Err(No::AppId) }
    }

    fn is_signed_tc3(&self, query: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), No> {
        let of = parts(header(headers, "authorization"), "TC3-HMAC-SHA256").ok_or(No::Signature)?;
        let part = |name| of.get(name).copied().ok_or(No::Signature);
        let signed = part("SignedHeaders")?;
        let lines = lines(headers, signed, &["content-type", "host"]).ok_or(No::Signature)?;
        let request = format!("POST\n/\n{query}\n{lines}\n{signed}\n{}", digest(body));
        let timestamp = header(headers, "x-tc-timestamp");
        let at: i64 = timestamp.parse().map_err(|_| No::Stale)?;
        let day = OffsetDateTime::from_unix_timestamp(at).map_err(|_| No::Stale)?.date().to_string();
        let scope = format!("{day}/sms/tc3_request");
        let text = format!("TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{}", digest(request.as_bytes()));
        let mut key = code(format!("TC3{}", self.settings.key).as_bytes(), &day);
        for step in ["sms", "tc3_request"] {
            key = code(&key, step);
        }
        let is_right = part("Credential")? == format!("{}/{scope}", self.settings.key_id)
            && part("Signature")? == letters(&code(&key, &text));
        if !is_right {
            return Err(No::Signature);
        }
        if OffsetDateTime::now_utc().unix_timestamp().abs_diff(at) > SKEW_SECS {
            return Err(No::Stale);
        }
        Ok(())
    }
}

fn e164(number: &str) -> Result<String, No> {
    let fits = number.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    if fits { Ok(number.to_owned()) } else { Err(No::Number) }
}

/// Country and the rest of a number. Of three digits are the countries next door, of one North America's; the others have two here.
pub(super) fn parted(phone: &str) -> (&str, &str) {
    let digits = phone.trim_start_matches('+');
    let length = match digits {
        _ if digits.starts_with('1') => 1,
        _ if ["852", "853", "855", "856", "886"].iter().any(|near| digits.starts_with(near)) => 3,
        _ => 2,
    };
    digits.split_at_checked(length).unwrap_or_default()
}

/// The answer, in the gateway's words. What is wrong with one number stands in its status.
pub(super) fn say(said: Result<Said, No>, phone: &str) -> Response {
    let response = |mut response: Value| {
        response["RequestId"] = "a0aabda6-cf91-4f3e-a81f-9198114a2279".into();
        Json(json!({ "Response": response })).into_response()
    };
    let status = |serial: &str, phone: &str, context: &str, code: &str, message: &str| {
        json!({ "SendStatusSet": [{
            "SerialNo": serial, "PhoneNumber": phone, "Fee": i32::from(!serial.is_empty()),
            "SessionContext": context, "Code": code, "Message": message, "IsoCode": "CN",
        }] })
    };
    let no = match said {
        Ok(Said::Sent(sent)) => {
            return response(status(&sent.partner_id, &sent.to, &sent.reference, "Ok", "send success"));
        }
        Ok(Said::Listed { page, .. }) => {
            // Only what a report has come for is listed.
            let pulled = page.iter().filter_map(|sent| Some((sent, sent.receipt?)));
            let all: Vec<Value> = pulled.map(|(sent, receipt)| listed(sent, receipt)).collect();
            return response(json!({ "PullSmsSendStatusSet": all }));
        }
        Err(no) => no,
    };
    let parameter;
    let (is_whole, code, message) = match &no {
        No::Signature => {
            (true, "AuthFailure.SignatureFailure", "The provided credentials could not be validated.")
        }
        No::Stale => (true, "AuthFailure.SignatureExpire", "Signature expired."),
        No::Replayed => (true, "AuthFailure.SignatureFailure", "Replayed."),
        No::Action => (true, "InvalidAction", "The action does not exist."),
        No::Parameter(name) => {
            parameter = format!("The parameter `{name}` is missing or invalid.");
            (true, "InvalidParameter", parameter.as_str())
        }
        No::AppId => (true, "UnauthorizedOperation.SmsSdkAppIdVerifyFail", "SmsSdkAppId verification failed"),
        No::SignName => {
            (false, "FailedOperation.SignatureIncorrectOrUnapproved", "signature is not approved")
        }
        No::Template => (false, "FailedOperation.TemplateIncorrectOrUnapproved", "template is not approved"),
        No::Variables => (
            false,
            "FailedOperation.TemplateParamSetNotMatchApprovedTemplate",
            "request content does not match the template content",
        ),
        No::Length => {
            (false, "InvalidParameterValue.TemplateParameterLengthLimit", "a parameter is too long")
        }
        No::Number => (false, "InvalidParameterValue.IncorrectPhoneNumber", "incorrect phone number"),
        No::Declined => (false, "FailedOperation.PhoneNumberInBlacklist", "phone number in blacklist"),
        No::PerMinute => (false, "LimitExceeded.PhoneNumberThirtySecondLimit", "too many in 30 seconds"),
        No::PerHour => (false, "LimitExceeded.PhoneNumberOneHourLimit", "too many in an hour"),
        No::PerDay => (false, "LimitExceeded.PhoneNumberDailyLimit", "too many in a day"),
        No::Forced(code) => (true, code.as_str(), "forced"),
    };
    if is_whole {
        return response(json!({ "Error": { "Code": code, "Message": message } }));
    }
    response(status("", phone, "", code, message))
}

fn listed(sent: &Sent, receipt: &str) -> Value {
    let (country, subscriber) = parted(&sent.to);
    json!({
        "UserReceiveTime": sent.at.assume_offset(offset!(+8)).unix_timestamp(),
        "CountryCode": country,
        "SubscriberNumber": subscriber,
        "PhoneNumber": sent.to,
        "SerialNo": sent.partner_id,
        "ReportStatus": if receipt == "failed" { "FAIL" } else { "SUCCESS" },
        "Description": "",
        "SessionContext": sent.reference,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::house;
    use super::*;

    /// Signed by an independent computation (Python's hmac), years ago.
    #[tokio::test]
    async fn what_is_rightly_signed_and_old_is_stale() {
        let house = house("simulated-key-id", "simulated-sms-key");
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "sms.tencentcloudapi.com"),
            ("content-type", "application/json; charset=utf-8"),
            ("x-tc-action", "SendSms"),
            ("x-tc-timestamp", "1551113065"),
            (
                "authorization",
                "TC3-HMAC-SHA256 Credential=simulated-key-id/2019-02-25/sms/tc3_request, SignedHeaders=content-type;host, \
                 Signature=8ce2afe7f0d2aecbf2decfd3bd122fe9aa557c600d6c080be528d659879d09e0",
            ),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        assert_eq!(house.tc3("", &headers, b"{}").err(), Some(No::Stale));
        assert_eq!(house.tc3("", &headers, b"[]").err(), Some(No::Signature));
    }

    #[test]
    fn a_number_is_parted_after_its_country() {
        assert_eq!(parted("+8613800000001"), ("86", "13800000001"));
        assert_eq!(parted("+85251234567"), ("852", "51234567"));
        assert_eq!(parted("+14155550100"), ("1", "4155550100"));
    }
}

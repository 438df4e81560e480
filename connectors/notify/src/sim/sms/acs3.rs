//! The gateway's end of the style `acs3`: reads and checks a request, and answers in its words.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime};

use super::super::clock::spaced;
use super::super::office::locked;
use super::seal::{code, digest, escaped, header, letters, lines, pairs, parts};
use super::{Asked, House, Lookup, No, Said, Speech, Values, Wanted};

/// How far the request's clock may be from the gateway's.
const SKEW_SECS: u64 = 900;
/// What must be signed; every other header that begins with `x-acs-` too.
const SIGNED: [&str; 6] =
    ["host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"];

impl House {
    pub(super) fn acs3(&self, query: &str, headers: &HeaderMap, body: &[u8]) -> Result<Asked, No> {
        let params = pairs(query).ok_or(No::Parameter("query"))?;
        self.is_signed_acs3(&params, headers, body)?;
        if header(headers, "x-acs-version") != "2017-05-25" {
            return Err(No::Action);
        }
        let param = |name: &'static str| {
            params.get(name).filter(|value| !value.is_empty()).cloned().ok_or(No::Parameter(name))
        };
        match header(headers, "x-acs-action") {
            "SendSms" => {
                let values = params.get("TemplateParam").map_or("{}", String::as_str);
                let Ok(Value::Object(values)) = serde_json::from_str(values) else {
                    return Err(No::Parameter("TemplateParam"));
                };
                let text = |(name, value): (String, Value)| match value {
                    Value::String(text) => Ok((name, text)),
                    // The gateway takes nothing but texts.
                    _ => Err(No::Parameter("TemplateParam")),
                };
                let template = param("TemplateCode")?;
                let is_abroad =
                    self.settings.templates.iter().any(|known| known.code == template && known.overseas);
                Ok(Asked::Send(Wanted {
                    speech: Speech::Acs3,
                    phone: whole(&param("PhoneNumbers")?, is_abroad)?,
                    sign_name: param("SignName")?,
                    template,
                    values: Values::Named(values.into_iter().map(text).collect::<Result<_, _>>()?),
                    reference: params.get("OutId").cloned().unwrap_or_default(),
                }))
            }
            "QuerySendDetails" => {
                let count = |name| param(name)?.parse::<usize>().map_err(|_| No::Parameter(name));
                let (page, size) = (count("CurrentPage")?, count("PageSize")?);
                if page == 0 || size == 0 || size > 50 {
                    return Err(No::Parameter("PageSize"));
                }
                let day = Date::parse(&param("SendDate")?, format_description!("[year][month][day]"));
                let from =
                    day.map_err(|_| No::Parameter("SendDate"))?.midnight().assume_utc().unix_timestamp();
                Ok(Asked::List(Lookup {
                    phone: whole(&param("PhoneNumber")?, false)?,
                    from,
                    to: from + Duration::DAY.whole_seconds() - 1,
                    skip: (page - 1) * size,
                    take: size,
                }))
            }
            _ => Err(No::Action),
        }
    }

    fn is_signed_acs3(
        &self,
        params: &BTreeMap<String, String>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), No> {
        let of = parts(header(headers, "authorization"), "ACS3-HMAC-SHA256").ok_or(No::Signature)?;
        let part = |name| of.get(name).copied().ok_or(No::Signature);
        let signed = part("SignedHeaders")?;
        let all_are_signed = headers.keys().all(|name| {
            let must = name.as_str().starts_with("x-acs-") || name == "content-type";
            !must || signed.split(';').any(|signed| signed == name.as_str())
        });
        let lines = lines(headers, signed, &SIGNED).filter(|_| all_are_signed).ok_or(No::Signature)?;
        let hash = digest(body);
        let query: Vec<String> =
            params.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        let request = format!("POST\n/\n{}\n{lines}\n{signed}\n{hash}", query.join("&"));
        let text = format!("ACS3-HMAC-SHA256\n{}", digest(request.as_bytes()));
        let is_right = part("Credential")? == self.settings.key_id
            && header(headers, "x-acs-content-sha256") == hash
            && part("Signature")? == letters(&code(self.settings.key.as_bytes(), &text));
        if !is_right {
            return Err(No::Signature);
        }
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        let at = PrimitiveDateTime::parse(header(headers, "x-acs-date"), format).map_err(|_| No::Stale)?;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        if now.abs_diff(at.assume_utc().unix_timestamp()) > SKEW_SECS {
            return Err(No::Stale);
        }
        let nonce = header(headers, "x-acs-signature-nonce");
        if nonce.is_empty() || !locked(&self.nonces).insert(nonce.to_owned()) {
            return Err(No::Replayed);
        }
        Ok(())
    }
}

/// A number as the manual allows it: eleven digits of mainland China with or without `+86`, `86`, `0086`; others with their country.
/// Eleven digits may be either: then the template's kind says which.
fn whole(number: &str, is_abroad: bool) -> Result<String, No> {
    let digits = number.trim_start_matches('+').trim_start_matches("00");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(No::Number);
    }
    let is_bare = !is_abroad && digits.len() == 11 && digits.starts_with('1');
    Ok(if is_bare { format!("+86{digits}") } else { format!("+{digits}") })
}

/// As the gateway writes numbers: those of mainland China without their country, none with `+`.
pub(super) fn bare(phone: &str) -> &str {
    phone.strip_prefix("+86").unwrap_or(phone.trim_start_matches('+'))
}

/// The answer, in the gateway's words.
pub(super) fn say(said: Result<Said, No>) -> Response {
    let ok = |mut more: Value| {
        more["Code"] = "OK".into();
        more["Message"] = "OK".into();
        more["RequestId"] = "F655A8D5-B967-440B-8683-DAD6FF8DE990".into();
        Json(more).into_response()
    };
    let no = match said {
        Ok(Said::Sent(sent)) => return ok(json!({ "BizId": sent.partner_id })),
        Ok(Said::Listed { total, page }) => {
            let detail = |sent: super::Sent| {
                json!({
                    "PhoneNum": bare(&sent.to),
                    "TemplateCode": sent.template,
                    "Content": sent.text,
                    "SendDate": spaced(sent.at),
                    "OutId": sent.reference,
                    "SendStatus": match sent.receipt { None => 1, Some("failed") => 2, Some(_) => 3 },
                })
            };
            let all: Vec<Value> = page.into_iter().map(detail).collect();
            return ok(
                json!({ "TotalCount": total.to_string(), "SmsSendDetailDTOs": { "SmsSendDetailDTO": all } }),
            );
        }
        Err(no) => no,
    };
    let parameter;
    let (status, code, message) = match &no {
        No::Signature => {
            (400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation.")
        }
        No::Stale => (400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."),
        No::Replayed => (400, "SignatureNonceUsed", "Specified signature nonce was used already."),
        No::Action => (404, "InvalidAction.NotFound", "Specified api is not found."),
        No::Parameter(name) => {
            parameter = format!("Missing{name}");
            (400, parameter.as_str(), "The parameter is missing or invalid.")
        }
        No::SignName | No::AppId => (200, "isv.SMS_SIGNATURE_ILLEGAL", "该账号下找不到对应签名"),
        No::Template => (200, "isv.SMS_TEMPLATE_ILLEGAL", "该账号下找不到对应模板"),
        No::Variables => (200, "isv.TEMPLATE_MISSING_PARAMETERS", "模板变量缺少对应参数值"),
        No::Length => (200, "isv.PARAM_LENGTH_LIMIT", "参数超过长度限制"),
        No::Number | No::Declined => (200, "isv.MOBILE_NUMBER_ILLEGAL", "非法手机号"),
        No::PerMinute => (200, "isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1"),
        No::PerHour => (200, "isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5"),
        No::PerDay => (200, "isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10"),
        No::Forced(code) => (200, code.as_str(), "forced"),
    };
    let body =
        json!({ "Code": code, "Message": message, "RequestId": "F655A8D5-B967-440B-8683-DAD6FF8DE990" });
    (StatusCode::from_u16(status).unwrap_or_default(), Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::super::tests::house;
    use super::*;

    /// The worked example of the vendor's page "V3 request structure and signature": rightly signed, and three years old.
    #[tokio::test]
    async fn the_vendors_example_is_rightly_signed_and_stale() {
        let house = house("YourAccessKeyId", "YourAccessKeySecret");
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "ecs.cn-shanghai.aliyuncs.com"),
            ("x-acs-action", "RunInstances"),
            ("x-acs-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("x-acs-date", "2023-10-26T10:22:32Z"),
            ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
            ("x-acs-version", "2014-05-26"),
            (
                "authorization",
                "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;\
                 x-acs-date;x-acs-signature-nonce;x-acs-version,\
                 Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
            ),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let query = "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai";
        assert_eq!(house.acs3(query, &headers, b"").err(), Some(No::Stale));
        headers.insert("x-acs-version", "2014-05-27".parse().unwrap());
        assert_eq!(house.acs3(query, &headers, b"").err(), Some(No::Signature));
    }
}

//! Dialect C: aggregated acquiring with SM2, as China Merchants Bank has it (section 12.3). JSON within JSON, signed by its pairs.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_core::destination::DeliveryError;
use hub_core::registry::{BuildError, Secrets};
use hub_transport::http_client::{Answer, HttpClient};
use hub_transport::http_server::HttpAnswer;
use hub_transport::signature::sm::{Sm2Signer, Sm2Verifier, USER_ID};
use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};
use time::{Date, OffsetDateTime};

use super::pairs::Pairs;
use super::{
    Call, Dialect, Disbelief, Header, Notice, Step, Unfit, Verdict, amount, in_doubt, never, number,
};
use crate::account::{Account, wrong};
use crate::beijing;
use crate::bill::{Bill, BillError, lines};
use crate::neutral::{Act, Errand, Told, code, order, refund};

const ROOT: &str = "/polypay/v1.0/mchorders";
/// The currency in numbers (ISO 4217): the bank takes no other.
const YUAN: &str = "156";
const SIGN: &str = "sign";

/// A merchant of the bank.
pub(crate) struct Cmb {
    merchant: String,
    app_id: String,
    notify_url: String,
    signer: Sm2Signer,
    bank: Sm2Verifier,
    /// The app's secret.
    secret: String,
}

impl Cmb {
    /// Of an account's settings.
    pub(crate) fn new(account: &Account, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        for (key, value) in [("app_id", &account.app_id), ("notify_url", &account.notify_url)] {
            if value.is_empty() {
                return Err(wrong(key, format!("`{key}` is missing: the dialect `cmb` needs it")));
            }
        }
        let key = |setting: &str, name: &str| {
            let text = secrets.get(name)?;
            STANDARD.decode(text.trim()).map_err(|_| wrong(setting, format!("`{setting}` is not Base64")))
        };
        Ok(Self {
            merchant: account.merchant.clone(),
            app_id: account.app_id.clone(),
            notify_url: account.notify_url.clone(),
            signer: Sm2Signer::new(&key("private_key", &account.private_key)?, USER_ID)
                .map_err(|error| wrong("private_key", error.to_string()))?,
            bank: Sm2Verifier::new(&key("bank_key", &account.bank_key)?, USER_ID)
                .map_err(|error| wrong("bank_key", error.to_string()))?,
            secret: account.shared_key(secrets)?,
        })
    }

    /// The pairs around what an operation is about, signed.
    fn signed(&self, mut pairs: Pairs) -> Result<Pairs, Unfit> {
        let signature = self.signer.sign_der(pairs.signed_text(SIGN).as_bytes());
        let signature = signature.ok_or_else(|| Unfit("this text cannot be signed".to_owned()))?;
        pairs.set(SIGN, STANDARD.encode(signature));
        Ok(pairs)
    }

    fn call(&self, operation: &str, content: &Value, now: OffsetDateTime) -> Result<Call, Unfit> {
        let pairs = self.signed(Pairs::of([
            ("version", "0.0.1".to_owned()),
            ("encoding", "UTF-8".to_owned()),
            ("signMethod", "02".to_owned()),
            ("biz_content", content.to_string()),
        ]))?;
        let timestamp = now.unix_timestamp().to_string();
        let headers = vec![
            ("appid", self.app_id.clone()),
            ("apisign", api_sign(&self.app_id, &self.secret, pairs.get(SIGN), &timestamp)),
            ("timestamp", timestamp),
        ];
        Ok(Call {
            method: "POST",
            path: format!("{ROOT}/{operation}"),
            content_type: "application/json",
            headers,
            body: json!(pairs.0).to_string().into(),
        })
    }

    /// Whether the bank has signed these pairs: all of them, those too that we do not know.
    fn is_signed(&self, pairs: &Pairs) -> bool {
        let signature = STANDARD.decode(pairs.get(SIGN)).unwrap_or_default();
        self.bank.verifies_der(pairs.signed_text(SIGN).as_bytes(), &signature)
    }

    /// An answer's pairs, signed by the bank.
    fn believe(&self, answer: &Answer) -> Result<Pairs, DeliveryError> {
        let doubt = |why: &str| in_doubt(format!("the bank's answer ({}) {why}", answer.status));
        let members: Map<String, Value> =
            serde_json::from_slice(&answer.body).map_err(|_| doubt("cannot be read"))?;
        let texts = members.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            Value::Null => (name, String::new()),
            other => (name, other.to_string()),
        });
        let pairs = Pairs(texts.collect());
        if self.is_signed(&pairs) { Ok(pairs) } else { Err(doubt("is not signed by the bank")) }
    }

    fn create(&self, errand: &Errand, now: OffsetDateTime) -> Result<Call, Unfit> {
        let goods = errand.goods.as_deref().unwrap_or("医疗费用");
        let mut content = self.about(errand);
        content["orderId"] = number("orderNo", &errand.order_no)?.into();
        content["txnAmt"] = amount("amountFen", errand.amount_fen)?.to_string().into();
        content["currencyCode"] = YUAN.into();
        content["body"] = goods.into();
        content["notifyUrl"] = self.notify_url.as_str().into();
        if let Some(address) = &errand.client_ip {
            content["spbillCreateIp"] = address.as_str().into();
        }
        if let Some(expire_at) = &errand.expire_at {
            let at = beijing::read_rfc3339(expire_at)
                .ok_or_else(|| Unfit("`expireAt` is no time of RFC 3339".to_owned()))?;
            let seconds = (at - now).whole_seconds();
            if seconds <= 0 {
                return Err(Unfit("`expireAt` is over".to_owned()));
            }
            content["payValidTime"] = seconds.to_string().into();
        }
        let operation = match errand.method.as_deref().unwrap_or("jsapi") {
            "jsapi" => {
                let payer = errand.payer.as_deref().ok_or_else(|| Unfit("`payer` is missing".to_owned()))?;
                content["subOpenId"] = payer.into();
                content["tradeType"] = "JSAPI".into();
                "onlinepay"
            }
            "app" => {
                content["tradeType"] = "APP".into();
                "onlinepay"
            }
            "native" => "qrcodeapply",
            "h5" => "zfbwap",
            _ => return Err(Unfit("`method` is none of jsapi, h5, native, app".to_owned())),
        };
        self.call(operation, &content, now)
    }

    /// What stands in every operation.
    fn about(&self, errand: &Errand) -> Value {
        let mut content = json!({ "merId": self.merchant });
        if let Some(reason) = &errand.reason {
            content["refundReason"] = reason.as_str().into();
        }
        content
    }
}

#[async_trait]
impl Dialect for Cmb {
    fn ask(&self, errand: &Errand, now: OffsetDateTime) -> Result<Step, Unfit> {
        if errand.currency() != "CNY" {
            return Err(Unfit("`currency` is not CNY".to_owned()));
        }
        let mut content = self.about(errand);
        let call = match errand.act {
            Act::Create => self.create(errand, now)?,
            Act::Query => {
                content["orderId"] = number("orderNo", &errand.order_no)?.into();
                self.call("orderquery", &content, now)?
            }
            Act::Close => {
                content["origOrderId"] = number("orderNo", &errand.order_no)?.into();
                self.call("close", &content, now)?
            }
            Act::Refund => {
                content["orderId"] = number("refundNo", &errand.refund_no)?.into();
                content["origOrderId"] = number("orderNo", &errand.order_no)?.into();
                content["txnAmt"] = amount("totalFen", errand.total_fen)?.to_string().into();
                content["refundAmt"] =
                    amount("refundFen", errand.refund_fen.or(errand.amount_fen))?.to_string().into();
                content["notifyUrl"] = self.notify_url.as_str().into();
                self.call("refund", &content, now)?
            }
            Act::QueryRefund => {
                content["orderId"] = number("refundNo", &errand.refund_no)?.into();
                self.call("refundquery", &content, now)?
            }
        };
        Ok(Step::Call(call))
    }

    fn told(&self, errand: &Errand, answer: &Answer, _now: OffsetDateTime) -> Result<Told, DeliveryError> {
        match answer.status {
            401 | 403 => {
                return Err(never(format!("the bank does not accept our account ({})", answer.status)));
            }
            429 => {
                let reason = "the bank is asked too often (429)".to_owned();
                return Err(DeliveryError::Later { reason, after: answer.retry_after });
            }
            _ => {}
        }
        let pairs = self.believe(answer)?;
        if pairs.get("returnCode") != "SUCCESS" || pairs.get("respCode") != "SUCCESS" {
            return refused(errand, &pairs);
        }
        let unreadable = || in_doubt("the bank's answer cannot be read");
        let content: Value = serde_json::from_str(pairs.get("biz_content")).map_err(|_| unreadable())?;
        let told = match errand.act {
            Act::Create => {
                let text = |name: &str| content[name].as_str().map(str::to_owned);
                // What the wallet wants is JSON within the JSON.
                let params = content["payData"].as_str().and_then(|data| serde_json::from_str(data).ok());
                Some(Told {
                    state: Some(order::CREATED.to_owned()),
                    expire_at: errand.expire_at.clone(),
                    pay_params: params,
                    code_url: text("qrCode"),
                    h5_url: text("payUrl"),
                    ..Told::to(errand)
                })
            }
            Act::Query => transaction(&content, Told::to(errand)),
            Act::Close if content["closeState"] == "C" => {
                Some(Told { state: Some(order::CLOSED.to_owned()), ..Told::to(errand) })
            }
            Act::Close => None,
            Act::Refund | Act::QueryRefund => refunded(&content, Told::to(errand)),
        };
        told.ok_or_else(unreadable)
    }

    fn notice(&self, _header: Header<'_>, body: &[u8], _now: OffsetDateTime) -> Result<Notice, Disbelief> {
        // The values are signed as they are before they were put into a form.
        let pairs = Pairs::read_form(body).ok_or(Disbelief::Form)?;
        if !self.is_signed(&pairs) {
            return Err(Disbelief::Signature);
        }
        let content: Value = serde_json::from_str(pairs.get("biz_content")).map_err(|_| Disbelief::Form)?;
        if content["merId"] != self.merchant.as_str() {
            return Err(Disbelief::Merchant);
        }
        let number = |name: &str| content[name].as_str().map(str::to_owned).ok_or(Disbelief::Form);
        let told = match content["origOrderId"].as_str() {
            Some(order_no) => {
                let told = Told::notice(order_no.to_owned());
                refunded(&content, Told { refund_no: number("orderId")?, ..told })
            }
            None => transaction(&content, Told::notice(number("orderId")?)),
        };
        Ok(Notice { told: told.ok_or(Disbelief::Form)?, id: pairs.valued("notifyId") })
    }

    fn say(&self, verdict: Verdict) -> HttpAnswer {
        let (result, why) = match verdict {
            Verdict::Taken => ("SUCCESS", ""),
            Verdict::Refused(Disbelief::Signature | Disbelief::Stale) => ("FAIL", "SIGN_ERROR"),
            Verdict::Refused(_) => ("FAIL", "PARAM_ERROR"),
            Verdict::Again => ("FAIL", "SYSTERM_ERROR"),
        };
        let pairs = self.signed(Pairs::of([
            ("version", "0.0.1"),
            ("encoding", "UTF-8"),
            ("signMethod", "02"),
            ("returnCode", result),
            ("respCode", result),
            ("errCode", why),
        ]));
        match pairs {
            Ok(pairs) => HttpAnswer {
                content_type: "application/json".to_owned(),
                body: json!(pairs.0).to_string().into(),
                ..HttpAnswer::empty(200)
            },
            // It comes again.
            Err(_) => HttpAnswer::empty(500),
        }
    }

    async fn bill(&self, client: &HttpClient, date: Date) -> Result<Bill, BillError> {
        let not_had = |why: String| BillError::NotHad(why);
        let day = format!("{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day());
        let content = json!({ "merId": self.merchant, "billDate": day });
        let call = self.call("statementurl", &content, OffsetDateTime::now_utc());
        let call = call.map_err(|error| not_had(error.to_string()))?;
        let answer = call.send(client).await.map_err(|failure| not_had(failure.to_string()))?;
        let pairs = self.believe(&answer).map_err(|error| not_had(error.to_string()))?;
        let content: Value = serde_json::from_str(pairs.get("biz_content")).unwrap_or_default();
        let (Some(url), Some(hash)) = (content["fileDownloadUrl"].as_str(), content["fileHash"].as_str())
        else {
            return Err(not_had(format!("the bank gives none ({})", pairs.get("errCode"))));
        };
        let path = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
        let file = client.at(path).send("GET", bytes::Bytes::new(), "text/plain", &[]).await;
        let file = file.map_err(|failure| not_had(failure.to_string()))?;
        if !file.is_success() {
            return Err(not_had(format!("the file is not given out ({})", file.status)));
        }
        lines::read(date, &file.body, hash)
    }
}

/// The header `apisign`: MD5 over app, secret, signature and time, in the order of their names.
fn api_sign(app_id: &str, secret: &str, sign: &str, timestamp: &str) -> String {
    let text = format!("appid={app_id}&secret={secret}&sign={sign}&timestamp={timestamp}");
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a transaction stands; `None` where it does not say.
fn transaction(content: &Value, told: Told) -> Option<Told> {
    let state = content["tradeState"].as_str()?;
    let stands = match state {
        "S" | "R" => order::PAID,
        "P" => order::CREATED,
        "C" | "D" => order::CLOSED,
        _ => order::UNKNOWN,
    };
    let told = Told {
        state: Some(stands.to_owned()),
        has_refunds: (state == "R").then_some(true),
        bank_trade_no: content["cmbOrderId"].as_str().map(str::to_owned),
        amount_fen: fen(&content["txnAmt"]),
        currency: Some("CNY".to_owned()),
        paid_at: moment(content),
        ..told
    };
    let is_whole = stands != order::PAID || (told.bank_trade_no.is_some() && told.amount_fen.is_some());
    is_whole.then_some(told)
}

fn refunded(content: &Value, told: Told) -> Option<Told> {
    let stands = match content["tradeState"].as_str()? {
        "S" => refund::SUCCESS,
        "P" => refund::PROCESSING,
        "F" | "C" => refund::FAILED,
        _ => refund::UNKNOWN,
    };
    Some(Told {
        order_no: content["origOrderId"].as_str().unwrap_or(&told.order_no).to_owned(),
        state: Some(stands.to_owned()),
        bank_refund_no: content["cmbOrderId"].as_str().map(str::to_owned),
        amount_fen: Some(fen(&content["refundAmt"])?),
        currency: Some("CNY".to_owned()),
        paid_at: moment(content),
        ..told
    })
}

fn fen(value: &Value) -> Option<i64> {
    value.as_str().map_or_else(|| value.as_i64(), |text| text.parse().ok())
}

fn moment(content: &Value) -> Option<String> {
    let day = content["endDate"].as_str()?;
    let hour = content["endTime"].as_str()?;
    beijing::read_compact(&format!("{day}{hour}")).map(beijing::rfc3339)
}

fn refused(errand: &Errand, pairs: &Pairs) -> Result<Told, DeliveryError> {
    let code = match pairs.get("errCode") {
        // Their spelling.
        found @ ("" | "SYSTERM_ERROR" | "SYSTEM_ERROR") => {
            return Err(in_doubt(format!("the bank does not know what became of it (`{found}`)")));
        }
        found @ ("SIGN_ERROR" | "NO_AUTH" | "MERID_INVALID") => {
            return Err(never(format!("the bank does not accept our account ({found})")));
        }
        "ORDERID_NOT_EXIST" => code::ORDER_NOT_EXIST,
        "REFUND_NOT_EXIST" => code::RESOURCE_NOT_EXISTS,
        "ORDERID_USED" => code::OUT_TRADE_NO_USED,
        "ORDER_PAID" => code::ORDER_PAID,
        "REFUND_AMT_EXCEED" => code::NOT_ENOUGH,
        other => other,
    };
    let message = pairs.valued("errDescription");
    Ok(Told { code: Some(code.to_owned()), message, ..Told::to(errand) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'appid=8ab7&secret=s3cret&sign=MEUC&timestamp=1772409600' | md5sum`
    #[test]
    fn the_header_is_the_md5_of_the_sorted_pairs() {
        assert_eq!(api_sign("8ab7", "s3cret", "MEUC", "1772409600"), "bf3e9e6bc71729daf45eae179128c75c");
    }
}

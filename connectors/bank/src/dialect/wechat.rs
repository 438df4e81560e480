//! Dialect A: WeChat Pay v3 (section 12.1). JSON; every request, answer and notice is signed with RSA over its raw bytes.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_core::destination::DeliveryError;
use hub_core::registry::{BuildError, Secrets};
use hub_transport::http_client::{Answer, HttpClient};
use hub_transport::http_server::HttpAnswer;
use hub_transport::signature::aead::aes_256_gcm_open;
use hub_transport::signature::rsa::{RsaSigner, RsaVerifier};
use serde_json::{Value, json};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::{
    Call, Dialect, Disbelief, Header, Notice, SKEW_SECS, Step, Unfit, Verdict, amount, in_doubt, never,
    number,
};
use crate::account::{Account, wrong};
use crate::beijing;
use crate::bill::{Bill, BillError, backticks};
use crate::neutral::{Act, Errand, Told, order};

mod reading;

use reading::{refunded, refused, text, transaction};

/// What a page may be told of what is paid for is as long as this (`description`).
const LONGEST_GOODS: usize = 127;

/// A merchant of WeChat Pay.
pub(crate) struct Wechat {
    merchant: String,
    app_id: String,
    serial: String,
    notify_url: String,
    /// What stands before the paths of operations in the account's URL: it is signed with them.
    base: String,
    signer: RsaSigner,
    bank: RsaVerifier,
    bank_name: String,
    /// The APIv3 key.
    key: [u8; 32],
}

impl Wechat {
    /// Of an account's settings.
    pub(crate) fn new(account: &Account, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        for (key, value) in [
            ("app_id", &account.app_id),
            ("serial", &account.serial),
            ("bank_name", &account.bank_name),
            ("notify_url", &account.notify_url),
        ] {
            if value.is_empty() {
                return Err(wrong(key, format!("`{key}` is missing: the dialect `wechat` needs it")));
            }
        }
        let key = account.shared_key(secrets)?.into_bytes();
        Ok(Self {
            merchant: account.merchant.clone(),
            app_id: account.app_id.clone(),
            serial: account.serial.clone(),
            notify_url: account.notify_url.clone(),
            base: path_of(&account.url).trim_end_matches('/').to_owned(),
            signer: RsaSigner::from_pem(&secrets.get(&account.private_key)?)
                .map_err(|error| wrong("private_key", error.to_string()))?,
            bank: RsaVerifier::from_pem(&secrets.get(&account.bank_key)?)
                .map_err(|error| wrong("bank_key", error.to_string()))?,
            bank_name: account.bank_name.clone(),
            key: key.try_into().map_err(|_| wrong("shared_key", "the APIv3 key is not 32 bytes"))?,
        })
    }

    /// A signed request.
    fn call(
        &self,
        method: &'static str,
        path: String,
        body: Option<Value>,
        now: OffsetDateTime,
    ) -> Result<Call, Unfit> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let (timestamp, nonce) = (now.unix_timestamp(), nonce());
        let text = request_text(method, &format!("{}{path}", self.base), timestamp, &nonce, &body);
        let signature = self.sign(&text)?;
        let authorization = format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{}\",nonce_str=\"{nonce}\",signature=\"{signature}\",\
             timestamp=\"{timestamp}\",serial_no=\"{}\"",
            self.merchant, self.serial
        );
        let headers = vec![("Authorization", authorization), ("Accept", "application/json".to_owned())];
        Ok(Call { method, path, content_type: "application/json", headers, body: body.into() })
    }

    fn sign(&self, text: &str) -> Result<String, Unfit> {
        let signature = self.signer.sign(text.as_bytes());
        let signature = signature.ok_or_else(|| Unfit("the system has no chance to sign with".to_owned()))?;
        Ok(STANDARD.encode(signature))
    }

    /// Whether bank and time are those of the headers, and the signature is of this body.
    fn believe<'a>(
        &self,
        header: impl Fn(&str) -> Option<&'a str>,
        body: &[u8],
        now: OffsetDateTime,
    ) -> Result<(), Disbelief> {
        let shown = |name: &str| header(name).ok_or(Disbelief::Signature);
        let (timestamp, nonce) = (shown("Wechatpay-Timestamp")?, shown("Wechatpay-Nonce")?);
        let signature = STANDARD.decode(shown("Wechatpay-Signature")?).map_err(|_| Disbelief::Signature)?;
        if shown("Wechatpay-Serial")? != self.bank_name {
            return Err(Disbelief::Signature);
        }
        let text = [timestamp.as_bytes(), b"\n", nonce.as_bytes(), b"\n", body, b"\n"].concat();
        if !self.bank.verifies(&text, &signature) {
            return Err(Disbelief::Signature);
        }
        let signed_at: i64 = timestamp.parse().map_err(|_| Disbelief::Form)?;
        if now.unix_timestamp().abs_diff(signed_at) > SKEW_SECS.unsigned_abs() {
            return Err(Disbelief::Stale);
        }
        Ok(())
    }

    fn create(&self, errand: &Errand, now: OffsetDateTime) -> Result<Call, Unfit> {
        let method = errand.method.as_deref().unwrap_or("jsapi");
        if !matches!(method, "jsapi" | "h5" | "native" | "app") {
            return Err(Unfit("`method` is none of jsapi, h5, native, app".to_owned()));
        }
        let goods: String =
            errand.goods.as_deref().unwrap_or("医疗费用").chars().take(LONGEST_GOODS / 3).collect();
        let mut body = json!({
            "appid": self.app_id,
            "mchid": self.merchant,
            "description": goods,
            "out_trade_no": number("orderNo", &errand.order_no)?,
            "notify_url": self.notify_url,
            "amount": { "total": amount("amountFen", errand.amount_fen)?, "currency": errand.currency() },
        });
        if let Some(expire_at) = &errand.expire_at {
            let at = beijing::read_rfc3339(expire_at)
                .ok_or_else(|| Unfit("`expireAt` is no time of RFC 3339".to_owned()))?;
            body["time_expire"] = beijing::rfc3339(at).into();
        }
        match method {
            "jsapi" => {
                let payer = errand.payer.as_deref().ok_or_else(|| Unfit("`payer` is missing".to_owned()))?;
                body["payer"] = json!({ "openid": payer });
            }
            "h5" => {
                let address = errand.client_ip.as_deref();
                let address = address.ok_or_else(|| Unfit("`clientIp` is missing".to_owned()))?;
                body["scene_info"] = json!({ "payer_client_ip": address, "h5_info": { "type": "Wap" } });
            }
            _ => {}
        }
        self.call("POST", format!("/v3/pay/transactions/{method}"), Some(body), now)
    }

    /// What the page hands to the wallet: signed by us, so that nobody else can have it paid for us.
    fn pay_params(&self, prepay_id: &str, now: OffsetDateTime) -> Result<Value, Unfit> {
        let (timestamp, nonce) = (now.unix_timestamp().to_string(), nonce());
        let package = format!("prepay_id={prepay_id}");
        let pay_sign = self.sign(&format!("{}\n{timestamp}\n{nonce}\n{package}\n", self.app_id))?;
        Ok(json!({
            "appId": self.app_id, "timeStamp": timestamp, "nonceStr": nonce,
            "package": package, "signType": "RSA", "paySign": pay_sign,
        }))
    }

    /// Whether a transaction is of our merchant and app.
    fn is_ours(&self, transaction: &Value) -> bool {
        text(transaction, "mchid").is_none_or(|merchant| merchant == self.merchant)
            && text(transaction, "appid").is_none_or(|app| app == self.app_id)
    }
}

#[async_trait]
impl Dialect for Wechat {
    fn ask(&self, errand: &Errand, now: OffsetDateTime) -> Result<Step, Unfit> {
        let order_path = || {
            let order_no = number("orderNo", &errand.order_no)?;
            Ok(format!("/v3/pay/transactions/out-trade-no/{order_no}"))
        };
        let call = match errand.act {
            Act::Create => self.create(errand, now)?,
            Act::Query => {
                let path = format!("{}?mchid={}", order_path()?, self.merchant);
                self.call("GET", path, None, now)?
            }
            Act::Close => {
                let path = format!("{}/close", order_path()?);
                self.call("POST", path, Some(json!({ "mchid": self.merchant })), now)?
            }
            Act::Refund => {
                let mut body = json!({
                    "out_trade_no": number("orderNo", &errand.order_no)?,
                    "out_refund_no": number("refundNo", &errand.refund_no)?,
                    "notify_url": self.notify_url,
                    "amount": {
                        "refund": amount("refundFen", errand.refund_fen.or(errand.amount_fen))?,
                        "total": amount("totalFen", errand.total_fen)?,
                        "currency": errand.currency(),
                    },
                });
                if let Some(reason) = &errand.reason {
                    body["reason"] = reason.as_str().into();
                }
                self.call("POST", "/v3/refund/domestic/refunds".to_owned(), Some(body), now)?
            }
            Act::QueryRefund => {
                let refund_no = number("refundNo", &errand.refund_no)?;
                self.call("GET", format!("/v3/refund/domestic/refunds/{refund_no}"), None, now)?
            }
        };
        Ok(Step::Call(call))
    }

    fn told(&self, errand: &Errand, answer: &Answer, now: OffsetDateTime) -> Result<Told, DeliveryError> {
        // Both are said before anything is done, and by gateways that sign nothing.
        match answer.status {
            401 => return Err(never("the bank does not accept our signature (401)")),
            429 => {
                let reason = "the bank is asked too often (429)".to_owned();
                return Err(DeliveryError::Later { reason, after: answer.retry_after });
            }
            _ => {}
        }
        if let Err(why) = self.believe(|name| answer.header(name), &answer.body, now) {
            return Err(in_doubt(format!("the bank's answer ({}) is not believed: {why}", answer.status)));
        }
        let unreadable = || in_doubt(format!("the bank's answer ({}) cannot be read", answer.status));
        let body = match answer.body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&answer.body).map_err(|_| unreadable())?,
        };
        if !answer.is_success() {
            return refused(errand, answer.status, &body);
        }
        let told = match errand.act {
            Act::Create => {
                let mut told = Told { expire_at: errand.expire_at.clone(), ..Told::to(errand) };
                told.state = Some(order::CREATED.to_owned());
                told.h5_url = text(&body, "h5_url").map(str::to_owned);
                told.code_url = text(&body, "code_url").map(str::to_owned);
                if let Some(prepay_id) = text(&body, "prepay_id") {
                    let params =
                        self.pay_params(prepay_id, now).map_err(|error| in_doubt(error.to_string()))?;
                    told.pay_params = Some(params);
                }
                Some(told)
            }
            Act::Query if self.is_ours(&body) => transaction(&body, Told::to(errand)),
            Act::Close => Some(Told { state: Some(order::CLOSED.to_owned()), ..Told::to(errand) }),
            Act::Refund | Act::QueryRefund => refunded(&body, "status", Told::to(errand)),
            Act::Query => None,
        };
        told.ok_or_else(unreadable)
    }

    /// The same order with the same content is answered with the same `prepay_id`.
    fn opens_again(&self) -> bool {
        true
    }

    fn notice(&self, header: Header<'_>, body: &[u8], now: OffsetDateTime) -> Result<Notice, Disbelief> {
        self.believe(header, body, now)?;
        let notice: Value = serde_json::from_slice(body).map_err(|_| Disbelief::Form)?;
        let resource = &notice["resource"];
        if text(resource, "algorithm") != Some("AEAD_AES_256_GCM") {
            return Err(Disbelief::Form);
        }
        let part = |name: &str| text(resource, name).ok_or(Disbelief::Form);
        let sealed = STANDARD.decode(part("ciphertext")?).map_err(|_| Disbelief::Form)?;
        let associated = text(resource, "associated_data").unwrap_or_default();
        let opened = aes_256_gcm_open(&self.key, part("nonce")?.as_bytes(), associated.as_bytes(), &sealed);
        let content: Value =
            serde_json::from_slice(&opened.ok_or(Disbelief::Sealed)?).map_err(|_| Disbelief::Form)?;
        if !self.is_ours(&content) {
            return Err(Disbelief::Merchant);
        }
        let order_no = text(&content, "out_trade_no").ok_or(Disbelief::Form)?.to_owned();
        let told = match text(&notice, "event_type") {
            Some(event) if event.starts_with("REFUND.") => {
                let refund_no = text(&content, "out_refund_no").ok_or(Disbelief::Form)?.to_owned();
                refunded(&content, "refund_status", Told { refund_no, ..Told::notice(order_no) })
            }
            Some(event) if event.starts_with("TRANSACTION.") => transaction(&content, Told::notice(order_no)),
            _ => None,
        };
        Ok(Notice { told: told.ok_or(Disbelief::Form)?, id: text(&notice, "id").map(str::to_owned) })
    }

    fn say(&self, verdict: Verdict) -> HttpAnswer {
        let (status, code, message) = match verdict {
            Verdict::Taken => return HttpAnswer::empty(204),
            Verdict::Refused(Disbelief::Signature | Disbelief::Stale) => (401, "SIGN_ERROR", "签名错误"),
            Verdict::Refused(_) => (400, "PARAM_ERROR", "参数错误"),
            Verdict::Again => (500, "FAIL", "系统繁忙"),
        };
        HttpAnswer {
            content_type: "application/json".to_owned(),
            body: json!({ "code": code, "message": message }).to_string().into(),
            ..HttpAnswer::empty(status)
        }
    }

    async fn bill(&self, client: &HttpClient, date: Date) -> Result<Bill, BillError> {
        let now = OffsetDateTime::now_utc();
        let path = format!("/v3/bill/tradebill?bill_date={date}&bill_type=ALL&tar_type=GZIP");
        let call = self.call("GET", path, None, now).map_err(|error| BillError::NotHad(error.to_string()))?;
        let answer = call.send(client).await.map_err(|failure| BillError::NotHad(failure.to_string()))?;
        self.believe(|name| answer.header(name), &answer.body, now).map_err(|why| {
            BillError::NotHad(format!("the bank's answer ({}) is not believed: {why}", answer.status))
        })?;
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if !answer.is_success() {
            let code = text(&told, "code").unwrap_or("no code");
            return Err(BillError::NotHad(format!("the bank refuses it ({}, {code})", answer.status)));
        }
        let (Some(url), Some("SHA1"), Some(hash)) =
            (text(&told, "download_url"), text(&told, "hash_type"), text(&told, "hash_value"))
        else {
            return Err(BillError::NotHad("the bank's answer names no file and no SHA-1".to_owned()));
        };
        // The file may lie on another host, and is not signed: the hash, which is, vouches for it. Its request is.
        let path = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
        let path = path.strip_prefix(&self.base).unwrap_or(path).to_owned();
        let call = self.call("GET", path, None, now).map_err(|error| BillError::NotHad(error.to_string()))?;
        let file = call.send(client).await.map_err(|failure| BillError::NotHad(failure.to_string()))?;
        if !file.is_success() {
            return Err(BillError::NotHad(format!("the file is not given out ({})", file.status)));
        }
        backticks::read(date, &file.body, hash)
    }
}

/// What is signed of a request.
pub(super) fn request_text(method: &str, path: &str, timestamp: i64, nonce: &str, body: &str) -> String {
    format!("{method}\n{path}\n{timestamp}\n{nonce}\n{body}\n")
}

fn nonce() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The path of a URL.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| &rest[at..])
}

#[cfg(test)]
mod tests;

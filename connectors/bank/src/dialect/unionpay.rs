//! Dialect B: UnionPay online 5.1.0 (section 12.2). Forms; sorted, hashed and signed with RSA; the bank's certificate travels with its answers.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_core::destination::DeliveryError;
use hub_core::registry::{BuildError, Secrets};
use hub_transport::http_client::{Answer, HttpClient};
use hub_transport::http_server::HttpAnswer;
use hub_transport::signature::rsa::{Authorities, Certificate, RsaSigner};
use ring::digest::{SHA256, digest};
use serde_json::json;
use time::{Date, OffsetDateTime};

use super::pairs::Pairs;
use super::{
    Call, Dialect, Disbelief, Header, Notice, Step, Unfit, Verdict, amount, in_doubt, never, number,
};
use crate::account::{Account, wrong};
use crate::beijing;
use crate::bill::{Bill, BillError, columns};
use crate::neutral::{Act, Errand, Told, code, order, refund};

const SIGNATURE: &str = "signature";
/// The currency in numbers (ISO 4217).
const YUAN: &str = "156";

/// A merchant of UnionPay.
pub(crate) struct UnionPay {
    merchant: String,
    serial: String,
    notify_url: String,
    url: String,
    signer: RsaSigner,
    authorities: Authorities,
    /// Whose certificate the bank's must be.
    bank_name: String,
}

impl UnionPay {
    /// Of an account's settings.
    pub(crate) fn new(account: &Account, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        for (key, value) in [
            ("serial", &account.serial),
            ("bank_name", &account.bank_name),
            ("notify_url", &account.notify_url),
        ] {
            if value.is_empty() {
                return Err(wrong(key, format!("`{key}` is missing: the dialect `unionpay` needs it")));
            }
        }
        Ok(Self {
            merchant: account.merchant.clone(),
            serial: account.serial.clone(),
            notify_url: account.notify_url.clone(),
            url: account.url.trim_end_matches('/').to_owned(),
            signer: RsaSigner::from_pem(&secrets.get(&account.private_key)?)
                .map_err(|error| wrong("private_key", error.to_string()))?,
            authorities: Authorities::from_pem(&secrets.get(&account.bank_key)?)
                .map_err(|error| wrong("bank_key", error.to_string()))?,
            bank_name: account.bank_name.clone(),
        })
    }

    /// The pairs of a transaction, signed. Its name is merchant, number and time together.
    fn signed(&self, kind: [&str; 3], no: &str, time: &str, more: Pairs) -> Result<Pairs, Unfit> {
        let mut pairs = Pairs::of([
            ("version", "5.1.0"),
            ("encoding", "UTF-8"),
            ("signMethod", "01"),
            ("accessType", "0"),
            ("certId", &self.serial),
            ("merId", &self.merchant),
            ("txnType", kind[0]),
            ("txnSubType", kind[1]),
            ("bizType", kind[2]),
            ("orderId", no),
            ("txnTime", time),
        ]);
        pairs.0.extend(more.0);
        let signature = self.signer.sign(hash(&pairs).as_bytes());
        let signature = signature.ok_or_else(|| Unfit("the system has no chance to sign with".to_owned()))?;
        pairs.set(SIGNATURE, STANDARD.encode(signature));
        Ok(pairs)
    }

    /// Whether the certificate that came along is the bank's, and its key has signed these pairs.
    fn is_signed(&self, pairs: &Pairs, now: OffsetDateTime) -> bool {
        let Ok(certificate) = Certificate::from_pem(pairs.get("signPubKeyCert")) else { return false };
        let since_1970 = Duration::from_secs(u64::try_from(now.unix_timestamp()).unwrap_or(0));
        // `041@Z12@中国银联股份有限公司`: the name is the last part.
        let is_banks = certificate.common_name.split('@').next_back() == Some(self.bank_name.as_str());
        let signature = STANDARD.decode(pairs.get(SIGNATURE)).unwrap_or_default();
        is_banks
            && certificate.is_signed_by(&self.authorities, since_1970)
            && certificate.key.verifies(hash(pairs).as_bytes(), &signature)
    }

    /// An answer's pairs, signed by the bank. They are no form: nothing is escaped.
    fn believe(&self, answer: &Answer, now: OffsetDateTime) -> Result<Pairs, DeliveryError> {
        let doubt = |why: &str| in_doubt(format!("the bank's answer ({}) {why}", answer.status));
        let text = std::str::from_utf8(&answer.body).map_err(|_| doubt("is not UTF-8"))?;
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let pairs = Pairs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
        if self.is_signed(&pairs, now) { Ok(pairs) } else { Err(doubt("is not signed by the bank")) }
    }

    fn create(&self, errand: &Errand, now: OffsetDateTime) -> Result<Step, Unfit> {
        let at = match &errand.order_time {
            Some(_) => time_of(errand)?,
            None => beijing::compact(now),
        };
        let mut more = Pairs::of([
            ("channelType", "08"),
            ("currencyCode", YUAN),
            ("backUrl", &self.notify_url),
            ("txnAmt", &amount("amountFen", errand.amount_fen)?.to_string()),
            ("frontUrl", errand.return_url.as_deref().unwrap_or_default()),
        ]);
        if let Some(expire_at) = &errand.expire_at {
            let until = beijing::read_rfc3339(expire_at)
                .ok_or_else(|| Unfit("`expireAt` is no time of RFC 3339".to_owned()))?;
            more.set("payTimeout", beijing::compact(until));
        }
        let pairs = self.signed(["01", "01", "000201"], number("orderNo", &errand.order_no)?, &at, more)?;
        match errand.method.as_deref().unwrap_or("h5") {
            "app" => Ok(Step::Call(call("appTransReq.do", &pairs))),
            "h5" => Ok(Step::Told(Box::new(Told {
                state: Some(order::CREATED.to_owned()),
                form_html: Some(page(&format!("{}/gateway/api/frontTransReq.do", self.url), &pairs)),
                expire_at: errand.expire_at.clone(),
                order_time: beijing::read_compact(&at).map(beijing::rfc3339),
                ..Told::to(errand)
            }))),
            _ => Err(Unfit("`method` is none of h5, app".to_owned())),
        }
    }
}

#[async_trait]
impl Dialect for UnionPay {
    fn ask(&self, errand: &Errand, now: OffsetDateTime) -> Result<Step, Unfit> {
        if errand.currency() != "CNY" {
            return Err(Unfit("`currency` is not CNY".to_owned()));
        }
        let query = |no: &str| {
            let pairs = self.signed(["00", "00", "000201"], no, &time_of(errand)?, Pairs::default())?;
            Ok(Step::Call(call("queryTrans.do", &pairs)))
        };
        match errand.act {
            Act::Create => self.create(errand, now),
            // An order cannot be closed: its time runs out. It is asked for instead.
            Act::Query | Act::Close => query(number("orderNo", &errand.order_no)?),
            Act::QueryRefund => query(number("refundNo", &errand.refund_no)?),
            Act::Refund => {
                let paid = errand.bank_trade_no.as_deref();
                let more = Pairs::of([
                    ("channelType", "07"),
                    ("currencyCode", YUAN),
                    ("backUrl", &self.notify_url),
                    ("txnAmt", &amount("refundFen", errand.refund_fen.or(errand.amount_fen))?.to_string()),
                    ("origQryId", paid.ok_or_else(|| Unfit("`bankTradeNo` is missing".to_owned()))?),
                    // Comes back in the notice and stands in the bill.
                    ("reqReserved", number("orderNo", &errand.order_no)?),
                ]);
                let no = number("refundNo", &errand.refund_no)?;
                let pairs = self.signed(["04", "00", "000201"], no, &time_of(errand)?, more)?;
                Ok(Step::Call(call("backTransReq.do", &pairs)))
            }
        }
    }

    fn told(&self, errand: &Errand, answer: &Answer, now: OffsetDateTime) -> Result<Told, DeliveryError> {
        let pairs = self.believe(answer, now)?;
        let told = Told { order_time: errand.order_time.clone(), ..Told::to(errand) };
        let unreadable = || in_doubt("the bank's answer cannot be read");
        match pairs.get("respCode") {
            "00" => {}
            "34" => {
                let unknown = match errand.act {
                    Act::QueryRefund => code::RESOURCE_NOT_EXISTS,
                    _ => code::ORDER_NOT_EXIST,
                };
                return Ok(Told { code: Some(unknown.to_owned()), ..told });
            }
            found @ ("03" | "04" | "05") => {
                return Err(in_doubt(format!("the bank does not know what became of it ({found})")));
            }
            found @ ("11" | "20" | "21") => {
                return Err(never(format!("the bank does not accept our account ({found})")));
            }
            // It has this refund already, perhaps from a try that was not answered: how it stands is asked.
            "12" if errand.act == Act::Refund => {
                return Err(in_doubt("the bank has this refund already (12)"));
            }
            found => {
                let code = match found {
                    "12" => code::OUT_TRADE_NO_USED,
                    "51" | "61" | "64" => code::NOT_ENOUGH,
                    other => other,
                };
                return Ok(Told { code: Some(code.to_owned()), message: pairs.valued("respMsg"), ..told });
            }
        }
        match errand.act {
            Act::Create => {
                let tn = pairs.valued("tn").ok_or_else(unreadable)?;
                let state = Some(order::CREATED.to_owned());
                Ok(Told { state, pay_params: Some(json!({ "tn": tn })), ..told })
            }
            Act::Query => transaction(&pairs, told).ok_or_else(unreadable),
            Act::Close => {
                let told = transaction(&pairs, told).ok_or_else(unreadable)?;
                match told.state.as_deref() {
                    Some(order::PAID) => {
                        Ok(Told { code: Some(code::ORDER_PAID.to_owned()), ..Told::to(errand) })
                    }
                    _ => Ok(told),
                }
            }
            Act::Refund => Ok(Told {
                state: Some(refund::PROCESSING.to_owned()),
                ..refunded(&pairs, told).ok_or_else(unreadable)?
            }),
            Act::QueryRefund => refunded(&pairs, told).ok_or_else(unreadable),
        }
    }

    fn notice(&self, _header: Header<'_>, body: &[u8], now: OffsetDateTime) -> Result<Notice, Disbelief> {
        let mut pairs = Pairs::read_form(body).ok_or(Disbelief::Form)?;
        if !self.is_signed(&pairs, now) {
            return Err(Disbelief::Signature);
        }
        if pairs.get("merId") != self.merchant {
            return Err(Disbelief::Merchant);
        }
        // A notice is about itself; an answer is about the transaction that was asked for.
        let outcome = pairs.get("respCode").to_owned();
        pairs.set("origRespCode", outcome);
        let no = pairs.valued("orderId").ok_or(Disbelief::Form)?;
        let told = match pairs.get("txnType") {
            "01" => transaction(&pairs, Told::notice(no)),
            "04" => {
                let told = Told::notice(pairs.valued("reqReserved").ok_or(Disbelief::Form)?);
                refunded(&pairs, Told { refund_no: no, ..told })
            }
            _ => None,
        };
        Ok(Notice { told: told.ok_or(Disbelief::Form)?, id: pairs.valued("queryId") })
    }

    fn say(&self, verdict: Verdict) -> HttpAnswer {
        HttpAnswer::empty(match verdict {
            Verdict::Taken => 200,
            Verdict::Refused(_) => 400,
            Verdict::Again => 500,
        })
    }

    async fn bill(&self, client: &HttpClient, date: Date) -> Result<Bill, BillError> {
        let not_had = |why: String| BillError::NotHad(why);
        let now = OffsetDateTime::now_utc();
        let day = format!("{:02}{:02}", u8::from(date.month()), date.day());
        let more = Pairs::of([("fileType", "00"), ("settleDate", &day)]);
        let pairs = self.signed(["76", "01", "000000"], "", &beijing::compact(now), more);
        let pairs = pairs.map_err(|error| not_had(error.to_string()))?;
        // The host of files is another one: the source of bills has its own `url`.
        let sent = Call { path: "/".to_owned(), ..call("", &pairs) }.send(client).await;
        let answer = sent.map_err(|failure| not_had(failure.to_string()))?;
        let pairs = self.believe(&answer, now).map_err(|error| not_had(error.to_string()))?;
        if pairs.get("respCode") != "00" {
            return Err(not_had(format!("the bank gives none ({})", pairs.get("respCode"))));
        }
        columns::read(date, &self.merchant, pairs.get("fileContent"))
    }
}

/// The hexadecimal digits of SHA-256 over the sorted pairs: these digits are what is signed.
fn hash(pairs: &Pairs) -> String {
    let digest = digest(&SHA256, pairs.signed_text(SIGNATURE).as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn call(operation: &str, pairs: &Pairs) -> Call {
    Call {
        method: "POST",
        path: format!("/gateway/api/{operation}"),
        content_type: "application/x-www-form-urlencoded; charset=UTF-8",
        headers: Vec::new(),
        body: pairs.form().into(),
    }
}

/// A page that sends itself: who pays takes the signed pairs to the bank.
fn page(url: &str, pairs: &Pairs) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let input = |(name, value): (&String, &String)| {
        format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(name), escaped(value))
    };
    let inputs: String = pairs.0.iter().map(input).collect();
    format!(
        "<!doctype html><meta charset=\"utf-8\"><form id=\"pay\" method=\"post\" action=\"{}\">{inputs}</form>\
         <script>document.getElementById(\"pay\").submit()</script>",
        escaped(url)
    )
}

/// The time in a transaction's name.
fn time_of(errand: &Errand) -> Result<String, Unfit> {
    let time = errand.order_time.as_deref().and_then(beijing::read_rfc3339);
    time.map(beijing::compact)
        .ok_or_else(|| Unfit("`orderTime` is missing or no time of RFC 3339".to_owned()))
}

/// How a payment stands; `None` where it does not say.
fn transaction(pairs: &Pairs, told: Told) -> Option<Told> {
    let stands = match pairs.get("origRespCode") {
        "" => return None,
        "00" => order::PAID,
        "03" | "04" | "05" => order::PAYING,
        // Partly done: a person has to look.
        "A6" => order::UNKNOWN,
        // It failed; the same number cannot be tried again.
        _ => order::CLOSED,
    };
    let told = Told { state: Some(stands.to_owned()), ..money(pairs, told) };
    let told = Told { bank_trade_no: pairs.valued("queryId"), ..told };
    let is_whole = stands != order::PAID || (told.bank_trade_no.is_some() && told.amount_fen.is_some());
    is_whole.then_some(told)
}

fn refunded(pairs: &Pairs, told: Told) -> Option<Told> {
    let stands = match pairs.get("origRespCode") {
        "00" => refund::SUCCESS,
        "" | "03" | "04" | "05" => refund::PROCESSING,
        "A6" => refund::UNKNOWN,
        _ => refund::FAILED,
    };
    let told = Told { state: Some(stands.to_owned()), ..money(pairs, told) };
    told.amount_fen?;
    Some(Told { bank_refund_no: pairs.valued("queryId"), ..told })
}

fn money(pairs: &Pairs, told: Told) -> Told {
    Told {
        amount_fen: pairs.get("txnAmt").parse().ok(),
        currency: (pairs.get("currencyCode") == YUAN).then(|| "CNY".to_owned()),
        paid_at: moment(pairs),
        ..told
    }
}

/// `traceTime` has no year: it is that of the order, or the next one where it would be before the order.
fn moment(pairs: &Pairs) -> Option<String> {
    let (ordered, traced) = (pairs.get("txnTime"), pairs.get("traceTime"));
    let year: i32 = ordered.get(..4)?.parse().ok()?;
    let year = if ordered.get(4..8)? > traced.get(..4)? { year + 1 } else { year };
    beijing::read_compact(&format!("{year:04}{traced}")).map(beijing::rfc3339)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of section 12.2.
    #[test]
    fn the_signed_hash_is_that_of_the_profile() {
        let pairs = Pairs::of([
            ("version", "5.1.0"),
            ("encoding", "UTF-8"),
            ("certId", "68759663125"),
            ("signMethod", "01"),
            ("txnType", "01"),
            ("txnSubType", "01"),
            ("bizType", "000201"),
            ("channelType", "08"),
            ("frontUrl", "https://m.example.cn/p"),
            ("backUrl", "https://pay.example.cn/n/union"),
            ("accessType", "0"),
            ("merId", "777290058110048"),
            ("orderId", "IMP20261122000001"),
            ("txnTime", "20261122103000"),
            ("txnAmt", "50000"),
            ("currencyCode", "156"),
            ("signature", "not signed itself"),
            ("reserved", ""),
        ]);
        assert_eq!(hash(&pairs), "e27085d5ac45201bb8065908f905841b3ef6d94b1c84fc5f823aeda73fdaf70b");
    }

    #[test]
    fn a_time_without_a_year_is_after_the_order() {
        let at =
            |ordered: &str, traced: &str| moment(&Pairs::of([("txnTime", ordered), ("traceTime", traced)]));
        assert_eq!(at("20261231235959", "0101000001").unwrap(), "2027-01-01T00:00:01+08:00");
        assert_eq!(at("20261122103000", "1122103001").unwrap(), "2026-11-22T10:30:01+08:00");
    }
}

//! The bank's end of the dialect `cmb` (section 12.3): JSON within JSON, signed with SM2 by its pairs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use sm3::Sm3;
use time::{Duration as Span, OffsetDateTime, PrimitiveDateTime};
use tokio::time::sleep;

use super::bill;
use super::book::{Ending, No, Order, Refund, Request, Speech, Standing};
use super::clock::{digits, read_day, spaced};
use super::mischief::{ANSWERS, Mischief, REFUNDS};
use super::notices::{Event, Post, Telling, encoded};
use super::{Office, locked};

/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(3600);
/// An order without a time is open so long.
const OPEN: Span = Span::hours(2);

type Pairs = BTreeMap<String, String>;
/// What an operation comes to: its content, or an `errCode`.
type Said = Result<Value, &'static str>;

pub(super) fn routes(office: Arc<Office>) -> Router {
    Router::new()
        .route("/polypay/v1.0/mchorders/{operation}", post(take))
        .route("/polypay/statements/{token}", get(file))
        .with_state(office)
}

async fn file(State(office): State<Arc<Office>>, Path(token): Path<String>) -> Response {
    let file = locked(&office.files).get(&token).cloned();
    file.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

async fn take(
    State(office): State<Arc<Office>>,
    Path(operation): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    office.board.count(|report| report.received += 1);
    let content = match office.read(&headers, &body) {
        Ok(content) => content,
        Err(problem) => {
            office.board.reject(problem);
            return office.reply(Err("SIGN_ERROR"), true);
        }
    };
    let fault = office.takes(&ANSWERS);
    let said = office.do_operation(&operation, &content).unwrap_or_else(|problem| {
        office.board.reject(&problem);
        Err("PARAM_ERROR")
    });
    match fault {
        Some(Mischief::Slow) => sleep(Duration::from_secs_f64(office.settings.slow_secs)).await,
        Some(Mischief::Silent) => sleep(NEVER).await,
        Some(Mischief::SystemErrorOnce) => return office.reply(Err("SYSTERM_ERROR"), true),
        _ => {}
    }
    office.reply(said, fault != Some(Mischief::WrongSignature))
}

fn joined(pairs: &Pairs) -> String {
    let signed = pairs.iter().filter(|(name, value)| *name != "sign" && !value.is_empty());
    signed.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn code(no: No) -> &'static str {
    match no {
        No::OrderUnknown => "ORDERID_NOT_EXIST",
        No::RefundUnknown => "REFUND_NOT_EXIST",
        No::NumberUsed => "ORDERID_USED",
        No::Paid => "ORDER_PAID",
        No::NotPaid => "ORDER_NOT_PAID",
        No::Closed => "ORDER_CLOSED",
        No::Expired => "TIME_EXPIRED",
        No::TooMuch | No::Balance => "REFUND_AMT_EXCEED",
        No::OtherTotal => "TXNAMT_NOT_MATCH",
    }
}

impl Office {
    /// What a request is about, once it is the merchant's.
    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, &'static str> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let pairs: Pairs = serde_json::from_slice(body).map_err(|_| "the body is no JSON object of texts")?;
        let sign = pairs.get("sign").ok_or("`sign` is missing")?;
        let (app_id, secret) = (&self.settings.app_id, &self.settings.app_secret);
        let timestamp = header("timestamp");
        let text = format!("appid={app_id}&secret={secret}&sign={sign}&timestamp={timestamp}");
        let hash: String = Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        if header("appid") != app_id.as_str() || header("apisign") != hash {
            return Err("the header `apisign` or `appid` is wrong");
        }
        let signed_at: i64 = timestamp.parse().map_err(|_| "the header `timestamp` is no number")?;
        if OffsetDateTime::now_utc().unix_timestamp().abs_diff(signed_at) > 300 {
            return Err("the header `timestamp` is not of now");
        }
        if pairs.get("signMethod").map(String::as_str) != Some("02")
            || !self.seal.is_merchants_sm2(&joined(&pairs), sign)
        {
            return Err("`sign` is wrong");
        }
        let content = pairs.get("biz_content").and_then(|content| serde_json::from_str(content).ok());
        content.ok_or("`biz_content` is no JSON")
    }

    /// Signed pairs; one among them that no manual names.
    fn pairs(&self, mut pairs: Pairs, is_right: bool) -> Pairs {
        for (name, value) in
            [("version", "0.0.1"), ("encoding", "UTF-8"), ("signMethod", "02"), ("gatewayNode", "sim")]
        {
            pairs.insert(name.to_owned(), value.to_owned());
        }
        let sign = self.seal.sm2(&joined(&pairs), is_right);
        pairs.insert("sign".to_owned(), sign);
        pairs
    }

    fn reply(&self, said: Said, is_right: bool) -> Response {
        let mut pairs = Pairs::from([("returnCode".to_owned(), "SUCCESS".to_owned())]);
        match said {
            Ok(content) => {
                pairs.insert("respCode".to_owned(), "SUCCESS".to_owned());
                pairs.insert("biz_content".to_owned(), content.to_string());
            }
            Err(code) => {
                pairs.insert("respCode".to_owned(), "FAIL".to_owned());
                pairs.insert("errCode".to_owned(), code.to_owned());
                pairs.insert("errDescription".to_owned(), "业务错误".to_owned());
            }
        }
        let body = json!(self.pairs(pairs, is_right)).to_string();
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }

    /// Does what is asked; the outer error names the rule that the request breaks.
    fn do_operation(&self, operation: &str, content: &Value) -> Result<Said, String> {
        if content["merId"] != self.settings.merchant.as_str() {
            return Err("`merId` is not the merchant's".to_owned());
        }
        let now = self.now();
        Ok(match operation {
            "onlinepay" | "qrcodeapply" | "zfbwap" => self.open_order(operation, content)?,
            "orderquery" => {
                let order = locked(&self.book).order(&number(content, "orderId")?, now);
                order.map(|order| self.order_content(&order)).ok_or(code(No::OrderUnknown))
            }
            "close" => {
                let no = number(content, "origOrderId")?;
                let closed = locked(&self.book).close(&no, now);
                closed.map(|()| json!({ "origOrderId": no, "closeState": "C" })).map_err(code)
            }
            "refund" => self.give_back(content)?,
            "refundquery" => {
                let no = number(content, "orderId")?;
                let book = locked(&self.book);
                book.refunds.get(&no).map(|refund| self.refund_content(refund)).ok_or(code(No::RefundUnknown))
            }
            "statementurl" => self.statement(content)?,
            _ => return Err("there is no such operation".to_owned()),
        })
    }

    fn open_order(&self, operation: &str, content: &Value) -> Result<Said, String> {
        let no = number(content, "orderId")?;
        if content["currencyCode"] != "156" {
            return Err("`currencyCode` is not 156".to_owned());
        }
        let payer = content["subOpenId"].as_str().unwrap_or_default();
        if content["tradeType"] == "JSAPI" && payer.is_empty() {
            return Err("`subOpenId` is missing".to_owned());
        }
        let now = self.now();
        let valid = match content["payValidTime"].as_str() {
            Some(secs) => Span::seconds(secs.parse().map_err(|_| "`payValidTime` is no number")?),
            None => OPEN,
        };
        let request = Request {
            speech: Speech::Cmb,
            no: no.clone(),
            fen: fen(content, "txnAmt")?,
            goods: text(content, "body")?,
            payer: payer.to_owned(),
            method: operation.to_owned(),
            notify_url: text(content, "notifyUrl")?,
            expires: now + valid,
        };
        let opened = {
            let mut book = locked(&self.book);
            // This bank takes a number once, whatever is asked with it.
            match book.order(&no, now).map(|order| order.standing) {
                Some(Standing::Paid) => Err(No::Paid),
                Some(_) => Err(No::NumberUsed),
                None => book.open(request, now),
            }
        };
        Ok(opened.map_err(code).map(|order| {
            self.board.accept(&no);
            let page = format!("{}/cashier/{no}", self.base);
            let mut answer = json!({ "merId": self.settings.merchant, "orderId": no });
            match operation {
                "zfbwap" => answer["payUrl"] = page.into(),
                "qrcodeapply" => answer["qrCode"] = page.into(),
                _ => {
                    let package = format!("prepay_id={}", order.prepay);
                    let data =
                        json!({ "appId": self.settings.app_id, "package": package, "signType": "RSA" });
                    answer["payData"] = data.to_string().into();
                }
            }
            answer
        }))
    }

    fn order_content(&self, order: &Order) -> Value {
        let mut content = json!({
            "merId": self.settings.merchant, "orderId": order.request.no,
            "txnAmt": order.request.fen.to_string(), "currencyCode": "156",
            "tradeState": if order.standing == Standing::Closed { "C" } else { "P" },
        });
        if let Some(payment) = order.payments.last() {
            let has_refunds = locked(&self.book).given_back(&order.request.no) > 0;
            content["tradeState"] = if has_refunds { "R" } else { "S" }.into();
            content["cmbOrderId"] = payment.trade_no.as_str().into();
            content["txnAmt"] = payment.fen.to_string().into();
            ended(&mut content, payment.at);
        }
        content
    }

    fn refund_content(&self, refund: &Refund) -> Value {
        let mut content = json!({
            "merId": self.settings.merchant, "orderId": refund.no, "origOrderId": refund.order,
            "cmbOrderId": refund.bank_no, "refundAmt": refund.fen.to_string(),
            "tradeState": match refund.ending {
                Ending::Pending => "P",
                Ending::Success => "S",
                Ending::Failed => "F",
            },
        });
        if refund.ending == Ending::Success {
            ended(&mut content, refund.at);
        }
        content
    }

    fn give_back(&self, content: &Value) -> Result<Said, String> {
        let fault = self.takes(&REFUNDS);
        if fault == Some(Mischief::RefundRefused) {
            return Ok(Err(code(No::Balance)));
        }
        let is_pending = fault == Some(Mischief::RefundPending);
        let asked = Refund {
            no: number(content, "orderId")?,
            order: number(content, "origOrderId")?,
            fen: fen(content, "refundAmt")?,
            ending: if is_pending { Ending::Pending } else { Ending::Success },
            bank_no: String::new(),
            notify_url: text(content, "notifyUrl")?,
            at: self.now(),
            asked: String::new(),
            reserved: String::new(),
        };
        let total = fen(content, "txnAmt")?;
        let taken = locked(&self.book).refund(asked, total);
        Ok(taken.map_err(code).map(|(refund, is_new)| {
            let mut answer = self.refund_content(&refund);
            if is_new {
                answer["tradeState"] = "P".into();
                let order = locked(&self.book).orders.get(&refund.order).cloned();
                if let (Some(order), false) = (order, is_pending) {
                    self.tell(Event::Refunded(order, refund));
                }
            }
            answer
        }))
    }

    fn statement(&self, content: &Value) -> Result<Said, String> {
        let day = text(content, "billDate")?;
        let dashed = day.get(..8).map(|day| format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]));
        let date = dashed.as_deref().and_then(read_day).ok_or("`billDate` is no day")?;
        if self.now().date() <= date {
            return Ok(Err("STATEMENT_NOT_EXIST"));
        }
        let (lines, is_tampered) = bill::lines(self, Speech::Cmb, date);
        let mut text = "type,orderId,refundId,cmbOrderId,time,amount,fee,state\r\n".to_owned();
        for line in &lines {
            let (kind, number) =
                if line.is_refund { ("REFUND", &line.refund_no) } else { ("PAY", &line.trade_no) };
            let (at, state) = (spaced(line.at), if line.is_refund { "P" } else { "S" });
            text.push_str(&format!(
                "{kind},{},{},{number},{at},{},{},{state}\r\n",
                line.order, line.refund, line.fen, line.fee
            ));
        }
        let sums = bill::sums(&lines);
        let ((paid, paid_fen), (given_back, back_fen)) = (sums.paid, sums.given_back);
        text.push_str(&format!("TOTAL,{paid},{paid_fen},{given_back},{back_fen},{}\r\n", sums.fees));
        let hash: String = Sm3::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        if is_tampered {
            text = text.replacen("PAY,", "PAy,", 1);
        }
        let token = locked(&self.book).number("bill", 24);
        locked(&self.files).insert(token.clone(), text.into_bytes());
        let url = format!("{}/polypay/statements/{token}", self.base);
        Ok(Ok(json!({ "fileDownloadUrl": url, "fileHash": hash })))
    }
}

/// When the money came or went.
fn ended(content: &mut Value, at: PrimitiveDateTime) {
    let digits = digits(at);
    let (day, hour) = digits.split_at(8);
    content["endDate"] = day.into();
    content["endTime"] = hour.into();
}

/// A notice: a form, signed as it is before it becomes one.
pub(super) fn notice(office: &Office, telling: &Telling, is_signed: bool) -> Post {
    let content = match &telling.event {
        Event::Paid(order) => {
            let mut content = office.order_content(order);
            content["tradeState"] = "S".into();
            content
        }
        Event::Refunded(_, refund) => office.refund_content(refund),
    };
    let pairs = Pairs::from([
        ("notifyId".to_owned(), telling.id.clone()),
        ("biz_content".to_owned(), content.to_string()),
    ]);
    let pairs = office.pairs(pairs, is_signed);
    let body = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    let body = body.collect::<Vec<_>>().join("&");
    Post { content_type: "application/x-www-form-urlencoded", headers: Vec::new(), body }
}

/// Whether the merchant says, signed, that it has taken a notice.
pub(super) fn is_taken(office: &Office, body: &str) -> bool {
    let Ok(pairs) = serde_json::from_str::<Pairs>(body) else { return false };
    let says = |name: &str| pairs.get(name).is_some_and(|value| value == "SUCCESS");
    let sign = pairs.get("sign").map(String::as_str).unwrap_or_default();
    says("returnCode") && says("respCode") && office.seal.is_merchants_sm2(&joined(&pairs), sign)
}

fn text(content: &Value, name: &str) -> Result<String, String> {
    let text = content[name].as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| format!("`{name}` is missing"))
}

fn number(content: &Value, name: &str) -> Result<String, String> {
    let number = text(content, name)?;
    let fits = number.len() <= 32 && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { Ok(number) } else { Err(format!("`{name}` is not at most 32 letters and digits")) }
}

fn fen(content: &Value, name: &str) -> Result<i64, String> {
    let fen = text(content, name)?.parse().ok().filter(|fen| *fen > 0);
    fen.ok_or_else(|| format!("`{name}` is not whole fen"))
}

//! The bank's end of the dialect `wechat` (section 12.1): strict about signature, merchant and members.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};
use sim_kit::dice::Dice;
use time::{Duration as Span, OffsetDateTime};
use tokio::time::sleep;

use super::bill;
use super::book::{Ending, No, Order, Refund, Request, Speech, Standing};
use super::clock::{read_day, read_zoned, zoned};
use super::mischief::{ANSWERS, Mischief, REFUNDS};
use super::notices::{Event, Post, Telling};
use super::{Office, locked};

mod members;
mod statement;

use members::{fen, number, only, text};

/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(3600);
/// An order without a time is open so long.
const OPEN: Span = Span::hours(2);

/// An answer before it is signed.
type Said = (StatusCode, Value);

pub(super) fn routes(office: Arc<Office>) -> Router {
    Router::new().route("/v3/{*path}", any(take)).with_state(office)
}

async fn take(
    State(office): State<Arc<Office>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    office.board.count(|report| report.received += 1);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Err(problem) = office.authorize(&method, path, authorization.unwrap_or_default(), &body) {
        office.board.reject(problem);
        return office.answer((StatusCode::UNAUTHORIZED, said("SIGN_ERROR", problem)), true);
    }
    if let Some(token) = path.strip_prefix("/v3/billdownload/file?token=") {
        let file = locked(&office.files).get(token).cloned();
        return file.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response);
    }
    let fault = office.takes(&ANSWERS);
    let answer = match office.serve(&method, path, &body) {
        Ok(answer) => answer,
        Err(problem) => {
            office.board.reject(&problem);
            (StatusCode::BAD_REQUEST, said("PARAM_ERROR", &problem))
        }
    };
    match fault {
        Some(Mischief::Slow) => sleep(Duration::from_secs_f64(office.settings.slow_secs)).await,
        Some(Mischief::Silent) => sleep(NEVER).await,
        Some(Mischief::SystemErrorOnce) => {
            let answer = (StatusCode::INTERNAL_SERVER_ERROR, said("SYSTEM_ERROR", "系统错误"));
            return office.answer(answer, true);
        }
        _ => {}
    }
    office.answer(answer, fault != Some(Mischief::WrongSignature))
}

fn said(code: &str, message: &str) -> Value {
    json!({ "code": code, "message": message })
}

fn refused(no: No) -> Said {
    let (status, code) = match no {
        No::OrderUnknown => (404, "ORDER_NOT_EXIST"),
        No::RefundUnknown => (404, "RESOURCE_NOT_EXISTS"),
        No::NumberUsed => (403, "OUT_TRADE_NO_USED"),
        No::Paid => (400, "ORDERPAID"),
        No::NotPaid | No::Closed | No::OtherTotal | No::Expired => (400, "INVALID_REQUEST"),
        No::TooMuch | No::Balance => (403, "NOT_ENOUGH"),
    };
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), said(code, "业务错误"))
}

impl Office {
    /// Whether the merchant has signed this request, now and for the first time.
    fn authorize(&self, method: &Method, path: &str, shown: &str, body: &[u8]) -> Result<(), &'static str> {
        let shown =
            shown.strip_prefix("WECHATPAY2-SHA256-RSA2048 ").ok_or("Authorization: expected the scheme")?;
        let part = |name: &str| {
            let parts = shown.split(',').filter_map(|part| part.trim().split_once("=\""));
            let found = parts.filter(|(found, _)| *found == name).map(|(_, value)| value).next();
            found.and_then(|value| value.strip_suffix('"')).ok_or("Authorization: a part is missing")
        };
        if part("mchid")? != self.settings.merchant || part("serial_no")? != self.settings.serial {
            return Err("Authorization: the merchant or certificate is not known");
        }
        let (timestamp, nonce) = (part("timestamp")?, part("nonce_str")?);
        let signed_at: i64 = timestamp.parse().map_err(|_| "Authorization: timestamp is no number")?;
        if OffsetDateTime::now_utc().unix_timestamp().abs_diff(signed_at) > 300 {
            return Err("Authorization: timestamp is not of now");
        }
        let head = format!("{method}\n{path}\n{timestamp}\n{nonce}\n");
        if !self.seal.is_merchants(&[head.as_bytes(), body, b"\n"].concat(), part("signature")?) {
            return Err("Authorization: the signature is wrong");
        }
        let is_new = locked(&self.nonces).insert(nonce.to_owned());
        if is_new { Ok(()) } else { Err("Authorization: the nonce was used before") }
    }

    /// Signs an answer.
    fn answer(&self, (status, body): Said, is_signed: bool) -> Response {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut answer = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in self.headers(&body, is_signed) {
            answer = answer.header(name, value);
        }
        answer.body(Body::from(body)).unwrap_or_default()
    }

    /// The headers that sign a body.
    fn headers(&self, body: &str, is_right: bool) -> Vec<(&'static str, String)> {
        let timestamp = OffsetDateTime::now_utc().unix_timestamp().to_string();
        let nonce = locked(&self.book).number("nonce", 32);
        let signature = self.seal.rsa(format!("{timestamp}\n{nonce}\n{body}\n").as_bytes(), is_right);
        vec![
            ("Wechatpay-Timestamp", timestamp),
            ("Wechatpay-Nonce", nonce),
            ("Wechatpay-Signature", signature),
            ("Wechatpay-Serial", self.settings.bank_name.clone()),
        ]
    }

    /// Does what is asked; an error names the rule that the request breaks.
    fn serve(&self, method: &Method, path: &str, body: &[u8]) -> Result<Said, String> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<&str> = path.trim_start_matches("/v3/").split('/').collect();
        let is_post = *method == Method::POST;
        let body: Value = match is_post {
            true => serde_json::from_slice(body).map_err(|_| "the body is no JSON".to_owned())?,
            false => Value::Null,
        };
        let now = self.now();
        match (is_post, parts.as_slice()) {
            (true, ["pay", "transactions", way @ ("jsapi" | "h5" | "native" | "app")]) => {
                self.open(way, &body)
            }
            (false, ["pay", "transactions", "out-trade-no", no]) => {
                if query != format!("mchid={}", self.settings.merchant) {
                    return Err("mchid: expected the merchant".to_owned());
                }
                let order = locked(&self.book).order(no, now);
                let Some(order) = order else { return Ok(refused(No::OrderUnknown)) };
                Ok((StatusCode::OK, self.transaction(&order)))
            }
            (true, ["pay", "transactions", "out-trade-no", no, "close"]) => {
                only(&body, &["mchid"])?;
                self.ours(&body, "mchid", &self.settings.merchant)?;
                let closed = locked(&self.book).close(no, now);
                Ok(closed.map_or_else(refused, |()| (StatusCode::NO_CONTENT, Value::Null)))
            }
            (true, ["refund", "domestic", "refunds"]) => self.refund(&body),
            (false, ["refund", "domestic", "refunds", no]) => {
                let book = locked(&self.book);
                let found =
                    book.refunds.get(*no).and_then(|refund| Some((refund, book.orders.get(&refund.order)?)));
                Ok(found.map_or_else(
                    || refused(No::RefundUnknown),
                    |(refund, order)| (StatusCode::OK, refund_body(refund, order, "status")),
                ))
            }
            (false, ["bill", "tradebill"]) => self.bill(query),
            _ => Err("there is no such operation".to_owned()),
        }
    }

    fn ours(&self, body: &Value, name: &str, value: &str) -> Result<(), String> {
        if body[name] == value { Ok(()) } else { Err(format!("`{name}` is not the merchant's")) }
    }

    fn open(&self, way: &str, body: &Value) -> Result<Said, String> {
        only(
            body,
            &[
                "appid",
                "mchid",
                "description",
                "out_trade_no",
                "time_expire",
                "attach",
                "notify_url",
                "amount",
                "payer",
                "scene_info",
            ],
        )?;
        self.ours(body, "mchid", &self.settings.merchant)?;
        self.ours(body, "appid", &self.settings.app_id)?;
        let no = number(body, "out_trade_no")?;
        let payer = body["payer"]["openid"].as_str().unwrap_or_default();
        if way == "jsapi" && payer.is_empty() {
            return Err("`payer.openid` is missing".to_owned());
        }
        if way == "h5" && body["scene_info"]["payer_client_ip"].as_str().is_none() {
            return Err("`scene_info.payer_client_ip` is missing".to_owned());
        }
        let now = self.now();
        let expires = match body["time_expire"].as_str() {
            Some(text) => read_zoned(text).ok_or("`time_expire` is no time of Beijing")?,
            None => now + OPEN,
        };
        let request = Request {
            speech: Speech::Wechat,
            no: no.clone(),
            fen: fen(&body["amount"], "total")?,
            goods: text(body, "description")?,
            payer: payer.to_owned(),
            method: way.to_owned(),
            notify_url: text(body, "notify_url")?,
            expires,
        };
        let opened = locked(&self.book).open(request, now);
        Ok(opened.map_or_else(refused, |order| {
            self.board.accept(&no);
            let page = format!("{}/cashier/{no}", self.base);
            let answer = match way {
                "h5" => json!({ "h5_url": page }),
                "native" => json!({ "code_url": page }),
                _ => json!({ "prepay_id": order.prepay }),
            };
            (StatusCode::OK, answer)
        }))
    }

    fn transaction(&self, order: &Order) -> Value {
        let settings = &self.settings;
        let mut body = json!({
            "appid": settings.app_id, "mchid": settings.merchant, "out_trade_no": order.request.no,
            "trade_state": "NOTPAY", "trade_state_desc": "订单未支付",
            "amount": { "total": order.request.fen, "currency": "CNY" },
        });
        if order.standing == Standing::Closed {
            body["trade_state"] = "CLOSED".into();
        }
        if let Some(payment) = order.payments.last() {
            let has_refunds = locked(&self.book).given_back(&order.request.no) > 0;
            body["trade_state"] = if has_refunds { "REFUND" } else { "SUCCESS" }.into();
            body["trade_type"] = order.request.method.to_ascii_uppercase().into();
            body["bank_type"] = "CMC_DEBIT".into();
            body["transaction_id"] = payment.trade_no.as_str().into();
            body["success_time"] = zoned(payment.at).into();
            body["payer"] = json!({ "openid": order.request.payer });
            body["amount"]["total"] = payment.fen.into();
            body["amount"]["payer_total"] = payment.fen.into();
        }
        body
    }

    fn refund(&self, body: &Value) -> Result<Said, String> {
        only(body, &["out_trade_no", "out_refund_no", "reason", "notify_url", "amount"])?;
        if body["amount"]["currency"] != "CNY" {
            return Err("`amount.currency` is not CNY".to_owned());
        }
        let fault = self.takes(&REFUNDS);
        if fault == Some(Mischief::RefundRefused) {
            return Ok(refused(No::Balance));
        }
        let is_pending = fault == Some(Mischief::RefundPending);
        let asked = Refund {
            no: number(body, "out_refund_no")?,
            order: number(body, "out_trade_no")?,
            fen: fen(&body["amount"], "refund")?,
            ending: if is_pending { Ending::Pending } else { Ending::Success },
            bank_no: String::new(),
            notify_url: text(body, "notify_url")?,
            at: self.now(),
            asked: String::new(),
            reserved: String::new(),
        };
        let total = fen(&body["amount"], "total")?;
        let taken = {
            let mut book = locked(&self.book);
            let taken = book.refund(asked, total);
            taken.and_then(|(refund, is_new)| {
                let order = book.orders.get(&refund.order).cloned().ok_or(No::OrderUnknown)?;
                Ok((refund, order, is_new))
            })
        };
        Ok(taken.map_or_else(refused, |(refund, order, is_new)| {
            let mut answer = refund_body(&refund, &order, "status");
            if is_new {
                // How it ends is not known at once: the notice or a query tells.
                answer["status"] = "PROCESSING".into();
                if !is_pending {
                    self.tell(Event::Refunded(order, refund));
                }
            }
            (StatusCode::OK, answer)
        }))
    }

    fn bill(&self, query: &str) -> Result<Said, String> {
        let part = |name: &str| {
            query
                .split('&')
                .filter_map(|part| part.split_once('='))
                .find(|(found, _)| *found == name)
                .map(|part| part.1)
        };
        let date = part("bill_date").and_then(read_day).ok_or("`bill_date` is no day")?;
        if part("bill_type") != Some("ALL") || part("tar_type") != Some("GZIP") {
            return Err("`bill_type` or `tar_type` is not what is given".to_owned());
        }
        if self.now().date() <= date {
            return Ok((StatusCode::BAD_REQUEST, said("NO_STATEMENT_EXIST", "账单文件不存在")));
        }
        let (lines, is_tampered) = bill::lines(self, Speech::Wechat, date);
        let mut text = statement::csv(&self.settings.merchant, &self.settings.app_id, &lines);
        let hash: String = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes())
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if is_tampered {
            text = text.replacen("`SUCCESS", "`SUCCESs", 1);
        }
        let token = locked(&self.book).number("bill", 24);
        locked(&self.files).insert(token.clone(), statement::gzip(text.as_bytes()));
        let url = format!("{}/v3/billdownload/file?token={token}", self.base);
        Ok((StatusCode::OK, json!({ "hash_type": "SHA1", "hash_value": hash, "download_url": url })))
    }
}

fn refund_body(refund: &Refund, order: &Order, state: &str) -> Value {
    let payment = order.payments.first();
    let mut body = json!({
        "refund_id": refund.bank_no, "out_refund_no": refund.no, "out_trade_no": refund.order,
        "transaction_id": payment.map(|payment| payment.trade_no.as_str()), "channel": "ORIGINAL",
        "amount": { "total": order.request.fen, "refund": refund.fen, "currency": "CNY" },
    });
    body[state] = match refund.ending {
        Ending::Pending => "PROCESSING",
        Ending::Success => "SUCCESS",
        Ending::Failed => "ABNORMAL",
    }
    .into();
    if refund.ending == Ending::Success {
        body["success_time"] = zoned(refund.at).into();
    }
    body
}

/// A notice, signed now.
pub(super) fn notice(office: &Office, telling: &Telling, is_signed: bool) -> Post {
    let (event, original, content) = match &telling.event {
        Event::Paid(order) => {
            let mut content = office.transaction(order);
            content["trade_state"] = "SUCCESS".into();
            ("TRANSACTION.SUCCESS", "transaction", content)
        }
        Event::Refunded(order, refund) => {
            let mut content = refund_body(refund, order, "refund_status");
            content["mchid"] = office.settings.merchant.as_str().into();
            let event = if refund.ending == Ending::Success { "REFUND.SUCCESS" } else { "REFUND.ABNORMAL" };
            (event, "refund", content)
        }
    };
    // The same for every try of a notice: the same content is sealed with the same nonce.
    let nonce = Dice::new(office.settings.seed, &telling.id, 0).digits(12);
    let sealed = office.seal.seal(&content.to_string(), &nonce, original);
    let body = json!({
        "id": telling.id, "create_time": zoned(office.now()), "resource_type": "encrypt-resource", "event_type": event,
        "summary": event,
        "resource": {
            "algorithm": "AEAD_AES_256_GCM", "original_type": original, "ciphertext": sealed, "nonce": nonce,
            "associated_data": original,
        },
    })
    .to_string();
    Post { content_type: "application/json", headers: office.headers(&body, is_signed), body }
}

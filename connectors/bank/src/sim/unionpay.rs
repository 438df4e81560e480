//! The bank's end of the dialect `unionpay` (section 12.2): forms, signed by their hash; a certificate with each answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};
use time::{Date, Duration as Span, Month, PrimitiveDateTime};
use tokio::time::sleep;

use super::bill;
use super::book::{Ending, No, Order, Refund, Request, Speech, Standing};
use super::clock::{digits, read_digits};
use super::mischief::{ANSWERS, Mischief, REFUNDS};
use super::notices::{Event, Post, Telling, encoded};
use super::seal::keys;
use super::{Office, locked};

mod statement;

/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(3600);
/// An order without a time is open so long.
const OPEN: Span = Span::hours(2);

type Pairs = BTreeMap<String, String>;
/// What a transaction comes to: more pairs, or a `respCode`.
type Said = Result<Vec<(&'static str, String)>, &'static str>;

pub(super) fn routes(office: Arc<Office>) -> Router {
    Router::new().route("/gateway/api/{operation}", post(take)).route("/", post(take_file)).with_state(office)
}

async fn take_file(office: State<Arc<Office>>, body: Bytes) -> Response {
    take(office, Path("file".to_owned()), body).await
}

async fn take(State(office): State<Arc<Office>>, Path(operation): Path<String>, body: Bytes) -> Response {
    office.board.count(|report| report.received += 1);
    let pairs = read(&body);
    if let Err(problem) = office.is_merchants(&pairs) {
        office.board.reject(problem);
        return office.reply_union(&pairs, Err("11"), true);
    }
    let fault = office.takes(&ANSWERS);
    let said = office.transact(&operation, &pairs).unwrap_or_else(|problem| {
        office.board.reject(&problem);
        Err("10")
    });
    if operation == "frontTransReq.do" && said.is_ok() {
        return Redirect::to(&format!("/cashier/{}", value(&pairs, "orderId"))).into_response();
    }
    match fault {
        Some(Mischief::Slow) => sleep(Duration::from_secs_f64(office.settings.slow_secs)).await,
        Some(Mischief::Silent) => sleep(NEVER).await,
        Some(Mischief::SystemErrorOnce) => return office.reply_union(&pairs, Err("04"), true),
        _ => {}
    }
    office.reply_union(&pairs, said, fault != Some(Mischief::WrongSignature))
}

/// Reads a form; of what is none nothing is left that could be signed.
fn read(body: &[u8]) -> Pairs {
    let plain = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs =
        std::str::from_utf8(body).unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (plain(name), plain(value))).collect()
}

fn value<'a>(pairs: &'a Pairs, name: &str) -> &'a str {
    pairs.get(name).map_or("", String::as_str)
}

/// The hexadecimal digits of the hash over the sorted pairs.
fn hash(pairs: &Pairs) -> String {
    let signed = pairs.iter().filter(|(name, value)| *name != "signature" && !value.is_empty());
    let text = signed.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn code(no: No) -> &'static str {
    match no {
        No::OrderUnknown | No::RefundUnknown => "34",
        No::NumberUsed | No::Paid => "12",
        No::NotPaid | No::Closed => "39",
        No::Expired => "36",
        No::TooMuch | No::Balance => "64",
        No::OtherTotal => "61",
    }
}

impl Office {
    fn is_merchants(&self, pairs: &Pairs) -> Result<(), &'static str> {
        for (name, wanted) in
            [("version", "5.1.0"), ("signMethod", "01"), ("encoding", "UTF-8"), ("accessType", "0")]
        {
            if value(pairs, name) != wanted {
                return Err("`version`, `signMethod`, `encoding` or `accessType` is not what is spoken here");
            }
        }
        if value(pairs, "merId") != self.settings.merchant || value(pairs, "certId") != self.settings.serial {
            return Err("the merchant or certificate is not known");
        }
        let is_signed = self.seal.is_merchants(hash(pairs).as_bytes(), value(pairs, "signature"));
        if is_signed { Ok(()) } else { Err("`signature` is wrong") }
    }

    /// Signs pairs of the bank.
    fn sign_union(&self, mut pairs: Pairs, is_right: bool) -> Pairs {
        pairs.insert("signPubKeyCert".to_owned(), keys::BANK_CERTIFICATE.to_owned());
        pairs.insert("signMethod".to_owned(), "01".to_owned());
        let signature = self.seal.rsa(hash(&pairs).as_bytes(), is_right);
        pairs.insert("signature".to_owned(), signature);
        pairs
    }

    /// An answer: the pairs of the request that name it, and what came of it. Nothing is escaped.
    fn reply_union(&self, asked: &Pairs, said: Said, is_right: bool) -> Response {
        let named = [
            "version",
            "encoding",
            "merId",
            "orderId",
            "txnTime",
            "txnType",
            "txnSubType",
            "bizType",
            "accessType",
        ];
        let mut pairs: Pairs =
            named.iter().map(|name| ((*name).to_owned(), value(asked, name).to_owned())).collect();
        match said {
            Ok(more) => {
                pairs.insert("respCode".to_owned(), "00".to_owned());
                pairs.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
            }
            Err(code) => {
                pairs.insert("respCode".to_owned(), code.to_owned());
                pairs.insert("respMsg".to_owned(), format!("业务错误[{code}]"));
            }
        }
        let pairs = self.sign_union(pairs, is_right);
        let text = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        (StatusCode::OK, text.join("&")).into_response()
    }

    /// Does what is asked; the outer error names the rule that the request breaks.
    fn transact(&self, operation: &str, pairs: &Pairs) -> Result<Said, String> {
        let kind = (operation, value(pairs, "txnType"), value(pairs, "txnSubType"));
        Ok(match kind {
            ("frontTransReq.do" | "appTransReq.do", "01", "01") => self.open_union(pairs)?,
            ("queryTrans.do", "00", "00") => self.query_union(pairs),
            ("backTransReq.do", "04", "00") => self.refund_union(pairs)?,
            ("file", "76", "01") => self.file_union(pairs)?,
            _ => return Err("there is no such transaction".to_owned()),
        })
    }

    fn open_union(&self, pairs: &Pairs) -> Result<Said, String> {
        let now = self.now();
        if value(pairs, "currencyCode") != "156" {
            return Err("`currencyCode` is not 156".to_owned());
        }
        let expires = match value(pairs, "payTimeout") {
            "" => now + OPEN,
            until => read_digits(until).ok_or("`payTimeout` is no time")?,
        };
        let request = Request {
            speech: Speech::Unionpay,
            no: number(pairs)?,
            fen: fen(pairs)?,
            goods: "银联在线支付".to_owned(),
            payer: String::new(),
            method: value(pairs, "txnTime").to_owned(),
            notify_url: value(pairs, "backUrl").to_owned(),
            expires,
        };
        let opened = locked(&self.book).open(request, now);
        Ok(opened.map_err(code).map(|order| {
            self.board.accept(&order.request.no);
            vec![("tn", order.prepay)]
        }))
    }

    /// A transaction has merchant, number and time as its name: with another time it is not known.
    fn query_union(&self, pairs: &Pairs) -> Said {
        let (no, time) = (value(pairs, "orderId"), value(pairs, "txnTime"));
        let now = self.now();
        let order = locked(&self.book).order(no, now).filter(|order| order.request.method == time);
        if let Some(order) = order {
            return Ok(match order.payments.last() {
                Some(_) => paid(&order, "origRespCode"),
                // Nobody has tried to pay: the bank knows of no transaction, until its time is over.
                None if order.standing == Standing::Open => return Err(code(No::OrderUnknown)),
                None => vec![("origRespCode", "77".to_owned())],
            });
        }
        let refund = locked(&self.book).refunds.get(no).cloned();
        let refund = refund.filter(|refund| refund.asked == time).ok_or(code(No::RefundUnknown))?;
        Ok(given_back(&refund, "origRespCode"))
    }

    fn refund_union(&self, pairs: &Pairs) -> Result<Said, String> {
        let fault = self.takes(&REFUNDS);
        if fault == Some(Mischief::RefundRefused) {
            return Ok(Err(code(No::Balance)));
        }
        let is_pending = fault == Some(Mischief::RefundPending);
        let paid_by = value(pairs, "origQryId");
        let taken = {
            let mut book = locked(&self.book);
            let is_it = |order: &&Order| order.payments.iter().any(|payment| payment.trade_no == paid_by);
            let Some(order) = book.orders.values().find(is_it).cloned() else {
                return Ok(Err(code(No::OrderUnknown)));
            };
            let asked = Refund {
                no: number(pairs)?,
                order: order.request.no.clone(),
                fen: fen(pairs)?,
                ending: if is_pending { Ending::Pending } else { Ending::Success },
                bank_no: String::new(),
                notify_url: value(pairs, "backUrl").to_owned(),
                at: self.now(),
                asked: value(pairs, "txnTime").to_owned(),
                reserved: value(pairs, "reqReserved").to_owned(),
            };
            book.refund(asked, order.request.fen).map(|(refund, is_new)| (order, refund, is_new))
        };
        Ok(match taken {
            Err(no) => Err(code(no)),
            // This bank takes a number once, whatever is asked with it.
            Ok((_, _, false)) => Err(code(No::NumberUsed)),
            Ok((order, refund, true)) => {
                let more = vec![("queryId", refund.bank_no.clone()), ("txnAmt", refund.fen.to_string())];
                if !is_pending {
                    self.tell(Event::Refunded(order, refund));
                }
                Ok(more)
            }
        })
    }

    fn file_union(&self, pairs: &Pairs) -> Result<Said, String> {
        let now = self.now();
        let date = day(value(pairs, "settleDate"), now).ok_or("`settleDate` is no day")?;
        if now.date() <= date {
            return Ok(Err("98"));
        }
        let (lines, is_tampered) = bill::lines(self, Speech::Unionpay, date);
        let content = statement::content(&self.settings.merchant, date, &lines, is_tampered);
        Ok(Ok(vec![("fileContent", content)]))
    }
}

/// The last such day before now: the request has no year.
fn day(month_and_day: &str, now: PrimitiveDateTime) -> Option<Date> {
    let month = Month::try_from(month_and_day.get(..2)?.parse::<u8>().ok()?).ok()?;
    let of = |year| Date::from_calendar_date(year, month, month_and_day.get(2..)?.parse().ok()?).ok();
    of(now.year()).filter(|date| *date <= now.date()).or_else(|| of(now.year() - 1))
}

/// What is told of a payment.
fn paid(order: &Order, outcome: &'static str) -> Vec<(&'static str, String)> {
    let Some(payment) = order.payments.last() else { return Vec::new() };
    vec![
        (outcome, "00".to_owned()),
        ("queryId", payment.trade_no.clone()),
        ("txnAmt", payment.fen.to_string()),
        ("currencyCode", "156".to_owned()),
        ("traceTime", digits(payment.at)[4..].to_owned()),
    ]
}

/// What is told of a refund.
fn given_back(refund: &Refund, outcome: &'static str) -> Vec<(&'static str, String)> {
    let ended = match refund.ending {
        Ending::Pending => "05",
        Ending::Success => "00",
        Ending::Failed => "64",
    };
    vec![
        (outcome, ended.to_owned()),
        ("queryId", refund.bank_no.clone()),
        ("txnAmt", refund.fen.to_string()),
        ("currencyCode", "156".to_owned()),
        ("traceTime", digits(refund.at)[4..].to_owned()),
        ("reqReserved", refund.reserved.clone()),
    ]
}

/// A notice: a form.
pub(super) fn notice(office: &Office, telling: &Telling, is_signed: bool) -> Post {
    let (kind, no, time, more) = match &telling.event {
        Event::Paid(order) => ("01", &order.request.no, &order.request.method, paid(order, "respCode")),
        Event::Refunded(_, refund) => ("04", &refund.no, &refund.asked, given_back(refund, "respCode")),
    };
    let own = [
        ("version", "5.1.0"),
        ("encoding", "UTF-8"),
        ("merId", &office.settings.merchant),
        ("txnType", kind),
        ("orderId", no),
        ("txnTime", time),
    ];
    let mut pairs: Pairs =
        own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    pairs.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let pairs = office.sign_union(pairs, is_signed);
    let body = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    let body = body.collect::<Vec<_>>().join("&");
    Post { content_type: "application/x-www-form-urlencoded", headers: Vec::new(), body }
}

fn number(pairs: &Pairs) -> Result<String, String> {
    let number = value(pairs, "orderId");
    let fits = (8..=40).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { Ok(number.to_owned()) } else { Err("`orderId` is not 8 to 40 letters and digits".to_owned()) }
}

fn fen(pairs: &Pairs) -> Result<i64, String> {
    let fen = value(pairs, "txnAmt").parse().ok().filter(|fen| *fen > 0);
    fen.ok_or_else(|| "`txnAmt` is not whole fen".to_owned())
}

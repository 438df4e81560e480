//! Notices: each goes to the merchant until it is taken, up the bank's ladder; and what goes wrong with them by order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Office;
use super::book::{Order, Refund, Speech};
use super::mischief::{Mischief, NOTICES};
use super::{cmb, unionpay, wechat};

/// How long the bank waits for an answer.
const ANSWER: Duration = Duration::from_secs(5);
const LONGEST_ANSWER: u64 = 64 * 1024;

/// What the merchant is told of.
#[derive(Clone)]
pub(super) enum Event {
    /// The last payment of an order.
    Paid(Order),
    /// How a refund has ended.
    Refunded(Order, Refund),
}

/// An event and the number of its notice.
#[derive(Clone)]
pub(super) struct Telling {
    pub(super) id: String,
    pub(super) event: Event,
}

/// A notice on its way: what is posted, anew signed at each try.
pub(super) struct Post {
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Office {
    /// Tells the merchant of something, soon.
    pub(super) fn tell(&self, event: Event) {
        let id = super::locked(&self.book).number("notice", 32);
        // Nobody hears it only when the bank is being stopped.
        let _stopped = self.telling.send(Telling { id, event });
    }
}

/// Sends what is to be told, each beside the others, until it is ended.
pub(super) async fn run(office: Arc<Office>, mut told: mpsc::UnboundedReceiver<Telling>) {
    // Dropping the set ends its tasks.
    let mut climbing = JoinSet::new();
    loop {
        tokio::select! {
            next = told.recv() => {
                let Some(telling) = next else { return };
                climbing.spawn(climb(Arc::clone(&office), telling));
            }
            Some(_) = climbing.join_next() => {}
        }
    }
}

async fn climb(office: Arc<Office>, mut telling: Telling) {
    let fault = office.takes(&NOTICES);
    match fault {
        Some(Mischief::NoNotice) => return,
        Some(Mischief::NoticeLate) => sleep(Duration::from_secs_f64(office.settings.slow_secs)).await,
        Some(Mischief::NoticeForged) => drop(send(&office, &telling, false).await),
        Some(Mischief::NoticeWrongAmount) => match &mut telling.event {
            Event::Paid(order) => {
                for payment in &mut order.payments {
                    payment.fen += 1;
                }
            }
            Event::Refunded(_, refund) => refund.fen += 1,
        },
        _ => {}
    }
    office.board.count(|report| report.sent += 1);
    let mut waits = office.settings.ladder_secs.iter();
    while !send(&office, &telling, true).await {
        let Some(wait) = waits.next() else {
            office.board.count(|report| report.unanswered += 1);
            return;
        };
        sleep(Duration::from_secs_f64((wait / office.settings.ladder_speed).max(0.01))).await;
        office.board.count(|report| report.resent += 1);
    }
    office.board.count(|report| report.acked += 1);
    if fault == Some(Mischief::NoticeTwice) {
        send(&office, &telling, true).await;
    }
}

/// Sends a notice once; whether it was taken.
async fn send(office: &Office, telling: &Telling, is_signed: bool) -> bool {
    let (order, url) = match &telling.event {
        Event::Paid(order) => (order, &order.request.notify_url),
        Event::Refunded(order, refund) => (order, &refund.notify_url),
    };
    let speech = order.request.speech;
    let notice = match speech {
        Speech::Wechat => wechat::notice(office, telling, is_signed),
        Speech::Cmb => cmb::notice(office, telling, is_signed),
        Speech::Unionpay => unionpay::notice(office, telling, is_signed),
    };
    let Ok(Ok((status, body))) = timeout(ANSWER, post(url, &notice)).await else {
        tracing::debug!("A notice of the simulated bank was not answered.");
        return false;
    };
    let is_taken = match speech {
        Speech::Wechat => matches!(status, 200 | 204),
        Speech::Unionpay => status == 200,
        Speech::Cmb => status == 200 && cmb::is_taken(office, &body),
    };
    match (is_signed, is_taken) {
        (true, false) => office.board.count(|report| report.nacked += 1),
        (false, true) => office.board.reject("a notice was taken that the bank has not signed"),
        _ => {}
    }
    is_taken
}

/// `POST` by HTTP/1.0, which ends an answer with its connection.
async fn post(url: &str, notice: &Post) -> io::Result<(u16, String)> {
    let wrong = |what: &'static str| io::Error::new(io::ErrorKind::InvalidInput, what);
    let rest = url.strip_prefix("http://").ok_or_else(|| wrong("the notify_url is no `http://` address"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).await?;
    let mut head = format!(
        "POST /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n",
        notice.content_type,
        notice.body.len()
    );
    for (name, value) in &notice.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{}", notice.body).as_bytes()).await?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer).await?;
    let (head, body) =
        answer.split_once("\r\n\r\n").ok_or_else(|| wrong("the answer has no end of its head"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(|| wrong("the answer has no status"))?, body.to_owned()))
}

/// A value of a form: `%E8%AF%8A`.
pub(super) fn encoded(text: &str) -> String {
    let of = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(of).collect()
}

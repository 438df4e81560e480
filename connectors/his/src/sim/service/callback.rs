//! Pushes: events go to the hub in their order, each again and again until it is acknowledged.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::Reception;
use super::clock::stamped;
use super::element::{Element, leaf, node, written};
use super::envelope::Hash;
use super::memory::Event;
use super::soap;

/// How long an acknowledgement is waited for.
const ANSWER: Duration = Duration::from_secs(10);
const LONGEST_ANSWER: u64 = 1024 * 1024;

/// In what a push is wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wrapping {
    /// The profile's envelope alone.
    #[default]
    Plain,
    /// The profile's envelope as an argument of `Invoke` in SOAP 1.1.
    Soap,
}

/// Pushes what there is and what comes, until the task is ended.
pub(super) async fn run(reception: Arc<Reception>, url: String) {
    let mut changed = reception.changed.subscribe();
    let mut tries = 0;
    loop {
        let next = reception.hospital().next_push();
        let Some(event) = next else {
            if changed.changed().await.is_err() {
                return;
            }
            continue;
        };
        let times = if reception.orders().take_duplicate_push() { 2 } else { 1 };
        let mut is_acknowledged = false;
        for _ in 0..times {
            reception.board.count(|report| match tries {
                0 => report.sent += 1,
                _ => report.resent += 1,
            });
            is_acknowledged |= push(&reception, &url, &event).await;
        }
        if is_acknowledged {
            tries = 0;
            reception.board.count(|report| report.acked += 1);
            reception.change(|hospital| hospital.memory.acknowledged += 1);
            continue;
        }
        let ladder = &reception.settings.retry_secs;
        let wait = ladder.get(tries).or(ladder.last()).copied().unwrap_or(1.0);
        tries += 1;
        sleep(Duration::from_secs_f64(wait.max(0.01))).await;
    }
}

/// Sends an event once; whether the hub has said that it has it.
async fn push(reception: &Reception, url: &str, event: &Event) -> bool {
    let settings = &reception.settings;
    let time = stamped(event.at);
    let inner = written(&event.body);
    // The same number however often it is sent, also after a restart: 32 hexadecimal digits.
    let seq = Hash::Md5.of(format!("{}|{}|{time}", settings.seed, event.id).as_bytes());
    let head = node(
        "Head",
        vec![
            leaf("TransCode", &event.trans_code),
            leaf("TransSeq", &seq),
            leaf("AppId", &settings.app_id),
            leaf("OrgCode", &settings.org_code),
            leaf("OperatorId", "HIS"),
            leaf("ReqTime", &time),
            leaf("Sign", reception.seal.sign(&event.trans_code, &seq, &time, &inner)),
        ],
    );
    let request = format!("<Request>{}<Body>{inner}</Body></Request>", written(&[head]));
    let text = match settings.callback_style {
        Wrapping::Plain => request,
        Wrapping::Soap => soap::call(&settings.namespace, &event.trans_code, &request),
    };
    let content_type = format!("text/xml; charset={}", settings.charset.name());
    let answered = timeout(ANSWER, post(url, &content_type, &settings.charset.encode(&text))).await;
    let Ok(Ok(body)) = answered else {
        tracing::debug!("A push of the simulated HIS was not answered.");
        return false;
    };
    let text = settings.charset.decode(&body).unwrap_or_default();
    let text = match settings.callback_style {
        Wrapping::Plain => text,
        Wrapping::Soap => soap::result_of(&text).unwrap_or_default(),
    };
    let response = Element::read(&text).unwrap_or_default();
    let head = response.child("Head").cloned().unwrap_or_default();
    let is_acknowledged = head.get("ResultCode") == "0" && head.get("TransSeq") == seq;
    if !is_acknowledged {
        reception.board.reject("callback: expected a Response with the push's TransSeq and ResultCode 0");
    }
    is_acknowledged
}

/// `POST` by HTTP/1.0, which ends an answer with its connection; an error for any status but 200.
async fn post(url: &str, content_type: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let wrong = |what: &'static str| io::Error::new(io::ErrorKind::InvalidInput, what);
    let rest = url.strip_prefix("http://").ok_or_else(|| wrong("the callback is no `http://` address"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).await?;
    let head = format!(
        "POST /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: {content_type}\r\nSOAPAction: \"\"\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or_else(|| wrong("the answer has no end of its head"))?;
    let is_ok = answer.split(|byte| *byte == b' ').nth(1).is_some_and(|status| status == b"200");
    if is_ok { Ok(answer.split_off(end + 4)) } else { Err(wrong("the answer is not 200")) }
}

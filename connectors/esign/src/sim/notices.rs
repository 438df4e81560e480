//! Notices (ES08): each goes to the hospital until it is taken, up the service's ladder; and what goes wrong with them by order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::book::Task;
use super::mischief::{Mischief, NOTICES};
use super::{Office, locked};

/// How long the service waits for an answer.
const ANSWER: Duration = Duration::from_secs(5);
const LONGEST_ANSWER: u64 = 64 * 1024;

impl Office {
    /// Tells the hospital how a task has ended, soon.
    pub(super) fn tell(&self, task: &Task) {
        // Nobody hears it only when the service is being stopped.
        let _stopped = self.telling.send(task.clone());
    }
}

/// Sends what is to be told, each beside the others, until it is ended.
pub(super) async fn run(office: Arc<Office>, mut told: mpsc::UnboundedReceiver<Task>) {
    // Dropping the set ends its tasks.
    let mut climbing = JoinSet::new();
    loop {
        tokio::select! {
            next = told.recv() => {
                let Some(task) = next else { return };
                climbing.spawn(climb(Arc::clone(&office), task));
            }
            Some(_) = climbing.join_next() => {}
        }
    }
}

async fn climb(office: Arc<Office>, task: Task) {
    if office.settings.notify_url.is_empty() {
        return;
    }
    let evidence = task.evidence.as_ref();
    let body = json!({
        "taskId": task.task_id, "bizId": task.biz_id, "status": task.standing,
        "evidenceNo": evidence.map(|evidence| &evidence.evidence_no),
        "signedAt": evidence.map(|evidence| &evidence.signed_at),
    });
    let fault = office.takes(&NOTICES);
    match fault {
        Some(Mischief::NoNotice) => return,
        Some(Mischief::NoticeLate) => sleep(Duration::from_secs_f64(office.settings.slow_secs)).await,
        Some(Mischief::NoticeForged) => drop(send(&office, &body, false).await),
        _ => {}
    }
    office.board.count(|report| report.sent += 1);
    let mut waits = office.settings.ladder_secs.iter();
    while !send(&office, &body, true).await {
        let Some(wait) = waits.next() else {
            office.board.count(|report| report.unanswered += 1);
            return;
        };
        sleep(Duration::from_secs_f64((wait / office.settings.ladder_speed).max(0.01))).await;
        office.board.count(|report| report.resent += 1);
    }
    office.board.count(|report| report.acked += 1);
    if fault == Some(Mischief::NoticeTwice) {
        send(&office, &body, true).await;
    }
}

/// Sends a notice once; whether it was taken, by an answer that the hospital has signed.
async fn send(office: &Office, body: &Value, is_signed: bool) -> bool {
    let Ok(Ok(answer)) = timeout(ANSWER, post(office, &body.to_string(), is_signed)).await else {
        tracing::debug!("A notice of the simulated signing service was not answered.");
        return false;
    };
    match (is_signed, answer) {
        (true, false) => office.board.count(|report| report.nacked += 1),
        (false, true) => office.board.reject("a notice was taken that the service has not signed"),
        _ => {}
    }
    answer
}

/// `POST` by HTTP/1.0, which ends an answer with its connection.
async fn post(office: &Office, body: &str, is_signed: bool) -> io::Result<bool> {
    let wrong = |what: &'static str| io::Error::new(io::ErrorKind::InvalidInput, what);
    let url = office.settings.notify_url.strip_prefix("http://");
    let (host, path) =
        url.and_then(|url| url.split_once('/')).ok_or_else(|| wrong("no `http://` address"))?;
    let target = format!("/{path}");
    let nonce = format!("{:0>32}", locked(&office.book).number("N"));
    let mut head = format!("POST {target} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n");
    let headers = locked(&office.seal).headers(("POST", &target), body.as_bytes(), &nonce, is_signed);
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer).await?;
    let (head, body) =
        answer.split_once("\r\n\r\n").ok_or_else(|| wrong("the answer has no end of its head"))?;
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let is_hospitals = locked(&office.seal).is_hospitals(&target, header, &nonce, body.as_bytes());
    if is_signed && !is_hospitals {
        return Ok(false);
    }
    let code = serde_json::from_str::<Value>(body).ok().map(|answer| answer["code"] == "0");
    Ok(code == Some(true))
}

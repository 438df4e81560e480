//! Reports: each goes to the hospital until it is taken, up the gateway's ladder; and what goes wrong with them by order.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sim_kit::post::post;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::clock::spaced;
use super::super::mischief::{Mischief, RECEIPTS};
use super::super::office::locked;
use super::{House, Sent, Speech, acs3, tc3};

/// How long the gateway waits for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Sends what is to be reported, each beside the others, until it is ended.
pub(super) async fn run(house: Arc<House>, mut told: mpsc::UnboundedReceiver<(Speech, Sent)>) {
    // Dropping the set ends its tasks.
    let mut climbing = JoinSet::new();
    loop {
        tokio::select! {
            next = told.recv() => {
                let Some((speech, sent)) = next else { return };
                climbing.spawn(climb(Arc::clone(&house), speech, sent));
            }
            Some(_) = climbing.join_next() => {}
        }
    }
}

async fn climb(house: Arc<House>, speech: Speech, sent: Sent) {
    sleep(Duration::from_secs_f64(house.settings.way_secs.max(0.0))).await;
    let fault = house.office.takes(&RECEIPTS).map(|order| order.name);
    let failure = match fault {
        Some(Mischief::FailedReceipt) => Some("UNDELIV"),
        _ if house.office.is_declined(&sent.to) => Some("MOBILE_IN_BLACK"),
        _ => None,
    };
    let state = if failure.is_some() { "failed" } else { "delivered" };
    for kept in locked(&house.office.sent).iter_mut().filter(|kept| kept.partner_id == sent.partner_id) {
        kept.receipt = Some(state);
    }
    let callback = match speech {
        Speech::Acs3 => &house.settings.acs3_callback,
        Speech::Tc3 => &house.settings.tc3_callback,
    };
    let Some(url) = callback.as_deref().filter(|_| fault != Some(Mischief::LostReceipt)) else { return };
    let report = report(&house, speech, &sent, failure).to_string();
    let board = &house.office.board;
    board.count(|report| report.sent += 1);
    let mut waits = house.settings.ladder_secs.iter();
    while !is_taken(speech, url, &report).await {
        board.count(|report| report.nacked += 1);
        let Some(wait) = waits.next() else {
            board.count(|report| report.unanswered += 1);
            return;
        };
        sleep(Duration::from_secs_f64((wait / house.settings.ladder_speed).max(0.01))).await;
        board.count(|report| report.resent += 1);
    }
    board.count(|report| report.acked += 1);
    if fault == Some(Mischief::DuplicateReceipt) {
        is_taken(speech, url, &report).await;
        board.count(|report| report.resent += 1);
    }
}

fn report(house: &House, speech: Speech, sent: &Sent, failure: Option<&str>) -> Value {
    let now = spaced(house.office.now());
    let (country, mobile) = tc3::parted(&sent.to);
    match speech {
        Speech::Acs3 => json!([{
            "phone_number": acs3::bare(&sent.to),
            "send_time": spaced(sent.at), "report_time": now, "success": failure.is_none(),
            "err_code": failure.unwrap_or("DELIVERED"),
            "err_msg": if failure.is_none() { "用户接收成功" } else { "用户接收失败" },
            "sms_size": "1", "biz_id": sent.partner_id, "out_id": sent.reference,
        }]),
        Speech::Tc3 => json!([{
            "user_receive_time": now, "nationcode": country, "mobile": mobile,
            "report_status": if failure.is_none() { "SUCCESS" } else { "FAIL" },
            "errmsg": failure.unwrap_or("DELIVRD"),
            "description": if failure.is_none() { "用户短信送达成功" } else { "用户短信送达失败" },
            "sid": sent.partner_id,
        }]),
    }
}

/// Sends a report once; whether it was taken.
async fn is_taken(speech: Speech, url: &str, report: &str) -> bool {
    let Ok(Ok((200, body))) = timeout(ANSWER, post(url, "application/json;charset=utf-8", &[], report)).await
    else {
        tracing::debug!("A report of the simulated SMS gateway was not taken.");
        return false;
    };
    let member = match speech {
        Speech::Acs3 => "code",
        Speech::Tc3 => "result",
    };
    serde_json::from_str::<Value>(&body).is_ok_and(|answer| answer[member] == 0)
}

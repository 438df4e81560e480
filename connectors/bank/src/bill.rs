//! The source `bank-bill`: fetches the bill of each day when the bank has made it, and hands it over as one document, if it adds up.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use hub_core::envelope::{Label, Peer};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::DedupeKey;
use hub_core::registry::{BuildError, Secrets, SourceKind};
use hub_core::source::{Inbound, Intake, Receipt, Refusal, Source, SourceError};
use hub_transport::http_client::HttpClient;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::macros::offset;
use time::{Date, OffsetDateTime};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::account::{Account, wrong};
use crate::beijing;
use crate::dialect::Dialect;

pub(crate) mod backticks;
pub(crate) mod columns;
pub(crate) mod lines;
mod unpack;

/// A day's bill.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    /// The day, `2026-03-02`.
    pub date: String,
    /// Whose bill it is.
    pub dialect: String,
    /// What came and went.
    pub rows: Vec<Row>,
    /// What it comes to.
    pub totals: Totals,
}

/// Whether money came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// It came.
    Pay,
    /// It went back.
    Refund,
}

/// One payment or refund. No `Debug`: it names an order.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Whether money came or went.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Our number of the order.
    pub order_no: String,
    /// Our number of the refund; empty for a payment.
    pub refund_no: String,
    /// The bank's number.
    pub bank_trade_no: String,
    /// The amount, never negative.
    pub amount_fen: i64,
    /// What the bank takes for it; negative where it gives back.
    pub fee_fen: i64,
    /// The currency.
    pub currency: String,
    /// When (RFC 3339).
    pub at: String,
    /// How it stands, in the bank's words.
    pub state: String,
}

/// What a bill comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// How many payments.
    pub pay_count: u64,
    /// Their sum.
    pub pay_fen: i64,
    /// How many refunds.
    pub refund_count: u64,
    /// Their sum.
    pub refund_fen: i64,
    /// The sum of the fees.
    pub fee_fen: i64,
}

impl Totals {
    /// Of the rows of a bill. `None` when it is more than there is money.
    pub(crate) fn of(rows: &[Row]) -> Option<Self> {
        let mut totals = Self::default();
        for row in rows {
            let (count, sum) = match row.kind {
                Kind::Pay => (&mut totals.pay_count, &mut totals.pay_fen),
                Kind::Refund => (&mut totals.refund_count, &mut totals.refund_fen),
            };
            *count += 1;
            *sum = sum.checked_add(row.amount_fen)?;
            totals.fee_fen = totals.fee_fen.checked_add(row.fee_fen)?;
        }
        Some(totals)
    }
}

/// Why there is no bill. No content.
#[derive(Debug, Error)]
pub enum BillError {
    /// The bank has not given it.
    #[error("the bill could not be had: {0}")]
    NotHad(String),
    /// The bank has given a file that is not to be believed.
    #[error("the bill does not add up: {why}")]
    Unsound {
        /// The file, as it was given.
        file: Bytes,
        /// What does not fit.
        why: String,
    },
}

/// A file that is not to be believed, with what does not fit.
pub(crate) fn unsound(file: &[u8], why: impl Into<String>) -> BillError {
    BillError::Unsound { file: Bytes::copy_from_slice(file), why: why.into() }
}

/// A bill of these rows, where they come to what the file says.
pub(crate) fn added_up(
    dialect: &str,
    date: Date,
    rows: Vec<Row>,
    said: impl FnOnce(&Totals) -> Result<(), String>,
    file: &[u8],
) -> Result<Bill, BillError> {
    let totals = Totals::of(&rows).ok_or_else(|| unsound(file, "the sum is too great"))?;
    said(&totals).map_err(|why| unsound(file, why))?;
    Ok(Bill { date: date.to_string(), dialect: dialect.to_owned(), rows, totals })
}

/// The source `bank-bill`.
pub struct BankBill;

/// The settings of the source `bank-bill`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankBillConfig {
    /// The account with the bank.
    pub account: Account,
    /// From which hour of the next day, in Beijing, a bill is asked for.
    #[serde(default = "ten")]
    pub ready_hour: u8,
    /// How many days back bills are asked for that were not had.
    #[serde(default = "three")]
    pub days: u16,
    /// How long it waits between looks.
    #[serde(default = "a_quarter_of_an_hour")]
    pub every_secs: u64,
}

fn ten() -> u8 {
    10
}

fn three() -> u16 {
    3
}

fn a_quarter_of_an_hour() -> u64 {
    900
}

impl SourceKind for BankBill {
    const TYPE: &'static str = "bank-bill";
    const FORMAT: Option<&'static str> = Some("json");
    const ANSWERS: bool = false;
    type Config = BankBillConfig;

    fn build(config: BankBillConfig, secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
        if config.ready_hour > 23 {
            return Err(wrong("ready_hour", "`ready_hour` is no hour: expected 0 to 23"));
        }
        if config.days == 0 || config.every_secs == 0 {
            return Err(wrong("days", "`days` or `every_secs` is 0: expected 1 or more"));
        }
        Ok(Box::new(Bills {
            client: config.account.client(secrets)?,
            dialect: config.account.dialect(secrets)?,
            config,
        }))
    }

    fn listens(_config: &BankBillConfig) -> Vec<String> {
        Vec::new()
    }
}

/// Goes and fetches.
struct Bills {
    config: BankBillConfig,
    client: HttpClient,
    dialect: Box<dyn Dialect>,
}

#[async_trait]
impl Source for Bills {
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError> {
        Ok(None)
    }

    fn fetches(&self) -> bool {
        true
    }

    async fn run(
        self: Box<Self>,
        intake: Intake,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), SourceError> {
        // Only so that a day is not fetched again and again: the journal knows which bills it has.
        let mut had = BTreeSet::new();
        loop {
            let mut turn = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                turn = intake.turn() => turn,
            };
            loop {
                self.look(&intake, &mut had, OffsetDateTime::now_utc()).await;
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return Ok(()),
                    () = turn.over() => break,
                    () = sleep(Duration::from_secs(self.config.every_secs)) => {}
                }
            }
        }
    }
}

impl Bills {
    /// Asks for every bill that could be there and was not had, the oldest first.
    async fn look(&self, intake: &Intake, had: &mut BTreeSet<Date>, now: OffsetDateTime) {
        for date in due(now, self.config.ready_hour, self.config.days) {
            if had.contains(&date) {
                continue;
            }
            let (bytes, unreadable) = match self.dialect.bill(&self.client, date).await {
                Ok(bill) => {
                    (Bytes::from(serde_json::to_vec(&bill).expect("texts can be written as JSON")), None)
                }
                Err(BillError::Unsound { file, why }) => {
                    warn!(%date, reason = why, "A bill of the bank does not add up.");
                    let reason = format!("the bill does not add up: {why}");
                    (file, Some(Fault { step: FaultStep::Parse, place: None, rule: None, reason }))
                }
                Err(BillError::NotHad(why)) => {
                    warn!(%date, reason = why, "A bill of the bank could not be had.");
                    continue;
                }
            };
            let is_sound = unreadable.is_none();
            let inbound = Inbound {
                bytes,
                attachment: None,
                dedupe: DedupeKey::from(format!("bill/{date}")),
                label: Label { message_type: Some(CompactString::new("bill")), ..Label::default() },
                peer: Peer::default(),
                unreadable,
            };
            match intake.accept(inbound).await {
                Receipt::Refused(_, Refusal::Busy | Refusal::Forbidden) => {}
                // One that does not add up is asked for again: the bank may put it right.
                _ if !is_sound => {}
                _ => {
                    info!(%date, "A bill of the bank was taken.");
                    had.insert(date);
                }
            }
        }
    }
}

/// The days whose bills could be there, the oldest first.
fn due(now: OffsetDateTime, ready_hour: u8, days: u16) -> Vec<Date> {
    let here = now.to_offset(offset!(+8));
    let today = beijing::day(now);
    let newest = if here.hour() >= ready_hour { 1 } else { 2 };
    let back = |days: u16| today.checked_sub(time::Duration::days(i64::from(days)));
    (newest..=days.max(newest)).rev().filter_map(back).collect()
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn yesterdays_bill_is_due_from_its_hour_on() {
        let days = |now| due(now, 10, 3);
        let before = datetime!(2026-03-05 09:59 +8);
        assert_eq!(days(before), [date!(2026 - 03 - 02), date!(2026 - 03 - 03)]);
        let then = datetime!(2026-03-05 02:00 UTC);
        assert_eq!(days(then).last(), Some(&date!(2026 - 03 - 04)));
        // In Beijing it is tomorrow already.
        assert_eq!(due(datetime!(2026-03-04 20:00 UTC), 0, 1), [date!(2026 - 03 - 04)]);
    }
}

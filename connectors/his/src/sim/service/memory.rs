//! What the HIS remembers: everything that has happened, and nothing that the seed and the date decide. It may be kept
//! in a file, so that the HIS is the same one after it was stopped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Date, PrimitiveDateTime, Time};

use super::clock;
use super::element::Element;
use super::money::Fen;
use super::roster::Session;

/// All of it. No `Debug`: it holds patients.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Memory {
    /// The last number given out.
    pub(super) last: u64,
    /// Archive cards, as H201 answers them, by patient number.
    pub(super) patients: BTreeMap<String, Element>,
    /// Master data that was changed, by function and code: `H102/D0012`.
    pub(super) items: BTreeMap<String, Element>,
    /// Sessions that were changed or added.
    pub(super) sessions: BTreeMap<String, Session>,
    /// Numbers sold at the hospital's windows since, by slot.
    pub(super) sold: BTreeMap<String, u32>,
    pub(super) locks: BTreeMap<String, Lock>,
    pub(super) registrations: BTreeMap<String, Registration>,
    /// What was answered to whom, by TransSeq.
    pub(super) transactions: BTreeMap<String, Transaction>,
    pub(super) bills: BTreeMap<String, Bill>,
    pub(super) pre_settlements: BTreeMap<String, PreSettlement>,
    pub(super) settlements: BTreeMap<String, Settlement>,
    /// Money that came and went, in order.
    pub(super) ledger: Vec<Entry>,
    /// What the HIS tells of itself, in order; the first has number 1.
    pub(super) events: Vec<Event>,
    /// How many of them the hub has acknowledged.
    pub(super) acknowledged: usize,
}

/// How a lock stands. One that has run out is still `Held`: the clock tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LockState {
    Held,
    Confirmed,
    Released,
}

/// A number held for a patient.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lock {
    pub(super) lock_id: String,
    pub(super) state: LockState,
    #[serde(with = "clock::stamp")]
    pub(super) expires: PrimitiveDateTime,
    pub(super) slot: String,
    pub(super) session: String,
    pub(super) patient: String,
    pub(super) seq: u32,
    pub(super) reg_fee: Fen,
    pub(super) consult_fee: Fen,
}

impl Lock {
    /// Whether it keeps others away.
    pub(super) fn is_live(&self, now: PrimitiveDateTime) -> bool {
        self.state == LockState::Held && now < self.expires
    }

    /// What is to be paid.
    pub(super) fn total(&self) -> Fen {
        self.reg_fee + self.consult_fee
    }
}

/// A registration. Status: 1 booked, 2 arrived, 3 seen, 4 cancelled, 5 did not come.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registration {
    pub(super) reg_no: String,
    pub(super) visit_no: String,
    pub(super) status: String,
    pub(super) lock_id: String,
    pub(super) slot: String,
    pub(super) session: String,
    pub(super) patient: String,
    pub(super) doctor: String,
    pub(super) department: String,
    #[serde(with = "clock::day")]
    pub(super) date: Date,
    #[serde(with = "clock::hour")]
    pub(super) start: Time,
    #[serde(with = "clock::hour")]
    pub(super) end: Time,
    pub(super) seq: u32,
    pub(super) reg_fee: Fen,
    pub(super) consult_fee: Fen,
    /// What was paid: nothing where the visit is free.
    pub(super) paid: Fen,
    pub(super) pay_mode: String,
    pub(super) mch_order_no: String,
    pub(super) bank_trade_no: String,
    pub(super) invoice_no: String,
    #[serde(with = "clock::stamp")]
    pub(super) registered: PrimitiveDateTime,
    pub(super) refund_seq: String,
}

impl Registration {
    /// Whether it takes a number.
    pub(super) fn is_live(&self) -> bool {
        self.status != "4"
    }

    /// When the patient is to come.
    pub(super) fn begins(&self) -> PrimitiveDateTime {
        PrimitiveDateTime::new(self.date, self.start)
    }

    /// When the patient's time is over.
    pub(super) fn ends(&self) -> PrimitiveDateTime {
        PrimitiveDateTime::new(self.date, self.end)
    }
}

/// What was asked under a TransSeq and what was answered.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transaction {
    pub(super) trans_seq: String,
    pub(super) function: String,
    /// Of the body: the same number with another body is another transaction, and refused.
    pub(super) digest: String,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) body: Vec<Element>,
    pub(super) mch_order_no: String,
    #[serde(with = "clock::stamp")]
    pub(super) at: PrimitiveDateTime,
}

/// What a patient has to pay after a visit.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bill {
    pub(super) bill_no: String,
    pub(super) patient: String,
    pub(super) visit_no: String,
    pub(super) department: String,
    pub(super) doctor: String,
    #[serde(with = "clock::stamp")]
    pub(super) created: PrimitiveDateTime,
    /// As H502 answers them.
    pub(super) items: Vec<Element>,
    pub(super) is_settled: bool,
}

impl Bill {
    /// The sum of its items.
    pub(super) fn amount(&self) -> Fen {
        self.items.iter().filter_map(|item| Fen::read(item.get("Amount"))).sum()
    }
}

/// Bills counted together, before they are paid.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PreSettlement {
    pub(super) patient: String,
    pub(super) bills: Vec<String>,
    pub(super) amount: Fen,
    #[serde(with = "clock::stamp")]
    pub(super) expires: PrimitiveDateTime,
}

/// Bills that were paid.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Settlement {
    pub(super) settle_no: String,
    pub(super) patient: String,
    pub(super) bills: Vec<String>,
    pub(super) amount: Fen,
    pub(super) mch_order_no: String,
    pub(super) bank_trade_no: String,
    pub(super) pay_mode: String,
    /// Codes of the items whose money was given back.
    pub(super) refunded: Vec<String>,
}

/// A line of the reconciliation (section 12.5).
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    #[serde(with = "clock::stamp")]
    pub(super) at: PrimitiveDateTime,
    /// PAY or REFUND.
    pub(super) trade_type: String,
    /// REG or FEE.
    pub(super) biz_type: String,
    pub(super) his_trade_no: String,
    /// For a refund the hub's number of the refund, where it was told.
    pub(super) mch_order_no: String,
    pub(super) bank_trade_no: String,
    /// For a refund the order that was paid.
    #[serde(default)]
    pub(super) orig_mch_order_no: String,
    pub(super) patient: String,
    pub(super) amount: Fen,
    pub(super) pay_mode: String,
}

/// What the HIS tells by itself.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    pub(super) id: u64,
    pub(super) trans_code: String,
    #[serde(with = "clock::stamp")]
    pub(super) at: PrimitiveDateTime,
    pub(super) body: Vec<Element>,
}

impl Memory {
    /// A number nobody has: `L00000001`.
    pub(super) fn next(&mut self, prefix: &str) -> String {
        self.last += 1;
        format!("{prefix}{:08}", self.last)
    }

    /// Adds to what the HIS tells.
    pub(super) fn tell(&mut self, trans_code: &str, at: PrimitiveDateTime, body: Vec<Element>) {
        let id = self.events.len() as u64 + 1;
        self.events.push(Event { id, trans_code: trans_code.to_owned(), at, body });
    }
}

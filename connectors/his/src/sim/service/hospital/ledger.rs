//! H506 H507: what became of a transaction, and the money of a day, by page or as the file of section 12.5.

use serde::Deserialize;
use time::Date;

use super::super::clock::{read_day, read_stamp, stamped};
use super::super::codes::{Answer, wrong};
use super::super::element::{Element, leaf, node};
use super::super::memory::{Entry, Transaction};
use super::super::money::Fen;
use super::{Hospital, page};

/// What goes wrong in the books of a hospital, for tests of the reconciliation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", tag = "act", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(in super::super) enum Correction {
    /// The HIS does not know of it.
    Drop { mch_order_no: String },
    /// Another amount.
    Amount { mch_order_no: String, amount: String },
    /// Another time, such as on the other side of midnight.
    Time { mch_order_no: String, at: String },
    /// Only the HIS knows of it.
    Add { mch_order_no: String, patient_id: String, amount: String },
}

impl Hospital {
    pub(super) fn query_transaction(&mut self, body: &Element) -> Answer {
        let [seq, order] = ["TransSeq", "MchOrderNo"].map(|name| body.get(name));
        let found = match (seq, order) {
            ("", "") => return Err(wrong("`TransSeq` or `MchOrderNo` is missing")),
            ("", order) => {
                let mut all: Vec<&Transaction> = self.memory.transactions.values().collect();
                all.retain(|transaction| transaction.mch_order_no == order);
                // One that has done it says more than one that was refused.
                all.sort_by_key(|transaction| (transaction.code != "0", transaction.at));
                all.first().copied()
            }
            (seq, _) => self.memory.transactions.get(seq),
        };
        let Some(found) = found else { return Ok(vec![leaf("Status", "N")]) };
        let told = |name: &str| found.body.iter().find(|element| element.name == name).cloned();
        let mut answer = vec![
            leaf("Status", if found.code == "0" { "S" } else { "F" }),
            leaf("OrigTransCode", &found.function),
            leaf("OrigTransSeq", &found.trans_seq),
            leaf("OrigResultCode", &found.code),
            leaf("OrigResultMsg", &found.message),
            leaf("OrigTime", stamped(found.at)),
        ];
        answer.extend(["RegNo", "SettleNo"].into_iter().filter_map(told));
        // The profile asks for no more; the whole answer spares the caller a second question.
        answer.push(node("OrigBody", found.body.clone()));
        Ok(answer)
    }

    pub(super) fn query_ledger(&mut self, body: &Element) -> Answer {
        let date = read_day(body.get("BusinessDate")).ok_or_else(|| wrong("`BusinessDate` is no date"))?;
        let written = |entry: &Entry| {
            node(
                "Item",
                vec![
                    leaf("TradeTime", stamped(entry.at)),
                    leaf("TradeType", &entry.trade_type),
                    leaf("BizType", &entry.biz_type),
                    leaf("HisTradeNo", &entry.his_trade_no),
                    leaf("MchOrderNo", &entry.mch_order_no),
                    leaf("BankTradeNo", &entry.bank_trade_no),
                    leaf("OrigMchOrderNo", &entry.orig_mch_order_no),
                    leaf("PatientId", &entry.patient),
                    leaf("PatientName", self.masked(&entry.patient)),
                    leaf("Amount", entry.amount),
                    leaf("PayMode", &entry.pay_mode),
                    leaf("Operator", "IMPF"),
                    leaf("Status", "S"),
                ],
            )
        };
        let items = self.of_day(date).map(written).collect();
        Ok(page("Items", items, body))
    }

    fn of_day(&self, date: Date) -> impl Iterator<Item = &Entry> {
        self.memory.ledger.iter().filter(move |entry| entry.at.date() == date)
    }

    /// The first character of a patient's name.
    fn masked(&self, patient_id: &str) -> String {
        let name = self.patient(patient_id).map(|patient| patient.get("Name")).unwrap_or_default();
        name.chars().next().map(|first| format!("{first}**")).unwrap_or_default()
    }

    /// The file of a day and how many lines and how much money it holds.
    pub(in super::super) fn file(&self, date: Date, org_code: &str) -> (String, usize, Fen) {
        let day = date.to_string().replace('-', "");
        let mut file = format!("H|{org_code}|{day}|01|{}|1.0\n", stamped(self.now()));
        let mut sums = [(0, Fen(0)); 2];
        for (at, entry) in self.of_day(date).enumerate() {
            let sum = &mut sums[usize::from(entry.trade_type == "REFUND")];
            *sum = (sum.0 + 1, sum.1 + entry.amount);
            let fields = [
                "D",
                &(at + 1).to_string(),
                &stamped(entry.at),
                &entry.trade_type,
                &entry.biz_type,
                &entry.his_trade_no,
                &entry.mch_order_no,
                &entry.bank_trade_no,
                &entry.orig_mch_order_no,
                &entry.patient,
                &self.masked(&entry.patient),
                &entry.amount.to_string(),
                &entry.pay_mode,
                "IMPF",
                "S",
            ];
            file.push_str(&fields.join("|"));
            file.push('\n');
        }
        let [(pays, paid), (refunds, refunded)] = sums;
        let net = Fen(paid.0 - refunded.0);
        file.push_str(&format!("T|{pays}|{paid}|{refunds}|{refunded}|{net}\n"));
        (file, pays + refunds, net)
    }

    /// Puts the books wrong; false where there is no such line, or an amount or a time is none.
    pub(in super::super) fn correct(&mut self, correction: &Correction) -> bool {
        let at = self.now();
        let ledger = &mut self.memory.ledger;
        let line = |order: &str| ledger.iter().position(|entry| entry.mch_order_no == order);
        match correction {
            Correction::Drop { mch_order_no } => line(mch_order_no).map(|at| drop(ledger.remove(at))),
            Correction::Amount { mch_order_no, amount } => {
                line(mch_order_no).zip(Fen::read(amount)).map(|(at, amount)| ledger[at].amount = amount)
            }
            Correction::Time { mch_order_no, at } => {
                line(mch_order_no).zip(read_stamp(at)).map(|(line, at)| ledger[line].at = at)
            }
            Correction::Add { mch_order_no, patient_id, amount } => Fen::read(amount).map(|amount| {
                ledger.push(Entry {
                    at,
                    trade_type: "PAY".to_owned(),
                    biz_type: "REG".to_owned(),
                    his_trade_no: format!("X{mch_order_no}"),
                    mch_order_no: mch_order_no.clone(),
                    bank_trade_no: String::new(),
                    orig_mch_order_no: String::new(),
                    patient: patient_id.clone(),
                    amount,
                    pay_mode: "WX".to_owned(),
                });
            }),
        }
        .is_some()
    }
}

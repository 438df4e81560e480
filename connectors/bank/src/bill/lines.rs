//! The bill of the dialect `cmb`: CSV with a header, amounts in fen, a last line with counts and sums; its SM3 is told beside its URL.

use hub_transport::signature::sm::sm3;
use time::Date;

use super::{Bill, BillError, Kind, Row, Totals, added_up, unsound};
use crate::beijing;

/// type, order, refund, the bank's number, time, amount, fee, state.
const COLUMNS: usize = 8;

/// Reads a file that has this SM3, in hexadecimal digits.
pub(crate) fn read(date: Date, file: &[u8], hash: &str) -> Result<Bill, BillError> {
    let found: String = sm3(file).iter().map(|byte| format!("{byte:02x}")).collect();
    if !found.eq_ignore_ascii_case(hash) {
        return Err(unsound(file, "its SM3 is not the one the bank told"));
    }
    let text = std::str::from_utf8(file).map_err(|_| unsound(file, "it is not UTF-8"))?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let [_, rows @ .., last] = lines.as_slice() else {
        return Err(unsound(file, "it has no last line with sums"));
    };
    let rows = rows.iter().enumerate().map(|(at, line)| {
        row(date, line).ok_or_else(|| unsound(file, format!("row {} cannot be read", at + 1)))
    });
    let rows = rows.collect::<Result<Vec<Row>, BillError>>()?;
    let sums = sums(last).ok_or_else(|| unsound(file, "its last line cannot be read"))?;
    let compare = |totals: &Totals| {
        if *totals == sums {
            Ok(())
        } else {
            Err("its rows do not come to what its last line tells".to_owned())
        }
    };
    added_up("cmb", date, rows, compare, file)
}

/// `TOTAL`, payments, their sum, refunds, their sum, fees.
fn sums(line: &str) -> Option<Totals> {
    let [total, pay_count, pay_fen, refund_count, refund_fen, fee_fen] =
        line.split(',').collect::<Vec<_>>().try_into().ok()?;
    (total == "TOTAL").then_some(())?;
    Some(Totals {
        pay_count: pay_count.parse().ok()?,
        pay_fen: pay_fen.parse().ok()?,
        refund_count: refund_count.parse().ok()?,
        refund_fen: refund_fen.parse().ok()?,
        fee_fen: fee_fen.parse().ok()?,
    })
}

fn row(date: Date, line: &str) -> Option<Row> {
    let values: [&str; COLUMNS] = line.split(',').collect::<Vec<_>>().try_into().ok()?;
    let [kind, order_no, refund_no, bank_trade_no, at, amount, fee, state] = values;
    let at = beijing::read_spaced(at)?;
    if beijing::day(at) != date {
        return None;
    }
    Some(Row {
        kind: match kind {
            "PAY" => Kind::Pay,
            "REFUND" => Kind::Refund,
            _ => return None,
        },
        order_no: order_no.to_owned(),
        refund_no: refund_no.to_owned(),
        bank_trade_no: bank_trade_no.to_owned(),
        amount_fen: amount.parse().ok().filter(|fen| *fen >= 0)?,
        fee_fen: fee.parse().ok()?,
        currency: "CNY".to_owned(),
        at: beijing::rfc3339(at),
        state: state.to_owned(),
    })
}

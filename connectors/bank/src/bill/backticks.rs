//! The bill of the dialect `wechat`: GZIP over CSV, a backtick before each value, amounts in yuan, a summary at the end (section 12.1).

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use time::Date;

use super::{Bill, BillError, Kind, Row, Totals, added_up, unpack, unsound};
use crate::beijing;
use crate::money::fen_of_yuan;

/// The columns of a row, and where those stand that we read.
const COLUMNS: usize = 27;
const TIME: usize = 0;
const TRADE_NO: usize = 5;
const ORDER_NO: usize = 6;
const TRADE_STATE: usize = 9;
const CURRENCY: usize = 11;
const SETTLED: usize = 12;
const BANK_REFUND_NO: usize = 14;
const REFUND_NO: usize = 15;
const REFUNDED: usize = 16;
const REFUND_STATE: usize = 19;
const FEE: usize = 22;
/// The columns of the summary: how many rows, paid, given back, coupons given back, fees.
const SUMMARY: usize = 7;

/// Reads a packed file that has this SHA-1 when it is unpacked, in hexadecimal digits.
pub(crate) fn read(date: Date, packed: &[u8], hash: &str) -> Result<Bill, BillError> {
    let file = unpack::gunzip(packed).ok_or_else(|| unsound(packed, "it is no GZIP file"))?;
    let found = digest(&SHA1_FOR_LEGACY_USE_ONLY, &file);
    let found: String = found.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if !found.eq_ignore_ascii_case(hash) {
        return Err(unsound(&file, "its SHA-1 is not the one the bank told"));
    }
    let text = std::str::from_utf8(&file).map_err(|_| unsound(&file, "it is not UTF-8"))?;
    let lines: Vec<&str> =
        text.trim_start_matches('\u{feff}').lines().filter(|line| !line.is_empty()).collect();
    // A header, rows, the summary's header, the summary.
    let [_, rows @ .., _, summary] = lines.as_slice() else {
        return Err(unsound(&file, "it has no summary"));
    };
    let rows = rows.iter().enumerate().map(|(at, line)| {
        row(date, line).ok_or_else(|| unsound(&file, format!("row {} cannot be read", at + 1)))
    });
    let rows = rows.collect::<Result<Vec<Row>, BillError>>()?;
    let summary = values(summary, SUMMARY).ok_or_else(|| unsound(&file, "its summary cannot be read"))?;
    added_up("wechat", date, rows, |totals| compare(&summary, totals), &file)
}

fn compare(summary: &[&str], totals: &Totals) -> Result<(), String> {
    let count = totals.pay_count + totals.refund_count;
    if summary[0].parse() != Ok(count) {
        return Err(format!("it has {count} rows, and its summary tells of another number"));
    }
    let sums =
        [(1, totals.pay_fen, "payments"), (2, totals.refund_fen, "refunds"), (4, totals.fee_fen, "fees")];
    for (column, sum, what) in sums {
        if fen_of_yuan(summary[column]) != Some(sum) {
            return Err(format!("its {what} come to {sum} fen, and its summary tells another sum"));
        }
    }
    Ok(())
}

/// The values of a line, which are so many.
fn values(line: &str, count: usize) -> Option<Vec<&str>> {
    let values: Vec<&str> = line.trim_end().strip_prefix('`')?.split(",`").collect();
    (values.len() == count).then_some(values)
}

fn row(date: Date, line: &str) -> Option<Row> {
    let values = values(line, COLUMNS)?;
    let at = beijing::read_spaced(values[TIME])?;
    if beijing::day(at) != date {
        return None;
    }
    let (kind, number, amount, state) = match values[TRADE_STATE] {
        "SUCCESS" => (Kind::Pay, TRADE_NO, SETTLED, TRADE_STATE),
        "REFUND" => (Kind::Refund, BANK_REFUND_NO, REFUNDED, REFUND_STATE),
        _ => return None,
    };
    let refund_no = if kind == Kind::Refund { values[REFUND_NO] } else { "" };
    Some(Row {
        kind,
        order_no: values[ORDER_NO].to_owned(),
        refund_no: refund_no.to_owned(),
        bank_trade_no: values[number].to_owned(),
        amount_fen: fen_of_yuan(values[amount]).filter(|fen| *fen >= 0)?,
        fee_fen: fen_of_yuan(values[FEE])?,
        currency: values[CURRENCY].to_owned(),
        at: beijing::rfc3339(at),
        state: values[state].to_owned(),
    })
}

//! The bill of the dialect `unionpay`: Base64 over DEFLATE over ZIP over lines of fixed columns in GBK, cut by bytes (section 12.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::GBK;
use time::Date;

use super::{Bill, BillError, Kind, Row, added_up, unpack, unsound};
use crate::beijing;

/// How many bytes each column has; one space stands between two.
const WIDTHS: [usize; 41] = [
    3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21, 15, 1, 15,
    32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 131,
];
/// Where those stand that we read.
const TIME: usize = 4;
const AMOUNT: usize = 6;
const TRADE_NO: usize = 9;
const ORDER_NO: usize = 11;
const FEE: usize = 15;
const TXN_TYPE: usize = 19;
const MERCHANT: usize = 27;
const NET: usize = 32;
const RESERVED: usize = 34;

/// Reads the `fileContent` of an answer.
pub(crate) fn read(date: Date, merchant: &str, content: &str) -> Result<Bill, BillError> {
    let wrong = |why: &str| unsound(content.as_bytes(), why);
    let packed = STANDARD.decode(content).map_err(|_| wrong("it is not Base64"))?;
    let archive = unpack::inflate(&packed).ok_or_else(|| wrong("it is no DEFLATE stream"))?;
    let files =
        unpack::unzip(&archive).ok_or_else(|| wrong("it is no ZIP archive, or one that was changed"))?;
    // The detail file: `INNyyMMddZM_MERCHANT`.
    let is_detail = |name: &str| name.contains("ZM_") && name.ends_with(merchant);
    let file = files.into_iter().find(|(name, _)| is_detail(name)).map(|(_, bytes)| bytes);
    let file = file.ok_or_else(|| wrong("it has no detail file of this merchant"))?;
    let lines = file.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let rows = lines.filter(|line| !line.is_empty()).enumerate().map(|(at, line)| {
        row(date, merchant, line)
            .ok_or_else(|| unsound(&file, format!("row {} cannot be read, or does not add up", at + 1)))
    });
    let rows = rows.collect::<Result<Vec<Row>, BillError>>()?;
    // The file has no sums: each row has its own.
    added_up("unionpay", date, rows, |_| Ok(()), &file)
}

/// The columns of a line; `None` where it is too short or long, or a column does not end where it should.
fn cut(line: &[u8]) -> Option<Vec<String>> {
    let mut rest = line;
    let mut columns = Vec::new();
    for (at, width) in WIDTHS.into_iter().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix(b" ")?;
        }
        let (column, after) = rest.split_at_checked(width)?;
        let text = GBK.decode_without_bom_handling_and_without_replacement(column)?;
        columns.push(text.trim().to_owned());
        rest = after;
    }
    rest.is_empty().then_some(columns)
}

fn row(date: Date, merchant: &str, line: &[u8]) -> Option<Row> {
    let columns = cut(line)?;
    let kind = match columns[TXN_TYPE].as_str() {
        "01" => Kind::Pay,
        "04" => Kind::Refund,
        _ => return None,
    };
    let amount: i64 = columns[AMOUNT].parse().ok()?;
    // A fee that is taken is a debit, one that is given back a credit.
    let (fee, net) = (-signed(&columns[FEE])?, signed(&columns[NET])?);
    let comes = if kind == Kind::Pay { amount } else { -amount };
    if columns[MERCHANT] != merchant || net != comes - fee {
        return None;
    }
    let at = beijing::read_compact(&format!("{:04}{}", date.year(), columns[TIME]))?;
    let (order_no, refund_no) = match kind {
        Kind::Pay => (&columns[ORDER_NO], ""),
        // What we reserved for ourselves when we gave it back: the order.
        Kind::Refund => (&columns[RESERVED], columns[ORDER_NO].as_str()),
    };
    Some(Row {
        kind,
        order_no: order_no.clone(),
        refund_no: refund_no.to_owned(),
        bank_trade_no: columns[TRADE_NO].clone(),
        amount_fen: amount,
        fee_fen: fee,
        currency: "CNY".to_owned(),
        at: beijing::rfc3339(at),
        state: "00".to_owned(),
    })
}

/// `C` and twelve digits comes to the merchant, `D` goes from it.
fn signed(text: &str) -> Option<i64> {
    let (sign, digits) = text.split_at_checked(1)?;
    let fen: i64 = digits.parse().ok()?;
    match sign {
        "C" => Some(fen),
        "D" => Some(-fen),
        _ => None,
    }
}

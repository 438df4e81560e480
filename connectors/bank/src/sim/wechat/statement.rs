//! The bill of the dialect `wechat` as a file: CSV in yuan, a backtick before each value, a summary at the end.

use crate::sim::bill::{self, Line};
use crate::sim::clock::spaced;

const HEADER: &str = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,\
应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注";
const SUMMARY: &str =
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额";

/// The file of a day.
pub(super) fn csv(merchant: &str, app_id: &str, lines: &[Line]) -> String {
    let row =
        |values: &[String]| values.iter().map(|value| format!("`{value}")).collect::<Vec<_>>().join(",");
    let mut text = vec![format!("\u{feff}{HEADER}")];
    for line in lines {
        let (paid, given_back) = if line.is_refund { (0, line.fen) } else { (line.fen, 0) };
        let state = if line.is_refund { "REFUND" } else { "SUCCESS" };
        let refund = |value: &str| if line.is_refund { value.to_owned() } else { String::new() };
        text.push(row(&[
            spaced(line.at),
            app_id.to_owned(),
            merchant.to_owned(),
            String::new(),
            String::new(),
            line.trade_no.clone(),
            line.order.clone(),
            line.payer.clone(),
            "JSAPI".to_owned(),
            state.to_owned(),
            "CMC_DEBIT".to_owned(),
            "CNY".to_owned(),
            yuan(paid),
            yuan(0),
            refund(&line.refund_no),
            refund(&line.refund),
            yuan(given_back),
            yuan(0),
            refund("ORIGINAL"),
            refund("PROCESSING"),
            line.goods.clone(),
            String::new(),
            format!("{}000", yuan(line.fee)),
            "0.60%".to_owned(),
            yuan(paid),
            yuan(given_back),
            String::new(),
        ]));
    }
    let sums = bill::sums(lines);
    text.push(SUMMARY.to_owned());
    text.push(row(&[
        lines.len().to_string(),
        yuan(sums.paid.1),
        yuan(sums.given_back.1),
        yuan(0),
        format!("{}000", yuan(sums.fees)),
        yuan(sums.paid.1),
        yuan(sums.given_back.1),
    ]));
    text.join("\r\n") + "\r\n"
}

/// `12.34`
fn yuan(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", fen.abs() / 100, fen.abs() % 100)
}

/// Packed by GZIP.
pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let written = packed.write_all(text).and_then(|()| packed.finish());
    written.expect("writing into memory does not fail")
}

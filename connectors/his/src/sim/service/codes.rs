//! The result codes of sections 3.2 to 3.8 and what they mean, in the words the HIS answers.

use super::element::Element;
use super::envelope::Reply;

/// Every code, in the order of the profile.
pub(super) const CODES: [(&str, &str); 25] = [
    ("0", "成功"),
    ("-1", "系统异常"),
    ("9999", "系统异常"),
    ("1001", "参数错误"),
    ("1002", "签名错误"),
    ("2001", "患者不存在"),
    ("2002", "证件号已建档"),
    ("2003", "证件信息与档案不一致"),
    ("3001", "号源已约满"),
    ("3002", "号源已被锁定"),
    ("3003", "锁号已过期"),
    ("3004", "医生停诊"),
    ("3005", "超过同科室/同日预约限制"),
    ("3006", "已就诊/已过退号时间，不可退号"),
    ("3007", "患者在黑名单（爽约）"),
    ("3008", "冲突：同一医生或诊室该时段已有排班"),
    ("4001", "药品停用/缺药"),
    ("4002", "库存不足"),
    ("4005", "已收费或已执行，不可作废"),
    ("5001", "费用已变更，请重新获取"),
    ("5002", "订单已支付/重复通知"),
    ("5003", "金额不一致"),
    ("6001", "入院通知书无效/已使用/已过期"),
    ("6002", "无空床"),
    ("6003", "已办入院，不可取消"),
];

/// What a code means; `None` for one that the profile does not have.
pub(super) fn meaning(code: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, meaning)| *meaning)
}

/// Why a function was refused.
pub(super) struct Refusal {
    code: &'static str,
    detail: String,
    body: Vec<Element>,
}

/// What a function answers.
pub(super) type Answer = Result<Vec<Element>, Refusal>;

/// A refusal in the profile's own words.
pub(super) fn refuse(code: &'static str) -> Refusal {
    Refusal { code, detail: String::new(), body: Vec::new() }
}

/// A request that does not hold to the profile; `detail` names the place, never the content.
pub(super) fn wrong(detail: impl Into<String>) -> Refusal {
    Refusal { code: "1001", detail: detail.into(), body: Vec::new() }
}

impl Refusal {
    /// Tells something with it, such as the number of the archive there is.
    pub(super) fn with(mut self, body: Vec<Element>) -> Self {
        self.body = body;
        self
    }

    /// The place of what is wrong, where it is the request that is.
    pub(super) fn problem(&self) -> Option<&str> {
        (self.code == "1001").then_some(&*self.detail)
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        match answer {
            Ok(body) => Self { code: "0".to_owned(), message: "成功".to_owned(), body },
            Err(refusal) => {
                let meaning = meaning(refusal.code).unwrap_or_default();
                let message = match &*refusal.detail {
                    "" => meaning.to_owned(),
                    detail => format!("{meaning}: {detail}"),
                };
                Self { code: refusal.code.to_owned(), message, body: refusal.body }
            }
        }
    }
}

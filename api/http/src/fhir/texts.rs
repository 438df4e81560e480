//! What sort of problem it is, in the reader's language.

use crate::fhir::sayings::say;
use crate::language::Language;

/// Codes of the value set `issue-type`, in simplified and in traditional Chinese.
const TEXTS: [(&str, &str, &str); 19] = [
    ("structure", "内容的结构不正确", "內容的結構不正確"),
    ("required", "缺少必填的内容", "缺少必填的內容"),
    ("value", "值的格式不正确", "值的格式不正確"),
    ("invariant", "不符合规则", "不符合規則"),
    ("invalid", "内容无效", "內容無效"),
    ("code-invalid", "代码不在规定的值集中", "代碼不在規定的值集中"),
    ("too-long", "内容过长或嵌套过深", "內容過長或巢狀過深"),
    ("too-costly", "请求过大", "請求過大"),
    ("processing", "无法处理", "無法處理"),
    ("not-supported", "不支持", "不支援"),
    ("duplicate", "重复", "重複"),
    ("multiple-matches", "条件匹配到多个资源", "條件符合多個資源"),
    ("not-found", "未找到", "找不到"),
    ("deleted", "已被删除", "已被刪除"),
    ("conflict", "与现有版本冲突，请重新读取后再试", "與現有版本衝突，請重新讀取後再試"),
    ("transient", "暂时不可用，请稍后再试", "暫時無法使用，請稍後再試"),
    ("timeout", "处理超时，请稍后再试", "處理逾時，請稍後再試"),
    ("exception", "服务器内部错误", "伺服器內部錯誤"),
    ("informational", "提示", "提示"),
];

/// What people read of a problem: what exactly it is where that is said in their language, else its sort. `None` in English, which says it
/// already.
pub(crate) fn text(code: &str, english: &str, language: Language) -> Option<String> {
    say(english, language).or_else(|| sort(code, language).map(str::to_owned))
}

fn sort(code: &str, language: Language) -> Option<&'static str> {
    let (_, simplified, traditional) = TEXTS.iter().find(|(known, ..)| *known == code)?;
    match language {
        Language::English => None,
        Language::Simplified => Some(simplified),
        Language::Traditional => Some(traditional),
    }
}

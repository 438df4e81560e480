//! What stands on a paper besides its text, in three languages.

use hub_core::language::Language;

/// One of the words: English, simplified, traditional.
pub(crate) type Word = [&'static str; 3];

pub(crate) const VISIT_PERSON: Word = ["Visit person", "就诊人", "就診人"];
pub(crate) const SIGNED_BY: Word = ["Signed by", "签署人", "簽署人"];
pub(crate) const RELATION: Word = ["Relation to visit person", "与就诊人关系", "與就診人關係"];
pub(crate) const FORM: Word = ["Form and version", "模板及版本", "範本及版本"];
pub(crate) const NUMBER: Word = ["Document number", "文书编号", "文書編號"];
pub(crate) const SHOWN_IN: Word = ["Language shown and signed", "签署时显示的语言", "簽署時顯示的語言"];
pub(crate) const FEES: Word = ["Fees", "收费标准", "收費標準"];
pub(crate) const SIGNATURE: Word = ["Signature", "签名", "簽名"];
pub(crate) const DATE: Word = ["Date", "日期", "日期"];
pub(crate) const MASTER: Word = [
    "The Chinese text, of which the signed text is a translation",
    "中文正本",
    "中文正本（所簽文本為其譯本）",
];

/// What a signer is to the visit person, by the code that the account has of it; another code stands as it is.
const RELATIONS: [(&str, Word); 7] = [
    ("parent", ["Parent", "父母", "父母"]),
    ("child", ["Child", "子女", "子女"]),
    ("spouse", ["Spouse", "配偶", "配偶"]),
    ("sibling", ["Brother or sister", "兄弟姐妹", "兄弟姊妹"]),
    ("grandparent", ["Grandparent", "祖父母", "祖父母"]),
    ("guardian", ["Guardian", "监护人", "監護人"]),
    ("agent", ["Authorised agent", "授权代理人", "授權代理人"]),
];

/// A relation in a language.
pub(crate) fn relation(code: &str, language: Language) -> &str {
    RELATIONS.iter().find(|(known, _)| *known == code).map_or(code, |(_, word)| said(*word, language))
}

/// The word in a language.
pub(crate) fn said(word: Word, language: Language) -> &'static str {
    let at = Language::ALL.iter().position(|known| *known == language).unwrap_or(0);
    word[at]
}

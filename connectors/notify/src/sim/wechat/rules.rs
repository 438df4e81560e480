//! WeChat's rules for a message: what each way needs, and what each kind of field may hold.

use std::collections::{BTreeMap, BTreeSet};

use super::{Field, No, Template, Wanted};

/// What belongs to a way stands in no message of the other.
pub(super) fn check_way(wanted: &Wanted, is_official: bool) -> Result<(), No> {
    let (own, foreign): (bool, bool) = if is_official {
        let is_long = wanted.client_msg_id.len() > 256;
        (!is_long, !(wanted.page.is_empty() && wanted.miniprogram_state.is_empty() && wanted.lang.is_empty()))
    } else {
        let is_state = matches!(wanted.miniprogram_state.as_str(), "formal" | "trial" | "developer");
        let is_lang = matches!(wanted.lang.as_str(), "zh_CN" | "zh_HK" | "zh_TW" | "en_US");
        if wanted.page.starts_with('/') || wanted.page.contains("://") {
            return Err(No(41030, Some("the page is none of the mini program")));
        }
        (is_state && is_lang, !(wanted.url.is_empty() && wanted.client_msg_id.is_empty()))
    };
    if own && !foreign {
        Ok(())
    } else {
        Err(No(47001, Some("a member of the message does not belong to its way")))
    }
}

/// The fields of the template, each with what its kind may hold, and no others.
pub(super) fn check_fields(approved: &Template, data: &BTreeMap<String, Field>) -> Result<(), No> {
    let wanted: BTreeSet<&str> =
        approved.text.split("{{").skip(1).filter_map(|rest| Some(rest.split_once(".DATA}}")?.0)).collect();
    let given: BTreeSet<&str> = data.keys().map(String::as_str).collect();
    if wanted != given {
        return Err(No(47003, Some("the fields are not those of the template")));
    }
    if data.iter().all(|(name, field)| fits(name, &field.value)) {
        Ok(())
    } else {
        Err(No(47003, Some("a field holds what its kind may not")))
    }
}

/// Whether a value is what the kind of a field may hold, as the manual's table says.
fn fits(field: &str, value: &str) -> bool {
    let kind = field.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let length = value.chars().count();
    let is_of = |more: &str| value.chars().all(|letter| letter.is_ascii_digit() || more.contains(letter));
    let is_valued = !value.trim().is_empty();
    is_valued
        && match kind {
            "thing" => length <= 20,
            "number" => length <= 32 && is_of(".-"),
            "letter" => length <= 32 && value.bytes().all(|byte| byte.is_ascii_alphabetic()),
            "symbol" => length <= 5 && !value.chars().any(char::is_alphanumeric),
            "character_string" => length <= 32 && value.is_ascii(),
            "date" | "time" => {
                value.starts_with(|letter: char| letter.is_ascii_digit()) && is_of("年月日-/:~ ")
            }
            "amount" => is_of("¥$元.,-"),
            "phone_number" => length <= 17 && is_of("+-"),
            "car_number" => length <= 8,
            "name" => length <= 10 || (length <= 20 && value.is_ascii()),
            "phrase" => length <= 5 && !value.is_ascii(),
            _ => true,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_holds_only_what_its_kind_may() {
        for (field, right, wrong) in [
            ("thing3", "门诊三楼东区", "一二三四五六七八九十一二三四五六七八九十一"),
            ("date2", "2026年3月2日 08:30", "下周一"),
            ("amount1", "500.00元", "很多"),
            ("phrase4", "已取消", "已取消的预约"),
            ("name1", "张三", "一二三四五六七八九十一"),
            ("number1", "12.5", "twelve"),
        ] {
            assert!(fits(field, right), "{field}");
            assert!(!fits(field, wrong), "{field}");
            assert!(!fits(field, " "), "{field}");
        }
    }
}

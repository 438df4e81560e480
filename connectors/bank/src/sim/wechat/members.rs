//! What the members of a request may be; an error names the rule that they break.

use serde_json::Value;

/// Whether there is nothing but these members.
pub(super) fn only(body: &Value, names: &[&str]) -> Result<(), String> {
    let members = body.as_object().ok_or("the body is no object")?;
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        Some(_) => Err("the body has a member that this operation does not".to_owned()),
        None => Ok(()),
    }
}

/// A text that is there.
pub(super) fn text(body: &Value, name: &str) -> Result<String, String> {
    let text = body[name].as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| format!("`{name}` is missing"))
}

/// A number of an order or refund.
pub(super) fn number(body: &Value, name: &str) -> Result<String, String> {
    let number = text(body, name)?;
    let fits = (6..=32).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { Ok(number) } else { Err(format!("`{name}` is not 6 to 32 letters and digits")) }
}

/// An amount that can be paid.
pub(super) fn fen(amount: &Value, name: &str) -> Result<i64, String> {
    amount[name].as_i64().filter(|fen| *fen > 0).ok_or_else(|| format!("`{name}` is not whole fen"))
}

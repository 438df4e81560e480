//! Which characters and names XML 1.0 (fifth edition) and its namespaces allow.

use crate::FormatError;

pub(super) const XML: &str = "http://www.w3.org/XML/1998/namespace";
pub(super) const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
pub(super) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Whether a document can hold a character (production 2).
pub(super) fn is_char(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether a name can begin with a character (production 4), `:` left out.
fn is_name_start(letter: char) -> bool {
    matches!(letter, 'A'..='Z' | 'a'..='z' | '_'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}'
        | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

fn is_name_letter(letter: char) -> bool {
    is_name_start(letter)
        || matches!(letter, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Whether it is a name without a prefix.
pub(super) fn is_local(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(is_name_start) && letters.all(is_name_letter)
}

/// Names may be so long, in bytes.
const MOST_NAME: usize = 1024;

/// A name's prefix and the rest; `None` when it is no name.
pub(super) fn qualified(name: &str) -> Option<(Option<&str>, &str)> {
    if name.len() > MOST_NAME {
        return None;
    }
    let (prefix, local) = match name.split_once(':') {
        Some((prefix, local)) => (Some(prefix), local),
        None => (None, name),
    };
    (prefix.is_none_or(is_local) && is_local(local)).then_some((prefix, local))
}

/// Checks an entry of a layout's `namespaces`.
pub(super) fn check_namespace(prefix: &str, uri: &str) -> Result<(), FormatError> {
    let wrong = |what: &str| Err(FormatError::Layout(format!("`namespaces`: `{prefix}` {what}")));
    if !prefix.is_empty() && !is_local(prefix) {
        return wrong("is no prefix: expected letters, digits, `_`, `-` and `.`");
    }
    if prefix.starts_with("xml") {
        return wrong("is kept for XML itself");
    }
    if uri.is_empty() {
        return wrong(
            "stands for no namespace: expected its name, such as `http://schemas.xmlsoap.org/soap/envelope/`",
        );
    }
    Ok(())
}

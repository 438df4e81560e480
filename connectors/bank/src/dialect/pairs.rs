//! Names and values in the order of their names: what `unionpay` and `cmb` sign.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a form leaves as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*');

/// Names and values. What a bank sends that we do not know stays among them: it is signed as well.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Pairs(pub(crate) BTreeMap<String, String>);

impl Pairs {
    /// These pairs, those without a value left out.
    pub(crate) fn of<V: Into<String>>(pairs: impl IntoIterator<Item = (&'static str, V)>) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// A value; empty where there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A value that is there.
    pub(crate) fn valued(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// Sets a value.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// `a=1&b=2`, without what is empty and without the signature.
    pub(crate) fn signed_text(&self, signature: &str) -> String {
        let signed = self.0.iter().filter(|(name, value)| *name != signature && !value.is_empty());
        signed.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    /// As a form (`application/x-www-form-urlencoded`).
    pub(crate) fn form(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, FORM).to_string();
        let pairs = self.0.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Reads a form. `None` where a name comes twice or something is not UTF-8.
    pub(crate) fn read_form(body: &[u8]) -> Option<Self> {
        let mut pairs = BTreeMap::new();
        for pair in std::str::from_utf8(body).ok()?.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=')?;
            let decoded = |text: &str| {
                Some(percent_decode_str(&text.replace('+', " ")).decode_utf8().ok()?.into_owned())
            };
            if pairs.insert(decoded(name)?, decoded(value)?).is_some() {
                return None;
            }
        }
        Some(Self(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_comes_back_as_it_was() {
        let pairs = Pairs::of([("orderId", "A1"), ("goods", "诊 查+费&=%"), ("none", "")]);
        assert_eq!(Pairs::read_form(pairs.form().as_bytes()).unwrap().0, pairs.0);
        assert_eq!(pairs.signed_text("sign"), "goods=诊 查+费&=%&orderId=A1");
    }

    #[test]
    fn a_name_that_comes_twice_is_no_form() {
        assert!(Pairs::read_form(b"a=1&a=2").is_none());
    }
}

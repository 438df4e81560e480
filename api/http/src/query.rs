//! Reads the name-value pairs of a query string or form. Total: what is no valid escape stands for itself.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// More pairs than any honest request has.
pub(crate) const MAX_PAIRS: usize = 256;

/// Why a query cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryError {
    /// Its bytes are no UTF-8.
    NotUtf8,
    /// It has more than [`MAX_PAIRS`] pairs.
    TooMany,
}

impl QueryError {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotUtf8 => "the parameters must be UTF-8, percent-encoded",
            Self::TooMany => "more than 256 parameters",
        }
    }
}

/// The decoded pairs, in their order. Pairs without a name are left out.
pub(crate) fn pairs(text: &[u8]) -> Result<Vec<(String, String)>, QueryError> {
    let mut pairs = Vec::new();
    for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let equals = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &pair[pair.len()..]),
        };
        let name = decode(name)?;
        if name.is_empty() {
            continue;
        }
        if pairs.len() == MAX_PAIRS {
            return Err(QueryError::TooMany);
        }
        pairs.push((name, decode(value)?));
    }
    Ok(pairs)
}

fn decode(text: &[u8]) -> Result<String, QueryError> {
    let spaced: Cow<'_, [u8]> = if text.contains(&b'+') {
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<_>>().into()
    } else {
        text.into()
    };
    percent_decode(&spaced).decode_utf8().map(Cow::into_owned).map_err(|_| QueryError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        pairs(text.as_bytes()).unwrap()
    }

    #[test]
    fn plus_is_a_space_and_escapes_are_decoded() {
        assert_eq!(read("name=a+b%2Bc&x"), [("name".into(), "a b+c".into()), ("x".into(), String::new())]);
    }

    #[test]
    fn a_value_may_hold_an_equals_sign() {
        assert_eq!(read("a=b=c&&=d"), [("a".into(), "b=c".into())]);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_refused() {
        assert_eq!(pairs(b"a=%FF"), Err(QueryError::NotUtf8));
    }

    #[test]
    fn more_pairs_than_allowed_are_refused() {
        assert_eq!(pairs("a=1&".repeat(MAX_PAIRS + 1).as_bytes()), Err(QueryError::TooMany));
    }
}

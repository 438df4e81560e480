//! Values that are bound to statements.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use hub_fhir::full_text::BREAK;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

/// A value to bind.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(CompactString),
    Shared(Arc<str>),
    Blob(Bytes),
}

impl Value {
    /// The number, where it is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(value) = self { Some(*value) } else { None }
    }

    /// The text as PostgreSQL takes it, where it is one: it knows no NUL in a text.
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        let text: &str = match self {
            Value::Text(text) => text,
            Value::Shared(text) => text,
            Value::Null | Value::Int(_) | Value::Blob(_) => return None,
        };
        Some(if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() })
    }

    /// The JSON text as PostgreSQL takes it, where it is one: it knows no escaped NUL either. An escaped backslash before `u0000`
    /// is none.
    pub fn as_json(&self) -> Option<Cow<'_, str>> {
        const NUL: &str = r"\u0000";
        let text = self.as_text()?;
        if !text.contains(NUL) {
            return Some(text);
        }
        let (mut told, mut rest) = (String::with_capacity(text.len()), &*text);
        while let Some(at) = rest.find('\\') {
            let (before, escape) = rest.split_at(at);
            told.push_str(before);
            // A backslash and what it escapes, together.
            let length = if escape.starts_with(NUL) { NUL.len() } else { escape.len().min(2) };
            let length =
                (length..=escape.len()).find(|end| escape.is_char_boundary(*end)).unwrap_or(escape.len());
            told.push_str(if escape.starts_with(NUL) { r"\ufffd" } else { &escape[..length] });
            rest = &escape[length..];
        }
        told.push_str(rest);
        Some(told.into())
    }

    /// Words with spaces between them as PostgreSQL takes them, each with its place. A break has a place and is no word.
    pub fn as_words(&self) -> Option<String> {
        use std::fmt::Write;
        let text = self.as_text()?;
        let mut words = String::with_capacity(text.len() * 2);
        for (at, word) in
            text.split(' ').enumerate().filter(|(_, word)| !word.is_empty() && !word.contains(BREAK))
        {
            write!(words, "'{word}':{} ", at + 1).expect("writing to a string succeeds");
        }
        Some(words)
    }

    /// The bytes, where they are some.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Value::Blob(bytes) = self { Some(bytes) } else { None }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::Int(i64::from(value))
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Int(i64::from(value))
    }
}
impl From<CompactString> for Value {
    fn from(value: CompactString) -> Self {
        Value::Text(value)
    }
}
impl From<&CompactString> for Value {
    fn from(value: &CompactString) -> Self {
        Value::Text(value.clone())
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.into())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value.into())
    }
}
impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Self {
        Value::Shared(value)
    }
}
impl From<Bytes> for Value {
    fn from(value: Bytes) -> Self {
        Value::Blob(value)
    }
}
impl From<uuid::Uuid> for Value {
    fn from(value: uuid::Uuid) -> Self {
        Value::Blob(Bytes::copy_from_slice(value.as_bytes()))
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Shared(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_nul_is_replaced_and_an_escaped_backslash_is_not() {
        for (text, taken) in [
            (r#"["a\u0000b"]"#, r#"["a\ufffdb"]"#),
            (r#"["a\\u0000b"]"#, r#"["a\\u0000b"]"#),
            (r#"["\\\u0000","\n","é"]"#, r#"["\\\ufffd","\n","é"]"#),
            (r#"["plain"]"#, r#"["plain"]"#),
        ] {
            assert_eq!(Value::from(text).as_json().as_deref(), Some(taken));
        }
    }
}

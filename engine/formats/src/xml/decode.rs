//! From bytes to the characters of an XML document: by its byte order mark, its declaration, or what the channel says.

use std::borrow::Cow;

use hub_core::document::ParseError;

use super::names::is_char;
use crate::charset::{Charset, UTF_8};
use crate::limits::check_length;

/// A declaration ends within so many bytes.
const MOST_DECLARATION: usize = 1024;

/// The characters of a document, and how they stood in bytes.
pub(super) struct Source<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) charset: Charset,
    /// The byte order mark.
    pub(super) mark: &'a [u8],
    /// What follows it.
    content: &'a [u8],
}

impl Source<'_> {
    /// Where in the bytes a place in the text is.
    pub(super) fn byte(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        self.mark.len() + self.charset.byte(self.content, at)
    }
}

pub(super) fn decode(bytes: &[u8], default: Option<Charset>) -> Result<Source<'_>, ParseError> {
    check_length(bytes)?;
    let (mark, by_mark) = match bytes {
        [0xEF, 0xBB, 0xBF, ..] => (3, Some(UTF_8)),
        [0xFF, 0xFE, ..] => (2, Some(Charset::Utf16 { big: false })),
        [0xFE, 0xFF, ..] => (2, Some(Charset::Utf16 { big: true })),
        [b'<', 0, ..] => (0, Some(Charset::Utf16 { big: false })),
        [0, b'<', ..] => (0, Some(Charset::Utf16 { big: true })),
        _ => (0, None),
    };
    let (mark, content) = bytes.split_at(mark);
    let declared = match by_mark {
        Some(Charset::Utf16 { .. }) => None,
        _ => declared(content).map(|(name, at)| (name, at + mark.len())),
    };
    let (charset, why) = match (by_mark, declared) {
        (by_mark, Some((name, at))) => {
            let error =
                |what: String| Err(ParseError { at, place: Some("XML declaration".to_owned()), what });
            match (Charset::from_name(name), by_mark) {
                (None, _) => return error("the encoding it declares is not known".to_owned()),
                (Some(charset @ Charset::Utf16 { .. }), _) => {
                    return error(format!("declares {}, which the message is not in", charset.name()));
                }
                (Some(charset), Some(by_mark)) if charset != by_mark => {
                    return error(format!(
                        "declares {}, but begins with the mark of {}",
                        charset.name(),
                        by_mark.name()
                    ));
                }
                (Some(charset), _) => (charset, "declared by the message"),
            }
        }
        (Some(charset), None) => (charset, "by its first bytes"),
        (None, None) => match default {
            Some(charset) => (charset, "the channel's default, as the message declares none"),
            None => (UTF_8, "assumed, as the message declares none"),
        },
    };
    let text = charset.decode(content).map_err(|bad| ParseError {
        at: mark.len() + bad.at,
        place: None,
        what: bad.what(charset, why),
    })?;
    let source = Source { text, charset, mark, content };
    check_declared(&source)?;
    if let Some(at) = source.text.find(|letter| !is_char(letter)) {
        let line = source.text[..at].matches('\n').count() + 1;
        let what = "a character that XML cannot hold".to_owned();
        return Err(ParseError { at: source.byte(at), place: Some(format!("line {line}")), what });
    }
    Ok(source)
}

/// What the declaration of a document in UTF-16 says must be that.
fn check_declared(source: &Source<'_>) -> Result<(), ParseError> {
    if !matches!(source.charset, Charset::Utf16 { .. }) {
        return Ok(());
    }
    match declared(source.text.as_bytes()) {
        Some((name, at)) if !matches!(Charset::from_name(name), Some(Charset::Utf16 { .. })) => {
            let what = "declares another encoding than UTF-16, which the message is in".to_owned();
            Err(ParseError { at: source.byte(at), place: Some("XML declaration".to_owned()), what })
        }
        _ => Ok(()),
    }
}

/// The encoding that the declaration names, and where its name stands.
fn declared(bytes: &[u8]) -> Option<(&str, usize)> {
    let within = &bytes[..bytes.len().min(MOST_DECLARATION)];
    let end = within.windows(2).position(|pair| pair == b"?>").filter(|_| within.starts_with(b"<?xml"))?;
    let declaration = std::str::from_utf8(&within[..end]).ok()?;
    let at = declaration.find("encoding")? + "encoding".len();
    let value = declaration[at..].trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let name = value[1..].split(quote).next()?;
    let start = declaration.len() - value.len() + 1;
    Some((name, start))
}

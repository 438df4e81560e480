//! Texts (FHIRPath N1, 5.6, and the additions of FHIRPath 3). Places count characters from 0.

use regex::Regex;

use super::{Call, Outcome, pattern};
use crate::error::EvaluationError;
use crate::functions::Function;
use crate::item::{Item, Items};

impl<'a> Call<'_, 'a> {
    pub(super) fn text(self) -> Outcome<'a> {
        if self.function == Function::Join {
            return self.join();
        }
        let text = match self.value()? {
            None => return Ok(Items::None),
            Some(Item::String(text)) => text,
            Some(other) => return self.fail(format!("expected a String, not a `{}`", other.kind())),
        };
        self.run.charge(self.at, 1 + text.len() as u64 / 64)?;
        match self.function {
            Function::Length => Ok(i32::try_from(text.chars().count()).ok().map(Item::Integer).into()),
            Function::Upper => Ok(self.run.made_text(self.at, text.to_uppercase())?.into()),
            Function::Lower => Ok(self.run.made_text(self.at, text.to_lowercase())?.into()),
            Function::Trim => Ok(self.run.made_text(self.at, text.trim().to_owned())?.into()),
            Function::Substring => self.substring(&text),
            Function::ToChars => {
                let mut found = Items::None;
                for letter in text.chars() {
                    self.run.push(self.at, &mut found, Item::text(letter.to_string()))?;
                }
                Ok(found)
            }
            Function::Matches | Function::MatchesFull | Function::ReplaceMatches => self.matching(&text),
            _ => self.with_argument(&text),
        }
    }

    fn with_argument(self, text: &str) -> Outcome<'a> {
        let Some(other) = self.text_argument(0)? else { return Ok(Items::None) };
        let other = other.as_ref();
        Ok(match self.function {
            Function::StartsWith => text.starts_with(other).into(),
            Function::EndsWith => text.ends_with(other).into(),
            Function::Contains => text.contains(other).into(),
            Function::IndexOf => place(text, text.find(other)).into(),
            Function::LastIndexOf => place(text, text.rfind(other)).into(),
            Function::Replace => {
                let Some(by) = self.text_argument(1)? else { return Ok(Items::None) };
                self.check_growth(text.len(), text.matches(other).count(), by.len())?;
                self.run.made_text(self.at, text.replace(other, &by))?.into()
            }
            Function::Split => {
                let mut found = Items::None;
                for part in text.split(other) {
                    self.run.push(self.at, &mut found, Item::text(part.to_owned()))?;
                }
                found
            }
            _ => match self.coded(text, other)? {
                Some(made) => self.run.made_text(self.at, made)?.into(),
                None => Items::None,
            },
        })
    }

    /// What replacing makes of a text of `bytes` must not be too long; known before it is made.
    fn check_growth(&self, bytes: usize, times: usize, by: usize) -> Result<(), EvaluationError> {
        self.run.check_text(self.at, times.saturating_mul(by).saturating_add(bytes))
    }

    fn coded(&self, text: &str, target: &str) -> Result<Option<String>, EvaluationError> {
        match (self.function, target) {
            (Function::Encode, "hex") => Ok(Some(hex(text.as_bytes()))),
            (Function::Encode, "base64") => Ok(Some(base64(text.as_bytes(), STANDARD))),
            (Function::Encode, "urlbase64") => Ok(Some(base64(text.as_bytes(), FOR_URLS))),
            (Function::Decode, "hex") => Ok(un_hex(text).and_then(|bytes| String::from_utf8(bytes).ok())),
            (Function::Decode, "base64") => {
                Ok(un_base64(text, STANDARD).and_then(|bytes| String::from_utf8(bytes).ok()))
            }
            (Function::Decode, "urlbase64") => {
                Ok(un_base64(text, FOR_URLS).and_then(|bytes| String::from_utf8(bytes).ok()))
            }
            (Function::Encode | Function::Decode, _) => self.fail("expected 'hex', 'base64' or 'urlbase64'"),
            (Function::Escape, "html") => Ok(Some(
                text.replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;")
                    .replace('"', "&quot;")
                    .replace('\'', "&#39;"),
            )),
            (Function::Escape, "json") => {
                let mut quoted = String::new();
                hub_fhir::json::write_string(text, &mut quoted);
                Ok(Some(quoted[1..quoted.len() - 1].to_owned()))
            }
            (Function::Unescape, "html") => Ok(Some(
                text.replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&quot;", "\"")
                    .replace("&#39;", "'")
                    .replace("&amp;", "&"),
            )),
            (Function::Unescape, "json") => {
                let read = hub_fhir::json::parse(&quoted(text)).ok();
                Ok(read.and_then(|json| json.as_str().map(str::to_owned)))
            }
            _ => self.fail("expected 'html' or 'json'"),
        }
    }

    fn substring(self, text: &str) -> Outcome<'a> {
        let Some(start) = self.integer_argument(0)? else { return Ok(Items::None) };
        let length = match self.arguments.len() {
            1 => usize::MAX,
            _ => match self.integer_argument(1)? {
                Some(length) => usize::try_from(length).unwrap_or(0),
                None => usize::MAX,
            },
        };
        let Ok(start) = usize::try_from(start) else { return Ok(Items::None) };
        let mut rest = text.chars().skip(start).peekable();
        if rest.peek().is_none() {
            return Ok(Items::None);
        }
        Ok(self.run.made_text(self.at, rest.take(length).collect())?.into())
    }

    fn matching(self, text: &str) -> Outcome<'a> {
        let made;
        let regex: &Regex = match self.pattern {
            Some(regex) => regex,
            None => {
                let Some(source) = self.text_argument(0)? else { return Ok(Items::None) };
                self.run.charge(self.at, 100 + source.len() as u64)?;
                made = match pattern(self.function, &source) {
                    Ok(regex) => regex,
                    Err(what) => return self.fail(what),
                };
                &made
            }
        };
        if self.function != Function::ReplaceMatches {
            return Ok(regex.is_match(text).into());
        }
        let Some(by) = self.text_argument(1)? else { return Ok(Items::None) };
        if regex.as_str().is_empty() {
            return Ok(Item::text(text.to_owned()).into());
        }
        // Each mention of a group brings at most the whole text in all.
        let groups = text.len().saturating_mul(by.matches('$').count());
        self.check_growth(text.len().saturating_add(groups), regex.find_iter(text).count(), by.len())?;
        let replaced = regex.replace_all(text, braced(&by).as_str()).into_owned();
        Ok(self.run.made_text(self.at, replaced)?.into())
    }

    fn join(self) -> Outcome<'a> {
        let between = self.text_argument(0)?.unwrap_or_default();
        let mut joined = String::new();
        for (at, item) in self.input.iter().enumerate() {
            let Some(text) = item.as_text() else {
                return self.fail(format!("expected Strings, not a `{}`", item.kind()));
            };
            if at > 0 {
                joined.push_str(&between);
            }
            joined.push_str(&text);
            self.run.charge(self.at, 1 + text.len() as u64 / 64)?;
        }
        if self.input.is_empty() {
            return Ok(Items::None);
        }
        Ok(self.run.made_text(self.at, joined)?.into())
    }
}

/// A text with JSON's escapes as a JSON string: quotation marks that are not escaped are now.
fn quoted(text: &str) -> String {
    let mut made = String::with_capacity(text.len() + 2);
    made.push('"');
    let mut is_escaped = false;
    for letter in text.chars() {
        if letter == '"' && !is_escaped {
            made.push('\\');
        }
        made.push(letter);
        is_escaped = letter == '\\' && !is_escaped;
    }
    made.push('"');
    made
}

/// `$1a` is group 1 and an `a`: the library would look for a group `1a`.
fn braced(by: &str) -> String {
    let mut made = String::with_capacity(by.len());
    let mut rest = by;
    while let Some(at) = rest.find('$') {
        made.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        if digits > 0 {
            made.push_str(&format!("{{{}}}", &rest[..digits]));
            rest = &rest[digits..];
        }
    }
    made.push_str(rest);
    made
}

/// The place of a byte in characters; -1 for none.
fn place<'a>(text: &str, at: Option<usize>) -> Option<Item<'a>> {
    match at {
        None => Some(Item::Integer(-1)),
        Some(at) => i32::try_from(text[..at].chars().count()).ok().map(Item::Integer),
    }
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FOR_URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn un_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|letter| letter.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

/// RFC 4648, §4 and §5.
fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let whole =
            chunk.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            text.push(char::from(alphabet[(whole >> (18 - 6 * at) & 63) as usize]));
        }
        text.push_str(&"=="[..3 - chunk.len()]);
    }
    text
}

fn un_base64(text: &str, alphabet: &[u8; 64]) -> Option<Vec<u8>> {
    let letters = text.trim_end_matches('=').as_bytes();
    if letters.len() % 4 == 1 || text.len() - letters.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3 + 2);
    for chunk in letters.chunks(4) {
        let mut whole = 0u32;
        for letter in chunk {
            let value = alphabet.iter().position(|known| known == letter)?;
            whole = whole << 6 | u32::try_from(value).ok()?;
        }
        whole <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&whole.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

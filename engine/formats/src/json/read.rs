//! Reads JSON text strictly: UTF-8 only, no name twice, no lost character.

use hub_core::document::ParseError;
use hub_fhir::{Json, Object};

use crate::limits::{MOST_NODES, check_length};
use crate::nested::{Along, Nested};

/// One line of NDJSON.
pub(crate) struct Line {
    /// Where it begins and ends in the bytes.
    pub(crate) at: usize,
    pub(crate) end: usize,
    /// Which line of the file, from 1.
    pub(crate) number: usize,
    pub(crate) tree: Json,
}

fn error(at: usize, place: Option<String>, what: &str) -> ParseError {
    ParseError { at, place, what: what.to_owned() }
}

/// The text, and where it begins. A replacement character that stands in it already is refused too.
fn text(bytes: &[u8]) -> Result<(&str, usize), ParseError> {
    check_length(bytes)?;
    let marked = bytes.strip_prefix(b"\xEF\xBB\xBF");
    let begin = if marked.is_some() { 3 } else { 0 };
    let text = std::str::from_utf8(&bytes[begin..])
        .map_err(|bad| error(begin + bad.valid_up_to(), None, "not UTF-8, which JSON must be"))?;
    if let Some(at) = text.find('\u{FFFD}') {
        return Err(error(begin + at, None, "a replacement character (U+FFFD) stands in the message"));
    }
    let many = text.len() > MOST_NODES && text.bytes().filter(|byte| *byte == b',').count() > MOST_NODES;
    if many && values(text) > MOST_NODES {
        return Err(error(0, None, "more than 4000000 values"));
    }
    Ok((text, begin))
}

/// How many values there may be: commas outside strings.
fn values(text: &str) -> usize {
    let (mut count, mut within, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if within => escaped = true,
            b'"' => within = !within,
            b',' if !within => count += 1,
            _ => {}
        }
    }
    count
}

/// Reads one JSON value.
pub(crate) fn read_tree(bytes: &[u8]) -> Result<Json, ParseError> {
    let (text, begin) = text(bytes)?;
    parse(text, begin, 0)
}

/// Reads JSON text that begins at byte `begin`, after so many lines.
fn parse(text: &str, begin: usize, lines: usize) -> Result<Json, ParseError> {
    hub_fhir::json::parse(text).map_err(|bad| {
        let before =
            text.split('\n').take(bad.line.saturating_sub(1)).map(|line| line.len() + 1).sum::<usize>();
        let line = &text[before.min(text.len())..];
        let column = line.char_indices().nth(bad.column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
        let place = format!("line {} column {}", lines + bad.line, bad.column);
        error(begin + (before + column).min(text.len()), Some(place), bad.what)
    })
}

/// Reads a JSON value on each line. Blank lines are none.
pub(crate) fn lines(bytes: &[u8]) -> Result<Vec<Line>, ParseError> {
    let (text, begin) = text(bytes)?;
    let mut list = Vec::new();
    let mut at = begin;
    for (index, line) in text.split('\n').enumerate() {
        let content = line.trim_matches([' ', '\t', '\r']);
        if !content.is_empty() {
            let start = at + (line.len() - line.trim_start_matches([' ', '\t', '\r']).len());
            let end = start + content.len();
            list.push(Line { at: start, end, number: index + 1, tree: parse(content, start, index)? });
        }
        at += line.len() + 1;
    }
    if list.is_empty() {
        return Err(error(begin, None, "expected a JSON value on each line, and there is no line"));
    }
    Ok(list)
}

/// What stands at the top must have parts.
pub(crate) fn check_top(tree: &Json, at: usize) -> Result<(), ParseError> {
    match tree {
        Json::Object(_) | Json::Array(_) => Ok(()),
        _ => Err(error(at, None, "expected a JSON object or array")),
    }
}

/// The tree with the JSON text of strings read that are named as nested. An array in such a text becomes the member `*` of an object.
pub(crate) fn opened(mut tree: Json, nested: &Nested) -> Result<Json, ParseError> {
    if !nested.is_empty() {
        Opener { nested, place: String::new() }.descend(&mut tree, nested.root())?;
    }
    Ok(tree)
}

struct Opener<'a> {
    nested: &'a Nested,
    place: String,
}

impl Opener<'_> {
    fn descend(&mut self, value: &mut Json, along: Along) -> Result<(), ParseError> {
        match value {
            Json::Array(items) => items.iter_mut().try_for_each(|item| self.descend(item, along)),
            Json::Object(object) => {
                let length = self.place.len();
                for (name, member) in object.iter_mut() {
                    if !self.place.is_empty() {
                        self.place.push('.');
                    }
                    self.place.push_str(name);
                    self.member(
                        member,
                        if name == "*" { along } else { self.nested.below(along, name) },
                        name == "*",
                    )?;
                    self.place.truncate(length);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn member(&mut self, member: &mut Json, along: Along, is_array: bool) -> Result<(), ParseError> {
        match member {
            member if is_array || !self.nested.ends(along) => self.descend(member, along),
            Json::Array(items) => items.iter_mut().try_for_each(|item| self.text(item, along)),
            member => self.text(member, along),
        }
    }

    fn text(&mut self, value: &mut Json, along: Along) -> Result<(), ParseError> {
        let what = match &*value {
            Json::Null => return Ok(()),
            Json::String(text) if text.is_empty() => return Ok(()),
            Json::String(text) => match hub_fhir::json::parse(text) {
                Ok(inner @ Json::Object(_)) => {
                    *value = inner;
                    return self.descend(value, along);
                }
                Ok(inner @ Json::Array(_)) => {
                    *value = Json::Object(Object::from_iter([("*", inner)]));
                    return self.descend(value, along);
                }
                Ok(_) => "expected a JSON object or array in this string".to_owned(),
                Err(bad) => {
                    format!(
                        "this string is not JSON (its line {} column {}): {}",
                        bad.line, bad.column, bad.what
                    )
                }
            },
            _ => "expected a string that holds JSON text".to_owned(),
        };
        Err(error(0, Some(self.place.clone()), &what))
    }
}

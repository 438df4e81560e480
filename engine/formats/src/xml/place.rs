//! Says where in a document something is wrong: by line and column. A name in a message may be a patient's, so none is said.

use hub_core::document::ParseError;
use quick_xml::Error;
use quick_xml::errors::IllFormedError;

use super::read::{Level, Open, Reading};
use super::words::words;

impl Reading<'_> {
    /// What is wrong at a place in the text of a document.
    pub(super) fn error<T>(
        &self,
        level: Level<'_>,
        at: usize,
        what: impl Into<String>,
    ) -> Result<T, ParseError> {
        let place = line_and_column(level.text, at);
        let (at, place) = match level.holder {
            None => (self.source.byte(at), place),
            Some(holder) => (
                self.source.byte(level.base),
                format!("{}, {place} of the document in it", self.path(holder)),
            ),
        };
        Err(ParseError { at, place: Some(place), what: what.into() })
    }

    /// What quick-xml finds wrong there.
    pub(super) fn refused<T>(&self, level: Level<'_>, at: usize, error: &Error) -> Result<T, ParseError> {
        match (error, self.open_element(level)) {
            (Error::IllFormed(IllFormedError::MismatchedEndTag { .. }), Some(begun)) => {
                self.error(level, at, format!("expected the end of {begun}, and another one is closed"))
            }
            _ => self.error(level, at, words(error)),
        }
    }

    /// The innermost element whose end has not been seen, by its place.
    pub(super) fn open_element(&self, level: Level<'_>) -> Option<String> {
        let open = self.open.get(level.floor..).and_then(<[Open]>::last)?;
        Some(format!("the element that begins at {}", line_and_column(level.text, open.start)))
    }

    /// The path of an element that holds a document: the names that the layout's `nested` says.
    fn path(&self, node: usize) -> String {
        let mut names = Vec::new();
        let mut at = node;
        while at != 0 {
            names.push(self.tree.name(at));
            at = self.tree.parent(at);
        }
        names.iter().rev().fold(String::new(), |path, name| path + "/" + name)
    }
}

fn line_and_column(text: &str, at: usize) -> String {
    let mut end = at.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let line_start = text[..end].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[..end].matches('\n').count() + 1;
    format!("line {line} column {}", text[line_start..end].chars().count() + 1)
}

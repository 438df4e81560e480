//! The attributes of a start tag as nodes: declarations of namespaces first, as they reach over the whole tag.

use std::collections::HashSet;

use hub_core::document::ParseError;

use super::attributes::{Attribute, Attributes, push_value};
use super::document::Mark;
use super::names::{XML, XMLNS, XSI, qualified};
use super::read::{Level, Open, Reading};
use crate::tree::{Kind, Span};

/// An element may have so many attributes.
const MOST_ATTRIBUTES: usize = 256;
/// So many declarations of namespaces may be in force at one place.
const MOST_DECLARED: usize = 256;

impl Reading<'_> {
    /// Adds the attributes of an element; `raw` begins at `before` in the document's text.
    pub(super) fn attributes(
        &mut self,
        level: Level<'_>,
        before: usize,
        raw: &str,
        open: &mut Open,
    ) -> Result<(), ParseError> {
        let mut list: Vec<Attribute<'_>> = Vec::new();
        let mut attributes = Attributes::new(raw);
        loop {
            match attributes.next() {
                Ok(Some(attribute)) if list.len() < MOST_ATTRIBUTES => list.push(attribute),
                Ok(Some(_)) => {
                    return self.error(
                        level,
                        before,
                        format!("more than {MOST_ATTRIBUTES} attributes in one tag"),
                    );
                }
                Ok(None) => break,
                Err((at, what)) => return self.error(level, before + at, what),
            }
        }
        if list.is_empty() {
            return Ok(());
        }
        for attribute in list.iter().filter(|attribute| declares(attribute.name).is_some()) {
            self.declare(level, before, attribute)?;
        }
        let mut known = HashSet::new();
        for attribute in &list {
            let at = before + attribute.at;
            let Some((prefix, local)) = qualified(attribute.name) else {
                return self.error(level, at, "an attribute without a proper name");
            };
            let space = match prefix {
                None if attribute.name == "xmlns" => Some(2),
                None => Some(0),
                Some("xmlns") => Some(2),
                Some(prefix) => self.spaces.find(level.declared, prefix),
            };
            let Some(space) = space else {
                return self.error(level, at, "the prefix of an attribute is not declared");
            };
            if list.len() > 1 && !known.insert((space, local)) {
                return self.error(level, at, "an attribute stands twice in one tag");
            }
            self.attribute(level, at, attribute, (prefix, local), space, open)?;
        }
        Ok(())
    }

    fn attribute(
        &mut self,
        level: Level<'_>,
        at: usize,
        attribute: &Attribute<'_>,
        (prefix, local): (Option<&str>, &str),
        space: u16,
        open: &mut Open,
    ) -> Result<(), ParseError> {
        let buffer = self.tree.buffer();
        if let Some(prefix) = prefix {
            buffer.push_str(prefix);
            buffer.push(':');
        }
        let start = self.tree.end();
        self.tree.buffer().push('@');
        self.tree.buffer().push_str(local);
        let name = Span { start, end: self.tree.end() };
        let text = self.value(level, at, attribute)?;
        let value = self.tree.slice(text);
        let is_schema_instance = self.spaces.is(space, XSI);
        let mut kind = if value.trim().is_empty() { Kind::Blank } else { Kind::Text };
        if is_schema_instance && local == "nil" {
            open.is_nil = matches!(value, "true" | "1");
            kind = Kind::Quiet;
        } else if self.spaces.is(space, XML) && local == "space" {
            open.keeps_space = value == "preserve";
            kind = Kind::Quiet;
        } else if space == 2
            || (is_schema_instance && matches!(local, "schemaLocation" | "noNamespaceSchemaLocation"))
        {
            kind = Kind::Quiet;
        }
        let length = prefix.map_or(0, |prefix| prefix.len() + 1);
        let prefix = u16::try_from(length).unwrap_or(u16::MAX);
        let mark = Mark { space, prefix, is_attribute: true, ..Mark::default() };
        self.room(level, at)?;
        self.push((at, at), open.node, name, kind, text, mark);
        Ok(())
    }

    fn value(&mut self, level: Level<'_>, at: usize, attribute: &Attribute<'_>) -> Result<Span, ParseError> {
        let start = self.tree.end();
        if let Err((inside, what)) = push_value(attribute.value, self.tree.buffer()) {
            return self.error(level, at + attribute.name.len() + 2 + inside, what);
        }
        Ok(Span { start, end: self.tree.end() })
    }

    fn declare(
        &mut self,
        level: Level<'_>,
        before: usize,
        attribute: &Attribute<'_>,
    ) -> Result<(), ParseError> {
        let at = before + attribute.at;
        let prefix = declares(attribute.name).unwrap_or_default();
        let span = self.value(level, at, attribute)?;
        let uri = self.tree.slice(span).to_owned();
        let is_kept = prefix == "xmlns" || (prefix == "xml") != (uri == XML) || uri == XMLNS;
        if is_kept {
            return self.error(level, at, "declares a namespace that is kept for XML itself");
        }
        if uri.is_empty() && !prefix.is_empty() {
            return self.error(level, at, "a prefix is declared as no namespace");
        }
        if self.spaces.declared() - level.declared >= MOST_DECLARED {
            return self.error(level, at, format!("more than {MOST_DECLARED} namespaces at one place"));
        }
        if self.spaces.declare(prefix, &uri).is_none() {
            return self.error(level, at, "too many namespaces");
        }
        Ok(())
    }
}

/// The prefix that an attribute declares: none for `xmlns`.
fn declares(name: &str) -> Option<&str> {
    if name == "xmlns" { Some("") } else { name.strip_prefix("xmlns:") }
}

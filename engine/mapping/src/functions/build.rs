//! Builds the objects that functions make: members in order, empty ones left out.

use compact_str::CompactString;
use hub_fhir::primitive::Primitive;
use hub_fhir::{Json, Object};

use super::{Misfit, Outcome, plain};
use crate::read::Value;

/// An object in the making.
#[derive(Default)]
pub(super) struct Build(Object);

impl Build {
    pub(super) fn with_capacity(members: usize) -> Self {
        Self(Object::with_capacity(members))
    }

    pub(super) fn put(&mut self, name: &'static str, value: impl Into<Json>) {
        self.0.push(CompactString::const_new(name), value.into());
    }

    pub(super) fn put_some(&mut self, name: &'static str, value: Option<impl Into<Json>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// A string member, when the part has a value.
    pub(super) fn text(&mut self, name: &'static str, part: Option<Value<'_>>) -> Result<(), Misfit> {
        let text = text(part)?;
        self.put_some(name, text);
        Ok(())
    }

    /// An array member, when there is something in it.
    pub(super) fn list(&mut self, name: &'static str, items: Vec<Json>) {
        if !items.is_empty() {
            self.put(name, items);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn json(self) -> Json {
        Json::Object(self.0)
    }

    /// The object; nothing when it is empty.
    pub(super) fn finish(self) -> Outcome {
        Ok(if self.is_empty() { None } else { Some(self.json()) })
    }
}

/// The text of a part as a FHIR string.
pub(super) fn text(part: Option<Value<'_>>) -> Outcome {
    let Some(part) = part else { return Ok(None) };
    match part.text() {
        Some(text) => plain::readable(part, &text, Primitive::String),
        None => Ok(None),
    }
}

/// An extension with a value: `{ url, valueCode }`.
pub(super) fn extension(url: &'static str, member: &'static str, value: Json) -> Json {
    let mut built = Build::with_capacity(2);
    built.put("url", Json::String(CompactString::const_new(url)));
    built.put(member, value);
    built.json()
}

//! Builds fields of HL7 v2: components by number, empty ones left out.

use compact_str::{CompactString, ToCompactString};
use hub_fhir::{Json, Object};

use super::Outcome;
use crate::read::Value;

/// A field, or a component with subcomponents, in the making.
#[derive(Default)]
pub(super) struct Parts(Object);

impl Parts {
    pub(super) fn put(&mut self, number: u16, part: impl Into<Json>) {
        self.0.push(number.to_compact_string(), part.into());
    }

    pub(super) fn put_some(&mut self, number: u16, part: Option<impl Into<Json>>) {
        if let Some(part) = part {
            self.put(number, part);
        }
    }

    /// The text of a value, where there is one.
    pub(super) fn text(&mut self, number: u16, value: Option<Value<'_>>) {
        self.put_some(number, value.and_then(|value| value.text()).map(Json::string));
    }

    /// Several texts, with a blank between them.
    pub(super) fn words(&mut self, number: u16, values: &[Value<'_>]) {
        let words: Vec<_> = values.iter().filter_map(Value::text).collect();
        if !words.is_empty() {
            self.put(number, Json::String(CompactString::from(words.join(" "))));
        }
    }

    /// Components of another field, put in from a number on: the parts of an HD within an EI.
    pub(super) fn splice(&mut self, first: u16, parts: Option<Self>) {
        for (number, part) in parts.map(|parts| parts.0).into_iter().flatten() {
            let place = number.parse::<u16>().map_or(first, |number| first + number - 1);
            self.put(place, part);
        }
    }

    pub(super) fn some(self) -> Option<Self> {
        (!self.0.is_empty()).then_some(self)
    }

    /// The field; nothing when it is empty.
    pub(super) fn finish(self) -> Outcome {
        Ok(self.some().map(Json::from))
    }
}

impl From<Parts> for Json {
    fn from(parts: Parts) -> Self {
        Json::Object(parts.0)
    }
}

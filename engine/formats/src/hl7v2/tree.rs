//! A message that was read, as the tree that a writer takes.

use std::collections::BTreeMap;

use compact_str::format_compact;
use hub_core::document::Text;
use hub_fhir::{Json, Object};

use super::document::{Hl7Document, Item, Kind};

impl Hl7Document {
    /// The message as a tree, its segments in the order they came: `{"segments": [{"MSH": {"9": {"1": "ADT"}}}, ..]}`. Values
    /// are unescaped; MSH-1 and MSH-2 are left out.
    pub fn tree(&self) -> Object {
        let is_segment = |at: &usize| self.item(*at).kind == Kind::Segment;
        let mut segments: Vec<usize> = (0..self.items.len()).filter(is_segment).collect();
        segments.sort_by_key(|at| self.item(*at).start);
        let segment = |at: usize| {
            let tag = self.tag(self.item(at)).map(char::from);
            let name: String = tag.iter().collect();
            Json::Object(Object::from_iter([(name, Json::Object(self.fields(at)))]))
        };
        let segments = segments.into_iter().map(segment).collect();
        Object::from_iter([("segments", Json::Array(segments))])
    }

    fn fields(&self, segment: usize) -> Object {
        let is_msh = &self.tag(self.item(segment)) == b"MSH";
        let mut fields: BTreeMap<u16, Vec<(u32, Json)>> = BTreeMap::new();
        for at in self.children(segment) {
            let Item { number, nth, .. } = *self.item(at);
            if is_msh && number <= 2 {
                continue;
            }
            if let Some(repetition) = self.tree_of(at) {
                fields.entry(number).or_default().push((nth, repetition));
            }
        }
        object(fields.into_iter().map(|(number, repetitions)| (number, field(repetitions))))
    }

    /// A part with its parts; `None` when nothing in it has a value.
    fn tree_of(&self, at: usize) -> Option<Json> {
        if self.is_leaf(at) {
            return match self.value(at)? {
                Text::Value(value) => Some(Json::string(value)),
                Text::Null => Some(Json::Null),
            };
        }
        let parts =
            self.children(at).filter_map(|child| Some((self.item(child).number, self.tree_of(child)?)));
        let parts = object(parts);
        match parts.get("1") {
            // A first part that has the only value is the whole: others were there, and said nothing.
            Some(first) if parts.len() == 1 && first.as_object().is_none() => Some(first.clone()),
            _ => (!parts.is_empty()).then_some(Json::Object(parts)),
        }
    }
}

/// Parts by their numbers, each of which comes once.
fn object(parts: impl Iterator<Item = (u16, Json)>) -> Object {
    let mut object = Object::new();
    for (number, part) in parts {
        object.push(format_compact!("{number}"), part);
    }
    object
}

/// Repetitions by their numbers, those left out as null; one alone stands for itself.
fn field(repetitions: Vec<(u32, Json)>) -> Json {
    let last = repetitions.iter().map(|(nth, _)| *nth).max().unwrap_or(1);
    if last == 1 {
        return repetitions.into_iter().map(|(_, repetition)| repetition).next().unwrap_or(Json::Null);
    }
    let mut field = vec![Json::Null; last as usize];
    for (nth, repetition) in repetitions {
        field[nth as usize - 1] = match repetition {
            // In a list of repetitions null is one that is empty.
            Json::Null => Json::Object(Object::from_iter([("1", Json::Null)])),
            valued => valued,
        };
    }
    Json::Array(field)
}

//! A JSON tree that keeps what it was given: member order, and numbers as they were written.
//!
//! FHIR decimals carry their precision (`1.10` is not `1.1`, R4B §2.24.0.1), which a tree of
//! floating-point numbers loses. Strings and member names are small strings, so that a typical
//! resource costs few allocations.

use std::fmt;

use compact_str::CompactString;

pub use crate::json_read::{JsonError, MAX_DEPTH, parse};
pub use crate::json_write::{write, write_object, write_pretty, write_string};
use crate::veil::Veil;

/// One JSON value (RFC 8259).
#[derive(Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, in the characters it was written with.
    Number(CompactString),
    /// A string, unescaped.
    String(CompactString),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

/// The members of a JSON object, in their order. Names are unique.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Object(Vec<(CompactString, Json)>);

impl Object {
    /// An object without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// An object without members, with room for `members`.
    pub fn with_capacity(members: usize) -> Self {
        Self(Vec::with_capacity(members))
    }

    /// The value of the member `name`.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The value of the member `name`, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        self.0.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Sets the member `name`: in its place when it is there, at the end when it is new.
    pub fn set(&mut self, name: &str, value: impl Into<Json>) {
        match self.get_mut(name) {
            Some(old) => *old = value.into(),
            None => self.0.push((name.into(), value.into())),
        }
    }

    /// Adds a member that is known not to be there yet. The caller keeps names unique.
    pub fn push(&mut self, name: CompactString, value: Json) {
        debug_assert!(self.get(&name).is_none(), "member `{name}` is there already");
        self.0.push((name, value));
    }

    /// The same without a check: for the reader, which has made it.
    pub(crate) fn push_new(&mut self, name: CompactString, value: Json) {
        self.0.push((name, value));
    }

    /// Takes the member `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(at).1)
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The members in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The members in their order, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Json)> {
        self.0.iter_mut().map(|(key, value)| (key.as_str(), value))
    }
}

impl IntoIterator for Object {
    type Item = (CompactString, Json);
    type IntoIter = std::vec::IntoIter<Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Into<CompactString>> FromIterator<(K, Json)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, Json)>>(members: I) -> Self {
        let mut object = Object::new();
        for (name, value) in members {
            object.set(name.into().as_str(), value);
        }
        object
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (Veil(name), value))).finish()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => Veil(if *value { "true" } else { "false" }).fmt(f),
            Json::Number(digits) => write!(f, "Number({:?})", Veil(digits)),
            Json::String(text) => Veil(text).fmt(f),
            Json::Array(items) => f.debug_list().entries(items).finish(),
            Json::Object(object) => object.fmt(f),
        }
    }
}

impl Json {
    /// A string value.
    pub fn string(text: impl AsRef<str>) -> Self {
        Json::String(CompactString::new(text))
    }

    /// The member `name` of an object; `None` for everything else.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.as_object()?.get(name)
    }

    /// The value at `path`: member names and array indices, outermost first.
    /// `patient.at(&["name", "0", "family"])`
    pub fn at(&self, path: &[&str]) -> Option<&Json> {
        path.iter().try_fold(self, |value, step| match value {
            Json::Array(items) => items.get(step.parse::<usize>().ok()?),
            other => other.get(step),
        })
    }

    /// The text of a string value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The members of an object, to be changed.
    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The items of an array.
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Json::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The items of an array, or the value itself as the only item: how FHIR paths see repetition.
    pub fn items(&self) -> &[Json] {
        match self {
            Json::Array(items) => items,
            other => std::slice::from_ref(other),
        }
    }

    /// The JSON text for people: two spaces a level.
    pub fn to_pretty_text(&self) -> String {
        let mut text = String::with_capacity(1024);
        write_pretty(self, 0, &mut text);
        text
    }

    /// The compact JSON text.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(512);
        write(self, &mut text);
        text
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::string(text)
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Json::String(text.into())
    }
}

impl From<CompactString> for Json {
    fn from(text: CompactString) -> Self {
        Json::String(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Json::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Json::Number(compact_str::format_compact!("{value}"))
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Json::Object(object)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Json::Array(items)
    }
}

//! Writes JSON: the inverse of reading it.

use bytes::Bytes;
use compact_str::CompactString;
use hub_core::document::{WriteError, Writer};
use hub_core::registry::Settings;
use hub_fhir::json::{write, write_object, write_string};
use hub_fhir::{Json, Object};

use super::Layout;
use crate::nested::{Along, Nested};
use crate::{FormatError, layout_of};

/// Writes one JSON object, in the order of its members; numbers keep their digits. An object whose only member is an array named `*` is
/// written as that array; with `lines = true`, its items one a line, and any other object as the only line. An object or array at a path
/// named by `nested` is written as JSON text in a string.
#[derive(Clone, Debug, Default)]
pub struct JsonWriter {
    lines: bool,
    nested: Nested,
}

impl JsonWriter {
    /// The writer of this layout: `lines`, `nested`.
    pub fn new(layout: &Settings) -> Result<Self, FormatError> {
        let Layout { lines, nested } = layout_of("json", layout)?;
        Ok(Self { lines, nested: Nested::new(&nested)? })
    }

    fn value(&self, value: &Json, along: Along, out: &mut String) {
        match value {
            Json::Object(object) => self.object(object, along, out),
            Json::Array(items) => self.array(items, along, false, out),
            leaf => write(leaf, out),
        }
    }

    fn array(&self, items: &[Json], along: Along, are_texts: bool, out: &mut String) {
        out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            if are_texts { self.text(item, along, out) } else { self.value(item, along, out) }
        }
        out.push(']');
    }

    fn object(&self, object: &Object, along: Along, out: &mut String) {
        if self.nested.is_empty() {
            return write_object(object, out);
        }
        out.push('{');
        for (at, (name, member)) in object.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            write_string(name, out);
            out.push(':');
            let below = if name == "*" { along } else { self.nested.below(along, name) };
            match member {
                member if name == "*" => self.value(member, below, out),
                Json::Array(items) if self.nested.ends(below) => self.array(items, below, true, out),
                member if self.nested.ends(below) => self.text(member, below, out),
                member => self.value(member, below, out),
            }
        }
        out.push('}');
    }

    /// A value as JSON text in a string; what is a text already is written as it is.
    fn text(&self, value: &Json, along: Along, out: &mut String) {
        let mut inner = String::new();
        match value {
            Json::Object(object) => match only_array(object) {
                Some(items) => self.array(items, along, false, &mut inner),
                None => self.object(object, along, &mut inner),
            },
            Json::Array(items) => self.array(items, along, false, &mut inner),
            leaf => return write(leaf, out),
        }
        write_string(&inner, out);
    }
}

/// The items, when an object stands for an array.
fn only_array(object: &Object) -> Option<&[Json]> {
    object.get("*").and_then(Json::as_array).filter(|_| object.len() == 1)
}

impl Writer for JsonWriter {
    fn write(&self, message: &Object) -> Result<Bytes, WriteError> {
        let mut text = String::with_capacity(512);
        let root = self.nested.root();
        match only_array(message) {
            Some(items) if self.lines => {
                for item in items {
                    self.value(item, root, &mut text);
                    text.push('\n');
                }
            }
            Some(items) => self.array(items, root, false, &mut text),
            None => {
                self.object(message, root, &mut text);
                if self.lines {
                    text.push('\n');
                }
            }
        }
        Ok(Bytes::from(text))
    }

    fn content_type(&self) -> CompactString {
        CompactString::const_new(if self.lines { "application/x-ndjson" } else { "application/json" })
    }
}

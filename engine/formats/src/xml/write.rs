//! Writes XML: the inverse of reading it.

use std::collections::BTreeMap;

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use hub_core::document::{WriteError, Writer};
use hub_core::registry::Settings;
use hub_fhir::{Json, Object};
use serde::Deserialize;

use super::names::{check_namespace, is_char, qualified};
use super::read::MOST_DEPTH;
use crate::charset::{Charset, UTF_8};
use crate::{FormatError, layout_of};

/// The keys of the layout of XML that is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Layout {
    /// Whether it begins with `<?xml ..?>`.
    declaration: bool,
    encoding: String,
    /// Whether elements stand on lines of their own.
    pretty: bool,
    /// What prefixes stand for: declared by the root element. The prefix `""` is that of names without one.
    namespaces: BTreeMap<String, String>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { declaration: true, encoding: "UTF-8".to_owned(), pretty: false, namespaces: BTreeMap::new() }
    }
}

/// Writes an XML document: an object of one member, the root element.
///
/// An element is an object: members `@name` are its attributes, `#text` is its text, `#cdata` its text as CDATA, `#document` an object
/// that is a document in its text, the others are its child elements, in their order. Or it is a text, a number or a boolean; null, which
/// is an element without content; or an array: the element as often.
#[derive(Clone, Debug)]
pub struct XmlWriter {
    declaration: bool,
    charset: Charset,
    pretty: bool,
    namespaces: Vec<(String, String)>,
}

impl XmlWriter {
    /// The writer of this layout: `declaration`, `encoding`, `pretty`, `namespaces`.
    pub fn new(layout: &Settings) -> Result<Self, FormatError> {
        let Layout { declaration, encoding, pretty, namespaces } = layout_of("xml", layout)?;
        for (prefix, uri) in &namespaces {
            check_namespace(prefix, uri)?;
        }
        let charset = match Charset::from_name(&encoding) {
            Some(Charset::Known(charset)) => Charset::Known(charset),
            _ => return Err(FormatError::Charset(encoding)),
        };
        if charset != UTF_8 && !declaration {
            let what = format!("`declaration`: a document in {} must declare its encoding", charset.name());
            return Err(FormatError::Layout(what));
        }
        Ok(Self { declaration, charset, pretty, namespaces: namespaces.into_iter().collect() })
    }
}

impl Writer for XmlWriter {
    fn write(&self, message: &Object) -> Result<Bytes, WriteError> {
        let mut text = String::with_capacity(1024);
        if self.declaration {
            text.push_str(&format!("<?xml version=\"1.0\" encoding=\"{}\"?>", self.charset.name()));
            text.push_str(if self.pretty { "\n" } else { "" });
        }
        let mut document =
            Writing { writer: self, out: text, place: String::new(), prefixes: Vec::new(), depth: 0 };
        document.document(message, &self.namespaces)?;
        let mut text = document.out;
        text.push_str(if self.pretty { "\n" } else { "" });
        let encoded = self.charset.encode(&text).map_err(|_| WriteError {
            place: "/".to_owned(),
            what: format!(
                "a name or a CDATA section has a character that {} does not have",
                self.charset.name()
            ),
        })?;
        Ok(Bytes::from(encoded.into_owned()))
    }

    fn content_type(&self) -> CompactString {
        if self.charset == UTF_8 {
            return CompactString::const_new("application/xml");
        }
        format_compact!("application/xml; charset={}", self.charset.name())
    }
}

struct Writing<'a> {
    writer: &'a XmlWriter,
    out: String,
    place: String,
    /// The prefixes declared around what is written.
    prefixes: Vec<CompactString>,
    depth: usize,
}

impl Writing<'_> {
    fn error<T>(&self, what: impl Into<String>) -> Result<T, WriteError> {
        let place = if self.place.is_empty() { "/".to_owned() } else { self.place.clone() };
        Err(WriteError { place, what: what.into() })
    }

    fn document(&mut self, message: &Object, namespaces: &[(String, String)]) -> Result<(), WriteError> {
        let mut members = message.iter();
        let (Some((name, root)), None) = (members.next(), members.next()) else {
            return self.error("expected one member: the root element");
        };
        if matches!(root, Json::Array(_)) {
            return self.error("expected one root element, and it is an array");
        }
        self.at(&format!("/{name}"), |writing| writing.element(name, root, namespaces))
    }

    /// Does something at a place below.
    fn at(
        &mut self,
        step: &str,
        work: impl FnOnce(&mut Self) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        let length = self.place.len();
        self.place.push_str(step);
        work(self)?;
        self.place.truncate(length);
        Ok(())
    }

    fn element(
        &mut self,
        name: &str,
        value: &Json,
        namespaces: &[(String, String)],
    ) -> Result<(), WriteError> {
        if self.depth >= MOST_DEPTH {
            return self.error(format!("elements stand deeper than {MOST_DEPTH} in one another"));
        }
        if qualified(name).is_none() {
            return self.error("not a name that an element can have");
        }
        let none = Object::new();
        let object = match value {
            Json::Object(object) => object,
            _ => &none,
        };
        let declared = self.prefixes.len();
        let own = object.iter().filter_map(|(name, _)| declares(name.strip_prefix('@')?));
        let own: Vec<CompactString> = own.map(CompactString::from).collect();
        let given: Vec<_> =
            namespaces.iter().filter(|(prefix, _)| !own.iter().any(|own| own == prefix)).collect();
        self.prefixes.extend(given.iter().map(|(prefix, _)| CompactString::from(prefix)));
        self.prefixes.extend(own);
        self.check_prefix(name)?;
        self.out.push('<');
        self.out.push_str(name);
        for (prefix, uri) in given {
            let colon = if prefix.is_empty() { "" } else { ":" };
            self.out.push_str(&format!(" xmlns{colon}{prefix}=\""));
            self.attribute_value(uri)?;
            self.out.push('"');
        }
        for (member, value) in object.iter() {
            if let Some(attribute) = member.strip_prefix('@') {
                self.at(&format!("/{member}"), |writing| writing.attribute(attribute, value))?;
            }
        }
        let content = self.out.len();
        self.out.push('>');
        self.depth += 1;
        match value {
            Json::Null => {}
            Json::String(text) | Json::Number(text) => self.text(text)?,
            Json::Bool(yes) => self.out.push_str(if *yes { "true" } else { "false" }),
            Json::Array(_) => return self.error("an array in an array"),
            Json::Object(object) => self.content(object)?,
        }
        self.depth -= 1;
        self.prefixes.truncate(declared);
        if self.out.len() == content + 1 {
            self.out.truncate(content);
            self.out.push_str("/>");
            return Ok(());
        }
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
        Ok(())
    }

    fn content(&mut self, object: &Object) -> Result<(), WriteError> {
        let is_pretty = self.writer.pretty && !object.iter().any(|(name, _)| name.starts_with('#'));
        let mut has_children = false;
        for (name, value) in object.iter() {
            if name.starts_with('@') {
                continue;
            }
            if name.starts_with('#') {
                self.at(&format!("/{name}"), |writing| writing.special(name, value))?;
                continue;
            }
            for (index, item) in value.items().iter().enumerate() {
                let number = if value.items().len() > 1 { format!("[{}]", index + 1) } else { String::new() };
                has_children = true;
                if is_pretty {
                    self.new_line();
                }
                self.at(&format!("/{name}{number}"), |writing| writing.element(name, item, &[]))?;
            }
        }
        if is_pretty && has_children {
            self.depth -= 1;
            self.new_line();
            self.depth += 1;
        }
        Ok(())
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        (0..self.depth).for_each(|_| self.out.push_str("  "));
    }

    fn special(&mut self, name: &str, value: &Json) -> Result<(), WriteError> {
        match (name, value) {
            ("#text" | "#cdata", Json::Null) => Ok(()),
            ("#text", Json::String(text) | Json::Number(text)) => self.text(text),
            ("#text", Json::Bool(yes)) => self.text(if *yes { "true" } else { "false" }),
            ("#cdata", Json::String(text) | Json::Number(text)) => {
                self.check(text)?;
                self.cdata(text);
                Ok(())
            }
            ("#document", Json::Object(document)) => {
                let text = self.inner(document)?;
                push_text(&text, &mut self.out);
                Ok(())
            }
            ("#cdata", Json::Object(document)) => {
                let text = self.inner(document)?;
                self.cdata(&text);
                Ok(())
            }
            ("#text" | "#cdata", _) => self.error("expected a text"),
            ("#document", _) => self.error("expected an object: the document whose text it is"),
            _ => self.error("expected `#text`, `#cdata` or `#document`"),
        }
    }

    fn cdata(&mut self, text: &str) {
        self.out.push_str("<![CDATA[");
        push_cdata(text, &mut self.out);
        self.out.push_str("]]>");
    }

    /// The text of a document inside this one, which sees none of the prefixes around it.
    fn inner(&mut self, document: &Object) -> Result<String, WriteError> {
        let out = std::mem::take(&mut self.out);
        let prefixes = std::mem::take(&mut self.prefixes);
        self.document(document, &[])?;
        self.prefixes = prefixes;
        Ok(std::mem::replace(&mut self.out, out))
    }

    fn attribute(&mut self, name: &str, value: &Json) -> Result<(), WriteError> {
        let text = match value {
            Json::Null => return Ok(()),
            Json::String(text) | Json::Number(text) => text.as_str(),
            Json::Bool(true) => "true",
            Json::Bool(false) => "false",
            Json::Array(_) | Json::Object(_) => {
                return self.error("expected a text: an attribute has no parts");
            }
        };
        if qualified(name).is_none() {
            return self.error("not a name that an attribute can have");
        }
        if name.contains(':') && declares(name).is_none() {
            self.check_prefix(name)?;
        }
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        self.attribute_value(text)?;
        self.out.push('"');
        Ok(())
    }

    fn check_prefix(&self, name: &str) -> Result<(), WriteError> {
        let Some((prefix, _)) = name.split_once(':') else { return Ok(()) };
        if prefix == "xml" || self.prefixes.iter().any(|known| known == prefix) {
            return Ok(());
        }
        self.error(format!("the prefix `{prefix}` is declared nowhere: name it in the layout's `namespaces`"))
    }

    fn check(&self, text: &str) -> Result<(), WriteError> {
        if text.chars().any(|letter| letter == '\u{FFFD}') {
            return self.error("a replacement character (U+FFFD): a character was lost before");
        }
        if text.chars().all(is_char) { Ok(()) } else { self.error("a character that XML cannot hold") }
    }

    fn text(&mut self, text: &str) -> Result<(), WriteError> {
        self.check(text)?;
        self.escaped(text, push_text);
        Ok(())
    }

    fn attribute_value(&mut self, text: &str) -> Result<(), WriteError> {
        self.check(text)?;
        self.escaped(text, push_attribute);
        Ok(())
    }

    /// Characters that the encoding does not have are written by their numbers.
    fn escaped(&mut self, text: &str, push: impl Fn(&str, &mut String)) {
        let charset = self.writer.charset;
        if charset.is_unicode() {
            return push(text, &mut self.out);
        }
        let mut rest = text;
        while let Some((at, letter)) = rest.char_indices().find(|(_, letter)| !charset.has(*letter)) {
            push(&rest[..at], &mut self.out);
            self.out.push_str(&format!("&#x{:X};", u32::from(letter)));
            rest = &rest[at + letter.len_utf8()..];
        }
        push(rest, &mut self.out);
    }
}

fn declares(attribute: &str) -> Option<&str> {
    if attribute == "xmlns" { Some("") } else { attribute.strip_prefix("xmlns:") }
}

/// Adds a text between tags.
pub(super) fn push_text(text: &str, out: &mut String) {
    push_escaped(text, out, |letter| match letter {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#13;"),
        _ => None,
    });
}

fn push_attribute(text: &str, out: &mut String) {
    push_escaped(text, out, |letter| match letter {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&quot;"),
        b'\r' => Some("&#13;"),
        b'\n' => Some("&#10;"),
        b'\t' => Some("&#9;"),
        _ => None,
    });
}

fn push_escaped(text: &str, out: &mut String, escape: impl Fn(u8) -> Option<&'static str>) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if let Some(escaped) = escape(byte) {
            out.push_str(&text[from..at]);
            out.push_str(escaped);
            from = at + 1;
        }
    }
    out.push_str(&text[from..]);
}

/// Adds a text within a CDATA section, which is closed and opened again around what cannot stand in one.
pub(super) fn push_cdata(text: &str, out: &mut String) {
    out.push_str(&text.replace("]]>", "]]]]><![CDATA[>").replace('\r', "]]>&#13;<![CDATA["));
}

//! XML as the HIS reads and writes it: a small tree, without mixed content, document types or entities of its own.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use serde::{Deserialize, Serialize};

/// Deeper or longer than anything of the profile.
const DEEPEST: usize = 16;
const MOST_ELEMENTS: usize = 20_000;

/// An element: it holds text, or elements.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Element {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) namespace: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) children: Vec<Element>,
    /// Where its content stands in the text it was read from.
    #[serde(skip)]
    content: (usize, usize),
}

/// An element that holds text.
pub(super) fn leaf(name: &str, text: impl ToString) -> Element {
    Element { name: name.to_owned(), text: text.to_string(), ..Element::default() }
}

/// An element that holds elements.
pub(super) fn node(name: &str, children: Vec<Element>) -> Element {
    Element { name: name.to_owned(), children, ..Element::default() }
}

impl Element {
    /// Reads a document; an error says what is wrong with it, without its content.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut reader = NsReader::from_str(text);
        // The place before any element collects the root.
        let mut open = vec![Self::default()];
        let mut count = 0;
        loop {
            let before = position(&reader);
            let (namespace, event) =
                reader.read_resolved_event().map_err(|_| "no well-formed XML".to_owned())?;
            match event {
                Event::Start(start) => {
                    let mut element = Self::opened(&namespace, &start);
                    element.content.0 = position(&reader);
                    count += 1;
                    open.push(element);
                }
                Event::Empty(start) => {
                    let element = Self::opened(&namespace, &start);
                    count += 1;
                    if let Some(parent) = open.last_mut() {
                        parent.children.push(element);
                    }
                }
                Event::End(_) => {
                    let (Some(mut element), Some(parent)) = (open.pop(), open.last_mut()) else {
                        return Err("an end without a beginning".to_owned());
                    };
                    element.content.1 = before;
                    if !element.children.is_empty() {
                        if !element.text.trim().is_empty() {
                            return Err(format!("text between the elements of `{}`", element.name));
                        }
                        element.text.clear();
                    }
                    parent.children.push(element);
                }
                Event::Text(part) => push(&mut open, &part.xml10_content()),
                Event::CData(part) => push(&mut open, &part.xml10_content()),
                Event::GeneralRef(reference) => {
                    let letter = match reference.resolve_char_ref() {
                        Ok(Some(letter)) => letter,
                        _ => match &*reference.xml10_content() {
                            "lt" => '<',
                            "gt" => '>',
                            "amp" => '&',
                            "quot" => '"',
                            "apos" => '\'',
                            _ => return Err("an entity that XML does not have".to_owned()),
                        },
                    };
                    push(&mut open, letter.encode_utf8(&mut [0; 4]));
                }
                Event::DocType(_) => return Err("a document type".to_owned()),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
            if open.len() > DEEPEST || count > MOST_ELEMENTS {
                return Err("too deep or too long".to_owned());
            }
        }
        let around = match <[Self; 1]>::try_from(open) {
            Ok([around]) => around,
            Err(_) => return Err("an element without an end".to_owned()),
        };
        match <[Self; 1]>::try_from(around.children) {
            Ok([root]) if around.text.trim().is_empty() => Ok(root),
            _ => Err("not one root element".to_owned()),
        }
    }

    fn opened(namespace: &ResolveResult<'_>, start: &BytesStart<'_>) -> Self {
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.0.to_owned(),
            ResolveResult::Unbound | ResolveResult::Unknown(_) => String::new(),
        };
        Self { name: start.local_name().as_ref().to_owned(), namespace, ..Self::default() }
    }

    /// The child of this name, where there is one.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of a child without the spaces around it; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.child(name).map(|child| child.text.trim()).unwrap_or_default()
    }

    /// The text of a child, or what stands for it.
    pub(super) fn get_or<'a>(&'a self, name: &str, otherwise: &'a str) -> &'a str {
        match self.get(name) {
            "" => otherwise,
            text => text,
        }
    }

    /// Gives a child another text; false where there is no such child.
    pub(super) fn set(&mut self, name: &str, text: &str) -> bool {
        let child = self.children.iter_mut().find(|child| child.name == name);
        child.is_some_and(|child| {
            text.clone_into(&mut child.text);
            true
        })
    }

    /// The elements within a list such as `BillNos`; none where there is no list.
    pub(super) fn list(&self, name: &str) -> &[Self] {
        self.child(name).map(|list| list.children.as_slice()).unwrap_or_default()
    }

    /// What stands between its tags in the text it was read from.
    pub(super) fn inner<'a>(&self, source: &'a str) -> &'a str {
        source.get(self.content.0..self.content.1).unwrap_or_default()
    }

    /// Appends it to a text.
    pub(super) fn write(&self, to: &mut String) {
        to.push('<');
        to.push_str(&self.name);
        if self.text.is_empty() && self.children.is_empty() {
            to.push_str("/>");
            return;
        }
        to.push('>');
        to.push_str(&escape(&self.text));
        for child in &self.children {
            child.write(to);
        }
        to.push_str("</");
        to.push_str(&self.name);
        to.push('>');
    }
}

/// The elements one after the other.
pub(super) fn written(elements: &[Element]) -> String {
    let mut text = String::new();
    for element in elements {
        element.write(&mut text);
    }
    text
}

/// Text as it stands in XML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn position(reader: &NsReader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

fn push(open: &mut [Element], part: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let root = node("A", vec![leaf("B", "肺炎 <39℃ & \"咳嗽\">"), node("C", vec![leaf("D", "")])]);
        let text = written(std::slice::from_ref(&root));
        let read = Element::read(&text).ok().unwrap();
        assert_eq!(read.get("B"), "肺炎 <39℃ & \"咳嗽\">");
        assert_eq!(read.list("C").len(), 1);
    }

    #[test]
    fn the_inner_text_is_as_it_was_sent() {
        let text = "<?xml version='1.0'?><R><Body> <A>1 &amp; 2</A><B/>\n</Body></R>";
        let root = Element::read(text).ok().unwrap();
        assert_eq!(root.child("Body").unwrap().inner(text), " <A>1 &amp; 2</A><B/>\n");
        let empty = "<R><Body/></R>";
        assert_eq!(Element::read(empty).ok().unwrap().child("Body").unwrap().inner(empty), "");
    }

    #[test]
    fn what_is_no_plain_xml_is_refused() {
        for text in [
            "",
            "<A>",
            "<A/><B/>",
            "<A>x<B/></A>",
            "<A>&bomb;</A>",
            "<!DOCTYPE A [<!ENTITY x 'y'>]><A/>",
            "no XML at all",
            &"<A>".repeat(100),
        ] {
            assert!(Element::read(text).is_err(), "{text}");
        }
    }
}

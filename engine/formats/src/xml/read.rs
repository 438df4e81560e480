//! Builds the tree of an XML document from what quick-xml reads in it, and checks what quick-xml leaves to its users.

use std::collections::HashMap;
use std::ops::Range;

use hub_core::document::ParseError;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::attributes::resolve;
use super::decode::Source;
use super::document::{Mark, Spaces, XmlDocument};
use super::names::qualified;
use super::{XmlParser, names};
use crate::limits::MOST_NODES;
use crate::nested::{Along, Nested};
use crate::tree::{Kind, Span, Tree, TreeDocument};

/// Elements may stand so deep in one another, those of nested documents included.
pub(super) const MOST_DEPTH: usize = 128;

/// What an element or attribute takes of a document that is much read, with its name and text.
const BYTES_A_NODE: usize = 24;

/// What was read, and where it stands.
pub(super) struct Read {
    pub(super) document: XmlDocument,
    /// For each node where its element begins and ends in the text of its document; only where they are wanted.
    pub(super) places: Vec<(u32, u32)>,
    /// The documents inside elements.
    pub(super) inner: HashMap<usize, Inner>,
}

/// A document inside an element.
pub(super) struct Inner {
    pub(super) text: String,
    /// What it takes the place of in the text around it.
    pub(super) content: Range<usize>,
    pub(super) in_cdata: bool,
}

pub(super) struct Reading<'a> {
    pub(super) nested: &'a Nested,
    pub(super) source: &'a Source<'a>,
    namespaces: &'a [(String, String)],
    pub(super) tree: Tree<Mark>,
    pub(super) spaces: Spaces,
    places: Option<Vec<(u32, u32)>>,
    inner: HashMap<usize, Inner>,
    pub(super) open: Vec<Open>,
    /// The name of text among elements.
    text_name: Span,
}

/// An element whose end has not been seen.
pub(super) struct Open {
    pub(super) node: usize,
    /// Where its tag begins and its content begins in the text.
    pub(super) start: usize,
    content: usize,
    /// Where the text begins in the buffer that is being read.
    piece: u32,
    pub(super) along: Along,
    pub(super) keeps_space: bool,
    pub(super) is_nil: bool,
    has_children: bool,
    has_cdata: bool,
    /// How many namespaces were declared around it.
    pub(super) declared: usize,
}

/// A document: the outermost one, or one inside an element, which the message's place is `base` bytes before.
#[derive(Clone, Copy)]
pub(super) struct Level<'t> {
    pub(super) text: &'t str,
    /// The element it stands in.
    pub(super) holder: Option<usize>,
    /// Where the element's content begins in the message's text.
    pub(super) base: usize,
    /// How many elements stand around it.
    pub(super) floor: usize,
    /// How many namespaces are declared around it, which do not reach into it.
    pub(super) declared: usize,
}

impl<'a> Reading<'a> {
    pub(super) fn new(parser: &'a XmlParser, source: &'a Source<'a>, with_places: bool) -> Self {
        let mut tree =
            Tree::new(Kind::Group, Mark::default(), source.text.len() / BYTES_A_NODE, source.text.len());
        let text_name = tree.keep("#text");
        Self {
            nested: &parser.nested,
            source,
            namespaces: &parser.namespaces,
            tree,
            spaces: Spaces::default(),
            places: with_places.then(|| vec![(0, 0)]),
            inner: HashMap::new(),
            open: Vec::new(),
            text_name,
        }
    }

    pub(super) fn run(mut self) -> Result<Read, ParseError> {
        let source = self.source;
        let level =
            Level { text: &source.text, holder: None, base: 0, floor: 0, declared: self.spaces.declared() };
        self.document(level, 0, self.nested.root())?;
        self.tree.close(0);
        let naming = self.spaces.naming(self.namespaces);
        let document = TreeDocument { tree: self.tree, naming };
        Ok(Read { document, places: self.places.unwrap_or_default(), inner: self.inner })
    }

    /// Whether there is room for one more node.
    pub(super) fn room(&self, level: Level<'_>, at: usize) -> Result<(), ParseError> {
        if self.tree.len() <= MOST_NODES {
            return Ok(());
        }
        self.error(level, at, format!("more than {MOST_NODES} elements, attributes and texts"))
    }

    /// Adds a node.
    pub(super) fn push(
        &mut self,
        place: (usize, usize),
        parent: usize,
        name: Span,
        kind: Kind,
        text: Span,
        mark: Mark,
    ) -> usize {
        if let Some(places) = &mut self.places {
            places.push((place.0 as u32, place.1 as u32));
        }
        self.tree.push(parent, name, kind, text, mark)
    }

    /// Reads a document as the only child of a node.
    fn document(&mut self, level: Level<'_>, parent: usize, along: Along) -> Result<(), ParseError> {
        let mut reader = Reader::from_str(level.text);
        reader.config_mut().check_comments = true;
        let mut has_root = false;
        loop {
            let at = reader.buffer_position() as usize;
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) => return self.refused(level, reader.error_position() as usize, &error),
            };
            let end = reader.buffer_position() as usize;
            let is_within = self.open.len() > level.floor;
            match event {
                Event::Start(_) | Event::Empty(_) if !is_within && has_root => {
                    return self.error(level, at, "a second root element");
                }
                Event::Start(tag) => {
                    has_root = true;
                    self.start(level, at..end, &tag, parent, along)?;
                }
                Event::Empty(tag) => {
                    has_root = true;
                    self.start(level, at..end, &tag, parent, along)?;
                    self.end(level, end, end)?;
                }
                Event::End(_) => self.end(level, at, end)?,
                Event::Text(text) if is_within => self.text(level, at, &text)?,
                Event::CData(text) if is_within => {
                    push_lines(&text, self.tree.buffer());
                    let open = self.open.last_mut().expect("an element is open");
                    open.has_cdata = true;
                }
                Event::GeneralRef(reference) if is_within => match resolve(&reference) {
                    Ok(letter) => self.tree.buffer().push(letter),
                    Err(what) => return self.error(level, at, what),
                },
                Event::Text(text) if text.trim_matches([' ', '\t', '\r', '\n']).is_empty() => {}
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    return self.error(
                        level,
                        at,
                        "expected an element, and text stands outside the root element",
                    );
                }
                Event::Comment(_) => {}
                Event::Decl(declaration) if at == 0 => {
                    if declaration.version().is_err() {
                        return self.error(level, at, "an XML declaration without a version");
                    }
                }
                Event::Decl(_) => {
                    return self.error(level, at, "an XML declaration that is not at the beginning");
                }
                Event::PI(instruction) => {
                    let target = instruction.target();
                    if !names::is_local(target) || target.eq_ignore_ascii_case("xml") {
                        return self.error(level, at, "a processing instruction without a proper name");
                    }
                }
                Event::DocType(_) if has_root => {
                    return self.error(level, at, "a DOCTYPE after the root element");
                }
                Event::DocType(doctype) if doctype.contains('[') => {
                    return self.error(
                        level,
                        at,
                        "a DOCTYPE with declarations in it: none are read, so that no entity is expanded",
                    );
                }
                Event::DocType(_) => {}
                Event::Eof => break,
            }
        }
        if let Some(begun) = self.open_element(level) {
            return self.error(level, level.text.len(), format!("{begun} is not closed"));
        }
        if !has_root {
            return self.error(level, level.text.len(), "expected an element, and there is none");
        }
        Ok(())
    }

    fn start(
        &mut self,
        level: Level<'_>,
        tag: Range<usize>,
        start: &BytesStart<'_>,
        parent: usize,
        along: Along,
    ) -> Result<(), ParseError> {
        if self.open.len() >= MOST_DEPTH {
            return self.error(
                level,
                tag.start,
                format!("elements stand deeper than {MOST_DEPTH} in one another"),
            );
        }
        let name = start.name();
        let Some((prefix, local)) = qualified(name.as_ref()) else {
            return self.error(level, tag.start, "a tag without a proper name");
        };
        let (parent, along, keeps_space) = match self.open.get(level.floor..).and_then(<[Open]>::last) {
            Some(open) => (open.node, open.along, open.keeps_space),
            None => (parent, along, false),
        };
        self.end_piece(level, tag.start)?;
        if let Some(open) = self.open[level.floor..].last_mut() {
            open.has_children = true;
        }
        let along = self.nested.below(along, local);
        let length = prefix.map_or(0, |prefix| prefix.len() + 1);
        if let Some(prefix) = prefix {
            self.tree.buffer().push_str(prefix);
            self.tree.buffer().push(':');
        }
        let span = self.tree.keep(local);
        let mark = Mark { prefix: u16::try_from(length).unwrap_or(u16::MAX), ..Mark::default() };
        let place = (tag.start, tag.end);
        self.room(level, tag.start)?;
        let node = self.push(place, parent, span, Kind::Group, Span::default(), mark);
        let mut open = Open {
            node,
            start: tag.start,
            content: tag.end,
            piece: 0,
            along,
            keeps_space,
            is_nil: false,
            has_children: false,
            has_cdata: false,
            declared: self.spaces.declared(),
        };
        let before = tag.start + 1 + name.as_ref().len();
        self.attributes(level, before, start.attributes_raw(), &mut open)?;
        let Some(space) = self.spaces.find(level.declared, prefix.unwrap_or_default()) else {
            return self.error(level, tag.start, "the prefix of an element is not declared");
        };
        self.tree.item_mut(node).mark.space = space;
        open.piece = self.tree.end();
        self.open.push(open);
        Ok(())
    }

    fn text(&mut self, level: Level<'_>, at: usize, text: &str) -> Result<(), ParseError> {
        if let Some(wrong) = text.find("]]>") {
            return self.error(level, at + wrong, "`]]>` stands in a text");
        }
        push_lines(text, self.tree.buffer());
        Ok(())
    }

    /// Keeps the text before a child element as a node of its own.
    fn end_piece(&mut self, level: Level<'_>, at: usize) -> Result<(), ParseError> {
        let Some(open) = self.open.get(level.floor..).and_then(<[Open]>::last) else { return Ok(()) };
        let text = Span { start: open.piece, end: self.tree.end() };
        let is_blank = is_blank(self.tree.slice(text));
        if is_blank && (text.start == text.end || !open.keeps_space) {
            return Ok(());
        }
        let (parent, kind) = (open.node, if is_blank { Kind::Blank } else { Kind::Text });
        self.room(level, at)?;
        self.push((at, at), parent, self.text_name, kind, text, Mark::text());
        Ok(())
    }

    fn end(&mut self, level: Level<'_>, at: usize, end: usize) -> Result<(), ParseError> {
        let Some(open) = self.open.get(level.floor..).and_then(<[Open]>::last) else {
            return self.error(level, at, "an end tag without a start tag");
        };
        let (node, has_children) = (open.node, open.has_children);
        let text = Span { start: open.piece, end: self.tree.end() };
        let has_text = text.start != text.end;
        let is_blank = is_blank(self.tree.slice(text)) && !(open.keeps_space || open.has_cdata);
        if has_children {
            self.end_piece(level, at)?;
        } else if open.is_nil && !has_text {
            self.tree.item_mut(node).kind = Kind::Null;
        } else if has_text && self.nested.ends(open.along) && !is_blank {
            self.inner_document(level, at, text)?;
        } else if has_text {
            let item = self.tree.item_mut(node);
            item.text = text;
            item.kind = if is_blank { Kind::Blank } else { Kind::Text };
        }
        let open = self.open.pop().expect("an element is open");
        if let Some(places) = &mut self.places {
            places[node] = (open.start as u32, end as u32);
        }
        self.spaces.forget(open.declared);
        self.tree.close(node);
        self.tree.number(node);
        if let Some(around) = self.open.last_mut() {
            around.piece = self.tree.end();
        }
        Ok(())
    }

    /// Reads the document that an element's text is.
    fn inner_document(&mut self, level: Level<'_>, at: usize, text: Span) -> Result<(), ParseError> {
        let open = self.open.last().expect("an element is open");
        let (node, along, content, in_cdata) = (open.node, open.along, open.content..at, open.has_cdata);
        let text = self.tree.slice(text).to_owned();
        let base = if level.holder.is_none() { content.start } else { level.base };
        let (floor, declared) = (self.open.len(), self.spaces.declared());
        let begun = text.trim_start_matches([' ', '\t', '\r', '\n']);
        self.tree.item_mut(node).mark.holds_document = true;
        self.document(Level { text: begun, holder: Some(node), base, floor, declared }, node, along)?;
        if self.places.is_some() {
            self.inner.insert(node, Inner { text: begun.to_owned(), content, in_cdata });
        }
        Ok(())
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Adds a text, its line ends as XML has them.
fn push_lines(text: &str, out: &mut String) {
    if !text.contains('\r') {
        out.push_str(text);
        return;
    }
    out.push_str(&text.replace("\r\n", "\n").replace('\r', "\n"));
}

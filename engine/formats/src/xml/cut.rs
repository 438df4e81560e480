//! Cuts XML at several elements, so that each piece of a split is the whole, as it was written, with one of them.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use hub_core::document::{ParseError, Piece};
use hub_core::envelope::Label;

use super::decode::Source;
use super::read::Read;
use super::write::{push_cdata, push_text};
use crate::limits::check_split;
use crate::skeleton::Skeleton;

/// What stands at a place of a document's text.
enum What {
    /// An element that one piece has and the others do not.
    Element,
    /// A document inside an element, in which such elements stand.
    Document(usize),
}

/// Places by the element whose document they stand in; `None`: the outermost document.
type Places = BTreeMap<Option<usize>, Vec<(Range<usize>, What)>>;

pub(super) fn pieces(
    source: &Source<'_>,
    read: &Read,
    mut nodes: Vec<usize>,
) -> Result<Vec<Piece>, ParseError> {
    nodes.sort_unstable();
    nodes.dedup();
    let tree = &read.document.tree;
    let is_element = |node: &usize| {
        let mark = tree.item(*node).mark;
        !mark.is_attribute && !mark.is_text
    };
    if !nodes.iter().all(is_element) {
        let what = "a document is split at elements, not at attributes or texts".to_owned();
        return Err(ParseError { at: 0, place: None, what });
    }
    let mut cutter =
        Cutter { read, places: places(read, &nodes), skeleton: Skeleton::default(), around: Vec::new() };
    cutter.document(&source.text, None);
    let skeleton = cutter.skeleton;
    check_split(skeleton.total())?;
    let charset = source.charset.widest();
    let piece = |text: String| {
        let encoded = charset.encode(&text).map_err(|_| {
            let what = format!("a piece of it cannot be written in {}", charset.name());
            ParseError { at: 0, place: None, what }
        })?;
        let bytes = Bytes::from([source.mark, &encoded[..]].concat());
        Ok(Piece { bytes, label: Label::default() })
    };
    skeleton.pieces().map(piece).collect()
}

fn places(read: &Read, nodes: &[usize]) -> Places {
    let tree = &read.document.tree;
    let holder_of = |node: usize| {
        let mut at = node;
        while at != 0 {
            at = tree.parent(at);
            if tree.item(at).mark.holds_document {
                return Some(at);
            }
        }
        None
    };
    let mut places = Places::new();
    for node in nodes {
        let (start, end) = read.places[*node];
        let mut holder = holder_of(*node);
        places.entry(holder).or_default().push((start as usize..end as usize, What::Element));
        while let Some(inner) = holder {
            let content = read.inner[&inner].content.clone();
            holder = holder_of(inner);
            let list = places.entry(holder).or_default();
            let is_known = matches!(list.last(), Some((_, What::Document(known))) if *known == inner);
            if is_known {
                break;
            }
            list.push((content, What::Document(inner)));
        }
    }
    places
}

struct Cutter<'a> {
    read: &'a Read,
    places: Places,
    skeleton: Skeleton,
    /// How the documents around what is written hold it: in CDATA or not, the outermost first.
    around: Vec<bool>,
}

impl Cutter<'_> {
    fn emit(&mut self, text: &str) {
        if self.around.is_empty() {
            return self.skeleton.push(text);
        }
        let mut text = text.to_owned();
        for in_cdata in self.around.iter().rev() {
            let mut outer = String::new();
            if *in_cdata {
                push_cdata(&text, &mut outer)
            } else {
                push_text(&text, &mut outer)
            }
            text = outer;
        }
        self.skeleton.push(&text);
    }

    fn document(&mut self, text: &str, holder: Option<usize>) {
        let places = self.places.remove(&holder).unwrap_or_default();
        let mut places = places.into_iter().peekable();
        let mut from = 0;
        while let Some((range, what)) = places.next() {
            self.emit(&text[from..range.start]);
            from = range.end;
            match what {
                What::Document(inner) => self.inner(inner),
                What::Element => {
                    self.skeleton.begin_run();
                    self.emit(&text[range]);
                    self.skeleton.end_one();
                    // What follows with nothing but blanks between belongs to the same run, so that a piece does not keep them all.
                    while let Some((next, _)) = places.next_if(|(next, what)| {
                        matches!(what, What::Element) && text[from..next.start].trim().is_empty()
                    }) {
                        from = next.end;
                        self.emit(&text[next]);
                        self.skeleton.end_one();
                    }
                    self.skeleton.end_run();
                }
            }
        }
        self.emit(&text[from..]);
    }

    fn inner(&mut self, holder: usize) {
        let read = self.read;
        let inner = &read.inner[&holder];
        if inner.in_cdata {
            self.emit("<![CDATA[");
        }
        self.around.push(inner.in_cdata);
        self.document(&inner.text, Some(holder));
        self.around.pop();
        if inner.in_cdata {
            self.emit("]]>");
        }
    }
}

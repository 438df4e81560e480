//! Reads a file of records into a tree.

use std::borrow::Cow;
use std::collections::HashSet;

use hub_core::document::ParseError;
use hub_fhir::{Json, Object};

use super::fields::{self, Field};
use super::keys::Ragged;
use super::layout::{Layout, Side};
use super::records::{Parts, Record};
use crate::charset::{Charset, UTF_8};
use crate::limits::{MOST_NODES, check_length};
use crate::tree::{Kind, Naming, Span, Tree, TreeDocument};

/// A file of records that was read.
pub type CsvDocument = TreeDocument<Rows>;

/// How rows and their columns go by name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows;

impl Naming for Rows {
    type Mark = ();
}

impl CsvDocument {
    /// The file as the tree that [`CsvWriter`](super::CsvWriter) writes.
    pub fn message(&self) -> Object {
        let mut message = Object::new();
        let mut rows = Vec::new();
        for record in self.tree.children(0) {
            let value = Json::Object(self.tree.to_object(record));
            match self.tree.name(record) {
                "row" => rows.push(value),
                side => message.set(side, value),
            }
        }
        message.set("rows", Json::Array(rows));
        message
    }
}

/// The text of a file, and how it stood in bytes.
pub(super) struct Source<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) charset: Charset,
    /// The byte order mark.
    pub(super) mark: &'a [u8],
    /// What follows it.
    content: &'a [u8],
}

impl<'a> Source<'a> {
    pub(super) fn decode(layout: &Layout, bytes: &'a [u8]) -> Result<Self, ParseError> {
        check_length(bytes)?;
        let has_mark = layout.charset == UTF_8 && bytes.starts_with(b"\xEF\xBB\xBF");
        let (mark, content) = bytes.split_at(if has_mark { 3 } else { 0 });
        let text = layout.charset.decode(content).map_err(|bad| ParseError {
            at: mark.len() + bad.at,
            place: Some(format!(
                "line {}",
                content[..bad.at].iter().filter(|byte| **byte == b'\n').count() + 1
            )),
            what: bad.what(layout.charset, "the layout's or the channel's charset"),
        })?;
        Ok(Self { text, charset: layout.charset, mark, content })
    }

    pub(super) fn error(&self, at: usize, place: String, what: impl Into<String>) -> ParseError {
        let at = self.mark.len() + self.charset.byte(self.content, at);
        ParseError { at, place: Some(place), what: what.into() }
    }

    /// The fields of a record.
    pub(super) fn fields(
        &self,
        layout: &Layout,
        record: &Record,
        widths: &[usize],
        found: &mut Vec<Field>,
    ) -> Result<(), ParseError> {
        found.clear();
        fields::fields(layout, &self.text, record.range.clone(), widths, found)
            .map_err(|wrong| self.error(wrong.at, format!("line {}", record.line), wrong.what))
    }

    /// The names that a record says.
    pub(super) fn names(&self, layout: &Layout, record: &Record) -> Result<Vec<String>, ParseError> {
        let mut list = Vec::new();
        self.fields(layout, record, &[], &mut list)?;
        let mut names: Vec<String> =
            list.iter().map(|field| field.value(layout, &self.text).trim().to_owned()).collect();
        while layout.ragged != Ragged::Refuse && names.len() > 1 && names.last().is_some_and(String::is_empty)
        {
            names.pop();
        }
        let mut known = HashSet::new();
        for (name, field) in names.iter().zip(&list) {
            let what = if name.is_empty() {
                "the name of a column is empty"
            } else if !known.insert(name) {
                "the name of a column stands twice"
            } else {
                continue;
            };
            return Err(self.error(field.range.start, format!("line {}", record.line), what));
        }
        Ok(names)
    }

    /// Makes a record have as many fields as names, as the layout allows it, and checks its mark.
    pub(super) fn check(
        &self,
        layout: &Layout,
        record: &Record,
        place: &str,
        names: &[String],
        list: &mut Vec<Field>,
        mark: Option<&str>,
    ) -> Result<(), ParseError> {
        let error =
            |at: usize, what: String| Err(self.error(at, format!("line {}, {place}", record.line), what));
        if let (Some(mark), Some(first)) = (mark, list.first())
            && first.value(layout, &self.text).trim() != mark
        {
            return error(first.range.start, format!("expected a record that begins with `{mark}`"));
        }
        let surplus = list.get(names.len()..).unwrap_or_default();
        let is_empty = |field: &Field| self.text[field.range.clone()].trim().is_empty();
        let fits = match layout.ragged {
            Ragged::Refuse => list.len() == names.len(),
            Ragged::Pad => surplus.iter().all(is_empty),
            Ragged::Cut => true,
        };
        if !fits {
            return error(record.range.start, format!("{} fields, and expected {}", list.len(), names.len()));
        }
        let end = record.range.end;
        list.resize(names.len(), Field { range: end..end, is_quoted: false });
        Ok(())
    }
}

/// The names of the columns.
pub(super) fn columns(
    layout: &Layout,
    source: &Source<'_>,
    parts: &Parts,
) -> Result<Vec<String>, ParseError> {
    match (&layout.columns, &layout.heading, &parts.heading) {
        (Some(columns), Some(called), Some(heading)) => renamed(layout, source, heading, called, columns),
        (Some(columns), _, _) => Ok(columns.clone()),
        (None, _, Some(heading)) => source.names(layout, heading),
        (None, _, None) => Ok(Vec::new()),
    }
}

/// The names of the columns in the order of the file, each called as the layout calls it. One that the layout does not know keeps its own.
fn renamed(
    layout: &Layout,
    source: &Source<'_>,
    heading: &Record,
    called: &[String],
    columns: &[String],
) -> Result<Vec<String>, ParseError> {
    let error = |what| source.error(heading.range.start, format!("line {}", heading.line), what);
    let mut names = source.names(layout, heading)?;
    let mut places = Vec::with_capacity(called.len());
    for name in called {
        let place = names.iter().position(|there| there == name);
        places.push(place.ok_or_else(|| error(format!("no column is called `{name}`")))?);
    }
    for (place, column) in places.iter().zip(columns) {
        names[*place].clone_from(column);
    }
    let mut known = HashSet::new();
    // Names of the file differ from each other, and so do those of the layout: what stands twice is one of `columns`.
    if let Some(twice) = names.iter().find(|name| !known.insert(*name)) {
        return Err(error(format!(
            "a column that `heading` does not name is called `{twice}`, as one of `columns`"
        )));
    }
    Ok(names)
}

pub(super) fn read(layout: &Layout, source: &Source<'_>) -> Result<CsvDocument, ParseError> {
    let parts = Parts::find(layout, source)?;
    let columns = columns(layout, source, &parts)?;
    let nodes = parts.rows.len().saturating_mul(columns.len() + 1);
    if nodes > MOST_NODES {
        let what = format!("more than {MOST_NODES} fields: a file so large is read row by row, with a split");
        return Err(source.error(0, "line 1".to_owned(), what));
    }
    let mut tree = Tree::new(Kind::Group, (), nodes + 16, source.text.len());
    let mut builder = Builder { layout, source, tree: &mut tree };
    if let Some(header) = parts.side(layout, source, Side::Header)? {
        builder.side(Side::Header, &header.names, &header.fields);
    }
    let names: Vec<Span> = columns.iter().map(|name| builder.tree.keep(name)).collect();
    let row = builder.tree.keep("row");
    let mut list = Vec::with_capacity(columns.len());
    let many = parts.rows.len() > 1;
    for (index, record) in parts.rows.iter().enumerate() {
        source.fields(layout, record, fields::widths(layout, None), &mut list)?;
        let place = if list.len() == columns.len() && layout.marks.row.is_none() {
            String::new()
        } else {
            format!("row[{}]", index + 1)
        };
        source.check(layout, record, &place, &columns, &mut list, layout.marks.row.as_deref())?;
        let at = builder.record(row, &names, &list);
        let item = builder.tree.item_mut(at);
        item.nth = index as u32 + 1;
        item.many = many;
    }
    if let Some(trailer) = parts.side(layout, source, Side::Trailer)? {
        builder.side(Side::Trailer, &trailer.names, &trailer.fields);
    }
    tree.close(0);
    Ok(TreeDocument { tree, naming: Rows })
}

struct Builder<'a> {
    layout: &'a Layout,
    source: &'a Source<'a>,
    tree: &'a mut Tree<()>,
}

impl Builder<'_> {
    fn side(&mut self, side: Side, names: &[String], fields: &[Field]) {
        let names: Vec<Span> = names.iter().map(|name| self.tree.keep(name)).collect();
        let name = self.tree.keep(side.name());
        self.record(name, &names, fields);
    }

    fn record(&mut self, name: Span, names: &[Span], fields: &[Field]) -> usize {
        let at = self.tree.push(0, name, Kind::Group, Span::default(), ());
        for (name, field) in names.iter().zip(fields) {
            let value = field.value(self.layout, &self.source.text);
            let text = self.tree.keep(&value);
            let kind = if value.is_empty() { Kind::Blank } else { Kind::Text };
            self.tree.push(at, *name, kind, text, ());
        }
        self.tree.close(at);
        at
    }
}

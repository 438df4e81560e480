//! Finds the records of a file and what part each plays: names of columns, header, rows, trailer.

use std::ops::Range;

use hub_core::document::ParseError;

use super::fields::{self, Field};
use super::keys::Around;
use super::layout::{Layout, Side};
use super::read::Source;

/// A record: where it stands in the text, without its line end, and on which line it begins, from 1.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) range: Range<usize>,
    /// Where the next line begins.
    pub(super) end: usize,
    pub(super) line: usize,
}

/// The records of a file by the part they play.
pub(super) struct Parts {
    /// The names, where a record says them, and the values.
    pub(super) header: Option<(Option<Record>, Record)>,
    /// The record that names the columns.
    pub(super) heading: Option<Record>,
    pub(super) rows: Vec<Record>,
    pub(super) trailer: Option<(Option<Record>, Record)>,
}

fn records(layout: &Layout, source: &Source<'_>) -> Result<Vec<Record>, ParseError> {
    let text = &*source.text;
    let mut list = Vec::new();
    let (mut at, mut line) = (0, 1);
    for _ in 0..layout.skip_lines {
        at += text[at..].find('\n').map_or(text.len() - at, |end| end + 1);
        line += 1;
    }
    while at < text.len() {
        let rest = &text[at..];
        let is_comment = layout.comment.as_ref().is_some_and(|comment| rest.starts_with(comment.as_str()));
        let end = if is_comment {
            rest.find('\n').map_or(text.len(), |end| at + end)
        } else {
            fields::record_end(layout, text, at).map_err(|wrong| {
                let line = line + text[at..wrong.at].matches('\n').count();
                source.error(wrong.at, format!("line {line}"), wrong.what)
            })?
        };
        let content = &text[at..end];
        let length = content.strip_suffix('\r').unwrap_or(content).len();
        let next = (end + 1).min(text.len());
        // What DOS ends a file with is no record, wherever it stands.
        let is_end_of_file = content.trim_end_matches('\r').chars().all(|letter| letter == '\u{1A}');
        if !is_comment && length > 0 && !is_end_of_file {
            list.push(Record { range: at..at + length, end: next, line });
        }
        line += text[at..next].bytes().filter(|byte| *byte == b'\n').count();
        at = next;
    }
    Ok(list)
}

impl Parts {
    pub(super) fn find(layout: &Layout, source: &Source<'_>) -> Result<Self, ParseError> {
        let mut list = records(layout, source)?.into_iter();
        let missing = |what: &str| {
            let line = source.text.matches('\n').count() + 1;
            source.error(
                source.text.len(),
                format!("line {line}"),
                format!("expected {what}, and the file ends"),
            )
        };
        let header = match &layout.header {
            Around::None => None,
            Around::Names(_) => Some((None, list.next().ok_or_else(|| missing("a header"))?)),
            Around::Named => {
                let names =
                    list.next().ok_or_else(|| missing("a record with the names of the header's fields"))?;
                Some((Some(names), list.next().ok_or_else(|| missing("a header"))?))
            }
        };
        let heading = match (&layout.columns, &layout.heading) {
            (Some(_), None) => None,
            _ => Some(list.next().ok_or_else(|| missing("a record with the names of the columns"))?),
        };
        let trailer = match &layout.trailer {
            Around::None => None,
            Around::Names(_) => Some((None, list.next_back().ok_or_else(|| missing("a trailer"))?)),
            Around::Named => {
                let values = list.next_back().ok_or_else(|| missing("a trailer"))?;
                let names = list.next_back();
                Some((
                    Some(names.ok_or_else(|| missing("a record with the names of the trailer's fields"))?),
                    values,
                ))
            }
        };
        let parts = Self { header, heading, rows: list.collect(), trailer };
        parts.check_count(layout, source)?;
        Ok(parts)
    }

    /// The fields of the header or the trailer, with their names.
    pub(super) fn side(
        &self,
        layout: &Layout,
        source: &Source<'_>,
        side: Side,
    ) -> Result<Option<Named>, ParseError> {
        let (records, around) = match side {
            Side::Header => (&self.header, &layout.header),
            Side::Trailer => (&self.trailer, &layout.trailer),
        };
        let Some((names, record)) = records else { return Ok(None) };
        let names = match (names, around) {
            (Some(names), _) => source.names(layout, names)?,
            (None, Around::Names(names)) => names.clone(),
            (None, _) => Vec::new(),
        };
        let mut list = Vec::new();
        source.fields(layout, record, fields::widths(layout, Some(side)), &mut list)?;
        let mark = match side {
            Side::Header => &layout.marks.header,
            Side::Trailer => &layout.marks.trailer,
        };
        source.check(layout, record, side.name(), &names, &mut list, mark.as_deref())?;
        Ok(Some(Named { names, fields: list }))
    }

    /// The field that holds the number of rows.
    pub(super) fn count(
        &self,
        layout: &Layout,
        source: &Source<'_>,
    ) -> Result<Option<(Record, Field)>, ParseError> {
        let Some((side, name)) = &layout.count else { return Ok(None) };
        let records = match side {
            Side::Header => &self.header,
            Side::Trailer => &self.trailer,
        };
        let Some(((_, record), named)) = records.as_ref().zip(self.side(layout, source, *side)?) else {
            return Ok(None);
        };
        let place = named.names.iter().position(|known| known == name);
        match place.and_then(|place| named.fields.get(place)) {
            Some(field) => Ok(Some((record.clone(), field.clone()))),
            None => {
                let place = format!("line {}", record.line);
                Err(source.error(
                    record.range.start,
                    place,
                    format!("there is no field `{name}`, which holds the number of rows"),
                ))
            }
        }
    }

    fn check_count(&self, layout: &Layout, source: &Source<'_>) -> Result<(), ParseError> {
        let Some((record, field)) = self.count(layout, source)? else { return Ok(()) };
        let said = field.value(layout, &source.text).trim().parse::<usize>();
        let what = match said {
            Ok(said) if said == self.rows.len() => return Ok(()),
            Ok(said) => format!("says that there are {said} rows, and there are {}", self.rows.len()),
            Err(_) => "expected the number of rows".to_owned(),
        };
        let (side, name) =
            layout.count.as_ref().map_or(("", ""), |(side, name)| (side.name(), name.as_str()));
        Err(source.error(field.range.start, format!("line {}, {side}.{name}", record.line), what))
    }
}

/// Fields with their names.
pub(super) struct Named {
    pub(super) names: Vec<String>,
    pub(super) fields: Vec<Field>,
}

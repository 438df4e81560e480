//! Splits a file into its rows: each a file by itself, with the header, the names and the trailer of the whole.

use bytes::Bytes;
use hub_core::document::{ParseError, Piece, Split};
use hub_core::envelope::Label;
use hub_core::path::{Path, To};

use super::fields::{self, Field};
use super::layout::{Form, Layout, Side};
use super::read::{Source, columns};
use super::records::{Parts, Record};
use crate::charset::UTF_8;
use crate::limits::check_split;

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

pub(super) fn split(layout: &Layout, bytes: &Bytes, by: &Split) -> Result<Vec<Piece>, ParseError> {
    let source = Source::decode(layout, bytes)?;
    if let Split::At(path) = by
        && !is_row(path)
    {
        let what = "a file of records is split into its rows: at `row`".to_owned();
        return Err(ParseError { at: 0, place: None, what });
    }
    let parts = Parts::find(layout, &source)?;
    for side in [Side::Header, Side::Trailer] {
        parts.side(layout, &source, side)?;
    }
    let columns = columns(layout, &source, &parts)?;
    let (Some(first), Some(last)) = (parts.rows.first(), parts.rows.last()) else {
        return Ok(vec![Piece { bytes: bytes.clone(), label: Label::default() }]);
    };
    let text = &*source.text;
    let mut before = text[..first.range.start].to_owned();
    let mut after = text[last.end..].to_owned();
    if let Some((record, field)) = parts.count(layout, &source)? {
        let one = one(layout, &text[field.range.clone()]);
        let is_header = record.range.start < first.range.start;
        let (part, offset) = if is_header { (&mut before, 0) } else { (&mut after, last.end) };
        part.replace_range(field.range.start - offset..field.range.end - offset, &one);
    }
    let row_bytes: usize = parts.rows.iter().map(|row| row.end - row.range.start).sum();
    check_split((before.len() + after.len()).saturating_mul(parts.rows.len()).saturating_add(row_bytes))?;
    let mut list: Vec<Field> = Vec::new();
    let piece = |(index, row): (usize, &Record)| {
        // A row that cannot be read is told now, with its line in the whole.
        source.fields(layout, row, fields::widths(layout, None), &mut list)?;
        let place = format!("row[{}]", index + 1);
        source.check(layout, row, &place, &columns, &mut list, layout.marks.row.as_deref())?;
        let row = &text[row.range.start..row.end];
        let charset = source.charset.widest();
        let encoded =
            charset.encode(row).and_then(|row| Ok((charset.encode(&before)?, row, charset.encode(&after)?)));
        let (before, row, after) = encoded.map_err(|_| {
            source.error(0, place.clone(), format!("a piece cannot be written in {}", charset.name()))
        })?;
        // A mark that stands in a row is not that of the file, which a second one says.
        let begins_as_mark = charset == UTF_8 && before.is_empty() && row.starts_with(MARK);
        let mark = if begins_as_mark { MARK } else { source.mark };
        let bytes = Bytes::from([mark, &before[..], &row[..], &after[..]].concat());
        Ok(Piece { bytes, label: Label::default() })
    };
    parts.rows.iter().enumerate().map(piece).collect()
}

fn is_row(path: &Path) -> bool {
    match path.steps() {
        [step] => step.pick.is_none() && matches!(&step.to, To::Name(name) if name == "row"),
        _ => false,
    }
}

/// The number 1 as the field writes its number: with as many zeros, in as many columns.
fn one(layout: &Layout, field: &str) -> String {
    let trimmed = field.trim();
    let is_fixed = matches!(layout.form, Form::Fixed(_));
    let width = trimmed.len();
    let number = if trimmed.starts_with('0') {
        format!("{:0>width$}", 1)
    } else if is_fixed && field.trim_start().len() < field.len() {
        format!("{:>width$}", 1)
    } else if is_fixed {
        format!("{:<width$}", 1)
    } else {
        "1".to_owned()
    };
    field.replacen(trimmed, &number, 1)
}

//! Writes a file of records: the inverse of reading it.

use std::fmt;

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use hub_core::document::{WriteError, Writer};
use hub_core::registry::Settings;
use hub_fhir::{Json, Object};

use super::keys::{Around, WidthUnit};
use super::layout::{Delimited, Fixed, Form, Layout, Side};
use crate::FormatError;

/// Writes a file of records: an object with `rows`, an array of objects by column, and, where the layout has them, `header` and `trailer`.
///
/// The field that holds the number of rows and the marks of the kinds of record are filled in.
#[derive(Clone, Debug)]
pub struct CsvWriter {
    layout: Layout,
}

impl CsvWriter {
    /// The writer of this layout.
    pub fn new(layout: &Settings) -> Result<Self, FormatError> {
        let layout = Layout::read(layout, None)?;
        if layout.skip_lines > 0 {
            return Err(FormatError::Layout(
                "`skip_lines`: only a file that is read has lines to skip".to_owned(),
            ));
        }
        Ok(Self { layout })
    }
}

impl Writer for CsvWriter {
    fn write(&self, message: &Object) -> Result<Bytes, WriteError> {
        let layout = &self.layout;
        if let Some((name, _)) =
            message.iter().find(|(name, _)| !matches!(*name, "header" | "rows" | "trailer"))
        {
            return error(name, "expected `header`, `rows` or `trailer`");
        }
        let rows = match message.get("rows") {
            None | Some(Json::Null) => &[],
            Some(Json::Array(rows)) => rows.as_slice(),
            Some(_) => return error("rows", "expected an array of objects"),
        };
        let mut file = File { layout, rows: rows.len(), text: String::with_capacity(1024) };
        if layout.bom {
            file.text.push('\u{FEFF}');
        }
        file.side(Side::Header, message.get("header"))?;
        let columns = match &layout.columns {
            Some(columns) => {
                if let Some(called) = &layout.heading {
                    file.heading("rows", called)?;
                }
                columns.clone()
            }
            None => {
                let columns = columns_of(rows)?;
                file.heading("rows", &columns)?;
                columns
            }
        };
        for (index, row) in rows.iter().enumerate() {
            let place = format!("rows[{}]", index + 1);
            let Json::Object(row) = row else { return error(&place, "expected an object by column") };
            file.named(&place, row, &columns, None, layout.marks.row.as_deref())?;
        }
        file.side(Side::Trailer, message.get("trailer"))?;
        let encoded = layout.charset.encode(&file.text).map_err(|_| WriteError {
            place: "rows".to_owned(),
            what: format!(
                "the name of a column has a character that {} does not have",
                layout.charset.name()
            ),
        })?;
        Ok(Bytes::from(encoded.into_owned()))
    }

    fn content_type(&self) -> CompactString {
        let kind = if matches!(self.layout.form, Form::Delimited(_)) { "csv" } else { "plain" };
        format_compact!("text/{kind}; charset={}", self.layout.charset.name())
    }
}

fn error<T>(place: impl fmt::Display, what: impl Into<String>) -> Result<T, WriteError> {
    Err(WriteError { place: place.to_string(), what: what.into() })
}

/// A field of a record: `rows[2].amount`.
#[derive(Clone, Copy)]
struct Place<'a> {
    record: &'a str,
    name: &'a str,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.record, self.name)
    }
}

/// The columns that rows have, in the order in which they come up.
fn columns_of(rows: &[Json]) -> Result<Vec<String>, WriteError> {
    let mut columns: Vec<String> = Vec::new();
    for row in rows.iter().filter_map(Json::as_object) {
        for (name, _) in row.iter() {
            if !columns.iter().any(|known| known == name) {
                columns.push(name.to_owned());
            }
        }
    }
    match columns.is_empty() {
        true => error(
            "rows",
            "there is no row that says what columns there are: name them in the layout's `columns`",
        ),
        false => Ok(columns),
    }
}

struct File<'a> {
    layout: &'a Layout,
    rows: usize,
    text: String,
}

impl File<'_> {
    fn side(&mut self, side: Side, given: Option<&Json>) -> Result<(), WriteError> {
        let (around, mark) = match side {
            Side::Header => (&self.layout.header, &self.layout.marks.header),
            Side::Trailer => (&self.layout.trailer, &self.layout.marks.trailer),
        };
        let none = Object::new();
        let given = match given {
            None | Some(Json::Null) => None,
            Some(Json::Object(object)) => Some(object),
            Some(_) => return error(side.name(), "expected an object"),
        };
        match around {
            Around::None if given.is_some() => error(side.name(), "the layout has no such record"),
            Around::None => Ok(()),
            Around::Names(names) => {
                self.named(side.name(), given.unwrap_or(&none), names, Some(side), mark.as_deref())
            }
            Around::Named => {
                let Some(given) = given.filter(|given| !given.is_empty()) else {
                    return error(side.name(), "expected an object, whose names are written too");
                };
                let mut names: Vec<String> = given.iter().map(|(name, _)| name.to_owned()).collect();
                if let Some((counted, name)) = &self.layout.count
                    && *counted == side
                    && !names.contains(name)
                {
                    names.push(name.clone());
                }
                self.heading(side.name(), &names)?;
                self.named(side.name(), given, &names, Some(side), mark.as_deref())
            }
        }
    }

    /// A record of an object's members.
    fn named(
        &mut self,
        place: &str,
        object: &Object,
        names: &[String],
        side: Option<Side>,
        mark: Option<&str>,
    ) -> Result<(), WriteError> {
        let rows = self.rows.to_string();
        let counted = self.layout.count.as_ref().filter(|(counted, _)| Some(*counted) == side);
        let (mut members, mut taken) = (object.iter().peekable(), 0);
        let mut values = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let place = Place { record: place, name };
            // Members mostly stand in the order of the columns.
            let given = match members.next_if(|(member, _)| member == name) {
                Some((_, value)) => Some(value),
                None => object.get(name),
            };
            taken += usize::from(given.is_some());
            let given = match given {
                None | Some(Json::Null) => "",
                Some(Json::String(text) | Json::Number(text)) => text.as_str(),
                Some(Json::Bool(true)) => "true",
                Some(Json::Bool(false)) => "false",
                Some(_) => return error(place, "expected a text: a field has no parts"),
            };
            let filled = if counted.is_some_and(|(_, counted)| counted == name) {
                Some(rows.as_str())
            } else {
                mark.filter(|_| index == 0)
            };
            let value = match filled {
                None => given,
                Some(filled) if given.is_empty() => filled,
                Some(filled) if given.trim_start_matches('0') == filled || given == filled => given,
                Some(filled) => return error(place, format!("must be `{filled}` or left out")),
            };
            values.push((value, place));
        }
        if taken < object.len()
            && let Some((name, _)) = object.iter().find(|(name, _)| !names.iter().any(|known| known == name))
        {
            return error(Place { record: place, name }, "the layout has no such column");
        }
        self.record(values.into_iter(), super::fields::widths(self.layout, side), true)
    }

    /// A record of names.
    fn heading(&mut self, place: &str, names: &[String]) -> Result<(), WriteError> {
        let names = names.iter().map(|name| (name.as_str(), Place { record: place, name }));
        self.record(names, &[], false)
    }

    /// A record of texts, each with its place.
    fn record<'v>(
        &mut self,
        values: impl Iterator<Item = (&'v str, Place<'v>)>,
        widths: &[usize],
        is_data: bool,
    ) -> Result<(), WriteError> {
        let start = self.text.len();
        for (index, (value, place)) in values.enumerate() {
            self.check(value, place)?;
            let is_quoting = matches!(self.layout.form, Form::Delimited(Delimited { quote: Some(_), .. }));
            if self.text.is_empty() && value.starts_with('\u{FEFF}') && !is_quoting {
                return error(place, "begins with a byte order mark, which would be that of the file");
            }
            match &self.layout.form {
                Form::Delimited(form) => self.delimited(form, index, value, place, is_data)?,
                Form::Fixed(fixed) => {
                    let width = widths.get(index).copied().unwrap_or_default();
                    let is_zero_filled = fixed.zero_filled.iter().any(|name| name == place.name);
                    self.fixed(fixed, (index, width), value, place, is_zero_filled)?;
                }
            }
        }
        let is_blank = self.text[start..].chars().all(|letter| letter == '\u{1A}');
        let begins_comment = self
            .layout
            .comment
            .as_ref()
            .is_some_and(|comment| self.text[start..].starts_with(comment.as_str()));
        if is_blank {
            // A blank line is no record.
            match &self.layout.form {
                Form::Delimited(Delimited { quote: Some(quote), .. }) if self.text.len() == start => {
                    self.text.push(*quote);
                    self.text.push(*quote);
                }
                _ => {
                    return error(
                        "rows",
                        "a record without any text would be a blank line, which is no record",
                    );
                }
            }
        }
        if begins_comment {
            return error("rows", "a record begins as a comment does");
        }
        self.text.push_str(self.layout.line_end);
        Ok(())
    }

    fn check(&self, value: &str, place: Place<'_>) -> Result<(), WriteError> {
        if self.layout.charset.is_unicode() && !value.contains('\u{FFFD}') {
            return Ok(());
        }
        if let Some(letter) =
            value.chars().find(|letter| !self.layout.charset.has(*letter) || *letter == '\u{FFFD}')
        {
            let code = u32::from(letter);
            let what =
                format!("a character (U+{code:04X}) that {} does not have", self.layout.charset.name());
            return error(
                place,
                if letter == '\u{FFFD}' { "a replacement character (U+FFFD)".to_owned() } else { what },
            );
        }
        Ok(())
    }

    fn delimited(
        &mut self,
        form: &Delimited,
        index: usize,
        value: &str,
        place: Place<'_>,
        is_data: bool,
    ) -> Result<(), WriteError> {
        if let Some((strip, between)) = form.strip.as_ref().filter(|_| is_data) {
            if !is_apart(value, between) || value.contains(['\n', '\r']) {
                return error(place, "holds what stands between fields, or a line end");
            }
            if index > 0 {
                self.text.push_str(&form.delimiter);
            }
            self.text.push(*strip);
            self.text.push_str(value);
            return Ok(());
        }
        if index > 0 {
            self.text.push_str(&form.delimiter);
        }
        let comment = self.layout.comment.as_ref().filter(|_| index == 0);
        let is_cut = self.layout.trim && value.trim().len() != value.len();
        let is_apart = is_apart(value, &form.delimiter);
        let must_be_quoted = !is_apart
            || value.contains(['\n', '\r', '\u{1A}'])
            || form.quote.is_some_and(|quote| value.contains(quote))
            || (index == 0 && value.starts_with('\u{FEFF}'))
            || comment.is_some_and(|comment| value.starts_with(comment.as_str()))
            || is_cut;
        let begins_as_data =
            form.strip.as_ref().is_some_and(|(strip, _)| index == 0 && value.starts_with(*strip));
        match form.quote {
            Some(quote) if must_be_quoted => {
                self.text.push(quote);
                self.text.push_str(&value.replace(quote, &format!("{quote}{quote}")));
                self.text.push(quote);
            }
            None if !is_apart || value.contains(['\n', '\r']) || begins_as_data => {
                return error(place, "holds the delimiter or a line end, and the layout has no `quote`");
            }
            _ => self.text.push_str(value),
        }
        Ok(())
    }

    fn fixed(
        &mut self,
        fixed: &Fixed,
        (index, width): (usize, usize),
        value: &str,
        place: Place<'_>,
        is_zero_filled: bool,
    ) -> Result<(), WriteError> {
        if value.contains(['\n', '\r']) {
            return error(place, "holds a line end, which a file of fixed width cannot have");
        }
        let length = match fixed.unit {
            WidthUnit::Chars => value.chars().count(),
            WidthUnit::Bytes => self.layout.charset.length(value),
        };
        let Some(room) = width.checked_sub(length) else {
            return error(place, format!("{length} wide, and the field is {width}"));
        };
        if index > 0 {
            self.text.push_str(&fixed.gap);
        }
        if is_zero_filled && room > 0 {
            let (sign, digits) = value.split_at(usize::from(value.starts_with(['+', '-'])));
            self.text.push_str(sign);
            (0..room).for_each(|_| self.text.push('0'));
            self.text.push_str(digits);
            return Ok(());
        }
        self.text.push_str(value);
        (0..room).for_each(|_| self.text.push(' '));
        Ok(())
    }
}

/// Whether a value before a delimiter is read as itself: it neither holds the delimiter nor makes another one with its end.
fn is_apart(value: &str, delimiter: &str) -> bool {
    if delimiter.len() == 1 {
        return !value.as_bytes().contains(&delimiter.as_bytes()[0]);
    }
    let begins_one = |(at, _): (usize, char)| at > 0 && value.ends_with(&delimiter[..at]);
    if value.contains(delimiter) || !delimiter.char_indices().any(begins_one) {
        return !value.contains(delimiter);
    }
    format!("{value}{delimiter}").find(delimiter) == Some(value.len())
}

//! Tells the fields of a record apart.

use std::borrow::Cow;
use std::ops::Range;

use super::keys::{Ragged, WidthUnit};
use super::layout::{Delimited, Fixed, Form, Layout, MOST_FIELDS, Side};

/// A field: where it stands in the text, what is around it left out.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) range: Range<usize>,
    pub(super) is_quoted: bool,
}

/// What is wrong at a place of the text.
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) what: String,
}

fn wrong<T>(at: usize, what: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { at, what: what.into() })
}

impl Field {
    /// Its text.
    pub(super) fn value<'t>(&self, layout: &Layout, text: &'t str) -> Cow<'t, str> {
        let text = &text[self.range.clone()];
        match &layout.form {
            Form::Delimited(Delimited { quote: Some(quote), .. }) if self.is_quoted => {
                if text.contains(*quote) {
                    return Cow::Owned(text.replace(&format!("{quote}{quote}"), &quote.to_string()));
                }
                Cow::Borrowed(text)
            }
            _ if layout.trim => Cow::Borrowed(text.trim()),
            _ => Cow::Borrowed(text),
        }
    }
}

/// Where the line ends on which the record ends that begins at `at`.
pub(super) fn record_end(layout: &Layout, text: &str, at: usize) -> Result<usize, Wrong> {
    match &layout.form {
        Form::Delimited(form) if form.quote.is_some() => delimited(form, text, at, &mut |_| true),
        _ => Ok(text[at..].find('\n').map_or(text.len(), |end| at + end)),
    }
}

/// The widths of the fields of a kind of record; `None`: rows.
pub(super) fn widths(layout: &Layout, side: Option<Side>) -> &[usize] {
    match (&layout.form, side) {
        (Form::Delimited(_), _) => &[],
        (Form::Fixed(fixed), None) => &fixed.widths,
        (Form::Fixed(fixed), Some(Side::Header)) => &fixed.header,
        (Form::Fixed(fixed), Some(Side::Trailer)) => &fixed.trailer,
    }
}

/// Adds the fields of a record to `found`.
pub(super) fn fields(
    layout: &Layout,
    text: &str,
    record: Range<usize>,
    widths: &[usize],
    found: &mut Vec<Field>,
) -> Result<(), Wrong> {
    match &layout.form {
        Form::Fixed(fixed) => cut(layout, fixed, text, record, widths, found),
        Form::Delimited(form) => {
            let start = record.start;
            delimited(form, &text[..record.end], start, &mut |field| {
                found.push(field);
                found.len() <= MOST_FIELDS
            })?;
            if found.len() > MOST_FIELDS {
                return wrong(start, format!("more than {MOST_FIELDS} fields"));
            }
            Ok(())
        }
    }
}

/// Hands the fields of a record over, until `take` says no. Answers with where the record ends.
fn delimited(
    form: &Delimited,
    text: &str,
    start: usize,
    take: &mut impl FnMut(Field) -> bool,
) -> Result<usize, Wrong> {
    let mut at = start;
    let mut delimiter = form.delimiter.as_str();
    if let Some((strip, between)) = &form.strip
        && text[at..].starts_with(*strip)
    {
        at += strip.len_utf8();
        delimiter = between;
    }
    let first = delimiter.as_bytes()[0];
    loop {
        let quote = form.quote.filter(|quote| text[at..].starts_with(*quote));
        if let Some(quote) = quote {
            let begin = at + quote.len_utf8();
            let Some(end) = quoted_end(text, begin, quote) else {
                return wrong(at, "a field in quotes is not closed");
            };
            let field = Field { range: begin..end, is_quoted: true };
            at = end + quote.len_utf8();
            let rest = &text[at..];
            let is_end =
                rest.is_empty() || rest.starts_with('\n') || rest.starts_with("\r\n") || rest == "\r";
            if !is_end && !rest.starts_with(delimiter) {
                return wrong(at, "expected the delimiter or the end of the line after a field in quotes");
            }
            if !take(field) || is_end {
                return Ok(at + rest.find('\n').unwrap_or(rest.len()));
            }
            at += delimiter.len();
            continue;
        }
        let mut end = at;
        let ends = loop {
            let bytes = &text.as_bytes()[end..];
            let Some(next) = bytes.iter().position(|byte| *byte == first || *byte == b'\n') else {
                end = text.len();
                break true;
            };
            end += next;
            if text.as_bytes()[end] == b'\n' {
                break true;
            }
            if text.as_bytes()[end..].starts_with(delimiter.as_bytes()) {
                break false;
            }
            end += 1;
        };
        let content = &text[at..end];
        let content = if ends { content.strip_suffix('\r').unwrap_or(content) } else { content };
        if !take(Field { range: at..at + content.len(), is_quoted: false }) || ends {
            return Ok(end);
        }
        at = end + delimiter.len();
    }
}

/// Where the quote stands that closes a field; a doubled quote is a letter of it.
fn quoted_end(text: &str, begin: usize, quote: char) -> Option<usize> {
    let mut at = begin;
    loop {
        let end = at + text[at..].find(quote)?;
        let after = end + quote.len_utf8();
        if !text[after..].starts_with(quote) {
            return Some(end);
        }
        at = after + quote.len_utf8();
    }
}

/// Cuts a record by widths.
fn cut(
    layout: &Layout,
    fixed: &Fixed,
    text: &str,
    record: Range<usize>,
    widths: &[usize],
    found: &mut Vec<Field>,
) -> Result<(), Wrong> {
    let mut at = record.start;
    for (place, width) in widths.iter().enumerate() {
        let is_over = at >= record.end && place > 0;
        if is_over && layout.ragged != Ragged::Refuse {
            found.push(Field { range: record.end..record.end, is_quoted: false });
            continue;
        }
        if place > 0 && !fixed.gap.is_empty() {
            if !text[at..record.end].starts_with(fixed.gap.as_str()) {
                return wrong(at, "expected the delimiter between two fields of fixed width");
            }
            at += fixed.gap.len();
        }
        let begin = at;
        let mut taken = 0;
        for letter in text[at..record.end].chars() {
            if taken >= *width {
                break;
            }
            taken += match fixed.unit {
                WidthUnit::Chars => 1,
                WidthUnit::Bytes => layout.charset.length_of(letter),
            };
            at += letter.len_utf8();
        }
        if taken > *width {
            return wrong(begin, "a character stands across the end of a field");
        }
        if taken < *width && layout.ragged == Ragged::Refuse {
            return wrong(begin, "the record is shorter than its fields together");
        }
        found.push(Field { range: begin..at, is_quoted: false });
    }
    let rest = &text[at..record.end];
    let is_left_out = match layout.ragged {
        Ragged::Refuse => rest.is_empty(),
        Ragged::Pad => rest.trim().is_empty(),
        Ragged::Cut => true,
    };
    if is_left_out { Ok(()) } else { wrong(at, "the record is longer than its fields together") }
}

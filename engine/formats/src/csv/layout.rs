//! What a layout means, checked: every combination that makes no sense is an error that says why.

use std::collections::HashSet;

use hub_core::registry::Settings;

use super::keys::{Around, Keys, Marks, Ragged, WidthUnit};
use crate::charset::{Charset, UTF_8};
use crate::{FormatError, layout_of};

/// A record may have so many fields.
pub(super) const MOST_FIELDS: usize = 4096;

/// How a file is laid out.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) charset: Charset,
    pub(super) form: Form,
    /// The names of the fields of rows; `None`: the first record says them.
    pub(super) columns: Option<Vec<String>>,
    /// What the first record calls the columns, in the order of `columns`, where it has names that no path can hold.
    pub(super) heading: Option<Vec<String>>,
    pub(super) header: Around,
    pub(super) trailer: Around,
    pub(super) marks: Marks,
    pub(super) skip_lines: usize,
    pub(super) comment: Option<String>,
    pub(super) line_end: &'static str,
    pub(super) trim: bool,
    /// The field that holds the number of rows.
    pub(super) count: Option<(Side, String)>,
    pub(super) ragged: Ragged,
    pub(super) bom: bool,
}

/// How fields are told apart.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Delimited(Delimited),
    Fixed(Fixed),
}

/// Fields with something between them.
#[derive(Clone, Debug)]
pub(super) struct Delimited {
    pub(super) delimiter: String,
    pub(super) quote: Option<char>,
    /// What every field begins with in a record that begins with it, and what then stands between two fields: a field with a comma in it
    /// is still one.
    pub(super) strip: Option<(char, String)>,
}

/// Fields of fixed width.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    pub(super) unit: WidthUnit,
    pub(super) widths: Vec<usize>,
    pub(super) header: Vec<usize>,
    pub(super) trailer: Vec<usize>,
    /// What stands between fields: nothing, or a blank.
    pub(super) gap: String,
    /// The columns that are filled with zeros on the left.
    pub(super) zero_filled: Vec<String>,
}

/// A kind of record that stands beside the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Header,
    Trailer,
}

impl Side {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Trailer => "trailer",
        }
    }
}

fn wrong<T>(what: impl Into<String>) -> Result<T, FormatError> {
    Err(FormatError::Layout(what.into()))
}

fn single(key: &str, text: &str) -> Result<Option<char>, FormatError> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (letter, None) if letter.is_none_or(|letter| !letter.is_control() || letter == '\t') => Ok(letter),
        _ => wrong(format!("`{key}`: expected one character, or \"\" for none")),
    }
}

fn check_names(key: &str, names: &[String]) -> Result<(), FormatError> {
    let mut known = HashSet::new();
    if names.len() > MOST_FIELDS {
        return wrong(format!("`{key}`: more than {MOST_FIELDS} names"));
    }
    for name in names {
        if name.trim().is_empty() {
            return wrong(format!("`{key}`: a name is empty"));
        }
        if !known.insert(name) {
            return wrong(format!("`{key}`: the name `{name}` stands twice"));
        }
    }
    Ok(())
}

impl Layout {
    pub(super) fn read(settings: &Settings, charset: Option<&str>) -> Result<Self, FormatError> {
        let keys: Keys = layout_of("csv", settings)?;
        let charset = match keys.charset.as_deref().or(charset) {
            None => UTF_8,
            Some(name) => match Charset::from_name(name) {
                Some(Charset::Utf16 { .. }) | None => return Err(FormatError::Charset(name.to_owned())),
                Some(charset) => charset,
            },
        };
        check_names("columns", &keys.columns)?;
        check_heading(&keys)?;
        for (key, around) in [("header", &keys.header), ("trailer", &keys.trailer)] {
            if let Around::Names(names) = around {
                check_names(key, names)?;
                if names.is_empty() {
                    return wrong(format!("`{key}`: expected the names of its fields"));
                }
            }
        }
        for (key, mark, around) in [
            ("marks.header", &keys.marks.header, &keys.header),
            ("marks.trailer", &keys.marks.trailer, &keys.trailer),
        ] {
            if mark.is_some() && *around == Around::None {
                return wrong(format!("`{key}`: the layout has no such record"));
            }
        }
        let line_end = match keys.line_end.as_deref() {
            None | Some("\n") => "\n",
            Some("\r\n") => "\r\n",
            Some(_) => return wrong("`line_end`: expected \"\\n\" or \"\\r\\n\""),
        };
        if keys.comment.as_deref() == Some("") {
            return wrong("`comment`: expected what a comment begins with");
        }
        if keys.bom && charset != UTF_8 {
            return wrong("`bom`: only a file in UTF-8 has a byte order mark");
        }
        let trim = keys.trim.unwrap_or(!keys.widths.is_empty());
        let count = count(&keys)?;
        let form = form(&keys)?;
        let columns = if keys.columns.is_empty() { None } else { Some(keys.columns) };
        let heading = if keys.heading.is_empty() { None } else { Some(keys.heading) };
        Ok(Self {
            charset,
            form,
            columns,
            heading,
            header: keys.header,
            trailer: keys.trailer,
            marks: keys.marks,
            skip_lines: keys.skip_lines,
            comment: keys.comment,
            line_end,
            trim,
            count,
            ragged: keys.ragged,
            bom: keys.bom,
        })
    }
}

/// One name in the first record for each of `columns`.
fn check_heading(keys: &Keys) -> Result<(), FormatError> {
    if keys.heading.is_empty() {
        return Ok(());
    }
    if !keys.widths.is_empty() {
        return wrong("`heading`: a file of fixed width has no record that names its columns");
    }
    if keys.heading.len() != keys.columns.len() {
        return wrong(format!("`heading`: {} names for {} columns", keys.heading.len(), keys.columns.len()));
    }
    let mut known = HashSet::new();
    for name in &keys.heading {
        if name.is_empty() || name.trim() != name {
            return wrong("`heading`: expected names without blanks around them");
        }
        if !known.insert(name) {
            return wrong(format!("`heading`: the name `{name}` stands twice"));
        }
    }
    Ok(())
}

fn count(keys: &Keys) -> Result<Option<(Side, String)>, FormatError> {
    let Some(count) = &keys.count else { return Ok(None) };
    let (side, around, name) = match count.split_once('.') {
        Some(("header", name)) => (Side::Header, &keys.header, name),
        Some(("trailer", name)) => (Side::Trailer, &keys.trailer, name),
        _ => {
            return wrong(
                "`count`: expected the field that holds the number of rows: `trailer.NAME` or `header.NAME`",
            );
        }
    };
    let is_known = match around {
        Around::None => return wrong(format!("`count`: the layout has no `{}`", side.name())),
        Around::Named => !name.is_empty(),
        Around::Names(names) => names.iter().any(|known| known == name),
    };
    if !is_known {
        return wrong(format!("`count`: `{}` has no field `{name}`", side.name()));
    }
    Ok(Some((side, name.to_owned())))
}

fn form(keys: &Keys) -> Result<Form, FormatError> {
    if keys.widths.is_empty() {
        return delimited(keys);
    }
    for (key, is_there) in [("quote", keys.quote.is_some()), ("strip", keys.strip.is_some())] {
        if is_there {
            return wrong(format!("`{key}`: fields of fixed width have none"));
        }
    }
    if keys.columns.len() != keys.widths.len() {
        return wrong(format!("`widths`: {} widths for {} columns", keys.widths.len(), keys.columns.len()));
    }
    for (key, around, widths) in
        [("header", &keys.header, &keys.header_widths), ("trailer", &keys.trailer, &keys.trailer_widths)]
    {
        let names = match around {
            Around::None => 0,
            Around::Names(names) => names.len(),
            Around::Named => {
                return wrong(format!("`{key}`: in a file of fixed width expected a list of names"));
            }
        };
        if names != widths.len() {
            return wrong(format!("`{key}_widths`: {} widths for {names} names", widths.len()));
        }
    }
    let all = [&keys.widths, &keys.header_widths, &keys.trailer_widths];
    if all.iter().any(|widths| widths.contains(&0) || widths.iter().any(|width| *width > 1 << 20)) {
        return wrong("`widths`: expected numbers from 1 to 1048576");
    }
    let around = [&keys.header, &keys.trailer].map(|around| match around {
        Around::Names(names) => names.as_slice(),
        _ => &[],
    });
    let has_name =
        |name: &String| keys.columns.contains(name) || around.iter().any(|names| names.contains(name));
    if let Some(name) = keys.zero_filled.iter().find(|name| !has_name(name)) {
        return wrong(format!("`zero_filled`: there is no column `{name}`"));
    }
    let gap = keys.delimiter.clone().unwrap_or_default();
    if gap.contains(['\n', '\r']) {
        return wrong("`delimiter`: a line end cannot stand between fields");
    }
    Ok(Form::Fixed(Fixed {
        unit: keys.width_unit.unwrap_or_default(),
        widths: keys.widths.clone(),
        header: keys.header_widths.clone(),
        trailer: keys.trailer_widths.clone(),
        gap,
        zero_filled: keys.zero_filled.clone(),
    }))
}

fn delimited(keys: &Keys) -> Result<Form, FormatError> {
    for (key, is_there) in [
        ("width_unit", keys.width_unit.is_some()),
        ("header_widths", !keys.header_widths.is_empty()),
        ("trailer_widths", !keys.trailer_widths.is_empty()),
        ("zero_filled", !keys.zero_filled.is_empty()),
    ] {
        if is_there {
            return wrong(format!("`{key}`: only a file of fixed width has it, and there are no `widths`"));
        }
    }
    let delimiter = keys.delimiter.clone().unwrap_or_else(|| ",".to_owned());
    if delimiter.is_empty() || delimiter.contains(['\n', '\r']) {
        return wrong("`delimiter`: expected one or more characters, and no line end");
    }
    let strip = keys.strip.as_deref().map(|strip| single("strip", strip)).transpose()?.flatten();
    let quote = match (&keys.quote, strip) {
        (None, Some(_)) => None,
        (None, None) => Some('"'),
        (Some(quote), _) => single("quote", quote)?,
    };
    if quote.is_some() && strip.is_some() {
        return wrong("`strip`: fields that all begin with a character are not quoted: `quote` must be \"\"");
    }
    for (key, letter) in [("quote", quote), ("strip", strip)] {
        if letter.is_some_and(|letter| delimiter.contains(letter)) {
            return wrong(format!("`{key}`: stands in the `delimiter` too"));
        }
    }
    let strip = strip.map(|strip| (strip, format!("{delimiter}{strip}")));
    Ok(Form::Delimited(Delimited { delimiter, quote, strip }))
}

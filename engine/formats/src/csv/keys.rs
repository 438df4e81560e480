//! The keys of a file's layout, as a mapping writes them.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

/// What is written in the layout; [`super::layout::Layout`] is what is meant by it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Keys {
    pub(super) delimiter: Option<String>,
    pub(super) quote: Option<String>,
    pub(super) columns: Vec<String>,
    pub(super) heading: Vec<String>,
    pub(super) widths: Vec<usize>,
    pub(super) width_unit: Option<WidthUnit>,
    pub(super) header: Around,
    pub(super) header_widths: Vec<usize>,
    pub(super) trailer: Around,
    pub(super) trailer_widths: Vec<usize>,
    pub(super) marks: Marks,
    pub(super) skip_lines: usize,
    pub(super) comment: Option<String>,
    pub(super) charset: Option<String>,
    pub(super) strip: Option<String>,
    pub(super) line_end: Option<String>,
    pub(super) trim: Option<bool>,
    pub(super) count: Option<String>,
    pub(super) ragged: Ragged,
    pub(super) zero_filled: Vec<String>,
    pub(super) bom: bool,
}

/// What the widths of fields count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WidthUnit {
    #[default]
    Chars,
    /// Bytes of the file's character set.
    Bytes,
}

/// What becomes of a record with more or fewer fields than there are names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ragged {
    /// It is an error.
    #[default]
    Refuse,
    /// Missing fields are empty; more are an error, unless they are empty.
    Pad,
    /// Missing fields are empty; more are left out.
    Cut,
}

/// What the first field of each kind of record is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Marks {
    pub(super) header: Option<String>,
    pub(super) row: Option<String>,
    pub(super) trailer: Option<String>,
}

/// Whether there is a record before or after the rows, and what its fields are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Around {
    #[default]
    None,
    /// One record, whose fields have these names.
    Names(Vec<String>),
    /// Two records: the names and the values.
    Named,
}

impl<'de> Deserialize<'de> for Around {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Around;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names, or \"named\" where the record before says them")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Around, E> {
                match word {
                    "named" => Ok(Around::Named),
                    word => Err(E::invalid_value(serde::de::Unexpected::Str(word), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Around, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = items.next_element()? {
                    names.push(name);
                }
                Ok(Around::Names(names))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

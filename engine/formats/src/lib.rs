//! Bytes to documents and trees to bytes: the formats that the hub reads and writes. Pure and total: bad bytes give an error with its
//! place, never a panic.

pub mod binary;
mod charset;
pub mod csv;
pub mod fhir;
pub mod hl7v2;
pub mod json;
mod limits;
mod nested;
mod skeleton;
mod tree;
pub mod xml;

pub use binary::BINARY;
pub use limits::MOST_BYTES;

use hub_core::document::{Parser, Writer};
use hub_core::registry::{FormatUse, Settings};
use thiserror::Error;

/// The formats that [`parser`] knows.
pub const FORMATS: &[&str] = &["hl7v2", "fhir", "json", "xml", "csv", BINARY];
/// The formats that [`writer`] knows.
pub const WRITTEN: &[&str] = &["hl7v2", "fhir", "json", "xml", "csv"];

/// Why there is no parser or writer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// Not one of [`FORMATS`], or of [`WRITTEN`].
    #[error("there is no format `{0}`")]
    Format(String),
    /// Not one of table 0211 or its usual other names.
    #[error("there is no charset `{0}`")]
    Charset(String),
    /// The format has its own charset.
    #[error("the format `{0}` has no other charset than its own")]
    FixedCharset(&'static str),
    /// The layout has a key the format does not know, or a value it cannot use.
    #[error("{0}")]
    Layout(String),
}

/// The parser of a format. `charset` is for messages that do not declare theirs, for HL7 v2 also `detect`; `layout` for formats that have to be told how they are
/// laid out.
pub fn parser(
    format: &str,
    charset: Option<&str>,
    layout: &Settings,
) -> Result<Box<dyn Parser>, FormatError> {
    match format {
        "hl7v2" => {
            no_layout(format, layout)?;
            let undeclared = match charset {
                None => hl7v2::Undeclared::Utf8,
                Some("detect") => hl7v2::Undeclared::Detect,
                Some(name) => match hl7v2::Charset::from_name(name) {
                    Some(charset) => hl7v2::Undeclared::Named(charset),
                    None => return Err(FormatError::Charset(name.to_owned())),
                },
            };
            Ok(Box::new(hl7v2::Hl7Parser { undeclared }))
        }
        BINARY if charset.is_some() => Err(FormatError::FixedCharset(BINARY)),
        BINARY => {
            no_layout(format, layout)?;
            Ok(Box::new(binary::SlipParser))
        }
        "fhir" | "json" if charset.is_some_and(|name| !name.eq_ignore_ascii_case("utf-8")) => {
            Err(FormatError::FixedCharset(if format == "fhir" { "fhir" } else { "json" }))
        }
        "fhir" => Ok(Box::new(fhir::FhirParser { lines: layout_of::<fhir::Layout>(format, layout)?.lines })),
        "json" => Ok(Box::new(json::JsonParser::new(layout)?)),
        "xml" => Ok(Box::new(xml::XmlParser::new(layout, charset)?)),
        "csv" => Ok(Box::new(csv::CsvParser::new(layout, charset)?)),
        _ => Err(FormatError::Format(format.to_owned())),
    }
}

/// The writer of a format.
pub fn writer(format: &str, layout: &Settings) -> Result<Box<dyn Writer>, FormatError> {
    match format {
        "hl7v2" => Ok(Box::new(hl7v2::Hl7Writer::new(layout)?)),
        "fhir" => Ok(Box::new(fhir::FhirWriter { lines: layout_of::<fhir::Layout>(format, layout)?.lines })),
        "json" => Ok(Box::new(json::JsonWriter::new(layout)?)),
        "xml" => Ok(Box::new(xml::XmlWriter::new(layout)?)),
        "csv" => Ok(Box::new(csv::CsvWriter::new(layout)?)),
        _ => Err(FormatError::Format(format.to_owned())),
    }
}

/// What is wrong with how a format is used; for the registry.
pub fn check(format: &str, how: &FormatUse<'_>) -> Result<(), FormatError> {
    if how.written {
        writer(format, how.layout).map(drop)
    } else {
        parser(format, how.charset, how.layout).map(drop)
    }
}

/// The layout of a format, from the table of a mapping file.
fn layout_of<L: serde::de::DeserializeOwned>(format: &str, layout: &Settings) -> Result<L, FormatError> {
    let wrong =
        |what: &str| FormatError::Layout(format!("the layout of the format `{format}`: {}", what.trim_end()));
    layout.clone().try_into().map_err(|error| wrong(error.message()))
}

fn no_layout(format: &str, layout: &Settings) -> Result<(), FormatError> {
    match layout.keys().next() {
        None => Ok(()),
        Some(key) => Err(FormatError::Layout(format!("the format `{format}` has no layout key `{key}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_listed_has_a_parser() {
        let none = Settings::new();
        for format in FORMATS {
            assert!(parser(format, None, &none).is_ok(), "{format}");
        }
        for format in WRITTEN {
            assert!(writer(format, &none).is_ok(), "{format}");
        }
        assert!(parser("hl7v2", Some("GBK"), &none).is_ok());
        assert!(parser("hl7v2", Some("detect"), &none).is_ok());
        assert_eq!(parser("hl7v2", Some("x"), &none).err(), Some(FormatError::Charset("x".to_owned())));
        assert_eq!(parser("x", None, &none).err(), Some(FormatError::Format("x".to_owned())));
        let layout = Settings::from_iter([("delimiter".to_owned(), ";".into())]);
        assert!(matches!(parser("json", None, &layout).err(), Some(FormatError::Layout(_))));
    }
}

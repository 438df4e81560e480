//! Bytes to documents: the formats that the hub reads. Pure and total: bad bytes give an error with its place, never a panic.

pub mod fhir;
pub mod hl7v2;
pub mod json;

use hub_core::document::Parser;
use thiserror::Error;

/// The formats that [`parser`] knows.
pub const FORMATS: &[&str] = &["hl7v2", "fhir", "json"];

/// Why there is no parser.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParserError {
    /// Not one of [`FORMATS`].
    #[error("there is no format `{0}`")]
    Format(String),
    /// Not one of table 0211 or its usual other names.
    #[error("there is no charset `{0}`")]
    Charset(String),
    /// The format has its own charset.
    #[error("the format `{0}` has no other charset than its own")]
    FixedCharset(&'static str),
}

/// The parser of a format. `charset` is for messages that do not declare theirs.
pub fn parser(format: &str, charset: Option<&str>) -> Result<Box<dyn Parser>, ParserError> {
    match format {
        "hl7v2" => {
            let known = |name: &str| {
                hl7v2::Charset::from_name(name).ok_or_else(|| ParserError::Charset(name.to_owned()))
            };
            Ok(Box::new(hl7v2::Hl7Parser { default_charset: charset.map(known).transpose()? }))
        }
        "fhir" | "json" if charset.is_some_and(|name| !name.eq_ignore_ascii_case("utf-8")) => {
            Err(ParserError::FixedCharset(if format == "fhir" { "fhir" } else { "json" }))
        }
        "fhir" => Ok(Box::new(fhir::FhirParser)),
        "json" => Ok(Box::new(json::JsonParser)),
        _ => Err(ParserError::Format(format.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_listed_has_a_parser() {
        for format in FORMATS {
            assert!(parser(format, None).is_ok(), "{format}");
        }
        assert!(parser("hl7v2", Some("GBK")).is_ok());
        assert_eq!(parser("hl7v2", Some("x")).err(), Some(ParserError::Charset("x".to_owned())));
        assert_eq!(parser("x", None).err(), Some(ParserError::Format("x".to_owned())));
    }
}

//! Bytes to documents: the formats that the hub reads. Pure and total: bad bytes give an error with its place, never a panic.

pub mod hl7v2;

use hub_core::document::Parser;
use thiserror::Error;

/// The formats that [`parser`] knows.
pub const FORMATS: &[&str] = &["hl7v2"];

/// Why there is no parser.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParserError {
    /// Not one of [`FORMATS`].
    #[error("there is no format `{0}`")]
    Format(String),
    /// Not one of table 0211 or its usual other names.
    #[error("there is no charset `{0}`")]
    Charset(String),
}

/// The parser of a format. `charset` is for messages that do not declare theirs.
pub fn parser(format: &str, charset: Option<&str>) -> Result<Box<dyn Parser>, ParserError> {
    if format != "hl7v2" {
        return Err(ParserError::Format(format.to_owned()));
    }
    let known =
        |name: &str| hl7v2::Charset::from_name(name).ok_or_else(|| ParserError::Charset(name.to_owned()));
    let default_charset = charset.map(known).transpose()?;
    Ok(Box::new(hl7v2::Hl7Parser { default_charset }))
}

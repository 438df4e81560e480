//! The acknowledgements that receivers answer with.

use hub_core::document::ParseError;

use super::ack::AckCode;
use super::charset::{Charset, CharsetOrigin, Width};
use super::escape::unescape;
use super::header::Header;
use super::separators::{Pieces, lines, start};

/// What a receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckRead {
    /// MSA-1.
    pub code: AckCode,
    /// MSA-2: what it acknowledges.
    pub control_id: String,
    /// MSA-3, or what the first ERR says; for people.
    pub text: Option<String>,
}

impl AckRead {
    /// Reads an acknowledgement, or any answer that holds an MSA.
    pub fn read(bytes: &[u8]) -> Result<Self, ParseError> {
        let begin = start(bytes);
        let message = &bytes[begin..];
        let header = Header::read(bytes)?;
        let declared = header.charset().ok().flatten();
        let width = declared.map_or(Width::Single, Charset::width);
        let separators = header.separators;
        let segment = |name: &[u8]| {
            lines(message).find(|range| message[range.clone()].starts_with(name)).map(|range| &message[range])
        };
        let field = |segment: &'_ [u8], number: u16| {
            let bytes =
                Pieces::new(segment, Some(separators.field), width).piece(number + 1).unwrap_or_default();
            shown(bytes, declared)
        };
        let error =
            |what: &str| ParseError { at: begin, place: Some("MSA".to_owned()), what: what.to_owned() };

        let msa = segment(b"MSA").ok_or_else(|| error("the answer has no MSA segment"))?;
        let code = AckCode::from_name(field(msa, 1).trim())
            .ok_or_else(|| error("expected MSA-1 to be one of AA, AE, AR, CA, CE, CR"))?;
        let said = |text: String| {
            let text = unescape(&text, separators.escape, &separators, declared).into_owned();
            (!text.trim().is_empty()).then_some(text)
        };
        let in_err = || {
            let err = segment(b"ERR")?;
            [8, 7, 3, 1].into_iter().find_map(|number| said(field(err, number)))
        };
        Ok(Self {
            code,
            control_id: field(msa, 2).trim().to_owned(),
            text: said(field(msa, 3)).or_else(in_err),
        })
    }
}

/// An answer's text is shown to people only: what cannot be decoded becomes `?`.
fn shown(bytes: &[u8], charset: Option<Charset>) -> String {
    match charset.unwrap_or(Charset::Utf8).decode(bytes, CharsetOrigin::Declared) {
        Ok(text) => text.into_owned(),
        Err(_) => bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect(),
    }
}

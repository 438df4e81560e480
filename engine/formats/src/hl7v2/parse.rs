//! Bytes to document: decoded by MSH-18, cut by hl7-parser, guarded against what that crate leaves out silently.

use bytes::Bytes;
use hub_core::document::{Document, ParseError, Parser, Piece, Split};
use hub_core::path::Path;

use super::build::Build;
use super::charset::{Charset, CharsetOrigin, Undeclared};
use super::document::Hl7Document;
use super::header::{charset_of, header_fields, is_cut_in_bytes};
use super::separators::{Pieces, Separators, lines, start};
use super::structure::Tag;

/// More separators than this in one segment are refused: hl7-parser spends half a kilobyte on each.
const MOST_SEPARATORS: usize = 65_000;
/// More segments than this in one message are refused: each costs more memory than its three letters.
const MOST_SEGMENTS: usize = 200_000;

/// Reads HL7 v2 messages, one at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hl7Parser {
    /// The charset of messages whose MSH-18 is empty.
    pub undeclared: Undeclared,
}

impl Parser for Hl7Parser {
    fn parse(&self, bytes: &[u8]) -> Result<Box<dyn Document>, ParseError> {
        Ok(Box::new(self.read(bytes)?))
    }

    fn peek(&self, bytes: &[u8], path: &Path) -> Option<String> {
        let in_bytes = super::peek::Wanted::of(path).and_then(|wanted| wanted.find(bytes, self.undeclared));
        if let Some(value) = in_bytes {
            return value;
        }
        let document = self.read(bytes).ok()?;
        let mut found = Vec::new();
        document.select(document.root(), path, &mut found);
        document.text(*found.first()?)?.value().map(std::borrow::Cow::into_owned)
    }

    /// By messages: a batch or several messages in a row are cut byte for byte. At a path: one message is cut into messages
    /// that have one of the groups or segments there.
    fn split(&self, bytes: &Bytes, by: &Split) -> Result<Vec<Piece>, ParseError> {
        match by {
            Split::Messages => super::batch::messages(bytes),
            Split::At(path) => super::split::at_path(bytes, &self.read(bytes)?, path),
        }
    }
}

impl Hl7Parser {
    /// The parser of a channel that names the charset of messages whose MSH-18 is empty; `None`: UTF-8.
    pub fn with_charset(charset: Option<Charset>) -> Self {
        Self { undeclared: charset.map_or(Undeclared::Utf8, Undeclared::Named) }
    }

    /// Reads one message.
    pub fn read(&self, bytes: &[u8]) -> Result<Hl7Document, ParseError> {
        let begin = start(bytes);
        self.read_message(&bytes[begin..]).map_err(|error| ParseError { at: error.at + begin, ..error })
    }

    fn read_message(&self, message: &[u8]) -> Result<Hl7Document, ParseError> {
        let (separators, after_msh_2) = Separators::read(message)?;
        let (charset, origin) = charset_for(message, after_msh_2, &separators, self.undeclared)?;
        let decoded = charset.decode(message, origin)?;
        let normal =
            Normal::of(&decoded, &separators, after_msh_2).map_err(|fault| fault.in_bytes(message))?;

        let built = Build::new(&normal, &message[4..after_msh_2]).document(separators, charset);
        built.map_err(|line| Fault::unread(line).in_bytes(message))
    }
}

/// The charset that decodes a message, and who says so.
fn charset_for(
    message: &[u8],
    after_msh_2: usize,
    separators: &Separators,
    undeclared: Undeclared,
) -> Result<(Charset, CharsetOrigin), ParseError> {
    let header = header_fields(message, after_msh_2);
    let (width, _) = charset_of(header, separators, undeclared.default_for(message));
    let declared = Pieces::new(header, Some(separators.field), width).piece(16).unwrap_or_default();
    let declared = String::from_utf8_lossy(declared);
    let refused =
        |what: &str| Err(ParseError { at: 0, place: Some("MSH-18".to_owned()), what: what.to_owned() });
    match Charset::from_msh_18(&declared, separators.repetition) {
        Ok(Some(charset)) if charset.width() != width && !is_cut_in_bytes(header) => {
            refused("names a charset in which the fields of MSH would be others")
        }
        Ok(Some(charset)) => Ok((charset, CharsetOrigin::Declared)),
        Ok(None) => undeclared.charset(message),
        Err(_) => refused("names a charset that the hub does not know"),
    }
}

/// What is wrong with a line, by its number among the lines that are not blank, from 0.
struct Fault {
    line: usize,
    what: String,
}

impl Fault {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }

    fn unread(line: usize) -> Self {
        Self::new(line, "hl7-parser does not read this segment whole")
    }

    /// Lines are the same before and after decoding; offsets are not.
    fn in_bytes(self, message: &[u8]) -> ParseError {
        ParseError {
            at: lines(message).nth(self.line).map_or(0, |range| range.start),
            place: Some(format!("segment {}", self.line + 1)),
            what: self.what,
        }
    }
}

/// The message as hl7-parser can read it: lines ended by CR, none blank, MSH-2 of exactly four characters.
pub(super) struct Normal {
    pub(super) text: String,
    pub(super) lines: Vec<Line>,
}

/// One segment: its span of the text, and its name.
pub(super) struct Line {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) tag: Tag,
}

impl Normal {
    fn of(decoded: &str, separators: &Separators, after_msh_2: usize) -> Result<Self, Fault> {
        let mut text = String::with_capacity(decoded.len() + 16);
        let mut found = Vec::with_capacity(32);
        if u32::try_from(decoded.len() + 64).is_err() {
            return Err(Fault::new(0, "the message is longer than 4 GB"));
        }
        for (at, range) in lines(decoded.as_bytes()).enumerate() {
            if at == MOST_SEGMENTS {
                return Err(Fault::new(at, format!("more than {MOST_SEGMENTS} segments in one message")));
            }
            let begin = text.len() as u32;
            let line = &decoded[range.clone()];
            if at == 0 {
                text.push_str("MSH");
                for sign in hl7_parser_signs(decoded, separators).ok_or_else(|| Fault::unread(0))? {
                    text.push(sign);
                }
                text.push_str(&decoded[after_msh_2..range.end.max(after_msh_2)]);
            } else {
                text.push_str(line);
            }
            let tag = tag_of(line, separators).map_err(|what| Fault::new(at, what))?;
            if at > 0 && matches!(&tag, b"MSH" | b"FHS" | b"BHS" | b"BTS" | b"FTS") {
                return Err(Fault::new(
                    at,
                    "a second message or a batch segment: several messages are taken where the channel says `[parse] split = \"messages\"`",
                ));
            }
            if line.len() == tag.len() {
                text.push(char::from(separators.field)); // a bare name is a segment without fields
            }
            let is_separator = |byte: &u8| is_separator(*byte, separators);
            if line.as_bytes().iter().filter(|byte| is_separator(byte)).count() > MOST_SEPARATORS {
                return Err(Fault::new(at, format!("more than {MOST_SEPARATORS} parts in one segment")));
            }
            found.push(Line { start: begin, end: text.len() as u32, tag });
            text.push('\r');
        }
        Ok(Self { text, lines: found })
    }
}

fn is_separator(byte: u8, separators: &Separators) -> bool {
    byte == separators.field
        || byte == separators.component
        || Some(byte) == separators.repetition
        || Some(byte) == separators.subcomponent
}

fn tag_of(line: &str, separators: &Separators) -> Result<Tag, &'static str> {
    let expected = "expected a segment: a name of three letters or digits and the field separator";
    let bytes = line.as_bytes();
    let name = bytes.get(..3).ok_or(expected)?;
    let ends = bytes.get(3).is_none_or(|byte| *byte == separators.field);
    if !ends || !name.iter().all(u8::is_ascii_alphanumeric) {
        return Err(expected);
    }
    Ok([name[0], name[1], name[2]])
}

/// Field separator and the four signs that hl7-parser wants. For a sign the sender does not use, a control character that
/// does not occur in the message.
fn hl7_parser_signs(decoded: &str, separators: &Separators) -> Option<[char; 5]> {
    let mut unused = (1..0x20_u8).filter(|byte| !matches!(byte, b'\r' | b'\n' | b'\t'));
    let mut sign = |declared: Option<u8>| match declared {
        Some(byte) => Some(char::from(byte)),
        None => unused.by_ref().find(|byte| !decoded.as_bytes().contains(byte)).map(char::from),
    };
    Some([
        sign(Some(separators.field))?,
        sign(Some(separators.component))?,
        sign(separators.repetition)?,
        sign(separators.escape)?,
        sign(separators.subcomponent)?,
    ])
}

//! The header of a message (MSH), read from its bytes in a microsecond: what a source must know before it answers.

use compact_str::{CompactString, format_compact};
use hub_core::document::ParseError;
use hub_core::envelope::Label;

use super::charset::{Charset, CharsetOrigin, Width};
use super::separators::{Pieces, Separators, lines, start};

/// What MSH says.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// MSH-1 and MSH-2.
    pub separators: Separators,
    /// MSH-3, whole.
    pub sending_application: CompactString,
    /// MSH-4, whole.
    pub sending_facility: CompactString,
    /// MSH-5, whole.
    pub receiving_application: CompactString,
    /// MSH-6, whole.
    pub receiving_facility: CompactString,
    /// MSH-9.1: `ADT`.
    pub message_code: CompactString,
    /// MSH-9.2: `A01`.
    pub trigger: CompactString,
    /// MSH-9.3: `ADT_A01`.
    pub structure: CompactString,
    /// MSH-10.
    pub control_id: CompactString,
    /// MSH-11.1: `P`, `T`, `D`.
    pub processing_id: CompactString,
    /// MSH-12.1: `2.5.1`.
    pub version: CompactString,
    /// MSH-15: when an accept acknowledgement is wanted. Empty: original mode.
    pub accept_acknowledgement: CompactString,
    /// MSH-16: when an application acknowledgement is wanted.
    pub application_acknowledgement: CompactString,
    /// MSH-18, whole.
    pub charsets: CompactString,
    /// The fields of MSH as they came, MSH-3 first: an answer gives them back byte for byte.
    raw: Box<[u8]>,
    width: Width,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Header({} {})", self.message_type(), self.control_id)
    }
}

impl Header {
    /// Reads the header of a message. Bytes that are no text in any charset we can name are shown as `?`: the header
    /// only names systems, and the parser is strict about the whole message later.
    pub fn read(bytes: &[u8]) -> Result<Self, ParseError> {
        Self::read_as(bytes, None)
    }

    /// The same, with the channel's charset for messages that declare none.
    pub fn read_as(bytes: &[u8], default: Option<Charset>) -> Result<Self, ParseError> {
        let begin = start(bytes);
        let message = &bytes[begin..];
        let (separators, end) =
            Separators::read(message).map_err(|error| ParseError { at: error.at + begin, ..error })?;
        let raw = header_fields(message, end);
        let (width, charset) = charset_of(raw, &separators, default);
        Ok(Self::of(raw, separators, width, charset))
    }

    /// The header of these fields, MSH-3 first.
    pub(super) fn of(raw: &[u8], separators: Separators, width: Width, charset: Option<Charset>) -> Self {
        let mut fields = [&b""[..]; 16];
        for (field, range) in fields.iter_mut().zip(Pieces::new(raw, Some(separators.field), width)) {
            *field = &raw[range];
        }
        let whole = |number: usize| text(fields[number - 3], charset);
        let component = |number: usize, component: u16| {
            let pieces = Pieces::new(fields[number - 3], Some(separators.component), width);
            text(pieces.piece(component).unwrap_or_default(), charset)
        };
        Self {
            separators,
            sending_application: whole(3),
            sending_facility: whole(4),
            receiving_application: whole(5),
            receiving_facility: whole(6),
            message_code: component(9, 1),
            trigger: component(9, 2),
            structure: component(9, 3),
            control_id: whole(10),
            processing_id: component(11, 1),
            version: component(12, 1),
            accept_acknowledgement: whole(15),
            application_acknowledgement: whole(16),
            charsets: whole(18),
            raw: raw.into(),
            width,
        }
    }

    /// `ADT^A01`, of MSH-9.1 and MSH-9.2; of the structure when the trigger is missing; empty when there is none.
    pub fn message_type(&self) -> CompactString {
        let (code, trigger) = message_type(&self.message_code, &self.trigger, &self.structure);
        let mut kind = CompactString::new(code);
        if !trigger.is_empty() {
            kind.push('^');
            kind.push_str(trigger);
        }
        kind
    }

    /// The charset that MSH-18 names. `Ok(None)`: it names none. The error is the name that is not known.
    pub fn charset(&self) -> Result<Option<Charset>, String> {
        Charset::from_msh_18(&self.charsets, self.separators.repetition)
    }

    /// Whether the sender asks for enhanced mode: MSH-15 or MSH-16 is valued (HL7 v2 §2.9.2).
    pub fn is_enhanced(&self) -> bool {
        !self.accept_acknowledgement.trim().is_empty() || !self.application_acknowledgement.trim().is_empty()
    }

    /// What the message says of itself, for the journal.
    pub fn label(&self) -> Label {
        let valued = |text: CompactString| (!text.is_empty()).then_some(text);
        let sender = format_compact!("{}|{}", self.sending_application, self.sending_facility);
        Label {
            message_type: valued(self.message_type()),
            control_id: valued(self.control_id.clone()),
            sender: (sender != "|").then_some(sender),
        }
    }

    /// A field as it came, from MSH-3 on.
    pub(crate) fn raw_field(&self, number: u16) -> &[u8] {
        let pieces = Pieces::new(&self.raw, Some(self.separators.field), self.width);
        number.checked_sub(2).and_then(|nth| pieces.piece(nth)).unwrap_or_default()
    }
}

/// Message code and trigger of the three components of MSH-9. Senders write `ADT_A01` in the wrong component, or the
/// structure without the trigger.
pub(crate) fn message_type<'a>(code: &'a str, trigger: &'a str, structure: &'a str) -> (&'a str, &'a str) {
    if !trigger.is_empty() {
        return (code, trigger);
    }
    let whole = if code.contains('_') || structure.is_empty() { code } else { structure };
    match whole.split_once('_') {
        Some((of_code, of_trigger)) => {
            (if code.is_empty() || code == whole { of_code } else { code }, of_trigger)
        }
        None => (code, ""),
    }
}

/// How the header's fields are cut, and in which charset they are shown. MSH-18 stands behind names that may be
/// written in the charset it declares, so it is looked for twice: as if no character were wide, then as if they were.
pub(crate) fn charset_of(
    raw: &[u8],
    separators: &Separators,
    default: Option<Charset>,
) -> (Width, Option<Charset>) {
    let declared = |width: Width| {
        let field = Pieces::new(raw, Some(separators.field), width).piece(16).unwrap_or_default();
        let name = std::str::from_utf8(field).ok()?;
        Charset::from_msh_18(name, separators.repetition).ok().flatten()
    };
    if is_cut_in_bytes(raw) {
        return (Width::Single, declared(Width::Single).or(default));
    }
    for width in [Width::Single, Width::Lead, Width::Shifted] {
        if let Some(charset) = declared(width)
            && charset.width() == width
        {
            return (width, Some(charset));
        }
    }
    (default.map_or(Width::Single, Charset::width), default)
}

/// The fields of MSH from the third on, of a message whose MSH-2 ends at `after_msh_2`.
pub(crate) fn header_fields(message: &[u8], after_msh_2: usize) -> &[u8] {
    let end = lines(message).next().map_or(message.len(), |line| line.end);
    message.get(after_msh_2 + 1..end).unwrap_or_default()
}

/// Whether every charset cuts these bytes alike.
pub(crate) fn is_cut_in_bytes(raw: &[u8]) -> bool {
    raw.is_ascii() && !raw.contains(&0x1B)
}

fn text(bytes: &[u8], charset: Option<Charset>) -> CompactString {
    if let Ok(ascii_or_utf8) = std::str::from_utf8(bytes)
        && (bytes.is_ascii() || matches!(charset, None | Some(Charset::Utf8)))
    {
        return CompactString::new(ascii_or_utf8);
    }
    match charset.map(|charset| charset.decode(bytes, CharsetOrigin::Declared)) {
        Some(Ok(text)) => CompactString::new(text),
        _ => bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read() {
        let bytes = b"\x0BMSH|^~\\&|HIS^1.2^ISO|H1|HUB|H2|20260101||ADT^A01^ADT_A01|77|P^T|2.5.1|||AL|NE||GB 18030-2000\rPID|1\r\x1C\r";
        let header = Header::read(bytes).unwrap();
        assert_eq!(header.sending_application, "HIS^1.2^ISO");
        assert_eq!(header.receiving_facility, "H2");
        assert_eq!(header.message_type(), "ADT^A01");
        assert_eq!(header.control_id, "77");
        assert_eq!((header.processing_id.as_str(), header.version.as_str()), ("P", "2.5.1"));
        assert_eq!(
            (header.accept_acknowledgement.as_str(), header.application_acknowledgement.as_str()),
            ("AL", "NE")
        );
        assert!(header.is_enhanced());
        assert_eq!(header.charset(), Ok(Some(Charset::Gb18030)));
    }

    #[test]
    fn a_missing_trigger_is_taken_from_the_structure() {
        let kind = |msh_9: &str| {
            Header::read(format!("MSH|^~\\&|||||||{msh_9}|1").as_bytes()).unwrap().message_type().to_string()
        };
        assert_eq!(kind("ADT^^ADT_A01"), "ADT^A01");
        assert_eq!(kind("ADT_A01"), "ADT^A01");
        assert_eq!(kind("^^ORU_R01"), "ORU^R01");
        assert_eq!(kind("ACK"), "ACK");
        assert_eq!(kind("ADT^A08^ADT_A01"), "ADT^A08");
        assert_eq!(kind(""), "");
    }

    #[test]
    fn a_name_whose_second_byte_is_a_separator_does_not_shift_the_fields() {
        // U+4E85 is 0x81 0x7C in GBK: its second byte is `|`.
        let name = Charset::Gbk.encode("\u{4E85}");
        assert_eq!(name[1], b'|');
        let bytes = [b"MSH|^~\\&|HIS|", &name[..], b"|||||ADT^A01|77|P|2.4||||||GBK\r"].concat();
        let header = Header::read(&bytes).unwrap();
        assert_eq!(header.sending_facility, "\u{4E85}");
        assert_eq!(header.control_id, "77");
        let undeclared = [b"MSH|^~\\&|HIS|", &name[..], b"|||||ADT^A01|77|P|2.4\r"].concat();
        assert_eq!(Header::read_as(&undeclared, Some(Charset::Gbk)).unwrap().control_id, "77");
    }

    #[test]
    fn the_header_of_a_batch_is_refused() {
        let error = Header::read(b"  FHS|^~\\&|X").unwrap_err();
        assert_eq!((error.at, error.what.contains("batch")), (2, true));
    }
}

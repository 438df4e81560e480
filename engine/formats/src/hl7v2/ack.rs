//! The acknowledgements that the hub writes (HL7 v2.9 §2.9.2).

use std::fmt;

use super::charset::Charset;
use super::escape::escape;
use super::header::Header;
use super::separators::Separators;
use super::structure::Version;

/// MSA-1, table 0008.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AckCode {
    /// Application accept.
    AA,
    /// Application error: the message is understood and cannot be processed.
    AE,
    /// Application reject: the message is not for us or cannot be read.
    AR,
    /// Enhanced mode: safe on disk.
    CA,
    /// Enhanced mode: cannot be taken now or ever, for a reason in the message or in us.
    CE,
    /// Enhanced mode: the kind, version or processing id is not taken.
    CR,
}

impl AckCode {
    const ALL: [Self; 6] = [Self::AA, Self::AE, Self::AR, Self::CA, Self::CE, Self::CR];

    /// Its code: `AA`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AA => "AA",
            Self::AE => "AE",
            Self::AR => "AR",
            Self::CA => "CA",
            Self::CE => "CE",
            Self::CR => "CR",
        }
    }

    /// The code of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }

    /// Whether it says that the message was taken.
    pub fn is_accept(self) -> bool {
        matches!(self, Self::AA | Self::CA)
    }
}

impl fmt::Display for AckCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Table 0357: what kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the texts of the table say it: see `text`")]
pub enum ErrorKind {
    SegmentSequence,
    RequiredField,
    DataType,
    TableValue,
    UnsupportedMessageType,
    UnsupportedEventCode,
    UnsupportedProcessingId,
    UnsupportedVersion,
    UnknownKey,
    DuplicateKey,
    RecordLocked,
    Internal,
}

impl ErrorKind {
    /// Its code in table 0357: `207`.
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// Its text in table 0357.
    pub fn text(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::SegmentSequence => ("100", "Segment sequence error"),
            Self::RequiredField => ("101", "Required field missing"),
            Self::DataType => ("102", "Data type error"),
            Self::TableValue => ("103", "Table value not found"),
            Self::UnsupportedMessageType => ("200", "Unsupported message type"),
            Self::UnsupportedEventCode => ("201", "Unsupported event code"),
            Self::UnsupportedProcessingId => ("202", "Unsupported processing id"),
            Self::UnsupportedVersion => ("203", "Unsupported version id"),
            Self::UnknownKey => ("204", "Unknown key identifier"),
            Self::DuplicateKey => ("205", "Duplicate key identifier"),
            Self::RecordLocked => ("206", "Application record locked"),
            Self::Internal => ("207", "Application internal error"),
        }
    }
}

/// What an error segment says. Holds no patient data: the location is a path, the text says what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckError {
    /// Which kind.
    pub kind: ErrorKind,
    /// Where, as a document's place says it: `OBX[3]-5(2).1`.
    pub location: Option<String>,
    /// What a person should read.
    pub message: String,
}

/// One acknowledgement to write.
#[derive(Clone, Debug)]
pub struct Ack<'a> {
    /// MSA-1.
    pub code: AckCode,
    /// The header of what is acknowledged; `None` when none could be read.
    pub to: Option<&'a Header>,
    /// What was wrong, with the codes that say so.
    pub error: Option<AckError>,
}

impl Ack<'_> {
    /// Writes the message, segments ended by CR. `control_id` is its own MSH-10 and `sent_at` its MSH-7
    /// (`20261122083000+0800`); the caller has the clock.
    pub fn write(&self, control_id: &str, sent_at: &str) -> Vec<u8> {
        let nobody = Header::read(b"MSH|^~\\&|||||||ACK||P|2.5.1").expect("this header is whole");
        let to = self.to.unwrap_or(&nobody);
        let charset = to.charset().ok().flatten().unwrap_or(Charset::Utf8);
        let version = Version::of(&to.version);
        let mut writer = Writer { bytes: Vec::with_capacity(256), separators: to.separators, charset };

        writer.raw(b"MSH");
        writer.raw(&[to.separators.field]);
        writer.raw(&to.separators.encoding_characters().collect::<Vec<_>>());
        for swapped in [5, 6, 3, 4] {
            writer.field();
            writer.raw(to.raw_field(swapped));
        }
        writer.field();
        writer.text(sent_at);
        writer.field(); // MSH-8
        writer.field();
        writer.raw(b"ACK");
        let (_, trigger) = super::header::message_type(&to.message_code, &to.trigger, &to.structure);
        if version >= Version(2, 4) && !trigger.is_empty() {
            writer.component();
            writer.text(trigger);
        }
        if version >= Version(2, 4)
            && !trigger.is_empty()
            && (version > Version(2, 4) || !to.structure.is_empty())
        {
            writer.component();
            writer.raw(b"ACK");
        }
        writer.field();
        writer.text(control_id);
        writer.field();
        writer.raw(non_empty(to.raw_field(11), b"P"));
        writer.field();
        writer.raw(non_empty(to.raw_field(12), b"2.5.1"));
        let charsets = to.raw_field(18);
        if !charsets.is_empty() {
            (13..=18).for_each(|_| writer.field());
            writer.raw(charsets);
        }
        writer.end();

        writer.raw(b"MSA");
        writer.field();
        writer.raw(self.code.name().as_bytes());
        writer.field();
        writer.raw(to.raw_field(10));
        if let Some(error) = &self.error
            && version < Version(2, 5)
        {
            writer.field();
            writer.text(&error.message); // MSA-3, deprecated from v2.4 on, the only text before ERR had one
        }
        writer.end();

        if let Some(error) = &self.error {
            writer.error(error, version, self.code);
        }
        writer.bytes
    }
}

fn non_empty<'a>(bytes: &'a [u8], otherwise: &'a [u8]) -> &'a [u8] {
    if bytes.is_empty() { otherwise } else { bytes }
}

/// Writes parts with a message's own separators, in its charset.
struct Writer {
    bytes: Vec<u8>,
    separators: Separators,
    charset: Charset,
}

impl Writer {
    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        let escaped = escape(text, &self.separators);
        let encoded = self.charset.encode(&escaped);
        self.raw(&encoded);
    }

    fn field(&mut self) {
        self.bytes.push(self.separators.field);
    }

    fn component(&mut self) {
        self.bytes.push(self.separators.component);
    }

    fn end(&mut self) {
        self.bytes.push(b'\r');
    }

    fn error(&mut self, error: &AckError, version: Version, code: AckCode) {
        let place = error.location.as_deref().and_then(Place::read);
        self.raw(b"ERR");
        self.field();
        if version < Version(2, 5) {
            // ERR-1, ELD: segment, sequence, field, code (CE as subcomponents)
            self.place(place.as_ref().map(|place| (place.segment, place.sequence, place.numbers.first())));
            self.component();
            match self.separators.subcomponent {
                Some(sub) => {
                    self.text(error.kind.code());
                    self.raw(&[sub]);
                    self.text(error.kind.text());
                    self.raw(&[sub]);
                    self.raw(b"HL70357");
                }
                None => self.text(error.kind.code()),
            }
            return self.end();
        }
        self.field(); // ERR-2, ERL: segment, sequence, field, repetition, component, subcomponent
        if let Some(place) = &place {
            self.place(Some((place.segment, place.sequence, place.numbers.first())));
            let repetition = place.numbers.first().map(|_| place.repetition.unwrap_or(1));
            for number in repetition.iter().chain(place.numbers.iter().skip(1)) {
                self.component();
                self.text(&number.to_string());
            }
        }
        self.field(); // ERR-3
        self.text(error.kind.code());
        self.component();
        self.text(error.kind.text());
        self.component();
        self.raw(b"HL70357");
        self.field(); // ERR-4
        self.raw(if code.is_accept() { b"W" } else { b"E" });
        (5..=8).for_each(|_| self.field());
        self.text(&error.message); // ERR-8
        self.end();
    }

    fn place(&mut self, place: Option<(&str, u32, Option<&u32>)>) {
        let Some((segment, sequence, field)) = place else {
            return (0..2).for_each(|_| self.component());
        };
        self.text(segment);
        self.component();
        self.text(&sequence.to_string());
        if let Some(field) = field {
            self.component();
            self.text(&field.to_string());
        }
    }
}

/// `OBX[3]-5(2).1` taken apart.
struct Place<'a> {
    segment: &'a str,
    sequence: u32,
    repetition: Option<u32>,
    /// Field, component, subcomponent.
    numbers: Vec<u32>,
}

impl<'a> Place<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (head, tail) = text.split_once('-').map_or((text, None), |(head, tail)| (head, Some(tail)));
        let (segment, sequence) = match head.split_once('[') {
            Some((segment, rest)) => (segment, rest.strip_suffix(']')?.parse().ok()?),
            None => (head, 1),
        };
        if segment.len() != 3 || !segment.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let mut place = Self { segment, sequence, repetition: None, numbers: Vec::new() };
        for word in tail.into_iter().flat_map(|tail| tail.split('.')) {
            let (number, repetition) = word.split_once('(').map_or((word, None), |(n, rest)| (n, Some(rest)));
            place.numbers.push(number.parse().ok()?);
            if let Some(repetition) = repetition {
                place.repetition = repetition.strip_suffix(')')?.parse().ok();
            }
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ack_read::AckRead;
    use super::*;

    fn error() -> AckError {
        AckError {
            kind: ErrorKind::DataType,
            location: Some("OBX[3]-5(2).1".to_owned()),
            message: "expected a number | not text".to_owned(),
        }
    }

    fn written(header: &[u8], code: AckCode, error: Option<AckError>) -> String {
        let header = Header::read(header).unwrap();
        let bytes = Ack { code, to: Some(&header), error }.write("H1", "20261122083000+0800");
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_accept_swaps_sender_and_receiver_and_echoes_the_rest() {
        let header = b"MSH|^~\\&|HIS^1^ISO|F1|HUB|F2|2026||ADT^A01^ADT_A01|77|P^T|2.5.1||||||UNICODE UTF-8";
        assert_eq!(
            written(header, AckCode::AA, None),
            "MSH|^~\\&|HUB|F2|HIS^1^ISO|F1|20261122083000+0800||ACK^A01^ACK|H1|P^T|2.5.1||||||UNICODE UTF-8\rMSA|AA|77\r"
        );
    }

    #[test]
    fn an_error_has_the_shape_of_its_version() {
        assert_eq!(
            written(b"MSH|^~\\&|A|B|C|D|||ORU^R01^ORU_R01|9|P|2.5", AckCode::AE, Some(error())),
            "MSH|^~\\&|C|D|A|B|20261122083000+0800||ACK^R01^ACK|H1|P|2.5\rMSA|AE|9\r\
             ERR||OBX^3^5^2^1|102^Data type error^HL70357|E||||expected a number \\F\\ not text\r"
        );
        assert_eq!(
            written(b"MSH|^~\\&|A|B|C|D|||ORU^R01|9|P|2.3", AckCode::AR, Some(error())),
            "MSH|^~\\&|C|D|A|B|20261122083000+0800||ACK|H1|P|2.3\rMSA|AR|9|expected a number \\F\\ not text\r\
             ERR|OBX^3^5^102&Data type error&HL70357\r"
        );
    }

    #[test]
    fn a_message_without_a_header_is_rejected_without_a_control_id() {
        let bytes = Ack { code: AckCode::AR, to: None, error: None }.write("H1", "2026");
        assert_eq!(bytes, b"MSH|^~\\&|||||2026||ACK|H1|P|2.5.1\rMSA|AR|\r");
    }

    #[test]
    fn the_senders_separators_and_charset_are_used() {
        let name = Charset::Gbk.encode("检验科");
        let header = [b"MSH$%@!*$LIS$", &name[..], b"$$$$$ORU%R01$5$P$2.4$$$$$$GBK"].concat();
        let header = Header::read(&header).unwrap();
        let bytes = Ack { code: AckCode::AA, to: Some(&header), error: None }.write("H1", "2026");
        let expected =
            [b"MSH$%@!*$$$LIS$", &name[..], b"$2026$$ACK%R01$H1$P$2.4$$$$$$GBK\rMSA$AA$5\r"].concat();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let header = Header::read(b"MSH|^~\\&|A|B|C|D|||ORU^R01^ORU_R01|9|P|2.5").unwrap();
        let bytes = Ack { code: AckCode::CE, to: Some(&header), error: Some(error()) }.write("H1", "2026");
        let read = AckRead::read(&bytes).unwrap();
        assert_eq!(read.code, AckCode::CE);
        assert_eq!(read.control_id, "9");
        assert_eq!(read.text.as_deref(), Some("expected a number | not text"));
        assert!(AckRead::read(b"MSH|^~\\&|\rPID|1\r").is_err());
        assert!(AckRead::read(b"junk").is_err());
        assert!(AckRead::read(b"MSH|^~\\&|\rMSA|XX|1\r").is_err());
    }
}

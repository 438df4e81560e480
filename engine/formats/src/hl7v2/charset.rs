//! The charsets of HL7 v2 messages, as MSH-18 names them (table 0211), decoded strictly.
//!
//! Invariant: no text leaves this module with a character that did not stand in the bytes. Malformed bytes are an error
//! with their place, and a U+FFFD that stands in the input is refused too: someone before us has lost a character.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding};
use hub_core::document::ParseError;

/// A charset that the hub reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the standards'")]
pub enum Charset {
    Ascii,
    Utf8,
    Gb18030,
    /// Read as its superset GB 18030.
    Gbk,
    Big5,
    EucKr,
    /// ASCII with ISO IR87 (and IR14, IR159) by escape sequences.
    Iso2022Jp,
    Iso8859_1,
    Iso8859_2,
    Iso8859_3,
    Iso8859_4,
    Iso8859_5,
    Iso8859_6,
    Iso8859_7,
    Iso8859_8,
    Iso8859_9,
    Iso8859_15,
}

/// Who said which charset a message is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CharsetOrigin {
    /// MSH-18.
    Declared,
    /// The channel's setting.
    ChannelDefault,
    /// The bytes themselves, as the channel allows.
    Detected,
    /// Nobody: UTF-8 is assumed.
    Assumed,
}

impl CharsetOrigin {
    fn words(self) -> &'static str {
        match self {
            Self::Declared => "declared in MSH-18",
            Self::ChannelDefault => "the channel's default, as MSH-18 is empty",
            Self::Detected => "detected, as MSH-18 is empty and the channel says `detect`",
            Self::Assumed => "assumed, as neither MSH-18 nor the channel names one",
        }
    }
}

/// In which charset a message is that declares none: MSH-18 is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Undeclared {
    /// In UTF-8.
    #[default]
    Utf8,
    /// In the one that the channel names.
    Named(Charset),
    /// In UTF-8 or in GB 18030, whichever the bytes are. What can be both, or neither, is refused.
    Detect,
}

impl Undeclared {
    /// The charset of a message without MSH-18, and who says so.
    pub(crate) fn charset(self, message: &[u8]) -> Result<(Charset, CharsetOrigin), ParseError> {
        match self {
            Self::Utf8 => Ok((Charset::Utf8, CharsetOrigin::Assumed)),
            Self::Named(charset) => Ok((charset, CharsetOrigin::ChannelDefault)),
            Self::Detect => Ok((detect(message)?, CharsetOrigin::Detected)),
        }
    }

    /// The charset that a message without MSH-18 is cut in; `None`: in bytes.
    pub(crate) fn default_for(self, message: &[u8]) -> Option<Charset> {
        match self {
            Self::Utf8 => None,
            Self::Named(charset) => Some(charset),
            Self::Detect => detect(message).ok(),
        }
    }
}

/// UTF-8 or GB 18030. Text of China in GB 18030 is valid UTF-8 only when all of it happens to be of two-byte characters, which
/// then are Latin, Greek or Cyrillic: such a message could be either.
fn detect(bytes: &[u8]) -> Result<Charset, ParseError> {
    let error = |at: usize, what: &str| ParseError { at, place: None, what: what.to_owned() };
    let as_gb18030 = || Charset::Gb18030.decode(bytes, CharsetOrigin::Detected).is_ok();
    match std::str::from_utf8(bytes) {
        Ok(text) => match bytes.iter().position(|byte| !byte.is_ascii()) {
            Some(at) if text.chars().all(|c| c < '\u{800}') && as_gb18030() => Err(error(
                at,
                "could be UTF-8 or GB 18030: expected MSH-18, or a channel that names the charset",
            )),
            _ => Ok(Charset::Utf8),
        },
        Err(_) if as_gb18030() => Ok(Charset::Gb18030),
        Err(bad) => Err(error(
            bad.valid_up_to(),
            "neither UTF-8 nor GB 18030 (the channel says `detect`, as MSH-18 is empty)",
        )),
    }
}

/// How separators are told from the second bytes of wide characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// A separator byte is always a separator.
    Single,
    /// A byte from 0x81 on takes the next byte with it.
    Lead,
    /// `ESC $` begins a run of wide characters, `ESC (` ends it.
    Shifted,
}

/// Every charset with its name of table 0211 and other names that senders write. The first name is the one we write.
const NAMES: &[(Charset, &[&str])] = &[
    (Charset::Ascii, &["ASCII", "ISO IR6", "US-ASCII"]),
    (Charset::Utf8, &["UNICODE UTF-8", "UTF-8", "UNICODE"]),
    (
        Charset::Gb18030,
        &["GB 18030-2000", "GB18030", "GB 18030", "GB18030-2000", "GB 18030-2005", "GB 18030-2022"],
    ),
    (Charset::Gbk, &["GBK", "GB2312", "GB 2312", "CP936", "GB 2312-80"]),
    (Charset::Big5, &["BIG-5", "BIG5", "BIG5-HKSCS"]),
    (Charset::EucKr, &["KS X 1001", "EUC-KR"]),
    (Charset::Iso2022Jp, &["ISO IR87", "ISO-2022-JP", "ISO IR14", "ISO IR159"]),
    (Charset::Iso8859_1, &["8859/1", "ISO-8859-1", "ISO8859-1", "ISO 8859-1", "LATIN1"]),
    (Charset::Iso8859_2, &["8859/2", "ISO-8859-2", "ISO8859-2"]),
    (Charset::Iso8859_3, &["8859/3", "ISO-8859-3", "ISO8859-3"]),
    (Charset::Iso8859_4, &["8859/4", "ISO-8859-4", "ISO8859-4"]),
    (Charset::Iso8859_5, &["8859/5", "ISO-8859-5", "ISO8859-5"]),
    (Charset::Iso8859_6, &["8859/6", "ISO-8859-6", "ISO8859-6"]),
    (Charset::Iso8859_7, &["8859/7", "ISO-8859-7", "ISO8859-7"]),
    (Charset::Iso8859_8, &["8859/8", "ISO-8859-8", "ISO8859-8"]),
    (Charset::Iso8859_9, &["8859/9", "ISO-8859-9", "ISO8859-9"]),
    (Charset::Iso8859_15, &["8859/15", "ISO-8859-15", "ISO8859-15"]),
];

/// The letters of ISO 8859-9 that are not those of ISO 8859-1.
const TURKISH: &[(u8, char)] =
    &[(0xD0, 'Ğ'), (0xDD, 'İ'), (0xDE, 'Ş'), (0xF0, 'ğ'), (0xFD, 'ı'), (0xFE, 'ş')];

impl Charset {
    /// The charset of this name; case and spaces around it do not matter.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim();
        let known =
            NAMES.iter().find(|(_, names)| names.iter().any(|known| known.eq_ignore_ascii_case(name)));
        known.map(|(charset, _)| *charset)
    }

    /// Its name in table 0211.
    pub fn name(self) -> &'static str {
        let known = NAMES.iter().find(|(charset, _)| *charset == self);
        known.map(|(_, names)| names[0]).expect("every charset stands in the table")
    }

    /// Reads MSH-18, repetitions and all. `Ok(None)` when it names none. The error is the name that is not known.
    ///
    /// An empty first repetition with a second one (`~ISO IR87`) means: ASCII until that one's escape sequences; the
    /// second is then what decodes both.
    pub fn from_msh_18(field: &str, repetition: Option<u8>) -> Result<Option<Self>, String> {
        let mut first = None;
        for name in field.split(|c| repetition.is_some_and(|separator| c == char::from(separator))) {
            if matches!(name.trim(), "" | "\"\"") {
                continue;
            }
            let charset = Self::from_name(name).ok_or_else(|| name.trim().to_owned())?;
            if charset == Self::Iso2022Jp {
                return Ok(Some(charset));
            }
            first.get_or_insert(charset);
        }
        Ok(first)
    }

    /// How its bytes are told from separators.
    pub(crate) fn width(self) -> Width {
        match self {
            Self::Gb18030 | Self::Gbk | Self::Big5 => Width::Lead,
            Self::Iso2022Jp => Width::Shifted,
            _ => Width::Single,
        }
    }

    fn encoding(self) -> Option<&'static Encoding> {
        Some(match self {
            Self::Ascii | Self::Iso8859_1 | Self::Iso8859_9 => return None,
            Self::Utf8 => encoding_rs::UTF_8,
            Self::Gb18030 | Self::Gbk => encoding_rs::GB18030,
            Self::Big5 => encoding_rs::BIG5,
            Self::EucKr => encoding_rs::EUC_KR,
            Self::Iso2022Jp => encoding_rs::ISO_2022_JP,
            Self::Iso8859_2 => encoding_rs::ISO_8859_2,
            Self::Iso8859_3 => encoding_rs::ISO_8859_3,
            Self::Iso8859_4 => encoding_rs::ISO_8859_4,
            Self::Iso8859_5 => encoding_rs::ISO_8859_5,
            Self::Iso8859_6 => encoding_rs::ISO_8859_6,
            Self::Iso8859_7 => encoding_rs::ISO_8859_7,
            Self::Iso8859_8 => encoding_rs::ISO_8859_8,
            Self::Iso8859_15 => encoding_rs::ISO_8859_15,
        })
    }

    /// Decodes bytes, strictly. `origin` is told in the error; the offset in it counts from the start of `bytes`.
    pub fn decode(self, bytes: &[u8], origin: CharsetOrigin) -> Result<Cow<'_, str>, ParseError> {
        let error = |at: usize, what: String| ParseError { at, place: None, what };
        let malformed = |at: usize| error(at, format!("not {} ({})", self.name(), origin.words()));
        if self != Self::Iso2022Jp
            && let Some(at) = iso_2022(bytes)
        {
            let what = format!(
                "an escape sequence of ISO 2022, which is not in {} ({})",
                self.name(),
                origin.words()
            );
            return Err(error(at, what));
        }
        let text = match self.encoding() {
            None if bytes.is_ascii() => Cow::Borrowed(std::str::from_utf8(bytes).expect("ASCII is UTF-8")),
            None if self == Self::Ascii => {
                let at = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or_default();
                return Err(malformed(at));
            }
            None => Cow::Owned(bytes.iter().map(|byte| self.single(*byte)).collect()),
            Some(encoding) if encoding == encoding_rs::UTF_8 => {
                Cow::Borrowed(std::str::from_utf8(bytes).map_err(|bad| malformed(bad.valid_up_to()))?)
            }
            Some(encoding) => Cow::Owned(decode_wide(encoding, bytes).map_err(malformed)?),
        };
        match text.find('\u{FFFD}') {
            None => Ok(text),
            Some(at) => Err(error(
                if self == Self::Utf8 { at } else { 0 },
                "a replacement character (U+FFFD) stands in the message: a system before the hub has lost a character"
                    .to_owned(),
            )),
        }
    }

    fn single(self, byte: u8) -> char {
        let turkish = TURKISH.iter().find(|(known, _)| self == Self::Iso8859_9 && *known == byte);
        turkish.map_or(char::from(byte), |(_, letter)| *letter)
    }

    /// Encodes text; a character that the charset does not have becomes `?`.
    pub fn encode(self, text: &str) -> Vec<u8> {
        let Some(encoding) = self.encoding() else {
            return text.chars().map(|c| self.single_byte(c)).collect();
        };
        let (bytes, _, lost) = encoding.encode(text);
        if !lost {
            return bytes.into_owned();
        }
        let has = |c: char| !encoding.encode(c.encode_utf8(&mut [0; 4])).2;
        let replaced: String = text.chars().map(|c| if has(c) { c } else { '?' }).collect();
        encoding.encode(&replaced).0.into_owned()
    }

    /// Encodes text that the charset can hold. The error is the first character that it does not have.
    pub fn encode_exactly(self, text: &str) -> Result<Vec<u8>, char> {
        if let Some(lacking) = self.lacks(text) {
            return Err(lacking);
        }
        Ok(match self {
            Self::Gbk => encoding_rs::GBK.encode(text).0.into_owned(), // not the longer forms of GB 18030
            _ => self.encode(text),
        })
    }

    /// The first character that does not come back the same when it is written in this charset.
    pub fn lacks(self, text: &str) -> Option<char> {
        let comes_back = |text: &str| {
            let bytes = match self {
                Self::Gbk => encoding_rs::GBK.encode(text).0.into_owned(),
                _ => self.encode(text),
            };
            self.decode(&bytes, CharsetOrigin::Declared).is_ok_and(|decoded| decoded == text)
        };
        let never = |c: char| c == '\u{FFFD}';
        if self == Self::Utf8 || (text.is_ascii() && self != Self::Iso2022Jp) {
            return text.chars().find(|c| never(*c));
        }
        if comes_back(text) {
            return None;
        }
        let alone = text.chars().find(|c| !comes_back(c.encode_utf8(&mut [0; 4])));
        alone.or_else(|| text.chars().next())
    }

    fn single_byte(self, c: char) -> u8 {
        if self == Self::Iso8859_9
            && let Some((byte, _)) = TURKISH.iter().find(|(_, letter)| *letter == c)
        {
            return *byte;
        }
        let highest = if self == Self::Ascii { 0x7F } else { 0xFF };
        let fits = u32::from(c) <= highest && self.single(u32::from(c) as u8) == c;
        if fits { u32::from(c) as u8 } else { b'?' }
    }
}

/// Where ISO 2022 changes to another charset: what follows would be taken for ASCII, separators and all.
fn iso_2022(bytes: &[u8]) -> Option<usize> {
    if !bytes.contains(&0x1B) {
        return None;
    }
    bytes.windows(2).position(|pair| matches!(pair, b"\x1B$" | b"\x1B("))
}

/// The error is the offset of the first malformed byte.
fn decode_wide(encoding: &'static Encoding, bytes: &[u8]) -> Result<String, usize> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len());
    let mut text = String::with_capacity(room);
    let (result, read) = decoder.decode_to_string_without_replacement(bytes, &mut text, true);
    match result {
        DecoderResult::InputEmpty => Ok(text),
        DecoderResult::Malformed(length, after) => {
            Err(read.saturating_sub(usize::from(length) + usize::from(after)))
        }
        DecoderResult::OutputFull => Err(read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_table_0211_are_known() {
        for (charset, names) in NAMES {
            for name in *names {
                assert_eq!(Charset::from_name(name), Some(*charset), "{name}");
            }
        }
        assert_eq!(Charset::from_msh_18("~ISO IR87", Some(b'~')), Ok(Some(Charset::Iso2022Jp)));
        assert_eq!(Charset::from_msh_18("UTF-8~UNICODE", Some(b'~')), Ok(Some(Charset::Utf8)));
        assert_eq!(Charset::from_msh_18("", Some(b'~')), Ok(None));
        assert_eq!(Charset::from_msh_18("KLINGON", Some(b'~')), Err("KLINGON".to_owned()));
    }

    #[test]
    fn malformed_bytes_are_an_error_that_says_where_and_who_said_so() {
        let error = Charset::Utf8.decode(b"abc\xD5\xC5", CharsetOrigin::Assumed).unwrap_err();
        assert_eq!(error.at, 3);
        assert_eq!(error.what, "not UNICODE UTF-8 (assumed, as neither MSH-18 nor the channel names one)");
        let error = Charset::Gb18030.decode(b"abc\xD5", CharsetOrigin::Declared).unwrap_err();
        assert_eq!((error.at, error.what.as_str()), (3, "not GB 18030-2000 (declared in MSH-18)"));
        assert_eq!(Charset::Ascii.decode(b"a\xE9", CharsetOrigin::Declared).unwrap_err().at, 1);
    }

    #[test]
    fn a_replacement_character_in_the_input_is_refused() {
        assert!(Charset::Utf8.decode("a\u{FFFD}".as_bytes(), CharsetOrigin::Declared).is_err());
        let in_gb18030 = Charset::Gb18030.encode("\u{FFFD}");
        assert!(Charset::Gb18030.decode(&in_gb18030, CharsetOrigin::Declared).is_err());
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let samples = [
            (Charset::Utf8, "张三 𠮷"),
            (Charset::Gb18030, "张三 𠮷"),
            (Charset::Gbk, "张三|^~"),
            (Charset::Big5, "陳大文"),
            (Charset::EucKr, "김철수"),
            (Charset::Iso2022Jp, "山田太郎"),
            (Charset::Iso8859_1, "Müller\u{80}"),
            (Charset::Iso8859_9, "Şeyma Iğdır"),
            (Charset::Iso8859_5, "Иванов"),
        ];
        for (charset, text) in samples {
            let bytes = charset.encode(text);
            assert_eq!(charset.decode(&bytes, CharsetOrigin::Declared).unwrap(), text, "{charset:?}");
        }
        assert_eq!(Charset::Ascii.encode("a张b"), b"a?b");
        assert_eq!(Charset::Big5.encode("a\u{1F600}b"), b"a?b");
    }
}

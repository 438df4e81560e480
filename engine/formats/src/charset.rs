//! The character sets that XML declares and that the layouts of files name, decoded and encoded strictly.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, EncoderResult, Encoding};

/// A character set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    Ascii,
    Utf16 { big: bool },
    Known(&'static Encoding),
}

pub(crate) const UTF_8: Charset = Charset::Known(encoding_rs::UTF_8);

/// Bytes that are not in their character set, or have lost a character before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) at: usize,
    pub(crate) is_replacement: bool,
}

impl Malformed {
    /// What is wrong, for bytes that should be in a character set because of `why`.
    pub(crate) fn what(self, charset: Charset, why: &str) -> String {
        if self.is_replacement {
            let what = "a replacement character (U+FFFD) stands in the message: a system before the hub has lost a character";
            return what.to_owned();
        }
        format!("not {} ({why})", charset.name())
    }
}

impl Charset {
    /// The character set of this name, as XML and HTTP write it.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let name = name.trim();
        let plain = name.to_ascii_lowercase().replace([' ', '_'], "-");
        match plain.as_str() {
            "us-ascii" | "ascii" => return Some(Self::Ascii),
            "utf-16" | "utf-16le" => return Some(Self::Utf16 { big: false }),
            "utf-16be" => return Some(Self::Utf16 { big: true }),
            "utf8" => return Some(UTF_8),
            "gb-18030" | "gb18030-2000" | "gb18030-2005" | "gb18030-2022" | "gb-18030-2000"
            | "gb-18030-2022" => {
                return Some(Self::Known(encoding_rs::GB18030));
            }
            "cp936" | "gb-2312" => return Some(Self::Known(encoding_rs::GBK)),
            _ => {}
        }
        let known = Encoding::for_label_no_replacement(name.as_bytes())?;
        (known != encoding_rs::X_USER_DEFINED).then_some(Self::Known(known))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ascii => "US-ASCII",
            Self::Utf16 { .. } => "UTF-16",
            Self::Known(encoding) => encoding.name(),
        }
    }

    /// Whether it has every character.
    pub(crate) fn is_unicode(self) -> bool {
        matches!(self, Self::Utf16 { .. }) || self == UTF_8 || self == Self::Known(encoding_rs::GB18030)
    }

    /// The same, for writing back what was read as it: GBK is read as GB 18030.
    pub(crate) fn widest(self) -> Self {
        if self == Self::Known(encoding_rs::GBK) { Self::Known(encoding_rs::GB18030) } else { self }
    }

    /// Decodes bytes, from which a byte order mark has been taken.
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, Malformed> {
        let malformed = |at: usize| Malformed { at, is_replacement: false };
        let text = match self {
            Self::Ascii => match bytes.iter().position(|byte| !byte.is_ascii()) {
                Some(at) => return Err(malformed(at)),
                None => Cow::Borrowed(std::str::from_utf8(bytes).expect("ASCII is UTF-8")),
            },
            Self::Known(encoding) if encoding == encoding_rs::UTF_8 => {
                Cow::Borrowed(std::str::from_utf8(bytes).map_err(|bad| malformed(bad.valid_up_to()))?)
            }
            Self::Known(encoding) => Cow::Owned(decode_by(encoding, bytes).map_err(malformed)?),
            Self::Utf16 { big } => {
                let encoding = if big { encoding_rs::UTF_16BE } else { encoding_rs::UTF_16LE };
                Cow::Owned(decode_by(encoding, bytes).map_err(malformed)?)
            }
        };
        match text.find('\u{FFFD}') {
            None => Ok(text),
            Some(at) => Err(Malformed { at: self.byte(bytes, at), is_replacement: true }),
        }
    }

    /// Where in the bytes the character begins that begins at `at` in their text. A text does not always say how it was encoded: GB 18030
    /// has two ways to write a euro sign.
    pub(crate) fn byte(self, bytes: &[u8], at: usize) -> usize {
        let encoding = match self {
            Self::Ascii => return at,
            Self::Known(encoding) if encoding == encoding_rs::UTF_8 => return at,
            Self::Known(encoding) => encoding,
            Self::Utf16 { big: true } => encoding_rs::UTF_16BE,
            Self::Utf16 { big: false } => encoding_rs::UTF_16LE,
        };
        let mut decoder = encoding.new_decoder_without_bom_handling();
        let (mut written, mut out) = (0, [0; 16]);
        for (place, byte) in bytes.iter().enumerate() {
            if written >= at {
                return place;
            }
            let (_, _, more) = decoder.decode_to_utf8_without_replacement(&[*byte], &mut out, false);
            written += more;
        }
        bytes.len()
    }

    /// Encodes text. The error is where in the text the first character stands that the character set does not have.
    pub(crate) fn encode(self, text: &str) -> Result<Cow<'_, [u8]>, usize> {
        match self {
            Self::Ascii => match text.find(|letter: char| !letter.is_ascii()) {
                Some(at) => Err(at),
                None => Ok(Cow::Borrowed(text.as_bytes())),
            },
            Self::Utf16 { big } => {
                let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
                Ok(Cow::Owned(text.encode_utf16().flat_map(unit).collect()))
            }
            Self::Known(encoding) if encoding == encoding_rs::UTF_8 => Ok(Cow::Borrowed(text.as_bytes())),
            Self::Known(encoding) => {
                let mut encoder = encoding.new_encoder();
                let room = encoder.max_buffer_length_from_utf8_without_replacement(text.len());
                let mut bytes = Vec::with_capacity(room.unwrap_or(text.len() * 4));
                let (result, read) =
                    encoder.encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true);
                match result {
                    EncoderResult::InputEmpty => Ok(Cow::Owned(bytes)),
                    EncoderResult::Unmappable(letter) => Err(read.saturating_sub(letter.len_utf8())),
                    EncoderResult::OutputFull => Err(read),
                }
            }
        }
    }

    /// Whether it has a character.
    pub(crate) fn has(self, letter: char) -> bool {
        letter.is_ascii() || self.is_unicode() || self.encode(letter.encode_utf8(&mut [0; 4])).is_ok()
    }

    /// How many bytes a character takes.
    pub(crate) fn length_of(self, letter: char) -> usize {
        if letter.is_ascii() { 1 } else { self.length(letter.encode_utf8(&mut [0; 4])) }
    }

    /// How many bytes a text takes.
    pub(crate) fn length(self, text: &str) -> usize {
        match self {
            Self::Known(encoding) if encoding == encoding_rs::UTF_8 => text.len(),
            Self::Utf16 { .. } => text.encode_utf16().count() * 2,
            _ if text.is_ascii() => text.len(),
            charset => charset.widest().encode(text).map_or(text.len(), |bytes| bytes.len()),
        }
    }
}

/// The error is the offset of the first malformed byte.
fn decode_by(encoding: &'static Encoding, bytes: &[u8]) -> Result<String, usize> {
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
    fn names_are_those_of_xml_and_of_our_partners() {
        for name in
            ["gb18030", "GB18030-2000", "GB 18030-2022", "gb2312", "GBK", "cp936", "utf-8", "UTF8", "utf-16"]
        {
            assert!(Charset::from_name(name).is_some(), "{name}");
        }
        assert_eq!(Charset::from_name("klingon"), None);
        assert_eq!(Charset::from_name("iso-2022-kr"), None); // the Encoding Standard's replacement encoding
    }

    #[test]
    fn malformed_bytes_have_their_place_and_lost_characters_too() {
        let gbk = Charset::from_name("GBK").unwrap();
        assert_eq!(gbk.decode(b"ab\xD5").unwrap_err(), Malformed { at: 2, is_replacement: false });
        let lost = gbk.widest().encode("张\u{FFFD}").unwrap().into_owned();
        assert_eq!(gbk.decode(&lost).unwrap_err(), Malformed { at: 2, is_replacement: true });
        assert_eq!(UTF_8.decode(b"abc\xD5\xC5").unwrap_err().at, 3);
        assert_eq!(gbk.encode("a\u{1F600}"), Err(1));
        assert_eq!(gbk.byte(b"a\x80\xD5\xC5b", "a€张".len()), 4); // not the two bytes of A2 E3
        let utf_16 = Charset::Utf16 { big: true };
        assert_eq!(utf_16.decode(&utf_16.encode("张𠮷a").unwrap()).unwrap(), "张𠮷a");
    }
}

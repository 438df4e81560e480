//! The character sets partners send in, declared in MSH-18 or not.

use serde::Deserialize;

/// A character set and whether the message says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Charset {
    /// UTF-8, declared.
    #[default]
    Utf8,
    /// UTF-8, MSH-18 left empty.
    Utf8Undeclared,
    /// GB18030, declared.
    Gb18030,
    /// GB18030, MSH-18 left empty.
    Gb18030Undeclared,
    /// GBK, MSH-18 left empty: HL7 has no name for it, and systems that send it do not say so.
    GbkUndeclared,
}

impl Charset {
    /// What stands in MSH-18.
    pub fn declared(self) -> &'static str {
        match self {
            Self::Utf8 => "UNICODE UTF-8",
            Self::Gb18030 => "GB18030",
            Self::Utf8Undeclared | Self::Gb18030Undeclared | Self::GbkUndeclared => "",
        }
    }

    /// The text in this character set. What it cannot hold becomes a question mark, as such systems print it.
    pub fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 | Self::Utf8Undeclared => text.as_bytes().to_vec(),
            Self::Gb18030 | Self::Gb18030Undeclared => encoding_rs::GB18030.encode(text).0.into_owned(),
            Self::GbkUndeclared => {
                let holds = |letter: char| !encoding_rs::GBK.encode(letter.encode_utf8(&mut [0; 4])).2;
                let printable: String =
                    text.chars().map(|letter| if holds(letter) { letter } else { '?' }).collect();
                encoding_rs::GBK.encode(&printable).0.into_owned()
            }
        }
    }
}

/// Decodes strictly what a partner sent: as MSH-18 says, else UTF-8, else GB18030. `None` when the bytes do not fit.
pub fn decode(bytes: &[u8]) -> Option<String> {
    let header = bytes.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    let declared = header.split(|byte| *byte == b'|').nth(17).unwrap_or_default();
    let strict = |encoding: &'static encoding_rs::Encoding| {
        encoding.decode_without_bom_handling_and_without_replacement(bytes).map(|text| text.into_owned())
    };
    match declared {
        b"UNICODE UTF-8" => strict(encoding_rs::UTF_8),
        b"GB18030" | b"GB 18030-2000" => strict(encoding_rs::GB18030),
        _ => strict(encoding_rs::UTF_8).or_else(|| strict(encoding_rs::GB18030)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_character_survives_gb18030_and_not_gbk() {
        assert_eq!(decode(&Charset::Gb18030.encode("MSH|𬱖")).as_deref(), Some("MSH|𬱖"));
        assert_eq!(Charset::GbkUndeclared.encode("𬱖王"), [b'?', 0xcd, 0xf5]);
    }

    #[test]
    fn a_declared_character_set_that_is_not_true_is_refused() {
        let mut message = b"MSH|^~\\&|A|B|C|D|20260302||ADT^A01|1|P|2.5.1||||||UNICODE UTF-8\rPID|".to_vec();
        message.extend(Charset::GbkUndeclared.encode("王"));
        assert_eq!(decode(&message), None);
    }
}

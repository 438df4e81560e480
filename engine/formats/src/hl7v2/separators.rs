//! The separators of a message, as MSH-1 and MSH-2 declare them, and cutting bytes at them.

use std::ops::Range;

use hub_core::document::ParseError;

use super::charset::Width;

/// What separates the parts of a message. `None`: the sender does not use it (HL7 v2 §2.5.4 lets MSH-2 be shorter), and
/// no character stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separators {
    /// MSH-1.
    pub field: u8,
    /// The first character of MSH-2.
    pub component: u8,
    /// The second.
    pub repetition: Option<u8>,
    /// The third.
    pub escape: Option<u8>,
    /// The fourth.
    pub subcomponent: Option<u8>,
    /// The fifth, of v2.7: it marks a value that was cut off.
    pub truncation: Option<u8>,
}

impl Default for Separators {
    fn default() -> Self {
        Self {
            field: b'|',
            component: b'^',
            repetition: Some(b'~'),
            escape: Some(b'\\'),
            subcomponent: Some(b'&'),
            truncation: None,
        }
    }
}

/// Where a message starts: after a byte order mark, blanks and framing bytes.
pub(crate) fn start(bytes: &[u8]) -> usize {
    let mark = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let blank = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0x0B | 0x1C);
    mark + bytes[mark..].iter().take_while(|byte| blank(byte)).count()
}

impl Separators {
    /// Reads MSH-1 and MSH-2 of bytes that begin with `MSH`. Also tells where MSH-2 ends. Offsets count from `bytes`.
    ///
    /// A fifth character is the truncation character of v2.7 (`#`). `^~\\&` with two backslashes comes from messages
    /// copied out of source code: one escape character is meant.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), ParseError> {
        let error =
            |at: usize, what: &str| ParseError { at, place: Some("MSH".to_owned()), what: what.to_owned() };
        if bytes.starts_with(b"FHS") || bytes.starts_with(b"BHS") {
            return Err(error(
                0,
                "a batch (FHS, BHS) is not one message: it is taken where the channel says `[parse] split = \"messages\"`",
            ));
        }
        if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") || bytes.starts_with(b"M\0S\0H\0")
        {
            return Err(error(0, "the message is in UTF-16: expected a charset in which MSH is three bytes"));
        }
        if !bytes.starts_with(b"MSH") {
            return Err(error(0, "expected a message that begins with MSH"));
        }
        Self::of_header(bytes)
    }

    /// Reads the first two fields of MSH, FHS or BHS. Also tells where the second ends.
    pub(crate) fn of_header(bytes: &[u8]) -> Result<(Self, usize), ParseError> {
        let tag = String::from_utf8_lossy(bytes.get(..3).unwrap_or_default());
        let error =
            |at: usize, what: &str| ParseError { at, place: Some(tag.to_string()), what: what.to_owned() };
        let Some(&field) = bytes.get(3) else {
            return Err(error(3, "the message ends before its separators (MSH-1, MSH-2)"));
        };
        let declared = &bytes[4..];
        let ends = |byte: u8| byte == field || byte == b'\r' || byte == b'\n';
        let length = declared.iter().position(|byte| ends(*byte)).unwrap_or(declared.len());
        let mut signs = [0; 5];
        let mut count = 0;
        for (at, &sign) in declared[..length].iter().enumerate() {
            let doubled_escape = at == 3 && length >= 5 && sign == declared[2];
            if doubled_escape {
                continue;
            }
            if count == signs.len() {
                return Err(error(4 + at, "the separators (MSH-2) are more than five characters"));
            }
            signs[count] = sign;
            count += 1;
        }
        let all = std::iter::once(field).chain(signs[..count].iter().copied());
        for (at, sign) in all.clone().enumerate() {
            if !sign.is_ascii_punctuation() {
                return Err(error(3 + at, "a separator (MSH-1, MSH-2) must be a printable ASCII sign"));
            }
            if all.clone().skip(at + 1).any(|other| other == sign) {
                return Err(error(3 + at, "the separators (MSH-1, MSH-2) must differ from each other"));
            }
        }
        if count == 0 {
            return Err(error(4, "the separators (MSH-2) are empty"));
        }
        let sign = |at: usize| (at < count).then_some(signs[at]);
        let separators = Self {
            field,
            component: signs[0],
            repetition: sign(1),
            escape: sign(2),
            subcomponent: sign(3),
            truncation: sign(4),
        };
        Ok((separators, 4 + length))
    }

    /// MSH-2 as it is written in an answer.
    pub(crate) fn encoding_characters(&self) -> impl Iterator<Item = u8> {
        [Some(self.component), self.repetition, self.escape, self.subcomponent, self.truncation]
            .into_iter()
            .flatten()
    }

    /// Whether a byte is one of them.
    pub(crate) fn has(&self, byte: u8) -> bool {
        byte == self.field || self.encoding_characters().any(|sign| sign == byte)
    }
}

/// Cuts bytes at a separator; the second bytes of wide characters are not separators. Yields ranges.
#[derive(Clone)]
pub(crate) struct Pieces<'a> {
    bytes: &'a [u8],
    at: Option<usize>,
    separator: Option<u8>,
    width: Width,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(bytes: &'a [u8], separator: Option<u8>, width: Width) -> Self {
        Self { bytes, at: Some(0), separator, width }
    }

    /// The `nth` piece, from 1.
    pub(crate) fn piece(mut self, nth: u16) -> Option<&'a [u8]> {
        let bytes = self.bytes;
        self.nth(usize::from(nth).checked_sub(1)?).map(|range| &bytes[range])
    }

    fn end_of_piece(&self, from: usize, separator: u8) -> Option<usize> {
        let rest = &self.bytes[from..];
        if self.width == Width::Single {
            return rest.iter().position(|byte| *byte == separator).map(|found| from + found);
        }
        let mut at = 0;
        let mut shifted = false;
        while let Some(&byte) = rest.get(at) {
            match (self.width, byte) {
                (Width::Lead, 0x81..=0xFE) => at += 2,
                (Width::Shifted, 0x1B) => {
                    shifted = rest.get(at + 1) == Some(&b'$');
                    at += 2;
                }
                _ if byte == separator && !shifted => return Some(from + at),
                _ => at += 1,
            }
        }
        None
    }
}

impl Iterator for Pieces<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        let from = self.at?;
        match self.separator.and_then(|separator| self.end_of_piece(from, separator)) {
            Some(end) => {
                self.at = Some(end + 1);
                Some(from..end)
            }
            None => {
                self.at = None;
                Some(from..self.bytes.len())
            }
        }
    }
}

/// The lines of a message, blank ones and framing bytes left out. Yields ranges. CR and LF are never the second byte
/// of a wide character in the charsets we read.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let rest = &bytes[at..];
            let length = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
            let begin = at;
            at += length + 1;
            let line = &rest[..length];
            let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | 0x0B | 0x1C);
            let skipped = line.iter().take_while(|byte| blank(byte)).count();
            let closing = line[skipped..].iter().rev().take_while(|byte| **byte == 0x1C).count();
            if skipped < length {
                return Some(begin + skipped..begin + length - closing);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<(Separators, usize), String> {
        Separators::read(text).map_err(|error| error.to_string())
    }

    #[test]
    fn four_and_five_characters_and_a_doubled_backslash_are_read() {
        let expected = Separators::default();
        assert_eq!(read(br"MSH|^~\&|A"), Ok((expected, 8)));
        let with_truncation = Separators { truncation: Some(b'#'), ..expected };
        assert_eq!(read(br"MSH|^~\&#|A"), Ok((with_truncation, 9)));
        assert_eq!(read(br"MSH|^~\\&|A"), Ok((expected, 9)));
        assert_eq!(read(br"MSH|^~\\&#|A"), Ok((with_truncation, 10)));
    }

    #[test]
    fn characters_left_out_are_not_used() {
        let (separators, _) = read(b"MSH|^~|A").unwrap();
        assert_eq!(separators.repetition, Some(b'~'));
        assert_eq!((separators.escape, separators.subcomponent), (None, None));
    }

    #[test]
    fn separators_that_cannot_be_are_refused() {
        for bad in ["MSH||A", "MSH|&&&&|A", "MSH|^&&^##|A", "MSHxabcdx", "MSH", "PID|1", "", "BHS|^~\\&|"] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn second_bytes_of_wide_characters_are_not_separators() {
        let bytes = b"\x81\x7C|\x81|x|b"; // 0x81 0x7C is one character of GBK, and so is 0x81 `|`
        let pieces: Vec<_> = Pieces::new(bytes, Some(b'|'), Width::Lead).collect();
        assert_eq!(pieces, [0..2, 3..6, 7..8]);
        let japanese = b"\x1B$B|^\x1B(B|b";
        assert_eq!(Pieces::new(japanese, Some(b'|'), Width::Shifted).count(), 2);
    }

    #[test]
    fn blank_lines_and_framing_are_no_lines() {
        let bytes = b"\x0BMSH|\r\n\r\n  PID|\n\x1C\r";
        let found: Vec<_> = lines(bytes).map(|range| &bytes[range]).collect();
        assert_eq!(found, [b"MSH|", b"PID|"]);
    }
}

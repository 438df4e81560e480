//! The header of a batch (BHS, FHS) as the header that an acknowledgement of the whole answers.

use hub_core::document::ParseError;

use super::charset::Width;
use super::header::{Header, charset_of};
use super::separators::{Pieces, Separators, lines, start};

impl Header {
    /// Reads the header of a batch: who sent it (BHS-3, BHS-4, else FHS-3, FHS-4), to whom (BHS-5, BHS-6), and as its
    /// control id BHS-11, else FHS-11. Processing id, version and charset, which a batch does not name, are those of its
    /// first message. It has no message type.
    pub fn read_batch(bytes: &[u8]) -> Result<Self, ParseError> {
        let begin = start(bytes);
        let body = &bytes[begin..];
        let at_begin = |error: ParseError| ParseError { at: error.at + begin, ..error };
        let mut found: [Option<Line<'_>>; 3] = [None; 3];
        // The first message stands near the top; what comes behind it is not looked at.
        for (at, range) in lines(body).enumerate() {
            let (line, start) = (&body[range.clone()], range.start);
            let slot = [&b"FHS"[..], b"BHS", b"MSH"].iter().position(|tag| line.starts_with(tag));
            if at == 0 && !matches!(slot, Some(0 | 1)) {
                break;
            }
            let Some(slot) = slot else { continue };
            if found[slot].is_none() {
                let read = Line::read(line).map_err(|error| ParseError { at: error.at + start, ..error });
                match read {
                    Ok(line) => found[slot] = Some(line),
                    // A message whose own header is bad is told when it is read.
                    Err(_) if slot == 2 => break,
                    Err(error) => return Err(at_begin(error)),
                }
            }
            if slot == 2 {
                break;
            }
        }
        let [file, batch, message] = found;
        let Some(own) = batch.or(file) else {
            return Err(at_begin(ParseError {
                at: 0,
                place: None,
                what: "expected a batch that begins with FHS or BHS".to_owned(),
            }));
        };
        let (width, charset) = match &message {
            Some(line) => charset_of(line.raw, &line.separators, None),
            None => (Width::Single, None),
        };
        Ok(Self::of(&answerable(own, file, message, width), own.separators, width, charset))
    }
}

/// The fields of a header that the acknowledgement of a batch answers, MSH-3 first.
fn answerable(own: Line<'_>, file: Option<Line<'_>>, message: Option<Line<'_>>, width: Width) -> Vec<u8> {
    let separators = own.separators;
    let mut raw = Vec::new();
    for number in 3..=18 {
        if number > 3 {
            raw.push(separators.field);
        }
        let (first, second, at) = match number {
            3..=6 => (Some(own), file, number),
            10 => (Some(own), file, 11),
            11 | 12 | 18 => (message, None, number),
            _ => continue,
        };
        let lines = [first, second].into_iter().flatten();
        let mut fields = lines.filter_map(|line| line.field(at, width, &separators));
        raw.extend(fields.find(|field| !field.is_empty()).unwrap_or_default());
    }
    raw
}

/// FHS, BHS or MSH: its separators, and its fields from the third on.
#[derive(Clone, Copy)]
struct Line<'a> {
    separators: Separators,
    raw: &'a [u8],
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8]) -> Result<Self, ParseError> {
        let (separators, end) = Separators::of_header(line)?;
        Ok(Self { separators, raw: line.get(end + 1..).unwrap_or_default() })
    }

    /// A field as it came, when it means the same with the other separators.
    fn field(&self, number: u16, width: Width, other: &Separators) -> Option<&'a [u8]> {
        let field = Pieces::new(self.raw, Some(self.separators.field), width).piece(number - 2)?;
        let plain = |byte: &u8| byte.is_ascii() && !self.separators.has(*byte) && !other.has(*byte);
        (self.separators == *other || field.iter().all(plain)).then_some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ack::{Ack, AckCode};
    use super::*;

    fn answered(batch: &str) -> String {
        let header = Header::read_batch(batch.as_bytes()).unwrap();
        let bytes = Ack { code: AckCode::AA, to: Some(&header), error: None }.write("H1", "2026");
        String::from_utf8(bytes).unwrap()
    }

    const MESSAGE: &str = "MSH|^~\\&|LIS|LAB|||||ORU^R01|1|P|2.4||||||UTF-8\rPID|1\r";

    #[test]
    fn the_acknowledgement_names_the_batch() {
        let batch =
            format!("FHS|^~\\&|F||G||||||F9\rBHS|^~\\&|LIS^1|LAB|HUB|H|2026||n||B7|\r{MESSAGE}BTS|1\r");
        assert_eq!(answered(&batch), "MSH|^~\\&|HUB|H|LIS^1|LAB|2026||ACK|H1|P|2.4||||||UTF-8\rMSA|AA|B7\r");
    }

    #[test]
    fn what_the_batch_leaves_out_is_taken_from_the_file() {
        assert_eq!(
            answered("FHS|^~\\&|F|L|G|||||c|F9\rBHS|^~\\&\rBTS|0\rFTS|1\r"),
            "MSH|^~\\&|G||F|L|2026||ACK|H1|P|2.5.1\rMSA|AA|F9\r"
        );
        assert_eq!(
            answered(&format!("FHS$%~\\&$F%1$L$G$$$$$$F9\rBHS|^~\\&\r{MESSAGE}")),
            "MSH|^~\\&|G|||L|2026||ACK|H1|P|2.4||||||UTF-8\rMSA|AA|F9\r" // `F%1` would mean something else
        );
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        for text in [MESSAGE, "", "PID|1\rBHS|^~\\&|A\r", "BHS||A\r", "BHS"] {
            assert!(Header::read_batch(text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(Header::read_batch(b"  BHS|&&&&|").unwrap_err().at, 6);
    }
}

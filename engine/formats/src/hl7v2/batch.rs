//! Batches and files of messages (HL7 v2.5.1 §2.10.3): cut into their messages, byte for byte, and counted.

use std::ops::Range;

use bytes::Bytes;
use hub_core::document::{ParseError, Piece};

use super::header::Header;
use super::separators::{lines, start};
use super::structure::Tag;

/// More messages than this in one frame or file are refused.
pub(super) const MOST_MESSAGES: usize = 100_000;

/// Whether bytes begin as a batch or a file of batches (BHS, FHS): several messages, or none.
pub fn is_batch(bytes: &[u8]) -> bool {
    let message = &bytes[start(bytes)..];
    message.starts_with(b"FHS") || message.starts_with(b"BHS")
}

/// Cuts a frame or file into its messages. Headers and trailers may be missing, as the standard allows; a trailer that
/// counts otherwise than we do is an error, for a message has been lost or is there twice.
///
/// A piece is what stands from `MSH` to the end of the message's last line. A line that is no segment belongs to the
/// message it stands in, and is told when that message is read, so that it harms no other.
pub(super) fn messages(bytes: &Bytes) -> Result<Vec<Piece>, ParseError> {
    let begin = start(bytes);
    let body = &bytes[begin..];
    let mut cut = Cut { found: Vec::new(), stage: Stage::Begin, file: Count::default(), batch: None };
    for (line, range) in lines(body).enumerate() {
        cut.line(body, line, range).map_err(|error| ParseError { at: error.at + begin, ..error })?;
    }
    if cut.stage == Stage::Begin {
        return Err(ParseError {
            at: begin,
            place: None,
            what: "expected a message (MSH) or a batch of messages (FHS, BHS): there is nothing".to_owned(),
        });
    }
    let piece = |range: &Range<usize>| {
        let bytes = bytes.slice(begin + range.start..begin + range.end);
        let label = Header::read(&bytes).map(|header| header.label()).unwrap_or_default();
        Piece { bytes, label }
    };
    Ok(cut.found.iter().map(piece).collect())
}

/// The end of a line's own line end: CR, LF, or CR LF.
pub(super) fn after_line_end(bytes: &[u8], end: usize) -> usize {
    match bytes.get(end..) {
        Some([b'\r', b'\n', ..]) => end + 2,
        Some([b'\r' | b'\n', ..]) => end + 1,
        _ => end,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing has been read.
    Begin,
    /// Behind FHS or BHS, where segments about the batch may stand.
    Header,
    Message,
    /// Behind BTS.
    Between,
    /// Behind FTS.
    End,
}

/// What has been counted since a place.
#[derive(Clone, Copy, Default)]
struct Count {
    batches: usize,
    messages: usize,
    /// Some batch has a BHS.
    headed: bool,
}

struct Cut {
    found: Vec<Range<usize>>,
    stage: Stage,
    file: Count,
    /// The messages of the batch that is open.
    batch: Option<usize>,
}

impl Cut {
    fn line(&mut self, body: &[u8], number: usize, range: Range<usize>) -> Result<(), ParseError> {
        let line = &body[range.clone()];
        let error = |what: String| ParseError {
            at: range.start,
            place: Some(format!("segment {}", number + 1)),
            what,
        };
        let tag: Option<Tag> = line.get(..3).and_then(|tag| tag.try_into().ok());
        // Behind a name stands a separator, or nothing: `MSHX` is no message.
        let tag = tag.filter(|_| line.get(3).is_none_or(u8::is_ascii_punctuation)).unwrap_or_default();
        if self.stage == Stage::End && &tag != b"FHS" {
            return Err(error("stands behind the end of the file (FTS): expected FHS or nothing".to_owned()));
        }
        match &tag {
            b"FHS" => {
                self.batch = None;
                self.file = Count::default();
                self.stage = Stage::Header;
            }
            b"BHS" => {
                self.open_batch();
                self.file.headed = true;
                self.stage = Stage::Header;
            }
            b"MSH" => {
                if self.batch.is_none() {
                    self.open_batch();
                }
                if self.found.len() == MOST_MESSAGES {
                    return Err(error(format!("more than {MOST_MESSAGES} messages in one frame or file")));
                }
                self.batch = self.batch.map(|count| count + 1);
                self.file.messages += 1;
                self.found.push(range.start..after_line_end(body, range.end));
                self.stage = Stage::Message;
            }
            b"BTS" => {
                let Some(counted) = self.batch.take() else {
                    return Err(error("BTS ends a batch that has not begun: expected BHS or MSH".to_owned()));
                };
                if let Some(said) = said_count(line, "BTS-1").map_err(error)?
                    && said != counted
                {
                    return Err(error(format!(
                        "BTS-1 says that the batch has {said} messages, and {counted} were counted"
                    )));
                }
                self.stage = Stage::Between;
            }
            b"FTS" => {
                let Count { batches, messages, headed } = self.file;
                let said = said_count(line, "FTS-1").map_err(error)?;
                // Without BHS there is one batch, and many count their messages instead.
                let agrees = said.is_none_or(|said| said == batches || (!headed && said == messages));
                if !agrees {
                    let said = said.unwrap_or_default();
                    return Err(error(format!(
                        "FTS-1 says that the file has {said} batches, and {batches} were counted, with {messages} messages"
                    )));
                }
                (self.batch, self.file) = (None, Count::default());
                self.stage = Stage::End;
            }
            _ => self.other(body, &tag, &range).map_err(error)?,
        }
        Ok(())
    }

    fn open_batch(&mut self) {
        self.batch = Some(0);
        self.file.batches += 1;
    }

    /// A line that is no part of the envelope.
    fn other(&mut self, body: &[u8], tag: &Tag, range: &Range<usize>) -> Result<(), String> {
        // v2.8 has these behind a header; NTE and Z-segments are sent there too.
        let about_the_batch = matches!(tag, b"SFT" | b"UAC" | b"ARV" | b"NTE") || tag[0] == b'Z';
        match self.stage {
            Stage::Message => {
                if let Some(message) = self.found.last_mut() {
                    message.end = after_line_end(body, range.end);
                }
                Ok(())
            }
            Stage::Header if about_the_batch => Ok(()),
            Stage::Begin => Err("expected a message (MSH) or a batch (FHS, BHS) to begin".to_owned()),
            Stage::Header => {
                Err("stands between the header of a batch and its first message (MSH)".to_owned())
            }
            Stage::Between | Stage::End => {
                Err("stands between two batches: expected BHS, MSH or FTS behind BTS".to_owned())
            }
        }
    }
}

/// BTS-1, FTS-1: a count. `None`: it says nothing.
fn said_count(line: &[u8], name: &str) -> Result<Option<usize>, String> {
    let Some(&separator) = line.get(3) else { return Ok(None) };
    let field = line[4..].split(|byte| *byte == separator).next().unwrap_or_default().trim_ascii();
    if field.is_empty() || field == b"\"\"" {
        return Ok(None);
    }
    let number = std::str::from_utf8(field).ok().and_then(|digits| digits.parse().ok());
    number.map(Some).ok_or_else(|| format!("expected {name} to be a count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Result<Vec<String>, String> {
        let pieces = messages(&Bytes::copy_from_slice(text.as_bytes())).map_err(|error| error.to_string())?;
        Ok(pieces.iter().map(|piece| String::from_utf8(piece.bytes.to_vec()).unwrap()).collect())
    }

    const A: &str = "MSH|^~\\&|LIS|LAB|||||ORU^R01|1\rPID|1\rOBX|1\r";
    const B: &str = "MSH$%~\\&$LIS$LAB$$$$$ORU%R01$2\rPID$2\r";

    #[test]
    fn a_batch_is_cut_into_its_messages_byte_for_byte() {
        for text in [
            format!("{A}{B}"),
            format!("BHS|^~\\&|LIS\r{A}{B}BTS|2\r"),
            format!("FHS|^~\\&|LIS\rBHS|^~\\&|LIS\r{A}{B}BTS|2\rFTS|1\r"),
            format!(
                "FHS|^~\\&|LIS\rSFT|x\rBHS|^~\\&|LIS\rNTE|1\r{A}BTS|1\rBHS|^~\\&\r{B}BTS|1|said\rFTS|2\r"
            ),
            format!("FHS|^~\\&|LIS\r{A}{B}FTS|1"),
            format!("FHS|^~\\&|LIS\r{A}{B}FTS|2"),
            format!("{A}BTS\r{B}BTS|\rFTS\r"),
            format!("\u{FEFF}\r\nBHS|^~\\&\r\r\n{A}\r\n\r\n  {B}\rBTS| 2 \r"),
            format!("\u{0B}{A}\u{1C}\r\u{0B}{B}\u{1C}\r"),
            format!("FHS|^~\\&\r{A}FTS|1\rFHS|^~\\&\r{B}FTS|1\r"),
        ] {
            assert_eq!(cut(&text), Ok(vec![A.to_owned(), B.to_owned()]), "{text:?}");
        }
    }

    #[test]
    fn line_ends_stay_as_they_came() {
        let of = |end: &str| A.replace('\r', end);
        for end in ["\n", "\r\n"] {
            let text = format!("BHS|^~\\&{end}{}{}BTS|2{end}", of(end), of(end));
            assert_eq!(cut(&text), Ok(vec![of(end), of(end)]));
        }
        assert_eq!(cut(A.trim_end()), Ok(vec![A.trim_end().to_owned()]));
    }

    #[test]
    fn labels_come_from_the_messages_own_headers() {
        let pieces = messages(&Bytes::from(format!("BHS|^~\\&|X|Y\r{A}{B}MSH|\rBTS|3\r"))).unwrap();
        let control_ids: Vec<_> = pieces.iter().map(|piece| piece.label.control_id.as_deref()).collect();
        assert_eq!(control_ids, [Some("1"), Some("2"), None]); // the third fails alone, when it is read
        assert_eq!(pieces[1].label.message_type.as_deref(), Some("ORU^R01"));
        assert_eq!(pieces[1].label.sender.as_deref(), Some("LIS|LAB"));
    }

    #[test]
    fn counts_that_disagree_say_what_was_counted() {
        assert_eq!(
            cut(&format!("BHS|^~\\&\r{A}BTS|2\r")),
            Err("segment 5 (byte 52): BTS-1 says that the batch has 2 messages, and 1 were counted"
                .to_owned())
        );
        assert_eq!(
            cut(&format!("FHS|^~\\&\rBHS|^~\\&\r{A}BTS|1\rFTS|2\r")).unwrap_err(),
            "segment 7 (byte 67): FTS-1 says that the file has 2 batches, and 1 were counted, with 1 messages"
        );
        assert!(
            cut(&format!("BHS|^~\\&\r{A}BTS|many\r")).unwrap_err().contains("expected BTS-1 to be a count")
        );
        assert_eq!(cut("BHS|^~\\&\rBTS|0\r"), Ok(vec![]));
        assert!(cut("BHS|^~\\&\rBTS|1\r").is_err());
    }

    #[test]
    fn what_stands_where_no_message_is_has_its_place() {
        for (text, place) in [
            (format!("free text\r{A}"), "segment 1 (byte 0)"),
            (format!("BHS|^~\\&\rPID|1\r{A}"), "segment 2 (byte 9)"),
            (format!("{A}BTS|1\rPID|1\r"), "segment 5 (byte 49)"),
            (format!("{A}BTS|1\rBTS|0\r"), "segment 5 (byte 49)"),
            (format!("{A}FTS|1\r{B}"), "segment 5 (byte 49)"),
            (String::new(), "byte 0"),
            (" \r\n".to_owned(), "byte 3"),
        ] {
            let error = cut(&text).unwrap_err();
            assert!(error.starts_with(place), "{text:?}: {error}");
            assert!(!error.contains("free text"), "content must not stand in an error");
        }
    }

    #[test]
    fn there_is_a_limit_on_messages() {
        let text = "MSH|^~\\&\r".repeat(MOST_MESSAGES + 1);
        assert!(cut(&text).unwrap_err().contains("more than 100000 messages"));
    }
}

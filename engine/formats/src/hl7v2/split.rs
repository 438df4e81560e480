//! One message with several of a group, cut into messages that have one of them each.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use hub_core::document::{ParseError, Piece};
use hub_core::path::Path;

use super::batch::{MOST_MESSAGES, after_line_end};
use super::document::{Hl7Document, Kind};
use super::header::Header;
use super::separators::{lines, start};

/// The pieces of one message may be together as long as this: what they share is copied into each.
const MOST_COPIED: usize = 256 << 20;

/// A piece is the message with one of the groups or segments at the path. What encloses it stands in the piece once, so
/// that no piece holds a part of another patient; an enclosing group without any at the path is a piece of its own, so
/// that nothing is lost. A message without any is its own piece.
pub(super) fn at_path(bytes: &Bytes, document: &Hl7Document, path: &Path) -> Result<Vec<Piece>, ParseError> {
    let error = |what: String| ParseError { at: 0, place: Some(path.to_string()), what };
    let begin = start(bytes);
    let body = &bytes[begin..];
    let label = Header::read(bytes).map(|header| header.label()).unwrap_or_default();
    let whole = || Piece { bytes: bytes.slice(begin..), label: label.clone() };

    let mut found = Vec::new();
    super::select::select(document, 0, path.steps(), &mut |at| found.push(at));
    if found.iter().any(|at| !matches!(document.item(*at).kind, Kind::Group | Kind::Segment)) {
        return Err(error("expected a group or a segment to split at, not a field".to_owned()));
    }
    if found.iter().any(|at| *at == 0 || &document.tag(document.item(*at)) == b"MSH") {
        return Err(error("the header stands in every piece: it is nothing to split at".to_owned()));
    }
    let scopes = Scopes::of(document, &found);
    if scopes.pieces.len() > MOST_MESSAGES {
        return Err(error(format!("more than {MOST_MESSAGES} pieces in one message")));
    }
    if scopes.pieces.is_empty() {
        return Ok(vec![whole()]);
    }

    let ranges: Vec<Range<usize>> = lines(body).collect();
    let of_scope = scopes.lines(document);
    let mut pieces = Vec::with_capacity(scopes.pieces.len());
    let mut copied = 0;
    for piece in &scopes.pieces {
        let mut wanted: Vec<usize> = Vec::new();
        let mut scope = Some(*piece);
        while let Some(at) = scope {
            wanted.extend(of_scope.get(&at).into_iter().flatten());
            scope = (at != 0).then(|| scopes.enclosing(document, at));
        }
        wanted.sort_unstable();
        copied +=
            wanted.iter().filter_map(|line| ranges.get(*line)).map(|range| range.len() + 2).sum::<usize>();
        if copied > MOST_COPIED {
            return Err(error(format!("the pieces together are longer than {MOST_COPIED} bytes")));
        }
        pieces.push(Piece { bytes: joined(body, &ranges, &wanted).into(), label: label.clone() });
    }
    Ok(pieces)
}

fn joined(body: &[u8], ranges: &[Range<usize>], wanted: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (nth, range) in wanted.iter().filter_map(|line| ranges.get(*line)).enumerate() {
        if nth > 0 && !matches!(bytes.last(), Some(b'\r' | b'\n')) {
            bytes.push(b'\r'); // a framing byte stood where the line ended
        }
        bytes.extend_from_slice(&body[range.start..after_line_end(body, range.end)]);
    }
    bytes
}

/// The nodes that stand in some pieces and not in others.
struct Scopes {
    /// One for each piece, in document order.
    pieces: Vec<usize>,
    /// Pieces, and the instances of groups that enclose pieces or could.
    all: std::collections::HashSet<usize>,
}

impl Scopes {
    fn of(document: &Hl7Document, found: &[usize]) -> Self {
        let parent = |at: usize| document.item(at).parent as usize;
        let mut pieces = found.to_vec();
        let mut all: std::collections::HashSet<usize> = found.iter().copied().collect();
        // Kinds of groups, by the instance they stand in and their number in the structure.
        let mut kinds = std::collections::HashSet::new();
        for at in found {
            let mut above = parent(*at);
            while above != 0 && all.insert(above) {
                kinds.insert((parent(above), document.item(above).number));
                above = parent(above);
            }
        }
        for (at, item) in document.items.iter().enumerate().skip(1) {
            let beside = item.kind == Kind::Group && kinds.contains(&(item.parent as usize, item.number));
            if beside && all.insert(at) {
                pieces.push(at);
            }
        }
        pieces.sort_unstable();
        pieces.dedup();
        Self { pieces, all }
    }

    /// The nearest scope around a node; 0 for what stands in every piece.
    fn enclosing(&self, document: &Hl7Document, at: usize) -> usize {
        let mut above = document.item(at).parent as usize;
        while above != 0 && !self.all.contains(&above) {
            above = document.item(above).parent as usize;
        }
        above
    }

    /// The lines of each scope that are not in one inside it, by their place in the message.
    fn lines(&self, document: &Hl7Document) -> HashMap<usize, Vec<usize>> {
        let is_segment = |at: &usize| document.item(*at).kind == Kind::Segment;
        let mut segments: Vec<usize> = (0..document.items.len()).filter(is_segment).collect();
        segments.sort_unstable_by_key(|at| document.item(*at).start);
        let mut lines: HashMap<usize, Vec<usize>> = HashMap::new();
        for (line, segment) in segments.into_iter().enumerate() {
            let own = self.all.contains(&segment);
            let scope = if own { segment } else { self.enclosing(document, segment) };
            lines.entry(scope).or_default().push(line);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::Hl7Parser;
    use super::*;

    fn split(text: &str, path: &str) -> Result<Vec<String>, String> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let document = Hl7Parser::default().read(&bytes).unwrap();
        let pieces =
            at_path(&bytes, &document, &Path::parse(path).unwrap()).map_err(|error| error.to_string())?;
        Ok(pieces.iter().map(|piece| String::from_utf8(piece.bytes.to_vec()).unwrap()).collect())
    }

    const HEAD: &str = "MSH|^~\\&|LIS||||||ORU^R01|7|P|2.5.1\r";

    #[test]
    fn a_piece_has_one_order_and_what_they_share() {
        let text = format!("{HEAD}PID|1\rOBR|1\rOBX|1\rOBX|2\rOBR|2\rNTE|x\rOBR|3\rDSC|\r");
        assert_eq!(
            split(&text, "PATIENT_RESULT.ORDER_OBSERVATION").unwrap(),
            [
                format!("{HEAD}PID|1\rOBR|1\rOBX|1\rOBX|2\rDSC|\r"),
                format!("{HEAD}PID|1\rOBR|2\rNTE|x\rDSC|\r"),
                format!("{HEAD}PID|1\rOBR|3\rDSC|\r"),
            ]
        );
        // Two observations, and two orders without any.
        assert_eq!(split(&text, "OBX").unwrap().len(), 4);
    }

    #[test]
    fn no_piece_holds_a_part_of_another_patient_and_none_is_lost() {
        let text = format!("{HEAD}PID|1\rOBR|1\rPID|2\rPID|3\rOBR|2\rOBX|1\rOBR|3");
        assert_eq!(
            split(&text, "ORDER_OBSERVATION").unwrap(),
            [
                format!("{HEAD}PID|1\rOBR|1\r"),
                format!("{HEAD}PID|2\r"),
                format!("{HEAD}PID|3\rOBR|2\rOBX|1\r"),
                format!("{HEAD}PID|3\rOBR|3"),
            ]
        );
    }

    #[test]
    fn segments_out_of_order_go_with_their_group() {
        let text = format!("{HEAD}PID|1\rPV1|1\rOBR|1\rOBX|1\rPV1|2\rOBR|2\r");
        assert_eq!(
            split(&text, "ORDER_OBSERVATION").unwrap(),
            [
                format!("{HEAD}PID|1\rPV1|1\rOBR|1\rOBX|1\rPV1|2\r"),
                format!("{HEAD}PID|1\rPV1|1\rPV1|2\rOBR|2\r")
            ]
        );
    }

    #[test]
    fn nothing_to_split_at_is_one_piece() {
        let text = format!("  {HEAD}PID|1\n\nPV1|1\r\n");
        assert_eq!(split(&text, "ORDER_OBSERVATION").unwrap(), [text.trim_start()]);
    }

    #[test]
    fn line_ends_and_bytes_stay_as_they_came() {
        let text = format!("{HEAD}PID|1\r\nOBR|1\n\n  OBR|2\u{1C}\rOBX|\r");
        assert_eq!(
            split(&text, "ORDER_OBSERVATION").unwrap(),
            [format!("{HEAD}PID|1\r\nOBR|1\n"), format!("{HEAD}PID|1\r\nOBR|2\rOBX|\r")]
        );
    }

    #[test]
    fn fields_and_the_header_are_nothing_to_split_at() {
        let text = format!("{HEAD}PID|1||A~B\r");
        assert_eq!(
            split(&text, "PID-3").unwrap_err(),
            "PID-3 (byte 0): expected a group or a segment to split at, not a field"
        );
        assert!(split(&text, "MSH").unwrap_err().contains("header"));
    }
}

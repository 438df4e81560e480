//! The header of a batch or a file (FHS, BHS) as that of a message, so that a whole batch can be acknowledged (HL7 v2 §2.10.3).

use hub_formats::hl7v2::Header;

/// The fields of FHS and BHS that name systems stand where MSH has them; the control id is the eleventh. `None`: the frame does
/// not begin with such a header.
pub(super) fn header(frame: &[u8]) -> Option<Header> {
    let start = frame.iter().position(|byte| !matches!(byte, b'\r' | b'\n' | b' ' | 0x0B))?;
    let mut segments =
        frame[start..].split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty());
    let first = segments.next().filter(|line| line.starts_with(b"FHS") || line.starts_with(b"BHS"))?;
    let separator = *first.get(3)?;
    let batch = segments.next().filter(|line| line.starts_with(b"BHS"));
    let control_id = field(first, separator, 11).filter(|id| !id.is_empty());
    let control_id = control_id.or_else(|| field(batch?, separator, 11)).unwrap_or_default();
    let mut message = b"MSH".to_vec();
    for number in 2..=7 {
        message.push(separator);
        message.extend_from_slice(field(first, separator, number).unwrap_or_default());
    }
    for told in [b"".as_slice(), b"", control_id, b"P", b"2.5.1"] {
        message.push(separator);
        message.extend_from_slice(told);
    }
    Header::read(&message).ok()
}

/// A field by its number, counted as MSH counts: the separator itself is the first.
fn field(segment: &[u8], separator: u8, number: usize) -> Option<&[u8]> {
    segment.split(|byte| *byte == separator).nth(number - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_known_by_its_control_id_and_its_sender() {
        let file = b"FHS|^~\\&|LIS|LAB|HUB|H|20260302||f.hl7|c|F1\rBHS|^~\\&|LIS|LAB|HUB|H|20260302||b|c|B1\rMSH|^~\\&|X\r";
        let read = header(file).unwrap();
        assert_eq!((read.control_id.as_str(), read.sending_application.as_str()), ("F1", "LIS"));
        assert_eq!(read.receiving_facility, "H");
        let batch = header(b"\rBHS|^~\\&|LIS|LAB|HUB|H|20260302||b|c|B1\rMSH|^~\\&|X\r").unwrap();
        assert_eq!(batch.control_id, "B1"); // BHS-11
        let without = header(b"FHS|^~\\&|LIS\rBHS|^~\\&|LIS|LAB|HUB|H|20260302||b|c|B1\r").unwrap();
        assert_eq!(without.control_id, "B1");
        assert!(header(b"MSH|^~\\&|LIS").is_none() && header(b"").is_none() && header(b"BHS").is_none());
        assert_eq!(header(b"BHS|^~\\&").unwrap().control_id, "");
    }
}

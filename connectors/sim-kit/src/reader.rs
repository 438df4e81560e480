//! Reads just enough of an HL7 v2 message to answer it and to hold it against strict rules.

/// A message split at its separators; escapes are left as they are.
pub struct Reading<'a> {
    segments: Vec<Vec<&'a str>>,
}

impl<'a> Reading<'a> {
    /// Splits a message. `None` when it does not begin with a header segment and its separators.
    pub fn of(text: &'a str) -> Option<Self> {
        let separator =
            text.strip_prefix("MSH")?.chars().next().filter(|letter| !letter.is_alphanumeric())?;
        let segments = text
            .split(['\r', '\n'])
            .filter(|segment| !segment.is_empty())
            .map(|segment| segment.split(separator).collect())
            .collect();
        Some(Self { segments })
    }

    /// A field of the first segment of this name, counted as HL7 does; empty when it is not there.
    pub fn field(&self, segment: &str, number: usize) -> &'a str {
        let Some(found) = self.segments.iter().find(|fields| fields[0] == segment) else { return "" };
        // MSH-1 is the separator, so the header's fields stand one place further on.
        let at = if segment == "MSH" { number.saturating_sub(1) } else { number };
        found.get(at).copied().unwrap_or_default()
    }

    /// The names of the segments, in their order.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.segments.iter().map(|fields| fields[0])
    }
}

/// The first component of the first repetition of a field.
pub fn first_component(field: &str) -> &str {
    field.split(['^', '~']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_as_hl7_does() {
        let reading = Reading::of("MSH|^~\\&|HIS|F|||||ADT^A01|7\rPID|1||9^^^HIS^PI").unwrap();
        assert_eq!(reading.field("MSH", 3), "HIS");
        assert_eq!(reading.field("MSH", 10), "7");
        assert_eq!(first_component(reading.field("PID", 3)), "9");
        assert_eq!(reading.field("PV1", 2), "");
    }

    #[test]
    fn what_has_no_header_is_not_read() {
        assert!(Reading::of("PID|1").is_none());
        assert!(Reading::of("MSH").is_none());
        assert!(Reading::of("").is_none());
    }
}

//! Writes HL7 v2 by hand: fields by their number, escapes, separators. Shares nothing with the hub's formats.

/// Escapes the separators in a text (HL7 v2.5.1 §2.7).
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\E\\"),
            '|' => escaped.push_str("\\F\\"),
            '^' => escaped.push_str("\\S\\"),
            '~' => escaped.push_str("\\R\\"),
            '&' => escaped.push_str("\\T\\"),
            '\r' | '\n' => escaped.push_str("\\.br\\"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Components of texts, escaped, without empty ones at the end.
pub fn components(texts: &[&str]) -> String {
    let joined = texts.iter().map(|text| escape(text)).collect::<Vec<_>>().join("^");
    joined.trim_end_matches('^').to_owned()
}

/// Repetitions of fields that are already written.
pub fn repetitions(fields: &[String]) -> String {
    fields.join("~")
}

/// One segment.
#[derive(Clone)]
pub struct Segment {
    name: &'static str,
    fields: Vec<String>,
}

impl Segment {
    /// A segment without fields.
    pub fn new(name: &'static str) -> Self {
        Self { name, fields: Vec::new() }
    }

    /// Sets a field, from 1, to something already written: components, repetitions, a code.
    #[must_use]
    pub fn set(mut self, number: usize, written: impl Into<String>) -> Self {
        if self.fields.len() < number {
            self.fields.resize(number, String::new());
        }
        self.fields[number - 1] = written.into();
        self
    }

    /// Sets a field to one text, escaped.
    #[must_use]
    pub fn text(self, number: usize, text: &str) -> Self {
        self.set(number, escape(text))
    }

    fn write(&self, out: &mut String) {
        out.push_str(self.name);
        // MSH-1 is the separator itself and MSH-2 the other separators.
        let skip = if self.name == "MSH" {
            out.push_str("|^~\\&");
            2
        } else {
            0
        };
        let filled = self.fields.iter().rposition(|field| !field.is_empty()).map_or(0, |last| last + 1);
        for field in self.fields.iter().take(filled).skip(skip) {
            out.push('|');
            out.push_str(field);
        }
        out.push('\r');
    }
}

/// The text of a message: its segments, each ended by a carriage return.
pub fn message(segments: &[Segment]) -> String {
    let mut out = String::with_capacity(segments.len() * 120);
    for segment in segments {
        segment.write(&mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_a_text_are_escaped() {
        assert_eq!(escape(r"A & B|C^D~E\F"), r"A \T\ B\F\C\S\D\R\E\E\F");
    }

    #[test]
    fn the_first_two_fields_of_the_header_are_the_separators() {
        let header = Segment::new("MSH").text(3, "HIS").set(12, "2.5.1");
        assert_eq!(message(&[header]), "MSH|^~\\&|HIS|||||||||2.5.1\r");
    }

    #[test]
    fn empty_fields_at_the_end_are_not_written() {
        let segment = Segment::new("PV1").set(1, "1").set(44, "");
        assert_eq!(message(&[segment]), "PV1|1\r");
    }

    #[test]
    fn empty_components_at_the_end_are_not_written() {
        assert_eq!(components(&["a", "", "b&", "", ""]), "a^^b\\T\\");
    }
}

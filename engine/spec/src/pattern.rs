//! Which kinds of message a channel takes: `ORU^R01`, `ADT^*`.

use compact_str::CompactString;

/// The name of a kind of message; `*` stands for any letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(CompactString);

impl Pattern {
    /// Reads a pattern. `None` when it is empty or has spaces at its ends, which no kind of message has.
    pub fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && text.trim() == text).then(|| Self(text.into()))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `kind` is meant. Takes time linear in `kind` for each `*`.
    pub fn matches(&self, kind: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = kind.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some((_, after)) = rest.split_once(part) else { return false };
            rest = after;
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, kind: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(kind)
    }

    #[test]
    fn a_name_means_itself() {
        assert!(matches("ORU^R01", "ORU^R01"));
        assert!(!matches("ORU^R01", "ORU^R01^ORU_R01"));
        assert!(!matches("ORU^R01", "ORU^R0"));
    }

    #[test]
    fn a_star_means_any_letters() {
        assert!(matches("ADT^*", "ADT^A01"));
        assert!(matches("*", ""));
        assert!(matches("*^R01", "ORU^R01"));
        assert!(matches("A*A*1", "ADT^A01"));
        assert!(!matches("ADT^*", "ORU^R01"));
        assert!(!matches("A*A*A", "ADTA"));
    }

    #[test]
    fn an_empty_pattern_is_none() {
        assert_eq!(Pattern::parse(""), None);
        assert_eq!(Pattern::parse(" ADT"), None);
    }
}

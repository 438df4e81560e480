//! The subject of each parcel: `orders.{lane}`.

use hub_core::commit::Parcel;
use hub_core::id::Digest;

/// What stands for the parcel's id, for what ties it to its message, and for its lane.
const PARCEL: &str = "{parcel}";
const CORRELATION: &str = "{correlation}";
const LANE: &str = "{lane}";

/// A subject with places, and how many lanes there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubjectPattern {
    text: String,
    lanes: u64,
}

/// Why a pattern cannot be one, and the key of the settings that says so.
pub(super) type Wrong = (&'static str, String);

impl SubjectPattern {
    /// Reads a pattern.
    pub fn parse(text: &str, lanes: u64) -> Result<Self, Wrong> {
        let plain =
            [PARCEL, CORRELATION, LANE].iter().fold(text.to_owned(), |text, place| text.replace(place, "x"));
        if plain.contains(['{', '}']) {
            let what = format!(
                "`{text}` has a place that is not known: expected `{PARCEL}`, `{CORRELATION}` or `{LANE}`"
            );
            return Err(("subject", what));
        }
        if !is_subject(&plain) {
            let what = format!(
                "`{text}` is no subject to publish to: expected words with points between them, such as `orders.{LANE}`, without blanks, `*`, `>` and a `$` at the start"
            );
            return Err(("subject", what));
        }
        match (text.contains(LANE), lanes) {
            (_, 0) => Err(("lanes", "`lanes` is 0: expected 1 or more".to_owned())),
            (false, 2..) => Err((
                "lanes",
                format!("`lanes` says how many lanes there are, but `subject` has no `{LANE}`"),
            )),
            (true, 1) => Err((
                "lanes",
                format!("`subject` has a `{LANE}`: expected `lanes` to say how many there are, 2 or more"),
            )),
            _ => Ok(Self { text: text.to_owned(), lanes }),
        }
    }

    /// The subject of a parcel.
    pub fn of(&self, parcel: &Parcel) -> String {
        let subject = self.text.replace(PARCEL, &parcel.id.to_string());
        let subject = subject.replace(LANE, &self.lane(parcel).to_string());
        // What ties messages together may come from a partner: it is one word, and no other subject.
        let correlation: String = parcel.correlation.as_str().chars().map(harmless).collect();
        let correlation = if correlation.is_empty() { "_".to_owned() } else { correlation };
        subject.replace(CORRELATION, &correlation)
    }

    /// As it stands in the settings: for what is told to people.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same order key is always in the same lane. What has none goes anywhere.
    fn lane(&self, parcel: &Parcel) -> u64 {
        let number = match &parcel.order_key {
            Some(key) => u128::from_be_bytes(Digest::of(key.as_bytes()).0),
            None => parcel.id.0.as_u128(),
        };
        u64::try_from(number % u128::from(self.lanes)).unwrap_or(0)
    }
}

/// Whether something can be published under it.
fn is_subject(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && !word.contains(|letter: char| {
                letter.is_whitespace() || letter.is_control() || matches!(letter, '*' | '>')
            })
    };
    !text.starts_with('$') && text.split('.').all(is_word)
}

fn harmless(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_') { letter } else { '_' }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hub_core::id::{DestinationId, MessageId, ParcelId};

    use super::*;

    fn parcel(nth: usize, order_key: Option<&str>) -> Parcel {
        let to = DestinationId::from("a/b/c");
        Parcel {
            id: ParcelId::of(MessageId(uuid::Uuid::from_u128(1)), &to, nth),
            to,
            body: Bytes::new(),
            content_type: "text/plain".into(),
            correlation: "> a.b *".into(),
            order_key: order_key.map(Into::into),
        }
    }

    #[test]
    fn what_cannot_be_published_to_is_refused_by_its_key() {
        for (subject, lanes) in [("adt", 1), ("hub.adt.{lane}", 8), ("报告.{parcel}.{correlation}", 1)] {
            assert!(SubjectPattern::parse(subject, lanes).is_ok(), "{subject}");
        }
        for subject in
            ["", "a..b", ".a", "a.", "a b", "a.*", "a.>", "$JS.API.INFO", "a.{patient}", "a.{lane", "a\r\nb"]
        {
            assert_eq!(SubjectPattern::parse(subject, 1).unwrap_err().0, "subject", "{subject:?}");
        }
        for (subject, lanes) in [("a", 0), ("a", 2), ("a.{lane}", 1)] {
            assert_eq!(SubjectPattern::parse(subject, lanes).unwrap_err().0, "lanes", "{subject}");
        }
    }

    #[test]
    fn a_partners_words_are_one_word_of_a_subject() {
        let subject = SubjectPattern::parse("a.{correlation}.z", 1).unwrap();
        assert_eq!(subject.of(&parcel(0, None)), "a.__a_b__.z");
    }

    #[test]
    fn an_order_key_has_one_lane_and_many_keys_use_them_all() {
        let subject = SubjectPattern::parse("a.{lane}", 4).unwrap();
        assert_eq!(subject.of(&parcel(0, Some("4711"))), subject.of(&parcel(1, Some("4711"))));
        let used: std::collections::BTreeSet<String> =
            (0..100).map(|nth| subject.of(&parcel(0, Some(&nth.to_string())))).collect();
        assert_eq!(used.into_iter().collect::<Vec<_>>(), ["a.0", "a.1", "a.2", "a.3"]);
        assert!(
            (0..50)
                .map(|nth| subject.of(&parcel(nth, None)))
                .any(|lane| lane != subject.of(&parcel(0, None)))
        );
    }
}

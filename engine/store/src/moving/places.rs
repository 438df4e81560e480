//! The numbers that messages get on PostgreSQL.
//!
//! On SQLite they count from 1. On PostgreSQL they stand in stretches, which retention drops whole: were all of them moved into
//! one, the oldest message would stay until the youngest may go. So they are dealt out to stretches as if they had come in there,
//! each number within its stretch as it was: the order of arrival stays, and each number can be told from the other.

use crate::partitions::BITS;

/// Where each stretch begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The first number, on SQLite, of the second stretch and each that follows. They grow.
    firsts: Vec<i64>,
}

/// More stretches than this are not made, however long messages have been kept: each is four tables.
const MOST: i64 = 200;

impl Places {
    /// The length of a stretch, for messages that came in over this span of time.
    pub fn stretch_us(span_us: i64, usual_us: i64) -> i64 {
        usual_us.max(span_us / MOST + 1)
    }

    pub fn new(firsts: Vec<i64>) -> Self {
        Self { firsts }
    }

    /// How many stretches there are.
    pub fn stretches(&self) -> i64 {
        self.firsts.len() as i64 + 1
    }

    /// The number on PostgreSQL of a message that has this one on SQLite.
    pub fn new_of(&self, seq: i64) -> i64 {
        let stretch = self.firsts.partition_point(|first| *first <= seq) as i64;
        (stretch << BITS) | seq
    }

    /// And back.
    pub fn old_of(place: i64) -> i64 {
        place & ((1 << BITS) - 1)
    }

    /// As it is kept in the database.
    pub fn to_text(&self) -> String {
        self.firsts.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Reads it back; `None` when it is not one.
    pub fn from_text(text: &str) -> Option<Self> {
        let firsts: Vec<i64> =
            text.split_whitespace().map(|first| first.parse().ok()).collect::<Option<_>>()?;
        firsts.is_sorted().then_some(Self { firsts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order_and_can_be_told_back() {
        let places = Places::new(vec![10, 11, 500]);
        let new: Vec<i64> = (1..600).map(|seq| places.new_of(seq)).collect();
        assert!(new.is_sorted_by(|a, b| a < b));
        assert_eq!(
            new.iter().map(|place| Places::old_of(*place)).collect::<Vec<_>>(),
            (1..600).collect::<Vec<_>>()
        );
        let stretch = |seq| places.new_of(seq) >> BITS;
        assert_eq!([stretch(9), stretch(10), stretch(11), stretch(499), stretch(500)], [0, 1, 2, 2, 3]);
        assert_eq!(Places::from_text(&places.to_text()), Some(places));
        assert_eq!(Places::from_text("3 2"), None);
    }
}

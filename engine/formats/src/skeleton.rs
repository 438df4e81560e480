//! A text with holes: what is written once for all pieces of a split, each of which is the whole with one of several things.

use std::ops::Range;

/// The text of a whole, cut at the things of which each piece has one.
#[derive(Default)]
pub(crate) struct Skeleton {
    text: String,
    parts: Vec<Part>,
    count: usize,
    /// Where the part begins that is being written.
    begin: usize,
}

enum Part {
    /// It stands in every piece.
    Fixed(Range<usize>),
    /// One of them stands in its piece: the first is that of piece `first`.
    Run { first: usize, each: Vec<Range<usize>> },
}

impl Skeleton {
    /// Adds text to what is being written: what all pieces have, or one thing of a run.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Begins a row of things of which at most one stands in a piece.
    pub(crate) fn begin_run(&mut self) {
        self.end_fixed();
        self.parts.push(Part::Run { first: self.count, each: Vec::new() });
    }

    /// Ends one thing of the run.
    pub(crate) fn end_one(&mut self) {
        let end = self.text.len();
        if let Some(Part::Run { each, .. }) = self.parts.last_mut() {
            each.push(self.begin..end);
            self.count += 1;
        }
        self.begin = end;
    }

    /// Ends the run.
    pub(crate) fn end_run(&mut self) {
        self.begin = self.text.len();
    }

    fn end_fixed(&mut self) {
        let end = self.text.len();
        if end > self.begin {
            self.parts.push(Part::Fixed(self.begin..end));
        }
        self.begin = end;
    }

    /// How long all pieces are together.
    pub(crate) fn total(&self) -> usize {
        let (mut fixed, mut single) = (self.text.len() - self.begin, 0usize);
        for part in &self.parts {
            match part {
                Part::Fixed(range) => fixed += range.len(),
                Part::Run { each, .. } => single += each.iter().map(Range::len).sum::<usize>(),
            }
        }
        fixed.saturating_mul(self.count).saturating_add(single)
    }

    /// The pieces, in order.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = String> {
        (0..self.count).map(|wanted| {
            let mut piece = String::new();
            for part in &self.parts {
                match part {
                    Part::Fixed(range) => piece.push_str(&self.text[range.clone()]),
                    Part::Run { first, each } => {
                        let own = wanted.checked_sub(*first).and_then(|place| each.get(place));
                        piece.push_str(own.map_or("", |range| &self.text[range.clone()]));
                    }
                }
            }
            piece.push_str(&self.text[self.begin..]);
            piece
        })
    }
}

//! What is sought in texts: `(bone OR liver) and metastases`, `"chest pain" -asthma`, `高血压`.

use compact_str::CompactString;

use crate::full_text::{is_unspaced, words};

/// So many words may be sought at once.
const MOST: usize = 64;
/// Brackets within brackets.
const DEEPEST: usize = 8;

/// Words that must be in a text, and how.
#[derive(Clone, PartialEq, Eq)]
pub enum Sought {
    /// Words one after the other; of the last one, where it is open, what it begins with.
    Phrase {
        /// As [`crate::full_text`] has them; at least one.
        words: Vec<CompactString>,
        /// The last one may go on.
        is_open: bool,
    },
    /// All of the first, at least one, and none of the second.
    All(Vec<Sought>, Vec<Sought>),
    /// Any of them; at least one.
    Any(Vec<Sought>),
}

impl Sought {
    /// Reads what is asked for; `None` when it cannot be understood, is too much, or says only what must not be there.
    pub fn read(text: &str) -> Option<Self> {
        let marks = marks(text)?;
        let mut reader = Reader { marks: &marks, depth: 0 };
        let sought = reader.any()?;
        (reader.marks.is_empty() && sought.weight() <= MOST).then_some(sought)
    }

    /// About how many values a statement needs for it.
    pub fn weight(&self) -> usize {
        match self {
            Self::Phrase { words, .. } => words.len(),
            Self::All(must, not) => must.iter().chain(not).map(Self::weight).sum(),
            Self::Any(any) => any.iter().map(Self::weight).sum(),
        }
    }
}

/// A mark of the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    Open,
    Close,
    Or,
    Not,
    /// A word or what stands in quotes.
    Text(String),
}

fn marks(text: &str) -> Option<Vec<Mark>> {
    let mut marks = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (mark, length) = match first {
            '(' => (Some(Mark::Open), 1),
            ')' => (Some(Mark::Close), 1),
            '-' => (Some(Mark::Not), 1),
            '"' => {
                let end = rest[1..].find('"')? + 1;
                (Some(Mark::Text(rest[1..end].to_owned())), end + 1)
            }
            _ => {
                let ends = |letter: char| letter.is_whitespace() || matches!(letter, '(' | ')' | '"');
                let end = rest.find(ends).unwrap_or(rest.len());
                let mark = match &rest[..end] {
                    "AND" | "and" => None,
                    "OR" => Some(Mark::Or),
                    "NOT" => Some(Mark::Not),
                    word => Some(Mark::Text(word.to_owned())),
                };
                (mark, end)
            }
        };
        marks.extend(mark);
        rest = rest[length..].trim_start();
    }
    Some(marks)
}

struct Reader<'m> {
    marks: &'m [Mark],
    depth: usize,
}

impl Reader<'_> {
    fn next_is(&mut self, mark: &Mark) -> bool {
        let is_next = self.marks.first() == Some(mark);
        if is_next {
            self.marks = &self.marks[1..];
        }
        is_next
    }

    fn any(&mut self) -> Option<Sought> {
        let mut any = vec![self.all()?];
        while self.next_is(&Mark::Or) {
            any.push(self.all()?);
        }
        if any.len() == 1 { any.pop() } else { Some(Sought::Any(any)) }
    }

    fn all(&mut self) -> Option<Sought> {
        let (mut must, mut not) = (Vec::new(), Vec::new());
        while !matches!(self.marks.first(), None | Some(Mark::Or | Mark::Close)) {
            let is_not = self.next_is(&Mark::Not);
            let one = self.one()?;
            // What has no words, as a sign between spaces, asks for nothing.
            if let Some(one) = one {
                if is_not { not.push(one) } else { must.push(one) }
            }
        }
        match (must.len(), not.len()) {
            (0, _) => None,
            (1, 0) => must.pop(),
            _ => Some(Sought::All(must, not)),
        }
    }

    fn one(&mut self) -> Option<Option<Sought>> {
        let (first, rest) = self.marks.split_first()?;
        self.marks = rest;
        match first {
            Mark::Text(text) => Some(phrase(text)),
            Mark::Open => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return None;
                }
                let inner = self.any()?;
                self.depth -= 1;
                self.next_is(&Mark::Close).then_some(Some(inner))
            }
            Mark::Close | Mark::Or | Mark::Not => None,
        }
    }
}

/// The words of a text one after the other. A run of characters may go on: its last one is sought as the pair it ends with, or, alone, as
/// what a pair begins with.
fn phrase(text: &str) -> Option<Sought> {
    let mut found: Vec<CompactString> = Vec::new();
    words(text, &mut |word| found.push(word.into()));
    let last = found.last()?.clone();
    let is_run = last.chars().all(is_unspaced);
    let ends_a_pair = found.len() > 1 && {
        let before = &found[found.len() - 2];
        is_run
            && before.chars().all(is_unspaced)
            && before.chars().count() == 2
            && before.ends_with(last.as_str())
    };
    if ends_a_pair {
        found.pop();
    }
    Some(Sought::Phrase { words: found, is_open: is_run && !ends_a_pair })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was understood, written short.
    fn read(text: &str) -> String {
        fn shown(sought: &Sought) -> String {
            let join = |parts: &[Sought], sign: &str| parts.iter().map(shown).collect::<Vec<_>>().join(sign);
            match sought {
                Sought::Phrase { words, is_open } => {
                    format!("{}{}", words.join("+"), if *is_open { "*" } else { "" })
                }
                Sought::All(must, not) if not.is_empty() => format!("({})", join(must, " ")),
                Sought::All(must, not) => format!("({} -{})", join(must, " "), join(not, " -")),
                Sought::Any(any) => format!("[{}]", join(any, "|")),
            }
        }
        Sought::read(text).as_ref().map_or_else(|| "nothing".to_owned(), shown)
    }

    #[test]
    fn words_phrases_alternatives_and_exceptions_are_understood() {
        assert_eq!(read("Chest pain"), "(chest pain)");
        assert_eq!(read("\"Chest pain\" -asthma"), "(chest+pain -asthma)");
        assert_eq!(read("(bone OR liver) and metastases"), "([bone|liver] metastases)");
        assert_eq!(read("a OR b c"), "[a|(b c)]");
        assert_eq!(read("718-7"), "718+7");
        assert_eq!(read("a NOT (b OR c) - d"), "(a -[b|c] -d)");
        for bad in
            ["", "-a", "a OR", "OR a", "(a", "a)", "\"a", "a OR -b", "()", "...", "((((((((((a))))))))))"]
        {
            assert_eq!(read(bad), "nothing", "{bad}");
        }
        assert_eq!(read(&"a ".repeat(65)), "nothing");
    }

    #[test]
    fn chinese_is_sought_as_the_pairs_of_its_characters() {
        assert_eq!(read("高血压"), "高血+血压");
        assert_eq!(read("高血"), "高血");
        assert_eq!(read("血"), "血*");
        assert_eq!(read("\"高血压 病\" 3级"), "(高血+血压+压+病* 3+级*)");
    }
}

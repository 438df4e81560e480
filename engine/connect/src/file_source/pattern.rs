//! A pattern of file names: `*` is any letters, `?` is one.

/// A pattern of file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamePattern(Vec<char>);

impl NamePattern {
    /// Reads a pattern. `None`: it can be the name of no file in one folder.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && !text.starts_with('.') && !text.contains(['/', '\0']);
        fits.then(|| Self(text.chars().collect()))
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut of_name) = (0, 0);
        // Where the last star stood, and how much of the name it has taken.
        let mut star: Option<(usize, usize)> = None;
        while of_name < name.len() {
            match self.0.get(at) {
                Some('*') => {
                    star = Some((at, of_name));
                    at += 1;
                }
                Some(letter) if *letter == '?' || *letter == name[of_name] => {
                    at += 1;
                    of_name += 1;
                }
                _ => match star {
                    Some((star_at, taken)) => {
                        star = Some((star_at, taken + 1));
                        at = star_at + 1;
                        of_name = taken + 1;
                    }
                    None => return false,
                },
            }
        }
        self.0[at..].iter().all(|letter| *letter == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_letters_and_a_question_mark_one() {
        let matches = |pattern: &str, name: &str| NamePattern::parse(pattern).unwrap().matches(name);
        for (pattern, name) in [
            ("*", "a"),
            ("*.hl7", "a.hl7"),
            ("*.hl7", "a.hl7.hl7"),
            ("adt-?.txt", "adt-1.txt"),
            ("a*b*c", "a-b-bc"),
            ("报告*.xml", "报告1.xml"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.hl7", "a.hl7x"), ("adt-?.txt", "adt-.txt"), ("a*b", "ba"), ("a", "A")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert!(NamePattern::parse("a/b").is_none() && NamePattern::parse("").is_none());
    }
}

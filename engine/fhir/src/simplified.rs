//! Traditional Chinese characters are compared as simplified ones.

use std::sync::LazyLock;

/// Sorted by the traditional character. Made by `tables/simplified.py`.
static PAIRS: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    let pair = |line: &str| {
        let mut letters = line.chars();
        Some((letters.next()?, letters.next()?))
    };
    include_str!("../tables/simplified.txt").lines().filter_map(pair).collect()
});

/// The simplified form of a character; itself where it has none.
pub(crate) fn simplified(letter: char) -> char {
    if letter < '\u{3400}' {
        return letter;
    }
    match PAIRS.binary_search_by_key(&letter, |(traditional, _)| *traditional) {
        Ok(at) => PAIRS[at].1,
        Err(_) => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normal::normal;

    #[test]
    fn a_traditional_character_is_compared_as_its_simplified_one() {
        assert_eq!("單張區馬王".chars().map(simplified).collect::<String>(), "单张区马王");
    }

    #[test]
    fn what_is_simplified_is_normal_and_stays_so() {
        assert!(PAIRS.len() > 4_000 && PAIRS.is_sorted());
        for (traditional, simple) in PAIRS.iter() {
            assert_eq!(normal(&traditional.to_string()), simple.to_string());
            assert_eq!(simplified(*simple), *simple);
        }
    }
}

//! The form in which strings are compared: accents, case, spacing and the two ways of writing Chinese aside (R4B §3.1.1.4.8).

use compact_str::CompactString;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::simplified::simplified;

/// As [`as_written`], and in simplified characters.
pub fn normal(text: &str) -> CompactString {
    let written = as_written(text);
    if written.is_ascii() {
        return written;
    }
    written.chars().map(simplified).collect()
}

/// Canonically decomposed, without combining marks, lower case, runs of space as one space, none at the ends. Earlier generations of
/// search rows have this.
pub fn as_written(text: &str) -> CompactString {
    let mut normal = CompactString::with_capacity(text.len());
    if text.is_ascii() {
        fold(text.chars(), &mut normal);
    } else {
        fold(
            text.nfd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase),
            &mut normal,
        );
        // Lower-casing may bring marks of its own (`İ` becomes `i` and a dot).
        normal.retain(|letter| !is_combining_mark(letter));
    }
    normal
}

fn fold(letters: impl Iterator<Item = char>, normal: &mut CompactString) {
    let mut space = false;
    for letter in letters {
        if letter.is_whitespace() {
            space = !normal.is_empty();
            continue;
        }
        if std::mem::take(&mut space) {
            normal.push(' ');
        }
        normal.push(letter.to_ascii_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accents_case_and_spacing_are_set_aside() {
        assert_eq!(normal("  Jos\u{e9}   LU\u{cd}S\t"), "jose luis");
        assert_eq!(normal("\u{130}stanbul"), "istanbul");
        assert_eq!(normal("王\u{3000}小明"), "王 小明");
        assert_eq!(normal(""), "");
        assert_eq!((normal("王小張").as_str(), as_written("王小張").as_str()), ("王小张", "王小張"));
    }

    proptest! {
        #[test]
        fn what_is_normal_stays_so(text in "\\PC{0,24}") {
            let once = normal(&text);
            prop_assert_eq!(normal(&once), once);
        }
    }
}

//! Finds where in JSON text a value stands, for findings: the reader of JSON keeps no places.

use std::ops::Range;

/// One step down.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// The member of this name.
    Name(&'a str),
    /// The item at this place, from 0.
    Item(usize),
}

/// The bytes of the value that the steps lead to; of the last value on the way where they lead nowhere. The text must be JSON.
pub(crate) fn place(text: &str, steps: &[Step<'_>]) -> Range<usize> {
    let mut at = skip_blank(text, 0);
    for step in steps {
        match below(text, at, *step) {
            Some(inner) => at = inner,
            None => break,
        }
    }
    at..end(text, at)
}

/// Where the member or item of the value at `at` begins.
fn below(text: &str, at: usize, step: Step<'_>) -> Option<usize> {
    let is_object = byte(text, at) == Some(b'{');
    if is_object != matches!(step, Step::Name(_)) || !matches!(byte(text, at), Some(b'{' | b'[')) {
        return None;
    }
    let mut next = skip_blank(text, at + 1);
    let mut nth = 0;
    while !matches!(byte(text, next), None | Some(b'}' | b']')) {
        let mut is_meant = matches!(step, Step::Item(wanted) if wanted == nth);
        if is_object {
            let name = next..end(text, next);
            is_meant =
                matches!(step, Step::Name(wanted) if text.get(name.start + 1..name.end - 1) == Some(wanted));
            next = skip_blank(text, skip_blank(text, name.end) + 1); // behind the colon
        }
        if is_meant {
            return Some(next);
        }
        next = skip_blank(text, end(text, next));
        if byte(text, next) == Some(b',') {
            next = skip_blank(text, next + 1);
        }
        nth += 1;
    }
    None
}

/// Where the value at `at` ends.
fn end(text: &str, at: usize) -> usize {
    let mut depth = 0_usize;
    let mut next = at;
    while let Some(letter) = byte(text, next) {
        match letter {
            b'"' => next = end_of_string(text, next),
            b'{' | b'[' => {
                depth += 1;
                next += 1;
            }
            b'}' | b']' if depth == 0 => return next,
            b'}' | b']' => {
                depth -= 1;
                next += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return next,
            _ => {
                next += 1;
                continue;
            }
        }
        if depth == 0 {
            return next;
        }
    }
    next
}

fn end_of_string(text: &str, at: usize) -> usize {
    let mut next = at + 1;
    while let Some(letter) = byte(text, next) {
        match letter {
            b'"' => return next + 1,
            b'\\' => next += 2,
            _ => next += 1,
        }
    }
    next
}

fn skip_blank(text: &str, mut at: usize) -> usize {
    while matches!(byte(text, at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

fn byte(text: &str, at: usize) -> Option<u8> {
    text.as_bytes().get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_where_it_stands() {
        let text = r#" { "a\"}" : [ {"x":"]"}, 12 , {"b":{"c":"d"}} ],"b":true}"#;
        let at = |steps: &[Step<'_>]| &text[place(text, steps)];
        assert_eq!(at(&[Step::Name("b")]), "true");
        assert_eq!(at(&[Step::Name(r#"a\"}"#), Step::Item(1)]), "12");
        assert_eq!(at(&[Step::Name(r#"a\"}"#), Step::Item(0), Step::Name("x")]), r#""]""#);
        let deep = [Step::Name(r#"a\"}"#), Step::Item(2), Step::Name("b"), Step::Name("c")];
        assert_eq!(at(&deep), r#""d""#);
        assert_eq!(at(&[Step::Name("b"), Step::Name("none")]), "true"); // as far as it goes
        assert_eq!(at(&[Step::Item(0)]), text.trim_start());
    }
}

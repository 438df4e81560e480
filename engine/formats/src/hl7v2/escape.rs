//! Escape sequences in values (HL7 v2 §2.7): read lazily, written when an answer needs them.

use std::borrow::Cow;

use super::charset::{Charset, CharsetOrigin};
use super::separators::Separators;

/// More lines or spaces than this in one `\.sp\` or `\.sk\` are not believed.
const MOST_BLANKS: usize = 100;

/// Reads the escape sequences of a value. Borrowed when there are none. Sequences that are not known, `\Z..\` and
/// character sets that we cannot show are kept as they stand; highlighting is dropped.
pub fn unescape<'a>(
    raw: &'a str,
    sign: Option<u8>,
    separators: &Separators,
    charset: Option<Charset>,
) -> Cow<'a, str> {
    let Some(sign) = sign.map(char::from) else { return Cow::Borrowed(raw) };
    let Some(first) = raw.find(sign) else { return Cow::Borrowed(raw) };
    let mut text = String::with_capacity(raw.len());
    text.push_str(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(at) = rest.find(sign) {
        text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(length) = after.find(sign) else {
            rest = &rest[at..];
            break;
        };
        let word = &after[..length];
        let behind = &after[length + 1..];
        if let Some(read) = super::escape_sets::run(word, behind, sign, &mut text) {
            rest = &behind[read..];
        } else if one(word, separators, charset, &mut text) {
            rest = behind;
        } else {
            // The second sign may begin a sequence of its own: `C:\dir\T\x`.
            text.push(sign);
            text.push_str(word);
            rest = &after[length..];
            let lone = word.is_empty() || !rest[1..].contains(sign);
            if lone {
                text.push(sign);
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// Adds what one sequence means. `false`: it means nothing.
fn one(word: &str, separators: &Separators, charset: Option<Charset>, text: &mut String) -> bool {
    let mut put = |sign: Option<u8>| match sign {
        Some(sign) => {
            text.push(char::from(sign));
            true
        }
        None => false,
    };
    match word {
        "F" => put(Some(separators.field)),
        "S" => put(Some(separators.component)),
        "T" => put(Some(separators.subcomponent.unwrap_or(b'&'))),
        "R" => put(Some(separators.repetition.unwrap_or(b'~'))),
        "E" => put(separators.escape),
        "P" => put(Some(separators.truncation.unwrap_or(b'#'))),
        "H" | "N" => true,
        _ => match word.as_bytes().first() {
            Some(b'X') => hex(&word[1..], charset, text),
            Some(b'.') => format(&word[1..], text),
            _ => false,
        },
    }
}

fn hex(digits: &str, charset: Option<Charset>, text: &mut String) -> bool {
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let high = char::from(*pair.first()?).to_digit(16)?;
        let low = char::from(*pair.get(1)?).to_digit(16)?;
        Some((high * 16 + low) as u8)
    });
    let Some(bytes) = pairs.collect::<Option<Vec<u8>>>() else { return false };
    match charset.unwrap_or(Charset::Utf8).decode(&bytes, CharsetOrigin::Declared) {
        Ok(decoded) => text.push_str(&decoded),
        // A control character that the charset keeps for itself, alone: ESC of ISO 2022.
        Err(_) if bytes.is_ascii() => text.extend(bytes.iter().copied().map(char::from)),
        Err(_) => return false,
    }
    true
}

/// Formatting commands (§2.7.7): lines stay lines, blanks stay blanks, indents are dropped.
fn format(command: &str, text: &mut String) -> bool {
    // The second byte may stand within a character of another script: then it is no command.
    let Some((name, number)) = command.split_at_checked(2) else { return false };
    let count = number.trim_start_matches('+').parse::<usize>();
    let blanks = |sign: char, text: &mut String| match (&count, number) {
        (_, "") => {
            text.push(sign);
            true
        }
        (Ok(count), _) if *count <= MOST_BLANKS => {
            text.extend(std::iter::repeat_n(sign, *count));
            true
        }
        _ => false,
    };
    match name {
        "br" if number.is_empty() => {
            text.push('\n');
            true
        }
        "sp" => blanks('\n', text),
        "sk" => blanks(' ', text),
        "ce" if number.is_empty() => {
            text.push('\n');
            true
        }
        "fi" | "nf" => number.is_empty(),
        "in" | "ti" => number.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

/// Writes a value so that [`unescape`] gives it back: separators by their letters, line feeds as `\.br\`, other control
/// characters as `\X..\`. Without an escape character they become blanks.
pub fn escape<'a>(text: &'a str, separators: &Separators) -> Cow<'a, str> {
    if is_plain(text, separators) {
        return Cow::Borrowed(text);
    }
    let Some(sign) = separators.escape.map(char::from) else {
        let blank = |c: char| if special(c, separators).is_some() { ' ' } else { c };
        return Cow::Owned(text.chars().map(blank).collect());
    };
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let Some(word) = special(c, separators) else {
            escaped.push(c);
            continue;
        };
        escaped.push(sign);
        match word {
            Special::Word(word) => escaped.push_str(word),
            Special::Hex(13) if rest.next_if_eq(&'\n').is_some() => escaped.push_str("X0D0A"),
            Special::Hex(byte) => {
                let digit = |half: u8| char::from(b"0123456789ABCDEF"[usize::from(half & 0xF)]);
                escaped.extend(['X', digit(byte >> 4), digit(byte)]);
            }
        }
        escaped.push(sign);
    }
    Cow::Owned(escaped)
}

/// Whether a value needs no escape sequence.
pub(crate) fn is_plain(text: &str, separators: &Separators) -> bool {
    text.bytes().all(|byte| !byte.is_ascii_control() && !separators.has(byte))
}

enum Special {
    Word(&'static str),
    Hex(u8),
}

fn special(c: char, separators: &Separators) -> Option<Special> {
    let is = |sign: Option<u8>| sign.map(char::from) == Some(c);
    Some(Special::Word(match c {
        // As a separator a dot would cut `\.br\` in two.
        '\n' if !separators.has(b'.') => ".br",
        c if c.is_ascii_control() => return Some(Special::Hex(c as u8)),
        _ if is(Some(separators.field)) => "F",
        _ if is(Some(separators.component)) => "S",
        _ if is(separators.subcomponent) => "T",
        _ if is(separators.repetition) => "R",
        _ if is(separators.escape) => "E",
        _ if is(separators.truncation) => "P",
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> String {
        let separators = Separators::default();
        unescape(raw, separators.escape, &separators, None).into_owned()
    }

    #[test]
    fn separators_lines_and_hex_are_read() {
        assert_eq!(read(r"a\F\b\S\c\T\d\R\e\E\f\P\g"), r"a|b^c&d~e\f#g");
        assert_eq!(read(r"one\.br\two\.sp2\three\.sk3\x"), "one\ntwo\n\nthree   x");
        assert_eq!(read(r"\XE5BCA0\"), "张");
        assert_eq!(read(r"\H\bold\N\ plain"), "bold plain");
        assert_eq!(read(r"\.in+4\indented\.ti-2\ \.nf\\.fi\"), "indented ");
    }

    #[test]
    fn what_is_not_known_is_kept_as_it_stands() {
        for kept in [
            r"C:\dir\file",
            r"\Zcustom\",
            r"\XZZ\",
            r"\XFF\",
            r"\C2D41\",
            r"half \F",
            r"\",
            r"\\",
            r"\.sp9999999\",
            r"\.一\",
            r"\.一二\",
            r"\.b\",
            r"\X一\",
        ] {
            assert_eq!(read(kept), kept);
        }
        assert_eq!(read(r"C:\dir\T\x"), r"C:\dir&x");
    }

    #[test]
    fn hex_is_in_the_messages_charset() {
        let separators = Separators::default();
        let text = unescape(r"\XD5C5\", separators.escape, &separators, Some(Charset::Gb18030));
        assert_eq!(text, "张");
    }

    #[test]
    fn a_value_without_a_sequence_is_borrowed() {
        let separators = Separators::default();
        assert!(matches!(unescape("plain", separators.escape, &separators, None), Cow::Borrowed("plain")));
    }

    #[test]
    fn without_an_escape_character_separators_become_blanks() {
        let separators = Separators { escape: None, ..Separators::default() };
        assert_eq!(escape("a|b", &separators), "a b");
    }
}

//! Reads the attributes of a start tag, strictly, each with its place.

use super::names::is_char;

/// An attribute as it stands in a tag.
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    /// Between the quotes.
    pub(super) value: &'a str,
    /// Where its name begins in what was given.
    pub(super) at: usize,
}

/// The attributes in what follows a tag's name.
pub(super) struct Attributes<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) -> bool {
        let space = self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.at += space;
        space > 0
    }

    /// The next one. The error is where it is wrong, and how.
    pub(super) fn next(&mut self) -> Result<Option<Attribute<'a>>, (usize, &'static str)> {
        let spaced = self.skip_space();
        if self.rest().is_empty() {
            return Ok(None);
        }
        if !spaced {
            return Err((self.at, "expected a space before an attribute"));
        }
        let at = self.at;
        let length =
            self.rest().find(['=', ' ', '\t', '\r', '\n', '"', '\'', '<']).unwrap_or(self.rest().len());
        let name = &self.rest()[..length];
        self.at += length;
        self.skip_space();
        if !self.rest().starts_with('=') {
            return Err((self.at, "expected `=` and a value in quotes after the name of an attribute"));
        }
        self.at += 1;
        self.skip_space();
        let Some(quote) = self.rest().chars().next().filter(|quote| matches!(quote, '"' | '\'')) else {
            return Err((self.at, "expected the value of an attribute in quotes"));
        };
        self.at += 1;
        let Some(length) = self.rest().find(quote) else {
            return Err((self.at, "expected the end of the value of an attribute"));
        };
        let value = &self.rest()[..length];
        if let Some(wrong) = value.find('<') {
            return Err((self.at + wrong, "`<` stands in the value of an attribute"));
        }
        self.at += length + 1;
        Ok(Some(Attribute { name, value, at }))
    }
}

/// Adds an attribute's value to `out`: references resolved, line ends and tabs as blanks. The error is where a reference is wrong.
pub(super) fn push_value(value: &str, out: &mut String) -> Result<(), (usize, &'static str)> {
    if !value.bytes().any(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r')) {
        out.push_str(value);
        return Ok(());
    }
    let mut at = 0;
    while let Some(letter) = value[at..].chars().next() {
        match letter {
            '&' => {
                let Some(length) = value[at..].find(';') else {
                    return Err((at, "expected `;` after `&` and a name"));
                };
                out.push(resolve(&value[at + 1..at + length]).map_err(|what| (at, what))?);
                at += length + 1;
            }
            '\r' if value[at..].starts_with("\r\n") => at += 1,
            '\t' | '\n' | '\r' => {
                out.push(' ');
                at += 1;
            }
            letter => {
                out.push(letter);
                at += letter.len_utf8();
            }
        }
    }
    Ok(())
}

/// The character that a reference stands for.
pub(super) fn resolve(reference: &str) -> Result<char, &'static str> {
    let number = match reference.as_bytes() {
        b"lt" => return Ok('<'),
        b"gt" => return Ok('>'),
        b"amp" => return Ok('&'),
        b"apos" => return Ok('\''),
        b"quot" => return Ok('"'),
        [b'#', b'x', digits @ ..] if digits.iter().all(u8::is_ascii_hexdigit) => {
            u32::from_str_radix(&reference[2..], 16).ok()
        }
        [b'#', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => reference[1..].parse().ok(),
        _ => return Err("an entity other than lt, gt, amp, apos and quot: none is expanded"),
    };
    number
        .and_then(char::from_u32)
        .filter(|letter| is_char(*letter))
        .ok_or("a reference to no character of XML")
}

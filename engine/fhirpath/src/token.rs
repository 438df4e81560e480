//! Cuts FHIRPath text into tokens (FHIRPath N1, "Lexical Elements").

use crate::error::SyntaxError;

/// One token and where it begins, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) at: usize,
    pub(crate) kind: TokenKind,
}

/// Sorts of tokens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A plain name or a keyword: `name`, `and`.
    Word(String),
    /// `` `div` ``
    Delimited(String),
    /// `'text'`, unescaped.
    Text(String),
    /// `12`, `1.50`
    Number(String),
    /// What follows `@`: `2026-11`, `2026-11-26T08:30`, `T08:30`.
    Moment(String),
    /// `%` before a name or text.
    Percent,
    /// `$this`, `$index`, `$total`, without the `$`.
    Dollar(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// Longer signs before their beginnings.
const SIGNS: [&str; 22] = [
    "<=", ">=", "!=", "!~", "(", ")", "[", "]", "{", "}", ".", ",", "+", "-", "*", "/", "&", "|", "<", ">",
    "=", "~",
];

/// The place of byte `at`, in characters from 1.
pub(crate) fn character(text: &str, at: usize) -> usize {
    text.get(..at).map_or(1, |front| front.chars().count() + 1)
}

pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut found = Vec::new();
    loop {
        lexer.skip_space()?;
        let at = lexer.at;
        let kind = lexer.next()?;
        let is_end = kind == TokenKind::End;
        found.push(Token { at, kind });
        if is_end {
            return Ok(found);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn error(&self, at: usize, what: impl Into<String>) -> SyntaxError {
        SyntaxError { at: character(self.text, at), what: what.into() }
    }

    /// White space, `// to the end of the line` and `/* .. */`.
    fn skip_space(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find(['\n', '\r']).unwrap_or(trimmed.len());
            } else if let Some(inner) = trimmed.strip_prefix("/*") {
                let Some(end) = inner.find("*/") else {
                    return Err(self.error(self.at, "expected `*/` at the end of the comment"));
                };
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<TokenKind, SyntaxError> {
        let Some(first) = self.rest().chars().next() else { return Ok(TokenKind::End) };
        match first {
            '\'' | '"' => self.quoted(first).map(TokenKind::Text),
            '`' => self.quoted(first).map(TokenKind::Delimited),
            '%' => {
                self.at += 1;
                Ok(TokenKind::Percent)
            }
            '$' => {
                self.at += 1;
                Ok(TokenKind::Dollar(self.take(|letter| letter.is_ascii_alphabetic()).to_owned()))
            }
            '@' => {
                self.at += 1;
                Ok(TokenKind::Moment(self.moment().to_owned()))
            }
            '0'..='9' => Ok(TokenKind::Number(self.number().to_owned())),
            'A'..='Z' | 'a'..='z' | '_' => Ok(TokenKind::Word(
                self.take(|letter| letter.is_ascii_alphanumeric() || letter == '_').to_owned(),
            )),
            _ => match SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
                Some(sign) => {
                    self.at += sign.len();
                    Ok(TokenKind::Sign(sign))
                }
                None => Err(self.error(self.at, "expected a name, a literal or an operator")),
            },
        }
    }

    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|letter| !fits(letter)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Digits, with a fraction when a digit follows the point: `1.name` is a path.
    fn number(&mut self) -> &'t str {
        let start = self.at;
        self.take(|letter| letter.is_ascii_digit());
        let mut ahead = self.rest().bytes();
        if ahead.next() == Some(b'.') && ahead.next().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
            self.take(|letter| letter.is_ascii_digit());
        }
        &self.text[start..self.at]
    }

    /// A date, a time or both: a point belongs to it only between digits of the seconds.
    fn moment(&mut self) -> &'t str {
        let start = self.at;
        let has_time = |so_far: &str| so_far.contains('T');
        loop {
            let bytes = self.rest().as_bytes();
            let so_far = &self.text[start..self.at];
            let next_is_digit = bytes.get(1).is_some_and(u8::is_ascii_digit);
            let belongs = match bytes.first() {
                Some(byte) if byte.is_ascii_digit() => true,
                Some(b'T') => !has_time(so_far),
                Some(b':') => has_time(so_far) && next_is_digit,
                Some(b'-') => next_is_digit,
                Some(b'+' | b'.') => has_time(so_far) && next_is_digit,
                Some(b'Z') => has_time(so_far),
                _ => false,
            };
            if !belongs {
                return so_far;
            }
            self.at += 1;
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(letter) = self.rest().chars().next() else {
                return Err(self.error(start, format!("expected {quote} at the end of the text")));
            };
            self.at += letter.len_utf8();
            match letter {
                _ if letter == quote => return Ok(text),
                '\\' => text.push(self.escaped()?),
                _ => text.push(letter),
            }
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self) -> Result<char, SyntaxError> {
        let at = self.at;
        let letter = self.rest().chars().next();
        let meant = match letter {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('f') => '\u{c}',
            Some(same @ ('\\' | '/' | '\'' | '"' | '`')) => same,
            Some('u') => {
                self.at += 1;
                return self.unicode(at);
            }
            _ => {
                let expected = "expected one of ' \" ` \\ / f n r t u behind a backslash";
                return Err(self.error(at, expected));
            }
        };
        self.at += 1;
        Ok(meant)
    }

    /// Four hexadecimal digits; two such escapes for a character beyond the basic plane.
    fn unicode(&mut self, at: usize) -> Result<char, SyntaxError> {
        let expected = "expected four hexadecimal digits of a character behind \\u";
        let first = self.hex().ok_or_else(|| self.error(at, expected))?;
        if let Some(letter) = char::from_u32(first) {
            return Ok(letter);
        }
        let second = self.rest().strip_prefix("\\u").and_then(|_| {
            self.at += 2;
            self.hex()
        });
        second
            .filter(|low| (0xD800..0xDC00).contains(&first) && (0xDC00..0xE000).contains(low))
            .and_then(|low| char::from_u32(0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00)))
            .ok_or_else(|| self.error(at, expected))
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4)?;
        let value =
            digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        value.flatten()
    }
}

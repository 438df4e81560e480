//! Reads the text of a condition.
//!
//! ```text
//! or    = and ("or" and)*
//! and   = not ("and" not)*
//! not   = "not" not | "(" or ")" | ["all"] PATH test
//! test  = "=" TEXT | "!=" TEXT | ["not"] "in" "[" TEXT ("," TEXT)* "]" | "is" ["not"] ("valued" | "null") | "matches" TEXT
//! ```

use compact_str::CompactString;
use hub_core::path::Path;
use regex::RegexBuilder;
use thiserror::Error;

use crate::condition::{Is, Test};

/// Parentheses and `not`s may stand so deep in one another.
const MOST_DEPTH: usize = 32;
/// A compiled regex may be so large, in bytes.
const MOST_REGEX: usize = 1 << 20;

/// A condition that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the condition cannot be read at column {column}: {what}")]
pub struct ConditionError {
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there and what was expected.
    pub what: String,
}

impl ConditionError {
    /// What conditions look like, for whoever has to mend one.
    pub const HELP: &'static str = "a condition looks like `PID-8 = \"M\"`, `OBX-8 in [\"H\", \"L\"]`, `PID-29 is valued`; `and`, `or`, `not` join them";
}

pub(crate) fn parse(text: &str) -> Result<Test, ConditionError> {
    let mut parser = Parser { text, at: 0 };
    let test = parser.or(0)?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.error("expected `and`, `or` or the end"));
    }
    Ok(test)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn error(&self, what: impl Into<String>) -> ConditionError {
        self.error_at(self.at, what)
    }

    fn error_at(&self, at: usize, what: impl Into<String>) -> ConditionError {
        ConditionError { column: self.text[..at].chars().count() + 1, what: what.into() }
    }

    /// Takes a sign: `(`, `=`.
    fn sign(&mut self, sign: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    /// Takes a whole word: `and`, `is`.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        let Some(after) = self.rest().strip_prefix(word) else { return false };
        let ends = !after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if ends {
            self.at += word.len();
        }
        ends
    }

    fn or(&mut self, depth: usize) -> Result<Test, ConditionError> {
        let mut tests = vec![self.and(depth)?];
        while self.word("or") {
            tests.push(self.and(depth)?);
        }
        Ok(if tests.len() == 1 { tests.remove(0) } else { Test::Or(tests) })
    }

    fn and(&mut self, depth: usize) -> Result<Test, ConditionError> {
        let mut tests = vec![self.not(depth)?];
        while self.word("and") {
            tests.push(self.not(depth)?);
        }
        Ok(if tests.len() == 1 { tests.remove(0) } else { Test::And(tests) })
    }

    fn not(&mut self, depth: usize) -> Result<Test, ConditionError> {
        if depth > MOST_DEPTH {
            return Err(self.error(format!("more than {MOST_DEPTH} levels of parentheses")));
        }
        if self.word("not") {
            return Ok(Test::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.sign("(") {
            let test = self.or(depth + 1)?;
            if !self.sign(")") {
                return Err(self.error("expected `)`"));
            }
            return Ok(test);
        }
        let all = self.word("all");
        let path = self.path()?;
        let is = self.is()?;
        Ok(Test::Value { path, all, is })
    }

    fn path(&mut self) -> Result<Path, ConditionError> {
        self.space();
        let start = self.at;
        let mut in_brackets = false;
        let end = self.rest().find(|c: char| match c {
            '[' => {
                in_brackets = true;
                false
            }
            ']' => {
                in_brackets = false;
                false
            }
            _ => !in_brackets && (c.is_whitespace() || matches!(c, '=' | '!' | '<' | '>' | ',')),
        });
        let mut text = &self.rest()[..end.unwrap_or(self.rest().len())];
        // `(PID-8 is valued)`: a closing parenthesis that was not opened within the path ends it.
        while text.ends_with(')') && text.matches(')').count() > text.matches('(').count() {
            text = &text[..text.len() - 1];
        }
        if text.is_empty() {
            return Err(self.error("expected a path"));
        }
        let path = Path::parse(text).map_err(|error| ConditionError {
            column: self.text[..start].chars().count() + error.column,
            what: error.to_string(),
        })?;
        self.at = start + text.len();
        Ok(path)
    }

    fn is(&mut self) -> Result<Is, ConditionError> {
        if self.sign("!=") {
            return Ok(Is::NoneOf(vec![self.quoted()?]));
        }
        if self.sign("=") {
            if self.rest().starts_with('=') {
                return Err(self.error("equality is written with one `=`"));
            }
            return Ok(Is::OneOf(vec![self.quoted()?]));
        }
        if self.word("in") {
            return self.list().map(Is::OneOf);
        }
        if self.word("not") {
            if !self.word("in") {
                return Err(self.error("expected `in`"));
            }
            return self.list().map(Is::NoneOf);
        }
        if self.word("is") {
            let not = self.word("not");
            if self.word("valued") {
                return Ok(if not { Is::NotValued } else { Is::Valued });
            }
            if !not && self.word("null") {
                return Ok(Is::Null);
            }
            return Err(self.error("expected `valued`, `not valued` or `null`"));
        }
        if self.word("matches") {
            self.space();
            let start = self.at;
            let pattern = self.quoted()?;
            let whole = format!("^(?:{pattern})$");
            let regex = RegexBuilder::new(&whole).size_limit(MOST_REGEX).build();
            return regex.map(Is::Matches).map_err(|_| {
                self.error_at(start, format!("`{pattern}` is not a regular expression of the `regex` crate"))
            });
        }
        Err(self.error("expected `=`, `!=`, `in`, `not in`, `is` or `matches`"))
    }

    fn list(&mut self) -> Result<Vec<CompactString>, ConditionError> {
        if !self.sign("[") {
            return Err(self.error("expected `[`"));
        }
        let mut values = Vec::new();
        loop {
            if self.sign("]") {
                break;
            }
            values.push(self.quoted()?);
            if !self.sign(",") && !self.rest().trim_start().starts_with(']') {
                return Err(self.error("expected `,` or `]`"));
            }
        }
        if values.is_empty() { Err(self.error("the list is empty")) } else { Ok(values) }
    }

    fn quoted(&mut self) -> Result<CompactString, ConditionError> {
        self.space();
        let quote = match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => quote,
            _ => return Err(self.error("expected a value in quotes")),
        };
        let inner = &self.rest()[1..];
        let Some(length) = inner.find(quote) else {
            return Err(self.error("the quote is not closed"));
        };
        self.at += length + 2;
        Ok(inner[..length].into())
    }
}

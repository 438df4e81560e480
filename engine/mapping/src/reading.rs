//! Reads TOML with the place of every key and value, and collects what is wrong with it.

use std::cell::RefCell;
use std::ops::Range;

use hub_core::finding::{Finding, FindingKind, nearest};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::files::FileText;
use crate::keys::Key;

/// Bytes of a file, from the first to the one after the last.
pub(crate) type Span = Range<usize>;

/// What is wrong with the files read so far.
#[derive(Default)]
pub(crate) struct Log(RefCell<Vec<Finding>>);

impl Log {
    pub(crate) fn push(&self, finding: Finding) {
        self.0.borrow_mut().push(finding);
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.0.into_inner()
    }
}

/// One file being read.
#[derive(Clone, Copy)]
pub(crate) struct Sheet<'a> {
    pub(crate) file: &'a FileText,
    /// Its place in the plan's list of files.
    pub(crate) number: u16,
    pub(crate) log: &'a Log,
}

impl<'a> Sheet<'a> {
    /// Parses the file. Everything TOML itself forbids is found here.
    pub(crate) fn parse(&self) -> Option<Spanned<DeTable<'a>>> {
        if self.file.text.trim().is_empty() {
            let message = "the file is empty";
            self.log.push(Finding::of_file(FindingKind::Unreadable, &self.file.path, message));
            return None;
        }
        match DeTable::parse(&self.file.text) {
            Ok(table) => Some(table),
            Err(error) => {
                let text = &self.file.text;
                self.log.push(Finding::not_toml(&self.file.path, text, error.span(), error.message()));
                None
            }
        }
    }

    pub(crate) fn finding(&self, kind: FindingKind, span: Span, message: impl Into<String>) -> Finding {
        Finding::at(kind, &self.file.path, &self.file.text, span, message)
    }

    pub(crate) fn find(&self, kind: FindingKind, span: Span, message: impl Into<String>) {
        self.log.push(self.finding(kind, span, message));
    }

    /// The same with a word of help, where there is one.
    pub(crate) fn find_help(
        &self,
        kind: FindingKind,
        span: Span,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let finding = self.finding(kind, span, message);
        self.log.push(match help {
            Some(help) => finding.help(help),
            None => finding,
        });
    }

    /// The line a byte stands in, from 1.
    pub(crate) fn line(&self, span: &Span) -> u32 {
        let before = self.file.text.get(..span.start).unwrap_or(&self.file.text);
        u32::try_from(before.matches('\n').count() + 1).unwrap_or(u32::MAX)
    }
}

/// Text a person wrote, and where.
#[derive(Clone)]
pub(crate) struct Word<'t> {
    pub(crate) text: &'t str,
    pub(crate) span: Span,
}

impl Word<'_> {
    /// The place of a character within the quotes: `column` counts from 1.
    pub(crate) fn inside(&self, column: usize) -> Span {
        let offset: usize = self.text.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
        let start = (self.span.start + 1 + offset).min(self.span.end.saturating_sub(1));
        start..self.span.end
    }
}

/// One table of a file.
#[derive(Clone)]
pub(crate) struct Table<'t, 'i> {
    pub(crate) sheet: Sheet<'t>,
    pub(crate) inner: &'t DeTable<'i>,
    pub(crate) span: Span,
}

impl<'t, 'i> Table<'t, 'i> {
    pub(crate) fn value(&self, key: &str) -> Option<&'t Spanned<DeValue<'i>>> {
        self.inner.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Where the key itself stands; the table when it is not there.
    pub(crate) fn key_span(&self, key: &str) -> Span {
        let found = self.inner.keys().find(|name| name.get_ref() == key);
        found.map_or(self.span.clone(), |name| name.span())
    }

    /// Every key and value.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Word<'t>, &'t Spanned<DeValue<'i>>)> {
        self.inner.iter().map(|(key, value)| (Word { text: key.get_ref(), span: key.span() }, value))
    }

    /// Refuses keys that are not in a list of them.
    pub(crate) fn only_keys(&self, known: &[Key]) {
        self.only(&crate::keys::names(known));
    }

    /// Refuses keys that are not in `known`.
    pub(crate) fn only(&self, known: &[&str]) {
        for key in self.inner.keys() {
            let word = key.get_ref();
            if known.contains(&word.as_ref()) {
                continue;
            }
            let help = match nearest(word, known.iter().copied()) {
                Some(right) => format!("did you mean `{right}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let message = format!("unknown key `{word}`");
            self.sheet.find_help(FindingKind::UnknownKey, key.span(), message, Some(help));
        }
    }

    pub(crate) fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let message = format!("`{key}` must be {expected}");
        self.sheet.find(FindingKind::WrongType, value.span(), message);
    }

    pub(crate) fn text(&self, key: &str) -> Option<Word<'t>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Word { text, span: value.span() }),
            _ => {
                self.wrong(key, value, "a string");
                None
            }
        }
    }

    /// The same, and a finding when the key is missing.
    pub(crate) fn must_text(&self, key: &str, help: &str) -> Option<Word<'t>> {
        if self.has(key) {
            return self.text(key);
        }
        self.missing(key, help);
        None
    }

    pub(crate) fn missing(&self, key: &str, help: &str) {
        let message = format!("the key `{key}` is missing");
        self.sheet.find_help(FindingKind::MissingKey, self.span.clone(), message, Some(help.to_owned()));
    }

    pub(crate) fn integer(&self, key: &str) -> Option<(i64, Span)> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => {
                number.as_str().parse().ok().map(|number| (number, value.span()))
            }
            _ => {
                self.wrong(key, value, "a whole number");
                None
            }
        }
    }

    pub(crate) fn boolean(&self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(truth) => Some(*truth),
            _ => {
                self.wrong(key, value, "true or false");
                None
            }
        }
    }

    pub(crate) fn table(&self, key: &str) -> Option<Table<'t, 'i>> {
        let value = self.value(key)?;
        let table = self.as_table(value);
        if table.is_none() {
            self.wrong(key, value, "a table");
        }
        table
    }

    pub(crate) fn as_table(&self, value: &'t Spanned<DeValue<'i>>) -> Option<Table<'t, 'i>> {
        match value.get_ref() {
            DeValue::Table(inner) => Some(Table { sheet: self.sheet, inner, span: value.span() }),
            _ => None,
        }
    }

    /// Every table of an array of tables.
    pub(crate) fn tables(&self, key: &str) -> Vec<Table<'t, 'i>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, value, &format!("written as `[[{key}]]`"));
            return Vec::new();
        };
        let tables = items.iter().filter_map(|item| {
            let table = self.as_table(item);
            if table.is_none() {
                self.wrong(key, item, "a table");
            }
            table
        });
        tables.collect()
    }

    /// Every string of an array of strings.
    pub(crate) fn texts(&self, key: &str) -> Vec<Word<'t>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, value, "a list of strings");
            return Vec::new();
        };
        let words = items.iter().filter_map(|item| match item.get_ref() {
            DeValue::String(text) => Some(Word { text, span: item.span() }),
            _ => {
                self.wrong(key, item, "a list of strings");
                None
            }
        });
        words.collect()
    }
}

/// `did you mean ...?`, or a list of what is known when nothing is near.
pub(crate) fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(right) = nearest(word, known.clone()) {
        return Some(format!("did you mean `{right}`?"));
    }
    let all: Vec<&str> = known.into_iter().collect();
    let short_enough = !all.is_empty() && all.len() <= 24;
    short_enough.then(|| format!("known here: {}", all.join(", ")))
}

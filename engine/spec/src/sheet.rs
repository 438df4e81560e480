//! One TOML file with the places of everything in it: what is read is known by its span, so each finding has its line.

use std::ops::Range;
use std::path::PathBuf;

use hub_core::finding::{Finding, FindingKind, nearest};
use hub_core::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::keys::{KEYS, Need, Takes, heading, keys_of};

/// A byte range of the file.
pub(crate) type Span = Range<usize>;

/// Something read, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    /// What.
    pub value: T,
    /// Where.
    pub span: Span,
}

/// A file under reading, and what was found wrong with it so far.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    /// The file, relative to the project's root.
    pub file: PathBuf,
    /// Its whole text.
    pub text: String,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Sheet {
    /// A file not looked at yet.
    pub fn new(file: PathBuf, text: String) -> Self {
        Self { file, text, findings: Vec::new() }
    }

    /// Notes what is wrong at `span`.
    pub fn report(&mut self, kind: FindingKind, span: &Span, message: impl Into<String>) {
        let finding = Finding::at(kind, &self.file, &self.text, span.clone(), message);
        self.findings.push(finding);
    }

    /// The same, with a word of help.
    pub fn report_with(
        &mut self,
        kind: FindingKind,
        span: &Span,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.report(kind, span, message);
        if let Some(finding) = self.findings.last_mut() {
            finding.help = help;
        }
    }

    /// Where the `column`th character (from 1) of the string at `span` stands, when the file has the string letter by
    /// letter; otherwise where the string stands.
    pub fn within(&self, string: &At<String>, column: usize) -> Span {
        let start = string.span.start;
        let opened = self.text.get(start + 1..).is_some_and(|rest| rest.starts_with(&string.value));
        let offset = string
            .value
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(string.value.len(), |(at, _)| at);
        if opened { start + 1 + offset..string.span.end } else { string.span.clone() }
    }

    /// The line, from 1, of a byte of the file.
    pub fn line(&self, at: usize) -> usize {
        self.text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
    }
}

/// One table of a file, by the name that [`KEYS`] gives it.
pub(crate) struct Section<'a> {
    table: &'a DeTable<'a>,
    span: Span,
    name: &'static str,
}

impl<'a> Section<'a> {
    /// The table `name`, all of whose keys are known and none of whose needed keys is missing; what is not so is noted.
    pub fn check(sheet: &mut Sheet, name: &'static str, span: Span, table: &'a DeTable<'a>) -> Self {
        let mut misspelt = Vec::new();
        for key in table.keys() {
            let word: &str = key.get_ref();
            if keys_of(name).any(|info| info.key == word) {
                continue;
            }
            let missing = keys_of(name).map(|info| info.key).filter(|known| table.get(*known).is_none());
            let near = nearest(word, missing);
            misspelt.extend(near);
            let elsewhere = KEYS.iter().find(|info| info.key == word && !info.table.is_empty());
            let help = match (near, elsewhere) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, Some(info)) => format!("`{word}` belongs in {}", heading(info.table)),
                (None, None) => {
                    let known: Vec<_> = keys_of(name).map(|info| info.key).collect();
                    format!("there may be {}", known.join(", "))
                }
            };
            let message = match name {
                "" => format!("unknown key `{word}`"),
                _ => format!("unknown key `{word}` in {}", heading(name)),
            };
            sheet.report_with(FindingKind::UnknownKey, &key.span(), message, Some(help));
        }
        let section = Self { table, span, name };
        for info in keys_of(name).filter(|info| info.need == Need::Required) {
            // A channel without a test has a finding of its own kind, a misspelt key has had its own.
            let is_told = (name.is_empty() && info.key == "test") || misspelt.contains(&info.key);
            if section.find(info.key).is_none() && !is_told {
                let message = match name {
                    "" => format!("the file lacks `{}`", info.key),
                    _ => format!("{} lacks `{}`", heading(name), info.key),
                };
                let help = Some(format!("for example: {}", info.example));
                sheet.report_with(FindingKind::MissingKey, &section.span, message, help);
            }
        }
        section
    }

    /// Where the table stands.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The value of a key as it is.
    pub fn find(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.iter().find(|(known, _)| known.get_ref() == key).map(|(_, value)| value)
    }

    /// A string.
    pub fn text(&self, sheet: &mut Sheet, key: &str) -> Option<At<String>> {
        let value = self.find(key)?;
        match string(value) {
            Some(text) => Some(text),
            None => {
                self.wrong_type(sheet, key, value, "a string");
                None
            }
        }
    }

    /// A whole number from `least` to `most`.
    pub fn number(&self, sheet: &mut Sheet, key: &str, least: u64, most: u64) -> Option<At<u64>> {
        self.told(key, |takes| matches!(takes, Takes::Number(from, to) if (from, to) == (least, most)));
        let value = self.find(key)?;
        let number = value.get_ref().as_integer();
        let number = number.and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Some(At { value: number, span: value.span() }),
            None => {
                self.wrong_type(sheet, key, value, &format!("a whole number from {least} to {most}"));
                None
            }
        }
    }

    /// A list of strings; those items that are none are noted and left out.
    pub fn texts(&self, sheet: &mut Sheet, key: &str) -> Option<At<Vec<At<String>>>> {
        let value = self.find(key)?;
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(sheet, key, value, "a list of strings");
            return None;
        };
        let mut texts = Vec::new();
        for item in array.iter() {
            match string(item) {
                Some(text) => texts.push(text),
                None => self.wrong_type(sheet, key, item, "a list of strings"),
            }
        }
        Some(At { value: texts, span: value.span() })
    }

    /// One of a few words.
    pub fn word(&self, sheet: &mut Sheet, key: &str, words: &[&str]) -> Option<At<String>> {
        self.told(key, |takes| matches!(takes, Takes::Words(known) if known == words));
        let text = self.text(sheet, key)?;
        if words.contains(&text.value.as_str()) {
            return Some(text);
        }
        let known: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
        let message = format!("`{key}` cannot be `{}`: it is one of {}", text.value, known.join(", "));
        let help = nearest(&text.value, words.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        sheet.report_with(FindingKind::WrongType, &text.span, message, help);
        None
    }

    /// A path.
    pub fn path(&self, sheet: &mut Sheet, key: &str) -> Option<At<Path>> {
        let text = self.text(sheet, key)?;
        Some(At { value: read_path(sheet, &text)?, span: text.span })
    }

    /// A table within, whose keys are checked against `name`.
    pub fn section(&self, sheet: &mut Sheet, key: &str, name: &'static str) -> Option<Section<'a>> {
        let (table, span) = self.table(sheet, key)?;
        Some(Section::check(sheet, name, span, table))
    }

    /// A table within, whose keys are free.
    pub fn table(&self, sheet: &mut Sheet, key: &str) -> Option<(&'a DeTable<'a>, Span)> {
        let value = self.find(key)?;
        match value.get_ref().as_table() {
            Some(table) => Some((table, value.span())),
            None => {
                self.wrong_type(sheet, key, value, "a table");
                None
            }
        }
    }

    /// The tables of a `[[key]]`, whose keys are checked against `key` itself.
    pub fn sections(&self, sheet: &mut Sheet, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.find(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            let message = format!("`{key}` is written `[[{key}]]`, once for each");
            sheet.report(FindingKind::WrongType, &value.span(), message);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_table() {
                Some(table) => sections.push(Section::check(sheet, key, item.span(), table)),
                None => self.wrong_type(sheet, key, item, "a list of tables"),
            }
        }
        sections
    }

    /// Holds the reader to what [`KEYS`] says of a key; found by every test that reads a file.
    fn told(&self, key: &str, fits: impl Fn(Takes) -> bool) {
        let info = keys_of(self.name).find(|info| info.key == key);
        debug_assert!(info.is_none_or(|info| fits(info.takes)), "KEYS says otherwise of `{key}`");
    }

    fn wrong_type(&self, sheet: &mut Sheet, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let message = format!("`{key}` must be {expected}, not {}", said(value.get_ref()));
        let example = keys_of(self.name).find(|info| info.key == key).map(|info| info.example);
        let help = example.map(|example| format!("for example: {example}"));
        sheet.report_with(FindingKind::WrongType, &value.span(), message, help);
    }
}

/// The string that a value is.
pub(crate) fn string(value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
    let text = value.get_ref().as_str()?;
    Some(At { value: text.to_owned(), span: value.span() })
}

/// Reads a path; what is wrong with it is noted at its own column.
pub(crate) fn read_path(sheet: &mut Sheet, text: &At<String>) -> Option<Path> {
    match Path::parse(&text.value) {
        Ok(path) => Some(path),
        Err(error) => {
            let span = sheet.within(text, error.column);
            let help = Some("a path looks like `PID-3.1` or `Observation.subject.reference`".to_owned());
            sheet.report_with(FindingKind::BadPath, &span, error.to_string(), help);
            None
        }
    }
}

/// A value in words, for findings: its type, and its text where it is short.
fn said(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => "a string".to_owned(),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(_) => "a number with a fraction".to_owned(),
        DeValue::Boolean(truth) => format!("`{truth}`"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

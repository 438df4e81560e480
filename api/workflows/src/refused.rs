//! A rule says no.

use std::collections::HashMap;
use std::sync::LazyLock;

use hub_core::language::Language;
use thiserror::Error;

use crate::facts::Need;

/// Why deciding stops before there is a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Something must be read first; then it is decided again.
    Ask(Need),
    /// A rule says no.
    Refused(Refused),
    /// What is stored does not fit: a fault of the program or of the data. No content.
    Unfit(String),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// A rule says no. Becomes an OperationOutcome with this code and a text in the reader's language.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{code}")]
pub struct Refused {
    /// Its stable code, a row of `refused.tsv`: `VP_LIMIT`.
    pub code: &'static str,
    /// What is wrong, where it is one thing: a parameter (`slot`), or an element of a resource that a parameter holds (`patient.birthDate`).
    pub field: Option<String>,
    /// Numbers and names that the text holds in its `{0}`, `{1}`; never patient data.
    pub with: Vec<String>,
}

/// What is told of a refusal.
#[derive(Debug)]
struct Row {
    status: u16,
    issue: &'static str,
    texts: [&'static str; 3],
}

/// The table: code, HTTP status, issue type (R4B value set `issue-type`), and the texts in English and in simplified and traditional
/// Chinese.
static TABLE: LazyLock<HashMap<&'static str, Row>> = LazyLock::new(|| {
    let lines = include_str!("refused.tsv").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let row = |line: &'static str| {
        let mut cells = line.split('\t');
        let mut next = || cells.next().unwrap_or_default();
        let code = next();
        let status = next().parse().unwrap_or(422);
        (code, Row { status, issue: next(), texts: [next(), next(), next()] })
    };
    lines.map(row).collect()
});

impl Refused {
    /// A refusal by this code.
    pub fn of(code: &'static str) -> Self {
        Self { code, field: None, with: Vec::new() }
    }

    /// A refusal of a parameter or an element.
    pub fn field(code: &'static str, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::of(code) }
    }

    /// What its text holds.
    #[must_use]
    pub fn with(mut self, value: impl ToString) -> Self {
        self.with.push(value.to_string());
        self
    }

    /// The caller's role may not do this.
    pub fn role() -> Self {
        Refused::of("ROLE")
    }

    /// The caller's account is disabled (ACC-10).
    pub fn disabled() -> Self {
        Refused::of("ACCOUNT_DISABLED")
    }

    /// The idempotency key was used for another command.
    pub fn key_reused() -> Self {
        Refused::of("KEY_REUSED")
    }

    /// There is nothing of this id, or nothing that the caller may know of.
    pub fn not_found() -> Self {
        Refused::of("NOT_FOUND")
    }

    /// The refusal of this code that a task carries; `None`: there is no such code.
    pub fn of_code(code: &str) -> Option<Self> {
        TABLE.get_key_value(code).map(|(code, _)| Self::of(code))
    }

    /// The HTTP status it is answered with.
    pub fn status(&self) -> u16 {
        TABLE.get(self.code).map_or(422, |row| row.status)
    }

    /// Its issue type.
    pub fn issue(&self) -> &'static str {
        TABLE.get(self.code).map_or("business-rule", |row| row.issue)
    }

    /// Its text.
    pub fn text(&self, language: Language) -> String {
        let at = Language::ALL.iter().position(|known| *known == language).unwrap_or(0);
        let mut text = TABLE.get(self.code).map_or(self.code, |row| row.texts[at]).to_owned();
        for (nth, value) in self.with.iter().enumerate() {
            text = text.replace(&format!("{{{nth}}}"), value);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_texts_in_three_languages() {
        assert!(TABLE.len() > 20);
        for (code, row) in TABLE.iter() {
            assert!((400..500).contains(&row.status), "{code}");
            assert!(!row.issue.is_empty(), "{code}");
            let [english, simplified, traditional] = row.texts;
            assert!(english.is_ascii() && english.len() > 10, "{code}");
            for chinese in [simplified, traditional] {
                assert!(!chinese.is_ascii(), "{code}");
            }
        }
    }

    /// Every code that the program names has a row, and every row is named.
    #[test]
    fn every_code_in_the_program_is_in_the_table_and_the_other_way_round() {
        let mut named = std::collections::BTreeSet::new();
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else if entry.path().extension().is_some_and(|suffix| suffix == "rs") {
                    let text = std::fs::read_to_string(entry.path()).unwrap();
                    named.extend(codes(&text).map(str::to_owned));
                }
            }
        }
        for code in &named {
            assert!(TABLE.contains_key(code.as_str()), "`{code}` has no row in refused.tsv");
        }
        for code in TABLE.keys() {
            assert!(named.contains(*code), "`{code}` is in refused.tsv and nobody names it");
        }
    }

    /// The codes that stand where refusals are made.
    fn codes(text: &str) -> impl Iterator<Item = &str> {
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        let makers = ["Refused::of(", "Refused::field(", "system::REFUSED, ", "appointment, "];
        makers.into_iter().flat_map(move |maker| program.split(maker).skip(1)).filter_map(|rest| {
            let code = rest.trim_start().strip_prefix('"')?.split('"').next()?;
            code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_').then_some(code)
        })
    }
}

//! Paths and conditions as mappings write them.

use hub_core::finding::FindingKind;
use hub_core::path::{Path, To};

use super::Compiler;
use crate::condition::Condition;
use crate::read::after_here;
use crate::reading::{Sheet, Table, Word};

impl Compiler<'_> {
    /// The path under `key`.
    pub(super) fn path(&self, table: &Table<'_, '_>, key: &str) -> Option<Path> {
        let word = table.text(key)?;
        self.one_path(&table.sheet, &word, 0, word.text)
    }

    /// `a | b`: the paths of which the first that has a value is taken.
    pub(super) fn alternatives(&self, sheet: &Sheet<'_>, word: &Word<'_>) -> Option<Vec<Path>> {
        let pieces = split_alternatives(word.text);
        pieces.into_iter().map(|(offset, piece)| self.one_path(sheet, word, offset, piece)).collect()
    }

    /// One path, which stands `offset` bytes into a word.
    pub(super) fn one_path(
        &self,
        sheet: &Sheet<'_>,
        word: &Word<'_>,
        offset: usize,
        piece: &str,
    ) -> Option<Path> {
        let text = piece.trim();
        let leading = piece.len() - piece.trim_start().len();
        let column = word.text[..offset + leading].chars().count();
        let path = match Path::parse(text) {
            Ok(path) => path,
            Err(error) => {
                let message = format!("the path `{text}` cannot be read: expected {}", error.expected);
                sheet.find(FindingKind::BadPath, word.inside(column + error.column), message);
                return None;
            }
        };
        let picks_here = after_here(&path).is_some() && path.steps().iter().any(|step| step.pick.is_some());
        if picks_here {
            let message = format!("the path `{text}`: `@` is one node, of whose parts none is picked");
            sheet.find(FindingKind::BadPath, word.inside(column + 1), message);
            return None;
        }
        if self.from == "hl7v2"
            && let Some(what) = wrong_in_hl7(&path)
        {
            sheet.find(FindingKind::BadPath, word.inside(column + 1), format!("the path `{text}`: {what}"));
            return None;
        }
        Some(path)
    }

    pub(super) fn condition(&self, table: &Table<'_, '_>, key: &str) -> Option<Condition> {
        let word = table.text(key)?;
        match Condition::compile(word.text) {
            Ok(condition) => {
                let wrong = condition.paths().into_iter().find_map(|path| {
                    let what = wrong_in_hl7(path).filter(|_| self.from == "hl7v2")?;
                    Some(format!("the path `{path}`: {what}"))
                });
                if let Some(message) = wrong {
                    table.sheet.find(FindingKind::BadPath, word.span, message);
                    return None;
                }
                Some(condition)
            }
            Err(error) => {
                table.sheet.find(FindingKind::BadCondition, word.inside(error.column), error.what);
                None
            }
        }
    }
}

/// What is wrong with the names of a path into an HL7 v2 message, which are known by their form.
fn wrong_in_hl7(path: &Path) -> Option<&'static str> {
    let steps = path.steps();
    for (place, step) in steps.iter().enumerate() {
        let To::Name(name) = &step.to else { continue };
        if place == 0 && name == "@" {
            continue;
        }
        let before_number = matches!(steps.get(place + 1).map(|next| &next.to), Some(To::Part(_)));
        let upper = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if !upper {
            return Some("names of segments and groups are written in capitals");
        }
        if before_number && name.len() != 3 {
            return Some("a field stands in a segment, whose name has three characters");
        }
    }
    None
}

/// Splits at `|` outside brackets and quotes; each piece with its offset.
pub(super) fn split_alternatives(text: &str) -> Vec<(usize, &str)> {
    let mut pieces = Vec::new();
    let (mut start, mut brackets, mut quoted) = (0, 0usize, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '[' if !quoted => brackets += 1,
            ']' if !quoted => brackets = brackets.saturating_sub(1),
            '|' if !quoted && brackets == 0 => {
                pieces.push((start, &text[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push((start, &text[start..]));
    pieces
}

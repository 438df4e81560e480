//! Parts: mapping files whose resources come before a file's own.

use hub_core::finding::FindingKind;
use hub_core::path::Path;
use toml::de::DeValue;

use super::{check_name, line, resource, version};
use crate::files::{FileText, Files};
use crate::keys;
use crate::plan::{Invalid, Write};
use crate::reading::{Table, Word, suggest};

/// A part and what the file that includes it says of it.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) file: FileText,
    /// Holds for the part's resources that have no `each` of their own. Checked when it is read.
    pub(super) each: Option<String>,
    /// Holds for all of the part's resources.
    pub(super) write: Option<Write>,
    /// Holds for the part's lines that do not say themselves what is done with a value that does not fit.
    pub(super) invalid: Option<Invalid>,
}

/// Reads the texts of all parts a file includes.
pub(super) fn read(name: &str, main: &Table<'_, '_>, files: &dyn Files) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let Some(value) = main.value("include") else { return parts };
    let DeValue::Array(items) = value.get_ref() else {
        main.wrong("include", value, "a list: `include = [\"hl7v2/patient\"]`");
        return parts;
    };
    for item in items.iter() {
        let (word, each, write, invalid) = match item.get_ref() {
            DeValue::String(text) => (Word { text, span: item.span() }, None, None, None),
            DeValue::Table(_) => {
                let Some(table) = main.as_table(item) else { continue };
                table.only_keys(keys::INCLUDE);
                let Some(word) =
                    table.must_text("part", "`{ part = \"hl7v2/patient\", each = \"PATIENT\" }`")
                else {
                    continue;
                };
                (word, each(&table), resource::write(&table), line::invalid(&table))
            }
            _ => {
                main.wrong(
                    "include",
                    item,
                    "a list of names, or of tables with `part`, `each`, `write` and `invalid`",
                );
                continue;
            }
        };
        if word.text == name {
            main.sheet.find(FindingKind::IncludeLoop, word.span, "a mapping cannot include itself");
            continue;
        }
        if parts.iter().any(|known| known.name == word.text) {
            let message = format!("`{}` is included twice", word.text);
            main.sheet.find(FindingKind::IncludeLoop, word.span, message);
            continue;
        }
        match files.mapping(word.text) {
            Some(file) => parts.push(Part { name: word.text.to_owned(), file, each, write, invalid }),
            None => {
                let names = files.mapping_names();
                let help = suggest(word.text, names.iter().map(String::as_str));
                let message = format!("there is no mapping `{}` to include", word.text);
                main.sheet.find_help(FindingKind::MappingMissing, word.span, message, help);
            }
        }
    }
    parts
}

fn each(table: &Table<'_, '_>) -> Option<String> {
    let word = table.text("each")?;
    match Path::parse(word.text) {
        Ok(_) => Some(word.text.to_owned()),
        Err(error) => {
            let message = format!("the path `{}` cannot be read: expected {}", word.text, error.expected);
            table.sheet.find(FindingKind::BadPath, word.inside(error.column), message);
            None
        }
    }
}

/// Checks what stands above the resources of a part.
pub(super) fn check_part(name: &str, part: &Table<'_, '_>, from: &str) {
    part.only_keys(keys::FILE);
    check_name(name, part);
    version(part);
    if part.has("include") {
        let message = "a part includes nothing itself";
        part.sheet.find(FindingKind::IncludeLoop, part.key_span("include"), message);
    }
    if let Some(word) = part.must_text("from", "say which format is read: `from = \"hl7v2\"`")
        && word.text != from
        && !from.is_empty()
    {
        let message =
            format!("this part reads `{}`, but the mapping that includes it reads `{from}`", word.text);
        part.sheet.find(FindingKind::FormatDiffers, word.span, message);
    }
    for key in ["message", "zone", "extends", "without", "request", "source", "to"] {
        if part.has(key) {
            let message = format!("`{key}` has no effect in a part that is included");
            part.sheet.find(FindingKind::UnknownKey, part.key_span(key), message);
        }
    }
}

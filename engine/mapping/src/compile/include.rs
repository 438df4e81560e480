//! Parts: mapping files whose resources come before a file's own.

use hub_core::finding::FindingKind;

use super::{KEYS, check_name, version};
use crate::files::{FileText, Files};
use crate::reading::{Table, suggest};

/// Reads the texts of all parts a file includes, by name.
pub(super) fn read(name: &str, main: &Table<'_, '_>, files: &dyn Files) -> Vec<(String, FileText)> {
    let mut parts: Vec<(String, FileText)> = Vec::new();
    for word in main.texts("include") {
        if word.text == name {
            main.sheet.find(FindingKind::IncludeLoop, word.span, "a mapping cannot include itself");
            continue;
        }
        if parts.iter().any(|(known, _)| known == word.text) {
            let message = format!("`{}` is included twice", word.text);
            main.sheet.find(FindingKind::IncludeLoop, word.span, message);
            continue;
        }
        match files.mapping(word.text) {
            Some(file) => parts.push((word.text.to_owned(), file)),
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

/// Checks what stands above the resources of a part.
pub(super) fn check_part(name: &str, part: &Table<'_, '_>, from: &str) {
    part.only(&KEYS);
    check_name(name, part);
    version(part);
    if part.has("include") {
        let message = "a part includes nothing itself";
        part.sheet.find(FindingKind::IncludeLoop, part.key_span("include"), message);
    }
    if let Some(word) = part.must_text("from", "say which format is read: `from = \"hl7v2\"`")
        && word.text != from
    {
        let message = format!("this part reads `{}`, but the mapping that includes it reads `{from}`", word.text);
        part.sheet.find(FindingKind::FormatDiffers, word.span, message);
    }
    for key in ["message", "zone"] {
        if part.has(key) {
            let message = format!("`{key}` has no effect in a part that is included");
            part.sheet.find(FindingKind::UnknownKey, part.key_span(key), message);
        }
    }
}

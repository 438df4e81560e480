//! What is kept of an ended message beside its row: keys, notes and what it wrote, as JSON texts.

use compact_str::CompactString;
use hub_core::commit::{Key, Note};
use hub_fhir::Reference;
use hub_fhir::json::{self, Json};

fn pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Option<CompactString> {
    let items: Vec<Json> = pairs.map(|(a, b)| Json::Array(vec![Json::string(a), Json::string(b)])).collect();
    if items.is_empty() { None } else { Some(Json::Array(items).to_text().into()) }
}

fn read_pairs(text: Option<&str>) -> Vec<(String, String)> {
    let Some(Ok(tree)) = text.map(json::parse) else { return Vec::new() };
    let pair = |item: &Json| {
        let [a, b] = item.as_array()? else { return None };
        Some((a.as_str()?.to_owned(), b.as_str()?.to_owned()))
    };
    tree.as_array().unwrap_or_default().iter().filter_map(pair).collect()
}

/// The keys as text; `None` when there are none.
pub(crate) fn keys_text(keys: &[Key]) -> Option<CompactString> {
    pairs(keys.iter().map(|key| (key.name.as_str(), key.value.as_str())))
}

/// The keys of the text.
pub(crate) fn keys(text: Option<&str>) -> Vec<Key> {
    read_pairs(text).into_iter().map(|(name, value)| Key { name: name.into(), value: value.into() }).collect()
}

/// The notes as text.
pub(crate) fn notes_text(notes: &[Note]) -> Option<CompactString> {
    pairs(notes.iter().map(|note| (note.place.as_str(), note.reason.as_str())))
}

/// The notes of the text.
pub(crate) fn notes(text: Option<&str>) -> Vec<Note> {
    read_pairs(text).into_iter().map(|(place, reason)| Note { place, reason }).collect()
}

/// What was written, as text.
pub(crate) fn wrote_text(wrote: &[(Reference, u64)]) -> Option<CompactString> {
    let texts: Vec<(String, String)> =
        wrote.iter().map(|(reference, version)| (reference.to_string(), version.to_string())).collect();
    pairs(texts.iter().map(|(reference, version)| (reference.as_str(), version.as_str())))
}

/// What was written, of the text.
pub(crate) fn wrote(text: Option<&str>) -> Vec<(Reference, u64)> {
    let written = |(reference, version): (String, String)| {
        Some((Reference::parse(&reference).ok()?, version.parse().ok()?))
    };
    read_pairs(text).into_iter().filter_map(written).collect()
}

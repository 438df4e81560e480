//! What the lines of mapping files read and write: which fields, into which element of which resource.

use std::collections::BTreeSet;

use hub_mapping::FileText;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One line of a mapping.
#[derive(Clone, Debug)]
pub struct MappingLine {
    /// `mappings/his/adt.toml:31`
    pub place: String,
    /// The resource's type.
    pub kind: String,
    /// The element at the top of the resource; `(id)` and the like for what says which resource it is.
    pub element: String,
    /// The v2 fields it reads: `PID-5`.
    pub fields: BTreeSet<String>,
}

/// Keys of a resource and of a line whose texts hold paths.
const PATHS: [&str; 7] = ["from", "each", "when", "unit", "id", "known_by", "as"];

/// Every line of a mapping file, nested ones by themselves. What is not TOML has none: `huitong check` says so.
pub fn lines(file: &FileText) -> Vec<MappingLine> {
    let mut found = Vec::new();
    let Ok(table) = DeTable::parse(&file.text) else { return found };
    let resources = table.get_ref().iter().find(|(key, _)| key.get_ref() == "resource");
    let resources = resources.and_then(|(_, value)| value.get_ref().as_array());
    for resource in resources.into_iter().flat_map(|list| list.iter()) {
        let Some(inner) = resource.get_ref().as_table() else { continue };
        let kind = value(inner, "type").and_then(|kind| kind.get_ref().as_str()).unwrap_or_default();
        let mut walk = Walk { file, kind, found: &mut found };
        for (key, known) in inner.iter() {
            let fields = if PATHS.contains(&key.get_ref().as_ref()) {
                fields_of(known.get_ref())
            } else {
                BTreeSet::new()
            };
            if !fields.is_empty() {
                walk.push(&format!("({})", key.get_ref()), fields, key.span().start);
            }
        }
        if let Some(set) = value(inner, "set").and_then(|set| set.get_ref().as_table()) {
            for (name, line) in set.iter() {
                walk.line(name.get_ref(), line, &BTreeSet::new(), name.span().start);
            }
        }
    }
    found
}

struct Walk<'w> {
    file: &'w FileText,
    kind: &'w str,
    found: &'w mut Vec<MappingLine>,
}

impl Walk<'_> {
    fn push(&mut self, element: &str, fields: BTreeSet<String>, at: usize) {
        let line = self.file.text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        let place = format!("{}:{line}", self.file.path.display());
        self.found.push(MappingLine {
            place,
            kind: self.kind.to_owned(),
            element: element.to_owned(),
            fields,
        });
    }

    /// A line, a list of lines, and those within `set`. What an outer line reads or is done for, its inner lines are seen from.
    fn line(&mut self, element: &str, value: &Spanned<DeValue<'_>>, outer: &BTreeSet<String>, at: usize) {
        if let Some(lines) = value.get_ref().as_array() {
            for line in lines.iter() {
                self.line(element, line, outer, line.span().start);
            }
            return;
        }
        let Some(table) = value.get_ref().as_table() else { return };
        let mut fields = outer.clone();
        for (key, inner) in table.iter() {
            if PATHS.contains(&key.get_ref().as_ref()) {
                fields.extend(fields_of(inner.get_ref()));
            }
        }
        self.push(element, fields.clone(), at);
        let set = table.iter().find(|(key, _)| key.get_ref() == "set");
        for (_, inner) in
            set.and_then(|(_, set)| set.get_ref().as_table()).into_iter().flat_map(|set| set.iter())
        {
            self.line(element, inner, &fields, inner.span().start);
        }
    }
}

fn value<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<&'t Spanned<DeValue<'i>>> {
    table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
}

/// The fields that a text, or the texts of a list, name.
fn fields_of(value: &DeValue<'_>) -> BTreeSet<String> {
    match value {
        DeValue::String(text) => fields_in(text),
        DeValue::Array(items) => items.iter().flat_map(|item| fields_of(item.get_ref())).collect(),
        _ => BTreeSet::new(),
    }
}

/// `PID-3[5=PI].1 | MRG-1` names `PID-3` and `MRG-1`.
pub fn fields_in(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let bytes = text.as_bytes();
    for (dash, _) in text.match_indices('-') {
        let Some(start) = dash.checked_sub(3) else { continue };
        let name = &bytes[start..dash];
        let is_name = name[0].is_ascii_uppercase()
            && name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let begins = start == 0 || !bytes[start - 1].is_ascii_alphanumeric();
        let digits = bytes[dash + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if is_name && begins && digits > 0 {
            found.insert(text[start..dash + 1 + digits].to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_paths_and_conditions() {
        let found = fields_in("PID-3[5=PI].1 | MRG-1 and OBX-11 != \"X-1\" or 2026-01 or XPID-5");
        assert_eq!(Vec::from_iter(found), ["MRG-1", "OBX-11", "PID-3"]);
    }

    #[test]
    fn inner_lines_are_seen_from_what_the_outer_ones_read() {
        let text = "[[resource]]\ntype = \"Patient\"\nid = [\"p\", \"PID-3.1\"]\n[resource.set]\n\
                    contact = { each = \"NK1-2\", set = { name = { from = \"@\" } } }\n";
        let file = FileText { path: "mappings/x.toml".into(), text: text.to_owned() };
        let told: Vec<_> = lines(&file)
            .into_iter()
            .map(|line| format!("{} {} {:?}", line.place, line.element, line.fields))
            .collect();
        assert_eq!(
            told,
            [
                "mappings/x.toml:3 (id) {\"PID-3\"}",
                "mappings/x.toml:5 contact {\"NK1-2\"}",
                "mappings/x.toml:5 contact {\"NK1-2\"}"
            ]
        );
    }
}

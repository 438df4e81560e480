//! Which rows of a data type's map a function covers: found out by running it with and without each component.

use std::path::PathBuf;

use hub_core::document::Parser;
use hub_fhir::Json;
use hub_formats::hl7v2::Hl7Parser;
use hub_mapping::{EXAMPLES, FileText, Files, FunctionInfo, Mapping, compile, functions};

use super::judge::root;
use super::sheets::Row;
use hub_fhir::leaves::{each_leaf, shown, without_places};

/// What a component is tried with where an example leaves it empty: words, codes of several tables, a number, a time.
const TRIED: [&str; 17] = [
    "X1", "HIS", "L", "A", "H", "HV", "PH", "PRN", "WPN", "Internet", "DR", "F", "20260101", "7", "ISO",
    "1.2.3", "MR",
];
/// What stands around the component, besides the examples: nothing, a first component, and every component.
const AROUND: [&str; 3] =
    ["", "X0", "C1^C2^C3^C4^C5^C6^C7^C8^C9^C10^C11^C12^C13^C14^C15^C16^C17^C18^C19^C20^C21^C22"];

/// Data types that stand only within a component of another, whose function reads them: their own parts are subcomponents.
const WITHIN: [&str; 1] = ["SAD"];

/// The function that a map is written as: named as the map, or writing its type from its v2 type.
pub fn function_of(row: &Row) -> Option<FunctionInfo> {
    let (reads, writes) = (row.of(), row.writes());
    let named = format!("{reads}[{writes}]");
    let takes =
        |info: &FunctionInfo| info.writes == writes && info.reads.split(", ").any(|name| name == reads);
    functions()
        .find(|info| info.name == named)
        .or_else(|| functions().find(|info| info.name == writes && takes(info)))
        .or_else(|| functions().find(takes))
}

/// One function, ready to be tried.
pub struct Probe {
    function: FunctionInfo,
    mapping: Mapping,
}

struct OneFile(String);

impl Files for OneFile {
    fn mapping(&self, _name: &str) -> Option<FileText> {
        Some(FileText { path: PathBuf::from("probe.toml"), text: self.0.clone() })
    }

    fn code_table(&self, _name: &str) -> Option<FileText> {
        None
    }

    fn mapping_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn code_table_names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Probe {
    /// A mapping that writes what the function makes, and nothing else. `None` where R4B has no element that takes its type.
    pub fn new(function: FunctionInfo) -> Option<Self> {
        let mut kind = function.writes.to_owned();
        kind[..1].make_ascii_uppercase();
        let text = format!(
            "name = \"probe\"\nversion = 1\nfrom = \"hl7v2\"\n\n[[resource]]\nas = \"probe\"\ntype = \"Basic\"\nid = [\"probe\", \"MSH-10\"]\n\
             [resource.set]\ncode = {{ value = {{ text = \"probe\" }} }}\nextension = {{ set = {{ url = {{ value = \"urn:probe\" }}, \
             value{kind} = {{ from = \"ZZZ-1\", as = \"{}\", invalid = \"drop\" }} }} }}\n",
            function.name
        );
        compile("probe", &OneFile(text)).ok().map(|mapping| Self { function, mapping })
    }

    /// What the function makes of a field, as paths and values below the value itself.
    fn make(&self, field: &str) -> Vec<(String, String)> {
        let message = format!("MSH|^~\\&|A|B|C|D|20260101||ZZZ^Z01|1|P|2.5.1\rZZZ|{field}\r");
        let Ok(document) = Hl7Parser::default().parse(message.as_bytes()) else { return Vec::new() };
        let Ok(run) = self.mapping.run(document.as_ref()) else { return Vec::new() };
        let mut found = Vec::new();
        let resource = run.changes.first().and_then(|change| change.resource());
        let extension = resource.and_then(|resource| resource.tree().get("extension"));
        let Some(Json::Object(extension)) = extension.and_then(|list| list.items().first()) else {
            return found;
        };
        each_leaf(extension, &mut |path, json| {
            if let Some((_, below)) = path.split_once('.') {
                found.push((below.to_owned(), shown(json).into_owned()));
            } else if path != "url" {
                found.push(("$this".to_owned(), shown(json).into_owned()));
            }
        });
        found
    }

    /// Whether a component makes, or changes, what the row's element holds.
    pub fn covers(&self, row: &Row) -> bool {
        let Some(number) =
            row.field.rsplit(['.', '-']).next().and_then(|number| number.parse::<usize>().ok())
        else {
            return false;
        };
        let wanted = root(&row.element);
        let is_within = WITHIN.contains(&row.of());
        let separator = if is_within { "&" } else { "^" };
        let examples = EXAMPLES.iter().filter(|example| example.function == self.function.name);
        let fields = examples.map(|example| example.field).chain(AROUND);
        let fields =
            fields.map(|field| if is_within { field.split('^').next().unwrap_or(field) } else { field });
        fields.into_iter().any(|field| {
            let mut parts: Vec<&str> = field.split(separator).collect();
            parts.resize(parts.len().max(number), "");
            let own = parts[number - 1];
            parts[number - 1] = "";
            let without = self.make(&parts.join(separator));
            let mut tried: Vec<&str> = TRIED.to_vec();
            tried.insert(0, own);
            tried.into_iter().filter(|text| !text.is_empty()).any(|text| {
                let mut parts = parts.clone();
                parts[number - 1] = text;
                differs(&without, &self.make(&parts.join(separator)), &wanted)
            })
        })
    }
}

/// Whether something differs at an element; at the whole, for the value itself.
fn differs(without: &[(String, String)], with: &[(String, String)], element: &str) -> bool {
    let at_element = |(path, _): &&(String, String)| {
        let path = without_places(path);
        let top = path.split('.').next().unwrap_or_default();
        element.starts_with('$') || path == "$this" || root(top.trim_start_matches('_')) == element
    };
    let of = |made: &[(String, String)]| made.iter().filter(at_element).cloned().collect::<Vec<_>>();
    of(without) != of(with)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::coverage::sheets::MapKind;

    fn covers(sheet: &str, field: &str, element: &str) -> bool {
        let row = Row {
            kind: MapKind::DataType,
            sheet: sheet.to_owned(),
            field: field.to_owned(),
            title: String::new(),
            element: element.to_owned(),
            condition: String::new(),
        };
        Probe::new(function_of(&row).unwrap()).unwrap().covers(&row)
    }

    #[test]
    fn a_component_is_covered_when_the_function_makes_something_of_it() {
        assert!(covers("XPN[HumanName]", "XPN.1", "[1].family"));
        assert!(covers("XPN[HumanName]", "XPN.7", "[1].use"));
        assert!(!covers("XPN[HumanName]", "XPN.1", "[1].use"));
        assert!(covers("CX[Identifier]", "CX.1", "value"));
        assert!(covers("TS[dateTime]", "TS.1", "$value"));
        assert!(!covers("CX[Identifier]", "CX.9", "value"));
    }

    #[test]
    fn a_type_that_stands_within_a_component_is_tried_in_subcomponents() {
        assert!(covers("SAD[Address]", "SAD.3", "line[3]"));
        assert!(!covers("SAD[Address]", "SAD.3", "city"));
    }
}

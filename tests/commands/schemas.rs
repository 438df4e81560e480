//! The JSON Schemas: up to date, true of every file of the house, and not of files with slips of the pen.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::prompt::{huitong, root};

/// The files of a folder, by the schema that `.taplo.toml` gives them.
fn schema_of(file: &Path) -> &'static str {
    let shown = file.strip_prefix(root()).unwrap_or(file).to_string_lossy().into_owned();
    match shown {
        shown if shown.starts_with("channels/") => "channel",
        shown if shown.starts_with("mappings/codes/") => "code-table",
        _ => "mapping",
    }
}

fn toml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            toml_files(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "toml") {
            found.push(path);
        }
    }
}

fn schema(kind: &str) -> Value {
    let file = root().join(format!("schemas/{kind}.schema.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// What is wrong with a text of this kind.
fn wrong(kind: &str, text: &str) -> Vec<String> {
    let table: toml::Table = text.parse().unwrap();
    let schema = schema(kind);
    let mut wrong = Vec::new();
    Checker { root: &schema }.check(&schema, &serde_json::to_value(table).unwrap(), "", &mut wrong);
    wrong
}

#[test]
fn the_schemas_that_are_written_are_those_of_the_program() {
    let said = huitong(&["schema", "--check"]);
    assert_eq!(said.code, 0, "{}", said.out);
    for kind in ["channel", "mapping", "code-table"] {
        let printed: Value = huitong(&["schema", kind]).json();
        assert_eq!(printed["$schema"], "http://json-schema.org/draft-07/schema#");
    }
}

#[test]
fn every_file_of_the_house_fits_its_schema() {
    let mut files = Vec::new();
    toml_files(&root().join("channels"), &mut files);
    toml_files(&root().join("mappings"), &mut files);
    assert!(files.len() > 20, "the files were not found");
    for file in files {
        let found = wrong(schema_of(&file), &std::fs::read_to_string(&file).unwrap());
        assert_eq!(found, Vec::<String>::new(), "{}", file.display());
    }
}

#[test]
fn a_slip_of_the_pen_in_a_channel_is_underlined() {
    let right = std::fs::read_to_string(root().join("channels/lis/oru-r01.toml")).unwrap();
    for (from, to, place) in [
        ("lane_by ", "lane ", "/from: unknown key `lane`"),
        ("connector   = \"lis\"", "connector = \"lsi\"", "/from/connector: not one of its words"),
        ("\"on_received\"", "\"on_receive\"", "/from/acknowledge: not one of its words"),
        ("in_doubt  = \"resend\"", "in_doubt = \"again\"", "/to/0/in_doubt: not one of its words"),
        ("max_secs = 60", "max_secs = 0", "/to/0/retry/max_secs: too small"),
        ("\"Specimen\"", "\"Specimn\"", "/map/writes/5: not one of its words"),
        ("state   = \"quarantined\"", "state = \"received\"", "/test/22/state: not one of its words"),
        ("version = 1", "version = 2", "/version: not one of its words"),
    ] {
        assert!(right.contains(from), "{from}");
        assert_eq!(wrong("channel", &right.replacen(from, to, 1)), [place]);
    }
}

#[test]
fn a_slip_of_the_pen_in_a_mapping_is_underlined() {
    let head = "name = \"x\"\nversion = 1\nfrom = \"hl7v2\"\n";
    let patient = |lines: &str| {
        format!(
            "{head}[[resource]]\nas = \"p\"\ntype = \"Patient\"\nid = [\"p\", \"PID-3.1\"]\n[resource.set]\n{lines}\n"
        )
    };
    assert_eq!(wrong("mapping", &patient("birthDate = { from = \"PID-7\" }")), Vec::<String>::new());
    let deep =
        "contact = { each = \"NK1\", set = { name = { set = { familly = { from = \"NK1-2.1\" } } } } }";
    for (lines, told) in [
        ("birthDat = { from = \"PID-7\" }", "/resource/0/set: unknown key `birthDat`"),
        ("birthDate = { frm = \"PID-7\" }", "/resource/0/set/birthDate: unknown key `frm`"),
        (
            "birthDate = { from = \"PID-7\", invalid = \"drp\" }",
            "/resource/0/set/birthDate/invalid: not one of its words",
        ),
        ("name = { from = \"PID-5\", as = \"HumanNam\" }", "/resource/0/set/name/as: none of several"),
        ("birthDate = \"1988\"", "/resource/0/set/birthDate: a string"),
        (deep, "/resource/0/set/contact/set/name/set: unknown key `familly`"),
        ("name = [{ from = \"PID-5\" }, { form = \"PID-9\" }]", "/resource/0/set/name/1: unknown key `form`"),
    ] {
        let found = wrong("mapping", &patient(lines));
        assert!(found.iter().any(|found| found == told), "{lines}\n{found:?}");
    }
    let wrong_type = patient("x = { value = 1 }").replace("Patient", "Patent");
    assert!(wrong("mapping", &wrong_type).contains(&"/resource/0/type: not one of its words".to_owned()));
    assert!(
        wrong("mapping", &format!("{head}extend = \"y\"")).contains(&": unknown key `extend`".to_owned())
    );
}

#[test]
fn a_slip_of_the_pen_in_a_code_table_is_underlined() {
    let right = "name = \"x\"\nother = \"keep\"\n[codes]\nA = \"a\"\nB = { code = \"b\", display = \"B\" }\n";
    assert_eq!(wrong("code-table", right), Vec::<String>::new());
    assert_eq!(wrong("code-table", &right.replace("keep", "kep")), ["/other: none of several"]);
    assert_eq!(wrong("code-table", &right.replace("display", "displai")), ["/codes/B: none of several"]);
    assert_eq!(
        wrong("code-table", &right.replace("other", "others")),
        [": lacks `other`", ": unknown key `others`"]
    );
}

/// As much of JSON Schema (draft 7) as the schemas use; a word it does not know is a failure.
struct Checker<'s> {
    root: &'s Value,
}

impl Checker<'_> {
    fn check(&self, schema: &Value, value: &Value, place: &str, wrong: &mut Vec<String>) {
        let Some(schema) = schema.as_object() else { return };
        for (word, rule) in schema {
            match word.as_str() {
                "$schema" | "title" | "description" | "definitions" | "additionalProperties" | "then" => {}
                "$ref" => {
                    let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                    let target =
                        self.root.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere"));
                    self.check(target, value, place, wrong);
                }
                "type" => {
                    let name = type_of(value);
                    let fits =
                        rule == name || rule.as_array().is_some_and(|names| names.contains(&name.into()));
                    if !fits {
                        wrong.push(format!("{place}: a {name}"));
                    }
                }
                "enum" if !rule.as_array().unwrap().contains(value) => {
                    wrong.push(format!("{place}: not one of its words"));
                }
                "const" if rule != value => wrong.push(format!("{place}: another word")),
                "enum" | "const" => {}
                "pattern" => {
                    // Two patterns are used: a function by type, and a zone.
                    let text = value.as_str().unwrap_or_default();
                    let fits = match rule.as_str().unwrap() {
                        "^by .+" => text.len() > 3 && text.starts_with("by "),
                        _ => text == "Z" || (text.len() == 6 && text.starts_with(['+', '-'])),
                    };
                    if !fits {
                        wrong.push(format!("{place}: another form"));
                    }
                }
                "minimum" if value.as_i64() < rule.as_i64() => wrong.push(format!("{place}: too small")),
                "maximum" if value.as_i64() > rule.as_i64() => wrong.push(format!("{place}: too large")),
                "minimum" | "maximum" => {}
                "minProperties" if value.as_object().is_some_and(Map::is_empty) => {
                    wrong.push(format!("{place}: empty"));
                }
                "minProperties" => {}
                "required" => {
                    let missing = rule.as_array().unwrap().iter().filter_map(Value::as_str);
                    let missing =
                        missing.filter(|name| value.as_object().is_some_and(|it| !it.contains_key(*name)));
                    wrong.extend(missing.map(|name| format!("{place}: lacks `{name}`")));
                }
                "properties" | "patternProperties" => {}
                "items" => {
                    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{place}/{at}"), wrong);
                    }
                }
                "allOf" => {
                    rule.as_array().unwrap().iter().for_each(|one| self.check(one, value, place, wrong))
                }
                "anyOf" => {
                    if !rule.as_array().unwrap().iter().any(|one| self.fits(one, value)) {
                        wrong.push(format!("{place}: none of several"));
                    }
                }
                "if" => {
                    if self.fits(rule, value) {
                        self.check(&schema["then"], value, place, wrong);
                    }
                }
                other => panic!("the schema uses `{other}`, which this test does not know"),
            }
        }
        self.members(schema, value, place, wrong);
    }

    fn members(&self, schema: &Map<String, Value>, value: &Value, place: &str, wrong: &mut Vec<String>) {
        for (name, member) in value.as_object().into_iter().flatten() {
            let place = format!("{place}/{name}");
            let known = schema.get("properties").and_then(|known| known.get(name));
            let beside = schema.get("patternProperties").and_then(|known| known.get("^_[a-z]"));
            let beside = beside.filter(|_| name.starts_with('_'));
            match (known.or(beside), schema.get("additionalProperties")) {
                (Some(known), _) => self.check(known, member, &place, wrong),
                (None, Some(Value::Bool(false))) => {
                    let outer = place.rsplit_once('/').unwrap().0;
                    wrong.push(format!("{outer}: unknown key `{name}`"));
                }
                (None, Some(others)) => self.check(others, member, &place, wrong),
                (None, None) => {}
            }
        }
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        let mut wrong = Vec::new();
        self.check(schema, value, "", &mut wrong);
        wrong.is_empty()
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

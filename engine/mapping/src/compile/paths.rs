//! Paths and conditions as mappings write them.

use hub_core::attachment::Slip;
use hub_core::finding::{FindingKind, nearest};
use hub_core::path::{Path, Step, To};
use hub_core::registry::Settings;
use hub_fhir::ResourceType;
use hub_fhir::elements::{TypeRef, of_resource};

use super::Compiler;
use crate::condition::Condition;
use crate::condition_parse::ConditionError;
use crate::find::FACTS;
use crate::plan::Sought;
use crate::read::{HUB, NTH, after_here};
use crate::reading::{Sheet, Table, Word, suggest};

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

    /// The same, where one value is wanted of them.
    pub(super) fn sought(&self, sheet: &Sheet<'_>, word: &Word<'_>) -> Option<Vec<Sought>> {
        let paths = self.alternatives(sheet, word)?;
        Some(paths.into_iter().map(|path| Sought::new(path, &self.from)).collect())
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
                let help = match self.from.as_str() {
                    "hl7v2" => {
                        "a path looks like `PID-3.1`, `PID-3(2).1`, `PID-3[5=PI]`, `PATIENT_RESULT.ORDER_OBSERVATION`"
                    }
                    "xml" => "a path looks like `/Request/Items/Item`, `Item[2]/@code`, `id[@root='1.2']`",
                    "binary" => "a path is a field of the slip: `sha256`, `contentType`",
                    "csv" => "a path looks like `row.amount`, `header.date`, `trailer.count`",
                    _ => {
                        "a path looks like `Patient.name.family`, `items(2).code`, `identifier[system=urn:x].value`"
                    }
                };
                let span = word.inside(column + error.column);
                sheet.find_help(FindingKind::BadPath, span, message, Some(help.to_owned()));
                return None;
            }
        };
        let picks_here = after_here(&path).is_some() && path.steps().iter().any(|step| step.pick.is_some());
        if picks_here {
            let message = format!("the path `{text}`: `@` is one node, of whose parts none is picked");
            sheet.find(FindingKind::BadPath, word.inside(column + 1), message);
            return None;
        }
        if let Some(wrong) = self.wrong_path(&path) {
            let message = format!("the path `{text}`: {}", wrong.what);
            sheet.find_help(FindingKind::BadPath, word.inside(column + 1), message, wrong.help);
            return None;
        }
        Some(path)
    }

    pub(super) fn condition(&self, table: &Table<'_, '_>, key: &str) -> Option<Condition> {
        let word = table.text(key)?;
        match Condition::compile(word.text) {
            Ok(condition) => {
                let wrong =
                    condition.paths().into_iter().find_map(|path| Some((path, self.wrong_path(path)?)));
                if let Some((path, wrong)) = wrong {
                    let message = format!("the path `{path}`: {}", wrong.what);
                    table.sheet.find_help(FindingKind::BadPath, word.span, message, wrong.help);
                    return None;
                }
                Some(condition)
            }
            Err(error) => {
                let help = Some(ConditionError::HELP.to_owned());
                table.sheet.find_help(FindingKind::BadCondition, word.inside(error.column), error.what, help);
                None
            }
        }
    }
}

impl Compiler<'_> {
    /// What is wrong with the names of a path into the document that is read. Its names are the mapping's own from now on.
    fn wrong_path(&self, path: &Path) -> Option<Wrong> {
        self.told.borrow_mut().add(path);
        let (first, rest) = path.steps().split_first()?;
        let To::Name(name) = &first.to else { return None };
        match name.as_str() {
            HUB => {
                self.reads_facts.set(true);
                return wrong_fact(rest);
            }
            "request" if !rest.is_empty() => {
                return match self.request.as_deref() {
                    None => {
                        let help = "a reply says which format it answers: `request = \"hl7v2\"`";
                        Some(Wrong::new("this mapping answers no request").help(help))
                    }
                    Some("hl7v2") => wrong_in_hl7(rest),
                    Some("fhir") => wrong_in_fhir(rest),
                    Some(_) => None,
                };
            }
            _ => {}
        }
        wrong_path(&self.from, &self.source_layout, path).map(|(what, help)| Wrong { what, help })
    }
}

/// What is wrong with a path, and how to mend it.
pub(crate) struct Wrong {
    pub(crate) what: String,
    pub(crate) help: Option<String>,
}

impl Wrong {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A column that the layout does not have: `row.amuont`.
fn wrong_column(layout: &Settings, steps: &[Step]) -> Option<Wrong> {
    let [Step { to: To::Name(record), .. }, Step { to: To::Name(column), .. }, ..] = steps else {
        return None;
    };
    let key = match record.as_str() {
        "row" => "columns",
        "header" => "header",
        "trailer" => "trailer",
        "@" => return None,
        other => {
            let wrong = Wrong::new(format!("a record is `header`, `row` or `trailer`, not `{other}`"));
            return Some(wrong);
        }
    };
    let Some(toml::Value::Array(columns)) = layout.get(key) else { return None };
    let columns: Vec<&str> = columns.iter().filter_map(toml::Value::as_str).collect();
    if columns.contains(&column.as_str()) {
        return None;
    }
    let wrong = Wrong::new(format!("`{key}` of `[source]` does not name `{column}`"));
    Some(Wrong { help: suggest(column, columns), ..wrong })
}

/// `hub.time`: one of the facts there are.
fn wrong_fact(rest: &[Step]) -> Option<Wrong> {
    let names: Vec<&str> = FACTS.iter().map(|(name, _)| *name).chain([NTH]).collect();
    match rest {
        [Step { to: To::Name(name), pick: None }] if names.contains(&name.as_str()) => None,
        _ => Some(Wrong::new("there is no such fact").help(format!("known here: {}", names.join(", ")))),
    }
}

/// What is wrong with the names of a path into messages of this format and layout, and how to mend it: of `hl7v2` and `fhir`, which
/// have names of their own, and of `csv` where the layout names the columns.
pub fn wrong_path(format: &str, layout: &Settings, path: &Path) -> Option<(String, Option<String>)> {
    let wrong = match format {
        "hl7v2" => wrong_in_hl7(path.steps()),
        "fhir" => wrong_in_fhir(path.steps()),
        "csv" => wrong_column(layout, path.steps()),
        "binary" => wrong_field(path.steps()),
        _ => None,
    };
    wrong.map(|wrong| (wrong.what, wrong.help))
}

/// A path into the slip of an attachment: one of its fields.
fn wrong_field(steps: &[Step]) -> Option<Wrong> {
    match steps {
        [Step { to: To::Name(name), pick: None }] if Slip::FIELDS.contains(&name.as_str()) => None,
        _ => {
            let wrong = Wrong::new("the slip of an attachment has no such field");
            Some(wrong.help(format!("its fields are {}", Slip::FIELDS.join(", "))))
        }
    }
}

/// A path into resources of R4B that begins with one: each name is an element of the type before it. A path that begins within
/// one is known only when it is read.
fn wrong_in_fhir(steps: &[Step]) -> Option<Wrong> {
    let (first, rest) = steps.split_first()?;
    let To::Name(name) = &first.to else { return None };
    if !name.starts_with(|letter: char| letter.is_ascii_uppercase()) {
        return None;
    }
    let Some(kind) = ResourceType::from_name(name) else {
        let near = nearest(name, ResourceType::all().map(ResourceType::name));
        let wrong = Wrong::new(format!("`{name}` is not a resource of FHIR R4B"));
        return Some(Wrong { help: near.map(|near| format!("did you mean `{near}`?")), ..wrong });
    };
    let mut def = of_resource(kind);
    for step in rest {
        let To::Name(name) = &step.to else {
            return Some(Wrong::new("elements of FHIR have names; one of several is picked by `(2)`"));
        };
        if name.starts_with('_') {
            return None;
        }
        let element =
            def.element(name).or_else(|| def.elements.iter().find(|element| element.stem() == name));
        let Some(element) = element else {
            let near = nearest(name, def.names());
            let wrong = Wrong::new(format!("`{}` has no element `{name}` in R4B", def.name));
            return Some(Wrong { help: near.map(|near| format!("did you mean `{near}`?")), ..wrong });
        };
        let of = def.member(name).and_then(|member| member.of).or_else(|| element.sole_type());
        // Beyond a choice, a primitive or any resource nothing is known.
        def = of.and_then(TypeRef::def)?;
    }
    None
}

/// What is wrong with the names of a path into an HL7 v2 message, which are known by their form.
fn wrong_in_hl7(steps: &[Step]) -> Option<Wrong> {
    for (place, step) in steps.iter().enumerate() {
        let To::Name(name) = &step.to else { continue };
        if place == 0 && name == "@" {
            continue;
        }
        let before_number = matches!(steps.get(place + 1).map(|next| &next.to), Some(To::Part(_)));
        let upper = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if !upper {
            let wrong = Wrong::new("names of segments and groups are written in capitals");
            return Some(wrong.help(format!("in capitals: `{}`", name.to_ascii_uppercase())));
        }
        if before_number && name.len() != 3 {
            return Some(Wrong::new("a field stands in a segment, whose name has three characters"));
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

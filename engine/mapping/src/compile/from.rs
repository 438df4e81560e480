//! Lines that take values from the source: which function or code table makes the value, and whether it fits.

use std::sync::Arc;

use compact_str::CompactString;
use hub_core::finding::FindingKind;
use hub_fhir::elements::{Class, TypeRef};
use hub_fhir::{Json, Object};

use super::Compiler;
use super::level::{Level, Slot};
use super::line::member_of;
use crate::codes::{Ambiguous, CodeTable, Coded, Other};
use crate::functions::{Function, Makes, function, names};
use crate::plan::{CodeInto, FromPlan, How, Make};
use crate::reading::{Table, Word, suggest};

/// Types to which the line's `system` means something.
const WITH_SYSTEM: [&str; 6] =
    ["Identifier", "Coding", "CodeableConcept", "ContactPoint", "Reference", "uri"];

impl Compiler<'_> {
    pub(super) fn source_line(
        &self,
        table: &Table<'_, '_>,
        slot: &Slot,
        level: Level,
    ) -> Option<(Make, Option<CompactString>)> {
        let word = table.text("from")?;
        let paths = self.alternatives(&table.sheet, &word);
        let unit = table.has("unit").then(|| self.path(table, "unit"));
        let units = table.text("units").map(|word| self.code_table(&table.sheet, &word));
        if slot.beside {
            let message = format!("`{}` is built by `set`: `{{ set = {{ extension = [..] }} }}`", slot.name);
            table.sheet.find(FindingKind::WrongType, word.span, message);
            return None;
        }
        if table.has("split") && !slot.many {
            let message = format!("`{}` takes one value, but `split` gives several", slot.name);
            table.sheet.find(FindingKind::WrongCardinality, table.key_span("split"), message);
        }
        if table.has("code") && table.has("code_back") {
            let message = "a line has `code` or `code_back`, not both";
            table.sheet.find(FindingKind::UnknownKey, table.key_span("code_back"), message);
        }
        let how = match (table.text("code").or_else(|| table.text("code_back")), level) {
            (Some(code), _) => self.code_line(table, slot, level, &code),
            (None, Level::Fhir(_)) => self.function_line(table, slot),
            (None, _) => self.message_function(table, level),
        };
        let (how, member) = how?;
        self.check_system(table, &how);
        let from = FromPlan {
            paths: paths?,
            how,
            join: self.separator(table, "join"),
            split: self.separator(table, "split"),
            system: table.text("system").map(|word| word.text.into()),
            unit: match unit {
                Some(unit) => Some(unit?),
                None => None,
            },
            units: match units {
                Some(units) => Some(units?),
                None => None,
            },
        };
        Some((Make::From(Box::new(from)), member))
    }

    fn separator(&self, table: &Table<'_, '_>, key: &str) -> Option<CompactString> {
        let word = table.text(key)?;
        if key == "split" && word.text.is_empty() {
            table.sheet.find(FindingKind::WrongType, word.span, "`split` needs at least one character");
            return None;
        }
        Some(word.text.into())
    }

    fn check_system(&self, table: &Table<'_, '_>, how: &How) {
        let Some(word) = table.text("system") else { return };
        let takes = match how {
            How::Function(function) => WITH_SYSTEM.contains(&function.writes),
            How::By { .. } => true,
            How::Code { into, .. } => matches!(into, CodeInto::Coding | CodeInto::CodeableConcept),
        };
        if !takes {
            let message = format!("`system` has no effect here: it is for {}", WITH_SYSTEM[..4].join(", "));
            table.sheet.find(FindingKind::UnknownKey, word.span, message);
        }
    }

    /// In a partner's message: a string unless the line says otherwise; what is copied from HL7 v2 to HL7 v2 keeps its parts.
    fn message_function(&self, table: &Table<'_, '_>, level: Level) -> Option<(How, Option<CompactString>)> {
        let kind = table.text("type");
        let name = match (&kind, table.text("as")) {
            (Some(kind), Some(_)) => {
                let message = "a line has `type` or `as`, not both";
                table.sheet.find(FindingKind::UnknownKey, kind.span.clone(), message);
                return None;
            }
            (Some(kind), None) => match kind.text {
                "number" => "decimal",
                "boolean" => "boolean",
                "string" => "string",
                other => {
                    let message =
                        format!("`type` is `{other}`, but it must be `string`, `number` or `boolean`");
                    table.sheet.find(FindingKind::WrongType, kind.span.clone(), message);
                    return None;
                }
            },
            (None, Some(word)) => {
                let found = self.known_function(table, &word)?;
                return self.fits_message(table, found, &word, level).then_some((How::Function(found), None));
            }
            (None, None) => match level {
                Level::Hl7(_) if self.from == "hl7v2" => "copy",
                Level::Hl7(_) => "ST",
                _ => "string",
            },
        };
        function(name).map(|found| (How::Function(found), None))
    }

    /// Whether what a function makes can stand in this place of a partner's message.
    fn fits_message(
        &self,
        table: &Table<'_, '_>,
        found: &'static Function,
        word: &Word<'_>,
        level: Level,
    ) -> bool {
        let is_hl7 = matches!(level, Level::Hl7(_));
        let what = match level {
            _ if found.makes() == Makes::Text => return true,
            Level::Hl7(0) => "a subcomponent holds a single text",
            Level::Csv => "a column holds a single text",
            _ if is_hl7 && found.makes() != Makes::Hl7 => {
                "an HL7 v2 message has fields, not elements of FHIR"
            }
            _ if !is_hl7 && found.makes() == Makes::Hl7 => "only an HL7 v2 message has its fields",
            _ => return true,
        };
        let message = format!("`{}` writes {}, but {what}", found.name, found.writes);
        let makes = if is_hl7 { Makes::Hl7 } else { Makes::Text };
        let near = names().filter(|name| function(name).is_some_and(|known| known.makes() == makes));
        table.sheet.find_help(FindingKind::WrongType, word.span.clone(), message, suggest(word.text, near));
        false
    }

    pub(super) fn known_function(&self, table: &Table<'_, '_>, word: &Word<'_>) -> Option<&'static Function> {
        let found = function(word.text);
        if found.is_none() {
            let message = format!("there is no function `{}`", word.text);
            let help = suggest(word.text, names())
                .or_else(|| Some("the functions are listed in docs/mapping.md".to_owned()));
            table.sheet.find_help(FindingKind::UnknownFunction, word.span.clone(), message, help);
        }
        found
    }

    fn function_line(&self, table: &Table<'_, '_>, slot: &Slot) -> Option<(How, Option<CompactString>)> {
        let Some(word) = table.text("as") else { return self.implied_function(table, slot) };
        if let Some(path) = word.text.strip_prefix("by ") {
            let path = self.one_path(&table.sheet, &word, 3, path)?;
            let allowed = slot.types.iter().map(|of| of.name).collect();
            return Some((How::By { path, allowed }, None));
        }
        let found = self.known_function(table, &word)?;
        let Some(of) = slot.types.iter().find(|of| fits(found.writes, of.name)) else {
            let message = format!(
                "`{}` writes {}, but `{}` takes {}",
                found.name,
                found.writes,
                slot.name,
                slot.type_names()
            );
            let help = self.fitting(slot);
            table.sheet.find_help(FindingKind::WrongType, word.span, message, help);
            return None;
        };
        Some((How::Function(found), member_of(slot, of)))
    }

    /// Functions that write what the element takes.
    fn fitting(&self, slot: &Slot) -> Option<String> {
        let of = slot.sole_type()?;
        let fitting: Vec<_> = names()
            .filter(|name| function(name).is_some_and(|known| known.writes == of.name))
            .map(|name| format!("`{name}`"))
            .collect();
        (!fitting.is_empty()).then(|| format!("functions that write {}: {}", of.name, fitting.join(", ")))
    }

    fn implied_function(&self, table: &Table<'_, '_>, slot: &Slot) -> Option<(How, Option<CompactString>)> {
        let Some(of) = slot.sole_type() else {
            let message = format!("`{}` may have several types: say which by `as`", slot.name);
            let help =
                "`as = \"Quantity\"`, or `as = \"by OBX-2\"` where the sender names the type".to_owned();
            table.sheet.find_help(FindingKind::MissingKey, table.span.clone(), message, Some(help));
            return None;
        };
        if let Some(found) = function(of.name) {
            return Some((How::Function(found), None));
        }
        let message = format!("no function writes {}: `{}` is built by `set`", of.name, slot.name);
        let def = of.def();
        let help =
            def.filter(|def| def.class == Class::Backbone || def.class == Class::DataType).map(|def| {
                let own = def
                    .elements
                    .iter()
                    .filter(|element| !matches!(element.name, "id" | "extension" | "modifierExtension"));
                let own: Vec<_> = own.map(|element| element.name).collect();
                format!("its elements: {}", own.join(", "))
            });
        table.sheet.find_help(FindingKind::UnknownFunction, table.key_span("from"), message, help);
        None
    }

    fn code_line(
        &self,
        table: &Table<'_, '_>,
        slot: &Slot,
        level: Level,
        word: &Word<'_>,
    ) -> Option<(How, Option<CompactString>)> {
        let codes = self.code_table(&table.sheet, word)?;
        let codes = if table.has("code_back") { self.turned(table, &codes, word)? } else { codes };
        if !matches!(level, Level::Fhir(_)) {
            let into = match table.text("type").map(|kind| kind.text) {
                Some("number") => CodeInto::Number,
                Some("boolean") => CodeInto::Boolean,
                _ => CodeInto::Plain,
            };
            return Some((How::Code { table: codes, into }, None));
        }
        let Some(of) = self.code_type(table, slot) else {
            let message = format!("`{}` may have several types: say which by `as`", slot.name);
            let help = "`as = \"CodeableConcept\"`, `as = \"code\"`".to_owned();
            table.sheet.find_help(FindingKind::MissingKey, word.span.clone(), message, Some(help));
            return None;
        };
        let Some(into) = code_into(of.name) else {
            let message = format!("a code table cannot make {}, which `{}` takes", of.name, slot.name);
            table.sheet.find(FindingKind::WrongType, word.span.clone(), message);
            return None;
        };
        self.check_binding(table, slot, &codes, into, word);
        Some((How::Code { table: codes, into }, member_of(slot, of)))
    }

    /// The table the other way round.
    fn turned(&self, table: &Table<'_, '_>, codes: &CodeTable, word: &Word<'_>) -> Option<Arc<CodeTable>> {
        match codes.turned() {
            Ok(turned) => Some(Arc::new(turned)),
            Err(Ambiguous { target, sources }) => {
                let message = format!(
                    "the code table `{}` cannot be read backwards: `{target}` may be {}",
                    codes.name,
                    list(&sources.iter().map(CompactString::as_str).collect::<Vec<_>>())
                );
                let help = format!(
                    "say which one is written, in the table: `[back]` and `{target} = \"{}\"`",
                    sources[0]
                );
                table.sheet.find_help(FindingKind::UnknownCode, word.span.clone(), message, Some(help));
                None
            }
        }
    }

    fn code_type(&self, table: &Table<'_, '_>, slot: &Slot) -> Option<&'static TypeRef> {
        match table.text("as") {
            Some(word) => {
                let writes = self.known_function(table, &word)?.writes;
                slot.types.iter().find(|of| fits(writes, of.name)).copied()
            }
            None => slot.sole_type(),
        }
    }

    /// A table must not write codes that the element's required value set does not have.
    fn check_binding(
        &self,
        table: &Table<'_, '_>,
        slot: &Slot,
        codes: &CodeTable,
        into: CodeInto,
        word: &Word<'_>,
    ) {
        let Some(set) = slot.binding.filter(|set| set.is_closed()) else { return };
        let coded = matches!(into, CodeInto::Coding | CodeInto::CodeableConcept);
        let allowed = |code: &Coded| match (code.system.as_ref().or(codes.target.as_ref()), coded) {
            (Some(system), true) => set.has(system, &code.code),
            _ => set.has_code(&code.code),
        };
        let wrong = codes.targets().filter(|code| !allowed(code));
        let mut wrong: Vec<&str> = wrong.map(|code| code.code.as_str()).collect();
        wrong.sort_unstable();
        wrong.dedup();
        let known: Vec<_> = set.codes().take(24).collect();
        let help = format!(
            "`{}` allows: {}; the table is mappings/codes/{}.toml",
            set.name,
            known.join(", "),
            codes.name
        );
        if !wrong.is_empty() {
            let message = format!(
                "the code table `{}` writes {}, which `{}` does not take",
                codes.name,
                list(&wrong),
                slot.name
            );
            table.sheet.find_help(FindingKind::UnknownCode, word.span.clone(), message, Some(help));
        } else if matches!(codes.other, Other::Keep) {
            let message = format!(
                "the code table `{}` keeps unlisted codes, which `{}` may not take",
                codes.name, slot.name
            );
            table.sheet.find_help(FindingKind::UnknownCode, word.span.clone(), message, Some(help));
        }
    }

    /// A default that is one word for a coded element is a code of the table's target system.
    pub(super) fn default_code(
        &self,
        table: &Table<'_, '_>,
        slot: &Slot,
        level: Level,
    ) -> Option<Option<Json>> {
        let Level::Fhir(_) = level else { return Some(None) };
        let of = slot.sole_type().map(|of| of.name);
        let (Some(of @ ("Coding" | "CodeableConcept")), Some(word)) =
            (of, table.value("code").and_then(|_| table.text("code")))
        else {
            return Some(None);
        };
        let is_text = table.value("default").is_some_and(|value| value.get_ref().is_str());
        if !is_text {
            return Some(None);
        }
        let codes: Arc<CodeTable> = self.code_table(&table.sheet, &word)?;
        let code = table.text("default")?;
        let known = codes.targets().find(|coded| coded.code == code.text);
        let mut coding = Object::with_capacity(3);
        let system = known.and_then(|coded| coded.system.as_ref()).or(codes.target.as_ref());
        if let Some(system) = system {
            coding.set("system", system.clone());
        }
        coding.set("code", code.text);
        if let Some(display) = known.and_then(|coded| coded.display.clone()) {
            coding.set("display", display);
        }
        let coding = Json::Object(coding);
        Some(Some(match of {
            "Coding" => coding,
            _ => Json::Object([("coding", Json::Array(vec![coding]))].into_iter().collect()),
        }))
    }
}

/// Whether a value of one type may stand where another is asked for.
fn fits(writes: &str, element: &str) -> bool {
    let is_text = matches!(
        writes,
        "string"
            | "code"
            | "id"
            | "uri"
            | "url"
            | "canonical"
            | "oid"
            | "uuid"
            | "markdown"
            | "date"
            | "dateTime"
            | "instant"
            | "time"
    );
    match element {
        _ if writes == element => true,
        "string" | "markdown" => is_text,
        "uri" => matches!(writes, "url" | "canonical" | "oid" | "uuid"),
        "url" | "canonical" => writes == "uri",
        "code" => writes == "id",
        "dateTime" => matches!(writes, "date" | "instant"),
        "decimal" => matches!(writes, "integer" | "unsignedInt" | "positiveInt"),
        "integer" => matches!(writes, "unsignedInt" | "positiveInt"),
        "unsignedInt" => writes == "positiveInt",
        _ => false,
    }
}

fn code_into(of: &str) -> Option<CodeInto> {
    Some(match of {
        "code" | "string" | "uri" | "url" | "canonical" | "markdown" | "id" => CodeInto::Plain,
        "boolean" => CodeInto::Boolean,
        "integer" | "unsignedInt" | "positiveInt" | "decimal" => CodeInto::Number,
        "Coding" => CodeInto::Coding,
        "CodeableConcept" => CodeInto::CodeableConcept,
        _ => return None,
    })
}

fn list(codes: &[&str]) -> String {
    codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ")
}

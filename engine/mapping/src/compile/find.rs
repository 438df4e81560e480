//! `find` and `missing`: what is looked up in the store, by which search parameters, and what is done when it is not there.

use compact_str::{CompactString, format_compact};
use hub_core::finding::{FindingKind, nearest};
use hub_core::path::To;
use hub_fhir::ResourceType;
use hub_fhir::params::{self, Param, ParamKind};
use toml::Spanned;
use toml::de::DeValue;

use super::Compiler;
use super::level::Slot;
use crate::functions::{Makes, function};
use crate::plan::{At, Criterion, ElementPlan, FindPlan, IDENTIFIER, Make, Missing, ResourcePlan, Sought};
use crate::reading::{Table, suggest};

impl Compiler<'_> {
    /// The keys `find` and `missing` of a resource, whose type is known.
    pub(super) fn resource_find(
        &self,
        table: &Table<'_, '_>,
        kind: ResourceType,
    ) -> Option<Option<FindPlan>> {
        if !table.has("find") {
            if table.has("missing") {
                let message = "`missing` says what is done when `find` finds nothing; there is no `find`";
                table.sheet.find(FindingKind::UnknownKey, table.key_span("missing"), message);
            }
            return Some(None);
        }
        let missing = missing(table, true)?;
        let ways = self.ways(table, kind, &[])?;
        Some(Some(FindPlan { at: self.find_at(table), kind, ways, missing }))
    }

    /// A line that points at a resource of the store: `find = { type = "Patient", identifier = "PID-3" }`.
    pub(super) fn line_find(&self, table: &Table<'_, '_>, slot: &Slot) -> Option<FindPlan> {
        let missing = missing(table, false)?;
        let first = match table.value("find")?.get_ref() {
            DeValue::Array(items) => items.iter().find_map(|item| table.as_table(item)),
            _ => table.table("find"),
        };
        let word = first?.must_text("type", "say which resource is looked up: `type = \"Patient\"`")?;
        let Some(kind) = ResourceType::from_name(word.text) else {
            let names = ResourceType::all().map(ResourceType::name);
            let help = nearest(word.text, names).map(|right| format!("did you mean `{right}`?"));
            let message = format!("`{}` is not a resource of FHIR R4B", word.text);
            table.sheet.find_help(FindingKind::UnknownElement, word.span, message, help);
            return None;
        };
        let Some(of) = slot.types.iter().find(|of| of.name == "Reference") else {
            let message = format!("`{}` is {}, not a reference", slot.name, slot.type_names());
            table.sheet.find(FindingKind::WrongType, table.key_span("find"), message);
            return None;
        };
        if !of.targets.is_empty() && !of.targets.contains(&kind) {
            let targets: Vec<_> = of.targets.iter().map(|target| target.name()).collect();
            let message = format!("`{}` cannot point at {kind}, only at: {}", slot.name, targets.join(", "));
            table.sheet.find(FindingKind::WrongType, word.span, message);
            return None;
        }
        let ways = self.ways(table, kind, &["type"])?;
        Some(FindPlan { at: self.find_at(table), kind, ways, missing })
    }

    fn find_at(&self, table: &Table<'_, '_>) -> At {
        At { file: table.sheet.number, line: table.sheet.line(&table.key_span("find")) }
    }

    /// One table of search parameters, or a list of them of which the first that finds something counts.
    fn ways(
        &self,
        table: &Table<'_, '_>,
        kind: ResourceType,
        besides: &[&str],
    ) -> Option<Vec<Vec<Criterion>>> {
        let value = table.value("find")?;
        let items: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        let ways: Vec<Option<Vec<Criterion>>> =
            items.into_iter().map(|item| self.way(table, item, kind, besides)).collect();
        ways.into_iter().collect()
    }

    fn way(
        &self,
        table: &Table<'_, '_>,
        value: &Spanned<DeValue<'_>>,
        kind: ResourceType,
        besides: &[&str],
    ) -> Option<Vec<Criterion>> {
        const EXPECTED: &str = "search parameters and paths: `find = { identifier = \"PID-3\" }`";
        let DeValue::Table(inner) = value.get_ref() else {
            table.wrong("find", value, EXPECTED);
            return None;
        };
        let inner = Table { sheet: table.sheet, inner, span: value.span() };
        let mut criteria = Vec::new();
        for (word, value) in inner.entries().filter(|(word, _)| !besides.contains(&word.text)) {
            let Some(param) = params::find(kind, word.text).filter(|param| params::supported(param)) else {
                let known: Vec<&str> = params::params_of(kind)
                    .iter()
                    .filter(|param| params::supported(param))
                    .map(|param| param.code)
                    .collect();
                let message = format!("{kind} cannot be looked up by `{}`", word.text);
                let help = suggest(word.text, known.iter().copied())
                    .or_else(|| Some(format!("search parameters of {kind}: {}", known.join(", "))));
                inner.sheet.find_help(FindingKind::UnknownElement, word.span, message, help);
                return None;
            };
            criteria.push(self.criterion(&inner, param, value)?);
        }
        if criteria.is_empty() {
            inner.sheet.find(FindingKind::MissingKey, inner.span.clone(), format!("`find` needs {EXPECTED}"));
            return None;
        }
        Some(criteria)
    }

    fn criterion(
        &self,
        table: &Table<'_, '_>,
        param: &'static Param,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Criterion> {
        let usual = match param.kind {
            _ if param.code == IDENTIFIER => "Identifier",
            ParamKind::Date => "dateTime",
            ParamKind::Token => "Coding",
            _ => "string",
        };
        let mut criterion = Criterion {
            // A search for a string takes all that begin so: one who is meant has the whole.
            param: match param.kind {
                ParamKind::String => format_compact!("{}:exact", param.code),
                _ => CompactString::const_new(param.code),
            },
            from: Vec::new(),
            value: None,
            how: function(usual)?,
            system: None,
        };
        match value.get_ref() {
            DeValue::String(text) => {
                let word = crate::reading::Word { text, span: value.span() };
                criterion.from = self.sought(&table.sheet, &word)?;
            }
            DeValue::Table(_) => {
                let line = table.as_table(value)?;
                line.only(&["from", "value", "as", "system"]);
                match (line.has("from"), line.has("value")) {
                    (true, false) => criterion.from = self.sought(&line.sheet, &line.text("from")?)?,
                    (false, true) => criterion.value = Some(line.text("value")?.text.into()),
                    _ => {
                        line.missing("from", "a criterion has one of `from` and `value`");
                        return None;
                    }
                }
                if let Some(word) = line.text("as") {
                    criterion.how = self.known_function(&line, &word)?;
                    if criterion.how.makes() == Makes::Hl7 {
                        let message = format!(
                            "`{}` writes {}, which nothing is looked up by",
                            word.text, criterion.how.writes
                        );
                        line.sheet.find(FindingKind::WrongType, word.span, message);
                        return None;
                    }
                }
                criterion.system = line.text("system").map(|word| word.text.into());
            }
            _ => {
                table.wrong(param.code, value, "a path, or `{ from = \"..\", system = \"..\" }`");
                return None;
            }
        }
        if param.code == IDENTIFIER && !self.has_system(&criterion) {
            let message = "an identifier without its system is looked up in every system, where the same number may be another's";
            let help = "name it: `identifier = { from = \"..\", system = \"urn:id:HIS\" }`, or `value = \"urn:id:HIS|..\"`";
            table.sheet.find_help(FindingKind::MissingKey, value.span(), message, Some(help.to_owned()));
            return None;
        }
        Some(criterion)
    }

    /// Whether an identifier comes with its system: the line names it, or the sender may, in the components of a field or as the root of
    /// an element. A field in which it does not stand after all sets the message aside.
    fn has_system(&self, criterion: &Criterion) -> bool {
        if let Some(value) = &criterion.value {
            return value.split_once('|').is_some_and(|(system, _)| !system.is_empty());
        }
        let is_component = |sought: &Sought| {
            let parts = sought.path.steps().iter().filter(|step| matches!(step.to, To::Part(_)));
            parts.count() > 1 || sought.path.as_str().starts_with("@.")
        };
        criterion.system.is_some()
            || match (self.from.as_str(), criterion.how.name) {
                ("hl7v2", "Identifier") => !criterion.from.iter().any(is_component),
                ("hl7v2", "EI[Identifier]" | "XCN[Identifier]" | "XON[Identifier]") => true,
                ("xml", "II[Identifier]") => true,
                _ => false,
            }
    }
}

/// Whether anything is looked up at all.
pub(super) fn is_any(resources: &[ResourcePlan]) -> bool {
    resources.iter().any(|resource| resource.find.is_some() || looks_up(&resource.set))
}

fn looks_up(set: &[ElementPlan]) -> bool {
    set.iter().flat_map(|element| &element.lines).any(|line| match &line.make {
        Make::Find(_) => true,
        Make::Set { set, .. } => looks_up(set),
        Make::Value(_) | Make::Ref(_) | Make::From(_) => false,
    })
}

fn missing(table: &Table<'_, '_>, may_create: bool) -> Option<Missing> {
    if !table.has("missing") {
        return Some(Missing::Quarantine);
    }
    let word = table.text("missing")?;
    let known: &[&str] = if may_create { &["quarantine", "create", "skip"] } else { &["quarantine", "skip"] };
    match word.text {
        "quarantine" => Some(Missing::Quarantine),
        "skip" => Some(Missing::Skip),
        "create" if may_create => Some(Missing::Create),
        "create" => {
            let message = "a line cannot create what it does not find";
            let help =
                "give it a `[[resource]]` with `find` and `missing = \"create\"`, and point at that by `ref`";
            table.sheet.find_help(FindingKind::WrongType, word.span, message, Some(help.to_owned()));
            None
        }
        other => {
            let message = format!("`missing` is `{other}`, but it must be one of: {}", known.join(", "));
            table.sheet.find_help(
                FindingKind::WrongType,
                word.span,
                message,
                suggest(other, known.iter().copied()),
            );
            None
        }
    }
}

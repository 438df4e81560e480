//! One line: what it takes, and what it makes of it.

use compact_str::CompactString;
use hub_core::finding::FindingKind;
use hub_fhir::Json;
use hub_fhir::elements::{TypeKind, TypeRef};

use super::level::{Level, Slot, beside_primitive};
use super::set::is_constant;
use super::{Compiler, Named};
use crate::keys;
use crate::plan::{At, Invalid, LinePlan, Make};
use crate::reading::{Table, suggest};

/// What a line makes its value of; each line has one of them.
const SOURCES: [&str; 5] = ["from", "value", "ref", "find", "set"];
/// Keys that say how a value is taken from the source.
const OF_FROM: [&str; 9] = ["as", "code", "code_back", "join", "split", "system", "invalid", "unit", "units"];

impl Compiler<'_> {
    pub(super) fn line(
        &self,
        table: &Table<'_, '_>,
        slot: &Slot,
        level: Level,
        merge: bool,
    ) -> Option<LinePlan> {
        let mut known = keys::names(keys::LINE);
        // A bare number or boolean is told apart from a text only in JSON.
        known.retain(|key| *key != "type" || matches!(level, Level::Json));
        table.only(&known);
        let each = table.has("each").then(|| self.path(table, "each"));
        let when = table.has("when").then(|| self.condition(table, "when"));
        let clears = self.clears(table, merge);
        let source = self.source(table)?;
        if source != "find" && table.has("missing") {
            let message = format!("`missing` belongs to a line with `find`, not with `{source}`");
            table.sheet.find(FindingKind::UnknownKey, table.key_span("missing"), message);
        }
        if source != "from" {
            for key in OF_FROM.iter().filter(|key| table.has(key)) {
                let message = format!("`{key}` belongs to a line with `from`, not with `{source}`");
                table.sheet.find(FindingKind::UnknownKey, table.key_span(key), message);
            }
        }
        let default = if table.has("default") { Some(self.default_value(table, slot, level)?) } else { None };
        let (make, member) = match source {
            "value" => {
                (Make::Value(self.literals(table, "value", slot, level)?), self.sole_member(table, slot)?)
            }
            "ref" => self.reference(table, slot, level)?,
            "find" => self.finding_line(table, slot, level)?,
            "set" => (self.set_line(table, slot, level)?, None),
            _ => self.source_line(table, slot, level)?,
        };
        Some(LinePlan {
            at: At { file: table.sheet.number, line: table.sheet.line(&table.span) },
            when: match when {
                Some(when) => Some(when?),
                None => None,
            },
            each: match each {
                Some(each) => Some(each?),
                None => None,
            },
            make,
            default,
            member,
            clears,
            initial: table.boolean("initial").unwrap_or(false),
            invalid: invalid(table),
        })
    }

    /// Which of the four a line is.
    fn source(&self, table: &Table<'_, '_>) -> Option<&'static str> {
        let mut found = SOURCES.iter().filter(|key| table.has(key));
        match (found.next(), found.next()) {
            (Some(one), None) => Some(one),
            (Some(one), Some(other)) => {
                let message = format!(
                    "a line has one of `from`, `value`, `ref`, `find` and `set`, not `{one}` and `{other}`"
                );
                table.sheet.find(FindingKind::UnknownKey, table.key_span(other), message);
                None
            }
            (None, _) => {
                table.missing("from", "a line has one of `from`, `value`, `ref`, `find` and `set`");
                None
            }
        }
    }

    fn clears(&self, table: &Table<'_, '_>, merge: bool) -> bool {
        match table.boolean("clears") {
            Some(clears) if merge => clears,
            Some(_) => {
                let message = "`clears` belongs to the lines of a resource with `write = \"merge\"`";
                table.sheet.find(FindingKind::UnknownKey, table.key_span("clears"), message);
                false
            }
            None => merge,
        }
    }

    fn set_line(&self, table: &Table<'_, '_>, slot: &Slot, level: Level) -> Option<Make> {
        let inner = table.table("set")?;
        let below = match level {
            Level::Json => Level::Json,
            Level::Xml if slot.name.starts_with('@') || slot.name == "#text" || slot.name == "#cdata" => {
                let message = format!("`{}` is a single text; it has no elements to set", slot.name);
                table.sheet.find(FindingKind::WrongType, inner.span, message);
                return None;
            }
            Level::Xml => Level::Xml,
            Level::Csv => {
                let message = format!("`{}` is a column, which holds a single text", slot.name);
                table.sheet.find(FindingKind::WrongType, inner.span, message);
                return None;
            }
            Level::Hl7(0) => {
                let message = format!("`{}` is a subcomponent: nothing stands within it", slot.name);
                table.sheet.find(FindingKind::WrongType, inner.span, message);
                return None;
            }
            Level::Hl7(depth) => Level::Hl7(depth - 1),
            Level::Fhir(_) if slot.beside => Level::Fhir(beside_primitive()?),
            Level::Fhir(_) => match slot.sole_type().map(|of| (of.def(), of)) {
                Some((Some(def), _)) => Level::Fhir(def),
                Some((None, of)) if of.kind == TypeKind::AnyResource => {
                    let message = "a resource within a resource is not written by a mapping";
                    let help = "give it a `[[resource]]` of its own and refer to it".to_owned();
                    table.sheet.find_help(FindingKind::WrongType, inner.span, message, Some(help));
                    return None;
                }
                Some((None, of)) => {
                    let message = format!(
                        "`{}` is a single value of type {}; it has no elements to set",
                        slot.name, of.name
                    );
                    table.sheet.find(FindingKind::WrongType, inner.span, message);
                    return None;
                }
                None => {
                    let help = slot.choice.and_then(|choice| choice.concrete.first());
                    let help = help.map(|name| format!("write the name of one type, such as `{name}`"));
                    let message = format!("`{}` may have several types; `set` needs one", slot.name);
                    table.sheet.find_help(FindingKind::WrongType, inner.span, message, help);
                    return None;
                }
            },
        };
        let set = self.set(&inner, below, false)?;
        let constant = is_constant(&set);
        Some(Make::Set { set, constant })
    }

    fn reference(
        &self,
        table: &Table<'_, '_>,
        slot: &Slot,
        level: Level,
    ) -> Option<(Make, Option<CompactString>)> {
        let word = table.text("ref")?;
        let place = self.resource_named(table, &word, word.text)?;
        if !matches!(level, Level::Fhir(_)) {
            let message = "a partner's message has no references to resources";
            table.sheet.find(FindingKind::WrongType, word.span, message);
            return None;
        }
        let Some(of) = slot.types.iter().find(|of| of.name == "Reference") else {
            let message = format!("`{}` is {}, not a reference", slot.name, slot.type_names());
            table.sheet.find(FindingKind::WrongType, word.span, message);
            return None;
        };
        if let Some(kind) = self.resources[place].kind
            && !of.targets.is_empty()
            && !of.targets.contains(&kind)
        {
            let targets: Vec<_> = of.targets.iter().map(|target| target.name()).collect();
            let message = format!("`{}` cannot point at {kind}, only at: {}", slot.name, targets.join(", "));
            let fits = |known: &&Named| known.kind.is_some_and(|kind| of.targets.contains(&kind));
            let fitting: Vec<_> =
                self.resources.iter().filter(fits).map(|known| format!("`{}`", known.name)).collect();
            let help = match fitting.is_empty() {
                true => "no resource of this mapping is of such a type".to_owned(),
                false => format!("of this mapping it can point at {}", fitting.join(", ")),
            };
            table.sheet.find_help(FindingKind::WrongType, word.span, message, Some(help));
            return None;
        }
        Some((Make::Ref(place), member_of(slot, of)))
    }

    fn finding_line(
        &self,
        table: &Table<'_, '_>,
        slot: &Slot,
        level: Level,
    ) -> Option<(Make, Option<CompactString>)> {
        if !matches!(level, Level::Fhir(_)) {
            let message = "a partner's message has no references to resources";
            table.sheet.find(FindingKind::WrongType, table.key_span("find"), message);
            return None;
        }
        let find = self.line_find(table, slot)?;
        let of = slot.types.iter().find(|of| of.name == "Reference")?;
        Some((Make::Find(Box::new(find)), member_of(slot, of)))
    }

    /// The JSON name a literal gets; for `value[x]` nobody says which.
    fn sole_member(&self, table: &Table<'_, '_>, slot: &Slot) -> Option<Option<CompactString>> {
        let Some(choice) = slot.choice else { return Some(None) };
        let help =
            choice.concrete.first().map(|name| format!("write the name of one type, such as `{name}`"));
        let message = format!("`{}` may have several types; a literal does not say which", slot.name);
        table.sheet.find_help(FindingKind::WrongType, table.key_span("value"), message, help);
        None
    }

    fn default_value(&self, table: &Table<'_, '_>, slot: &Slot, level: Level) -> Option<Json> {
        let mut one = slot.clone();
        one.many = false;
        if let Some(of) = self.chosen(table, slot) {
            one.types = vec![of];
            one.choice = None;
        }
        if one.choice.is_some() {
            let message = format!("`{}` may have several types; a default does not say which", slot.name);
            table.sheet.find(FindingKind::WrongType, table.key_span("default"), message);
            return None;
        }
        if let Some(json) = self.default_code(table, &one, level)? {
            return Some(json);
        }
        self.literals(table, "default", &one, level)?.into_iter().next()
    }

    /// The type of a choice that `as` names.
    fn chosen(&self, table: &Table<'_, '_>, slot: &Slot) -> Option<&'static TypeRef> {
        slot.choice?;
        let word = table.text("as")?;
        let writes = crate::functions::function(word.text)?.writes;
        slot.types.iter().find(|of| of.name == writes).copied()
    }
}

/// What the key `invalid` of a line or of an `include` says; `None` when it is not there.
pub(super) fn invalid(table: &Table<'_, '_>) -> Option<Invalid> {
    let word = table.text("invalid")?;
    match word.text {
        "quarantine" => Some(Invalid::Quarantine),
        "drop" => Some(Invalid::Drop),
        "text" => {
            let is_by = table.text("as").is_some_and(|word| word.text.starts_with("by "));
            if !is_by {
                let message = "`invalid = \"text\"` belongs to a line with `as = \"by ..\"`";
                table.sheet.find(FindingKind::WrongType, word.span, message);
            }
            Some(Invalid::Text)
        }
        other => {
            let message = format!("`invalid` is `{other}`, but it must be `quarantine`, `drop` or `text`");
            let help = suggest(other, ["quarantine", "drop", "text"]);
            table.sheet.find_help(FindingKind::WrongType, word.span, message, help);
            None
        }
    }
}

/// The JSON name of a choice for a type.
pub(super) fn member_of(slot: &Slot, of: &TypeRef) -> Option<CompactString> {
    slot.choice.and_then(|choice| choice.json_name(of.name)).map(CompactString::new)
}

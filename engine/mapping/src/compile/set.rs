//! A set of lines: what one object is built of.

use compact_str::CompactString;
use hub_core::finding::FindingKind;
use toml::Spanned;
use toml::de::DeValue;

use super::Compiler;
use super::level::{Level, Slot};
use crate::plan::{ElementPlan, LinePlan, Make};
use crate::reading::{Table, Word};

impl Compiler<'_> {
    /// Compiles every target of a set. `merge`: it is the set of a resource that is merged.
    pub(super) fn set(&self, table: &Table<'_, '_>, level: Level, merge: bool) -> Option<Vec<ElementPlan>> {
        let plans = self.partial_set(table, level, merge);
        if !merge {
            let names: Vec<CompactString> = table.entries().map(|(word, _)| word.text.into()).collect();
            self.needs_all(table, level, &names);
        }
        plans
    }

    /// The required elements that no target sets.
    pub(super) fn needs_all(&self, table: &Table<'_, '_>, level: Level, names: &[CompactString]) {
        let Level::Fhir(def) = level else { return };
        for element in level.missing(names) {
            let message =
                format!("`{}` needs `{}`: without it the result is not valid", def.name, element.name);
            let help = format!("add a line: `{} = {{ from = \"..\" }}`", quoted(element.name));
            table.sheet.find_help(FindingKind::MissingKey, table.span.clone(), message, Some(help));
        }
    }

    /// The same for a set that changes another one, which has what is required.
    pub(super) fn partial_set(
        &self,
        table: &Table<'_, '_>,
        level: Level,
        merge: bool,
    ) -> Option<Vec<ElementPlan>> {
        if let Level::Hl7(depth) = level {
            return self.numbered(table, None, depth);
        }
        let mut plans = Vec::with_capacity(table.inner.len());
        let mut right = true;
        for (word, value) in table.entries() {
            let plan = level
                .slot(&table.sheet, &word)
                .and_then(|slot| self.element(table, slot, &word, value, level, merge));
            match plan {
                Some(plan) => plans.push(plan),
                None => right = false,
            }
        }
        if table.inner.is_empty() {
            table.sheet.find(FindingKind::MissingKey, table.span.clone(), "there are no lines in this set");
            right = false;
        }
        mark_rivals(&mut plans, level);
        right.then_some(plans)
    }

    pub(super) fn element(
        &self,
        table: &Table<'_, '_>,
        mut slot: Slot,
        word: &Word<'_>,
        value: &Spanned<DeValue<'_>>,
        level: Level,
        merge: bool,
    ) -> Option<ElementPlan> {
        let tables: Vec<Option<Table<'_, '_>>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().map(|item| line_table(table, word, item)).collect(),
            _ => vec![line_table(table, word, value)],
        };
        if !matches!(level, Level::Fhir(_)) {
            slot.many = tables.iter().flatten().any(|line| {
                line.has("each")
                    || line.has("split")
                    || line.value("value").is_some_and(|value| value.get_ref().is_array())
            });
        }
        if tables.is_empty() {
            let message = format!("`{}` has no lines", word.text);
            table.sheet.find(FindingKind::MissingKey, value.span(), message);
        }
        let lines: Vec<Option<LinePlan>> =
            tables.into_iter().map(|line| self.line(&line?, &slot, level, merge)).collect();
        let lines = lines.into_iter().collect::<Option<Vec<_>>>()?;
        Some(ElementPlan {
            name: slot.name.clone(),
            choice: slot.choice,
            rivals: None,
            many: slot.many,
            lines,
        })
    }
}

/// `collectedPeriod` and `collectedDateTime` are one element under two names: the first that yields a value is taken.
fn mark_rivals(plans: &mut [ElementPlan], level: Level) {
    let Level::Fhir(def) = level else { return };
    for element in def.elements.iter().filter(|element| element.is_choice()) {
        let is_name = |plan: &ElementPlan| plan.name == element.name || element.concrete.contains(&plan.name);
        if plans.iter().filter(|plan| is_name(plan)).count() > 1 {
            plans.iter_mut().filter(|plan| is_name(plan)).for_each(|plan| plan.rivals = Some(element));
        }
    }
}

fn line_table<'t, 'i>(
    table: &Table<'t, 'i>,
    word: &Word<'_>,
    value: &'t Spanned<DeValue<'i>>,
) -> Option<Table<'t, 'i>> {
    let line = table.as_table(value);
    if line.is_none() {
        let message = format!("`{}` must be a line: a table of keys", word.text);
        let help = match value.get_ref() {
            DeValue::String(_) | DeValue::Integer(_) | DeValue::Boolean(_) => {
                "a literal is written `{ value = .. }`, a path `{ from = \"..\" }`"
            }
            _ => "a line is `{ from = \"..\" }`, `{ value = .. }`, `{ ref = \"..\" }` or `{ set = { .. } }`",
        };
        table.sheet.find_help(FindingKind::WrongType, value.span(), message, Some(help.to_owned()));
    }
    line
}

/// A name as TOML needs it.
fn quoted(name: &str) -> String {
    if name.ends_with("[x]") { format!("\"{name}\"") } else { name.to_owned() }
}

/// Whether an object is made of literals only.
pub(super) fn is_constant(set: &[ElementPlan]) -> bool {
    set.iter().flat_map(|element| &element.lines).all(|line| match &line.make {
        Make::Value(_) => true,
        Make::Set { constant, .. } => *constant && line.each.is_none(),
        Make::Ref(_) | Make::Find(_) | Make::From(_) => false,
    })
}

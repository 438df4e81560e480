//! `[message]`: a partner's message in JSON, XML, CSV or HL7 v2.

use std::collections::BTreeMap;

use compact_str::{CompactString, ToCompactString};
use hub_core::finding::FindingKind;
use toml::Spanned;
use toml::de::DeValue;

use super::Compiler;
use super::level::{Level, Slot};
use super::set::is_constant;
use crate::keys::{self, Key};
use crate::mapping::Target;
use crate::plan::{At, ElementPlan, LinePlan, Make, MessagePlan, SegmentPlan};
use crate::reading::{Table, Word, suggest};

/// Segments may follow segments so deep.
const DEEPEST: usize = 8;

impl Compiler<'_> {
    /// `changes`: the message changes that of the mapping which is extended, so that what is required may be left out.
    pub(super) fn message(
        &self,
        main: &Table<'_, '_>,
        has_resources: bool,
        changes: bool,
    ) -> Option<MessagePlan> {
        let sheet = main.sheet;
        if self.to == Target::Fhir {
            if main.has("message") {
                let message =
                    "`[message]` belongs to a mapping to a partner; one to FHIR has `[[resource]]`s";
                sheet.find(FindingKind::UnknownKey, main.key_span("message"), message);
            }
            if !has_resources {
                main.missing("resource", "a mapping to FHIR has at least one `[[resource]]`");
            }
            return Some(MessagePlan::Resources);
        }
        let to = self.to.name();
        if has_resources {
            let message =
                format!("`[[resource]]` belongs to `to = \"fhir\"`; a mapping to `{to}` has one `[message]`");
            sheet.find(FindingKind::UnknownKey, main.key_span("resource"), message);
        }
        if !main.has("message") {
            main.missing("message", &format!("a mapping to `{to}` has one `[message]`"));
            return None;
        }
        let message = main.table("message")?;
        if message.has("layout") {
            message.table("layout");
        }
        match self.to {
            Target::Fhir => None,
            Target::Json => {
                message.only(&["layout", "set"]);
                if changes && !message.has("set") {
                    return Some(MessagePlan::Members { root: None, set: Vec::new() });
                }
                Some(MessagePlan::Members { root: None, set: self.members(&message, Level::Json)? })
            }
            Target::Xml => self.xml(&message, changes),
            Target::Csv => self.csv(&message, changes),
            Target::Hl7v2 => {
                message.only(&["layout", "segment"]);
                if !message.has("segment") && changes {
                    return Some(MessagePlan::Segments(Vec::new()));
                }
                if !message.has("segment") {
                    message.missing("segment", "the segments stand under `[[message.segment]]`, MSH first");
                    return None;
                }
                self.segments(&message, "segment", 0, changes).map(MessagePlan::Segments)
            }
        }
    }

    fn members(&self, table: &Table<'_, '_>, level: Level) -> Option<Vec<ElementPlan>> {
        if !table.has("set") {
            table.missing("set", "the members of the message stand under `[message.set]`");
            return None;
        }
        self.set(&table.table("set")?, level, false)
    }

    fn xml(&self, message: &Table<'_, '_>, changes: bool) -> Option<MessagePlan> {
        message.only(&["layout", "root", "set"]);
        if changes {
            let root = message.text("root").and_then(|word| Level::Xml.slot(&message.sheet, &word));
            let set = if message.has("set") { self.members(message, Level::Xml)? } else { Vec::new() };
            return Some(MessagePlan::Members { root: root.map(|root| root.name), set });
        }
        let root = message.must_text("root", "name the root element: `root = \"Request\"`");
        let root = root.and_then(|word| Level::Xml.slot(&message.sheet, &word));
        let set = self.members(message, Level::Xml);
        Some(MessagePlan::Members { root: Some(root?.name), set: set? })
    }

    /// Header, rows and trailer, each an object of columns.
    fn csv(&self, message: &Table<'_, '_>, changes: bool) -> Option<MessagePlan> {
        message.only(&["layout", "header", "rows", "trailer"]);
        if !message.has("rows") && !changes {
            message.missing("rows", "the rows stand under `[message.rows]`: `each` and `set`");
            return None;
        }
        let mut plans = Vec::with_capacity(3);
        let mut right = true;
        for key in ["header", "rows", "trailer"] {
            if !message.has(key) {
                continue;
            }
            let known = if key == "rows" { keys::ROWS } else { keys::RECORD };
            match message.table(key).and_then(|table| self.record(&table, key, known)) {
                Some(plan) => plans.push(plan),
                None => right = false,
            }
        }
        right.then_some(MessagePlan::Members { root: None, set: plans })
    }

    fn record(&self, table: &Table<'_, '_>, key: &str, known: &[Key]) -> Option<ElementPlan> {
        table.only_keys(known);
        let each = table.has("each").then(|| self.path(table, "each"));
        let when = table.has("when").then(|| self.condition(table, "when"));
        let set = self.members(table, Level::Csv)?;
        self.check_columns(table, key);
        let constant = is_constant(&set);
        let line = LinePlan {
            each: each.map_or(Some(None), |path| path.map(Some))?,
            when: when.map_or(Some(None), |when| when.map(Some))?,
            ..plain_line(self.line_of(table), Make::Set { set, constant })
        };
        Some(element(key.into(), key == "rows", line))
    }

    /// Columns that the layout does not have.
    fn check_columns(&self, table: &Table<'_, '_>, key: &str) {
        let key = if key == "rows" { "columns" } else { key };
        let Some(toml::Value::Array(columns)) = self.message_layout.get(key) else { return };
        let columns: Vec<&str> = columns.iter().filter_map(toml::Value::as_str).collect();
        let Some(set) = table.table("set") else { return };
        for (word, _) in set.entries().filter(|(word, _)| !columns.contains(&word.text)) {
            let message = format!("the layout has no column `{}`", word.text);
            let help = suggest(word.text, columns.iter().copied());
            table.sheet.find_help(FindingKind::UnknownElement, word.span, message, help);
        }
    }

    fn segments(
        &self,
        table: &Table<'_, '_>,
        key: &str,
        depth: usize,
        changes: bool,
    ) -> Option<Vec<SegmentPlan>> {
        let tables = table.tables(key);
        if depth == DEEPEST {
            let message = format!("segments follow segments more than {DEEPEST} deep");
            table.sheet.find(FindingKind::WrongType, table.key_span(key), message);
            return None;
        }
        let plans: Vec<_> = tables.iter().map(|table| self.segment(table, depth, changes)).collect();
        if depth == 0
            && !changes
            && let Some(first) = tables.first()
            && let Some(name) = first.value("name").and_then(|_| first.text("name"))
            && name.text != "MSH"
        {
            let message = "the first segment of a message is MSH";
            table.sheet.find(FindingKind::UnknownElement, name.span, message);
        }
        plans.into_iter().collect()
    }

    fn segment(&self, table: &Table<'_, '_>, depth: usize, changes: bool) -> Option<SegmentPlan> {
        table.only_keys(keys::SEGMENT);
        let each = table.has("each").then(|| self.path(table, "each"));
        let when = table.has("when").then(|| self.condition(table, "when"));
        let name = table.must_text("name", "say which segment it is: `name = \"PID\"`");
        let name = name.filter(|word| {
            let letters = word.text.as_bytes();
            let is_right = letters.len() == 3
                && letters[0].is_ascii_uppercase()
                && letters.iter().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit());
            if !is_right {
                let message =
                    format!("`{}` is no name of a segment: three capital letters or digits", word.text);
                table.sheet.find(FindingKind::UnknownElement, word.span.clone(), message);
            }
            is_right
        });
        let set = if table.has("set") {
            table
                .table("set")
                .zip(name.as_ref())
                .and_then(|(set, name)| self.numbered(&set, Some(name.text), 2))
        } else {
            table.missing(
                "set",
                "the fields stand under `set`: `set = { \"PID-8\" = { from = \"Patient.gender\" } }`",
            );
            None
        };
        let then = if table.has("then") {
            self.segments(table, "then", depth + 1, changes)
        } else {
            Some(Vec::new())
        };
        let set = set?;
        Some(SegmentPlan {
            name: name?.text.into(),
            each: each.map_or(Some(None), |path| path.map(Some))?,
            when: when.map_or(Some(None), |when| when.map(Some))?,
            constant: is_constant(&set),
            set,
            then: then?,
        })
    }

    /// Targets that are numbers: fields of a segment (`PID-5`, `PID-5.1`), or parts (`1`, `4.2`). Parts of one field come
    /// together. `depth`: so many levels of parts may stand within the first number.
    pub(super) fn numbered(
        &self,
        table: &Table<'_, '_>,
        segment: Option<&str>,
        depth: u8,
    ) -> Option<Vec<ElementPlan>> {
        let mut tree: BTreeMap<u16, Numbered<'_, '_>> = BTreeMap::new();
        let mut right = true;
        if table.inner.is_empty() {
            table.sheet.find(FindingKind::MissingKey, table.span.clone(), "there are no lines in this set");
            right = false;
        }
        for (word, value) in table.entries() {
            match numbers(word.text, segment, depth) {
                Ok(numbers) => {
                    right &= insert(&mut tree, &numbers, Target1 { word, value }, table);
                }
                Err(expected) => {
                    let message = format!("`{}` is no target here: expected {expected}", word.text);
                    table.sheet.find(FindingKind::UnknownElement, word.span, message);
                    right = false;
                }
            }
        }
        let plans = self.numbered_plans(table, tree, depth);
        plans.filter(|_| right)
    }

    fn numbered_plans(
        &self,
        table: &Table<'_, '_>,
        tree: BTreeMap<u16, Numbered<'_, '_>>,
        depth: u8,
    ) -> Option<Vec<ElementPlan>> {
        let plans: Vec<Option<ElementPlan>> = tree
            .into_iter()
            .map(|(number, node)| match node {
                Numbered::Whole(target) => {
                    let name = number.to_compact_string();
                    let slot = Slot::json(&name);
                    let word = Word { text: target.word.text, span: target.word.span };
                    self.element(table, slot, &word, target.value, Level::Hl7(depth), false)
                }
                Numbered::Parts(parts, at) => {
                    let set = self.numbered_plans(table, parts, depth.saturating_sub(1))?;
                    let constant = is_constant(&set);
                    let line = plain_line(at, Make::Set { set, constant });
                    Some(element(number.to_compact_string(), false, line))
                }
            })
            .collect();
        plans.into_iter().collect()
    }

    fn line_of(&self, table: &Table<'_, '_>) -> At {
        At { file: table.sheet.number, line: table.sheet.line(&table.span) }
    }
}

/// A target and its lines.
struct Target1<'t, 'i> {
    word: Word<'t>,
    value: &'t Spanned<DeValue<'i>>,
}

/// What is written at one number.
enum Numbered<'t, 'i> {
    Whole(Target1<'t, 'i>),
    Parts(BTreeMap<u16, Numbered<'t, 'i>>, At),
}

fn insert<'t, 'i>(
    tree: &mut BTreeMap<u16, Numbered<'t, 'i>>,
    numbers: &[u16],
    target: Target1<'t, 'i>,
    table: &Table<'_, '_>,
) -> bool {
    let Some((first, rest)) = numbers.split_first() else { return false };
    let twice = |target: &Target1<'_, '_>| {
        let message = format!("`{}` is written whole and in parts, or twice", target.word.text);
        table.sheet.find(FindingKind::WrongCardinality, target.word.span.clone(), message);
        false
    };
    if rest.is_empty() {
        if tree.contains_key(first) {
            return twice(&target);
        }
        tree.insert(*first, Numbered::Whole(target));
        return true;
    }
    let at = At { file: table.sheet.number, line: table.sheet.line(&target.word.span) };
    match tree.entry(*first).or_insert_with(|| Numbered::Parts(BTreeMap::new(), at)) {
        Numbered::Parts(parts, _) => insert(parts, rest, target, table),
        Numbered::Whole(_) => twice(&target),
    }
}

/// The numbers of a target, outermost first.
fn numbers(text: &str, segment: Option<&str>, depth: u8) -> Result<Vec<u16>, String> {
    let expected = || match segment {
        Some(segment) => format!("a field of {segment}: `{segment}-3`, `{segment}-3.1`"),
        None => "the number of a part: `1`, `4.2`".to_owned(),
    };
    let rest = match segment {
        Some(segment) => {
            text.strip_prefix(segment).and_then(|rest| rest.strip_prefix('-')).ok_or_else(expected)?
        }
        None => text,
    };
    let numbers: Option<Vec<u16>> =
        rest.split('.').map(|word| word.parse().ok().filter(|number| (1..=999).contains(number))).collect();
    let numbers = numbers.ok_or_else(expected)?;
    if numbers.len() > usize::from(depth) + 1 {
        return Err(format!("{}, and no part of a subcomponent", expected()));
    }
    if segment == Some("MSH") && numbers[0] <= 2 {
        return Err("MSH-3 or a later field: the writer gives the separators".to_owned());
    }
    Ok(numbers)
}

fn element(name: CompactString, many: bool, line: LinePlan) -> ElementPlan {
    ElementPlan { name, choice: None, rivals: None, many, lines: vec![line] }
}

fn plain_line(at: At, make: Make) -> LinePlan {
    LinePlan {
        at,
        when: None,
        each: None,
        make,
        default: None,
        member: None,
        clears: false,
        initial: false,
        invalid: None,
    }
}

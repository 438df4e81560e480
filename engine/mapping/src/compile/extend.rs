//! `extends`: a mapping that is another one with changes. One level: the extended one extends nothing itself.

use compact_str::CompactString;
use hub_core::finding::FindingKind;
use hub_fhir::elements::of_resource;

use super::level::Level;
use super::{Compiler, Head, Named, check_name, head};
use crate::files::{FileText, Files};
use crate::keys::{self, Key};
use crate::plan::{ElementPlan, MessagePlan, ResourcePlan, SegmentPlan, Write};
use crate::reading::{Table, suggest};

/// The mapping that is extended.
pub(super) struct Base {
    pub(super) name: String,
    pub(super) file: FileText,
}

pub(super) fn read(name: &str, main: &Table<'_, '_>, files: &dyn Files) -> Option<Base> {
    let word = main.text("extends")?;
    if word.text == name {
        let help = "name another mapping, the one that this is a change of, or take the line out";
        let message = "a mapping cannot extend itself";
        main.sheet.find_help(FindingKind::IncludeLoop, word.span, message, Some(help.to_owned()));
        return None;
    }
    match files.mapping(word.text) {
        Some(file) => Some(Base { name: word.text.to_owned(), file }),
        None => {
            let names = files.mapping_names();
            let help = suggest(word.text, names.iter().map(String::as_str));
            let message = format!("there is no mapping `{}` to extend", word.text);
            main.sheet.find_help(FindingKind::MappingMissing, word.span, message, help);
            None
        }
    }
}

/// Checks what stands above the resources of the extended mapping.
pub(super) fn check_base(by: &str, name: &str, table: &Table<'_, '_>) -> Option<Head> {
    check_name(name, table);
    if table.has("extends") {
        let message = format!("`{name}` is extended by `{by}`, so it cannot extend another mapping itself");
        let help = "take this line out and write here what it needs, or let the other one extend nothing";
        let span = table.key_span("extends");
        table.sheet.find_help(FindingKind::IncludeLoop, span, message, Some(help.to_owned()));
        return None;
    }
    head(name, table, None)
}

/// Whether a resource of this file has the name of one that is there already.
pub(super) fn changes(table: &Table<'_, '_>, known: &[Named]) -> bool {
    table
        .value("as")
        .and_then(|_| table.text("as"))
        .is_some_and(|word| known.iter().any(|it| it.name == word.text))
}

impl Compiler<'_> {
    /// Changes a resource of the extended mapping: what is said here holds instead of what is said there, target by target.
    pub(super) fn change(&self, table: &Table<'_, '_>, resources: &mut [Option<ResourcePlan>]) {
        let known: Vec<Key> = keys::RESOURCE.iter().chain(keys::CHANGE).copied().collect();
        table.only_keys(&known);
        let Some(name) = table.text("as") else { return };
        let Some(place) = self.resources.iter().position(|known| known.name == name.text) else { return };
        let Some(Some(plan)) = resources.get_mut(place) else { return };
        if let Some(word) = table.text("type")
            && word.text != plan.kind.name()
        {
            let message = format!(
                "`{}` is {} in the mapping that is extended, not {}",
                name.text, plan.kind, word.text
            );
            table.sheet.find(FindingKind::WrongType, word.span, message);
            return;
        }
        if table.has("each")
            && let Some(each) = self.each(table, None)
        {
            plan.each = each;
        }
        if table.has("when") {
            plan.when = self.condition(table, "when");
        }
        if table.has("once")
            && let Some(once) = self.once(table)
        {
            plan.once = once;
        }
        if (table.has("id") || table.has("known_by"))
            && let Some(id) = self.id(table)
        {
            plan.id = id;
        }
        if table.has("find")
            && let Some(find) = self.resource_find(table, plan.kind)
        {
            plan.find = find;
        }
        if table.has("differs_from") {
            plan.differs_from = self.differs_from(table);
        }
        if let Some(write) = super::resource::write(table) {
            plan.write = write;
        }
        self.change_set(table, plan);
    }

    fn change_set(&self, table: &Table<'_, '_>, plan: &mut ResourcePlan) {
        let level = Level::Fhir(of_resource(plan.kind));
        let merge = plan.write == Write::Merge;
        if let Some(set) = table.value("set").and_then(|_| table.table("set"))
            && let Some(set) = self.partial_set(&set, level, merge)
        {
            replace(&mut plan.set, set);
        }
        self.without(table, &mut plan.set);
        let names: Vec<CompactString> = plan.set.iter().map(|element| element.name.clone()).collect();
        if !merge {
            self.needs_all(table, level, &names);
        }
    }

    fn without(&self, table: &Table<'_, '_>, set: &mut Vec<ElementPlan>) {
        for word in table.texts("without") {
            let before = set.len();
            set.retain(|element| element.name != word.text);
            if set.len() == before {
                let known: Vec<_> = set.iter().map(|element| element.name.as_str()).collect();
                let message = format!("the mapping that is extended does not set `{}` here", word.text);
                table.sheet.find_help(
                    FindingKind::UnknownElement,
                    word.span,
                    message,
                    suggest(word.text, known),
                );
            }
        }
    }

    /// The resources of the extended mapping that this one does not want.
    pub(super) fn take_out(
        &self,
        main: &Table<'_, '_>,
        resources: &mut [Option<ResourcePlan>],
        has_base: bool,
    ) {
        if main.has("without") && !has_base {
            let message =
                "`without` takes resources out of the mapping that is extended; there is no `extends`";
            main.sheet.find(FindingKind::UnknownKey, main.key_span("without"), message);
            return;
        }
        for word in main.texts("without") {
            if let Some(place) = self.resource_named(main, &word, word.text)
                && let Some(Some(plan)) = resources.get_mut(place)
            {
                plan.removed = true;
            }
        }
    }

    /// The message of the extended mapping with the changes of this one: members by name, segments by name.
    pub(super) fn extended_message(&self, base: &Table<'_, '_>, main: &Table<'_, '_>) -> Option<MessagePlan> {
        let has_resources = !self.resources.is_empty();
        let message = self.message(base, has_resources, false);
        if !main.has("message") {
            return message;
        }
        let changes = self.message(main, has_resources, true);
        let (mut message, changes) = (message?, changes?);
        match (&mut message, changes) {
            (MessagePlan::Members { root, set }, MessagePlan::Members { root: new_root, set: new }) => {
                if new_root.is_some() {
                    *root = new_root;
                }
                replace(set, new);
            }
            (MessagePlan::Segments(segments), MessagePlan::Segments(new)) => change_segments(segments, new),
            _ => {}
        }
        Some(message)
    }
}

/// Later ones stand in the place of earlier ones of the same name.
fn replace(set: &mut Vec<ElementPlan>, new: Vec<ElementPlan>) {
    for element in new {
        match set.iter_mut().find(|known| known.name == element.name) {
            Some(known) => *known = element,
            None => set.push(element),
        }
    }
}

fn change_segments(segments: &mut Vec<SegmentPlan>, new: Vec<SegmentPlan>) {
    for change in new {
        match find_segment(segments, &change.name) {
            Some(known) => {
                if change.each.is_some() {
                    known.each = change.each;
                }
                if change.when.is_some() {
                    known.when = change.when;
                }
                replace(&mut known.set, change.set);
                known.set.sort_by_key(|element| element.name.parse::<u16>().unwrap_or(u16::MAX));
                known.constant = super::set::is_constant(&known.set);
                change_segments(&mut known.then, change.then);
            }
            None => segments.push(change),
        }
    }
}

fn find_segment<'s>(segments: &'s mut [SegmentPlan], name: &str) -> Option<&'s mut SegmentPlan> {
    for segment in segments {
        if segment.name == name {
            return Some(segment);
        }
        if let Some(found) = find_segment(&mut segment.then, name) {
            return Some(found);
        }
    }
    None
}

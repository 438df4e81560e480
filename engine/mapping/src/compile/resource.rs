//! `[[resource]]`: its name, type, nodes, id and lines.

use compact_str::CompactString;
use hub_core::finding::{FindingKind, nearest};
use hub_core::path::Path;
use hub_fhir::ResourceType;
use hub_fhir::elements::of_resource;

use super::include::Part;
use super::level::Level;
use super::paths::split_alternatives;
use super::{Compiler, Named};
use crate::keys;
use crate::plan::{
    At, Differs, ElementPlan, IdPart, IdPlan, IdSource, Invalid, Make, Once, ResourcePlan, Sought, Write,
};
use crate::reading::{Table, Word, suggest};

impl Compiler<'_> {
    /// Learns the names and types of all resources, so that lines may refer to later ones.
    pub(super) fn name_resources(&mut self, tables: &[Table<'_, '_>]) {
        for table in tables {
            let help = "every `[[resource]]` has a name for the lines that refer to it: `as = \"patient\"`";
            let name = table.must_text("as", help);
            if let Some(word) = &name
                && self.resources.iter().any(|known| known.name == word.text)
            {
                let message = format!("there are two resources named `{}`", word.text);
                table.sheet.find(FindingKind::UnknownReference, word.span.clone(), message);
            }
            let kind = table.must_text("type", "say which resource it is: `type = \"Patient\"`");
            let kind = kind.and_then(|word| {
                let kind = ResourceType::from_name(word.text);
                if kind.is_none() {
                    let names = ResourceType::all().map(ResourceType::name);
                    let help = nearest(word.text, names).map(|right| format!("did you mean `{right}`?"));
                    let message = format!("`{}` is not a resource of FHIR R4B", word.text);
                    table.sheet.find_help(FindingKind::UnknownElement, word.span, message, help);
                }
                kind
            });
            let name = name.map_or_else(CompactString::default, |word| word.text.into());
            self.resources.push(Named { name, kind });
        }
    }

    /// The place of the resource of this name.
    pub(super) fn resource_named(&self, table: &Table<'_, '_>, word: &Word<'_>, name: &str) -> Option<usize> {
        let found = self.resources.iter().position(|known| known.name == name && !name.is_empty());
        if found.is_none() {
            let help = suggest(name, self.resources.iter().map(|known| known.name.as_str()));
            let message = format!("no resource of this mapping is named `{name}`");
            table.sheet.find_help(FindingKind::UnknownReference, word.span.clone(), message, help);
        }
        found
    }

    /// `over` is what the file that includes this resource's part says of it.
    pub(super) fn resource(&self, table: &Table<'_, '_>, over: Option<&Part>) -> Option<ResourcePlan> {
        table.only_keys(keys::RESOURCE);
        let kind = table.value("type").and_then(|_| ResourceType::from_name(table.text("type")?.text));
        let each = self.each(table, over);
        let when = table.has("when").then(|| self.condition(table, "when"));
        let write = write(table).unwrap_or(Write::Replace);
        let once = self.once(table);
        let find = kind.map_or(Some(None), |kind| self.resource_find(table, kind));
        let creates = table.text("missing").is_some_and(|word| word.text == "create");
        // What is only looked up needs no id of its own.
        let id =
            if table.has("find") && !creates && !table.has("id") { Some(no_id()) } else { self.id(table) };
        let differs_from = table.has("differs_from").then(|| self.differs_from(table));
        let set = if table.has("set") {
            table.table("set")
        } else {
            table.missing("set", "the elements stand under `[resource.set]`");
            None
        };
        let def = of_resource(kind?);
        let mut set = self.set(&set?, Level::Fhir(def), write == Write::Merge);
        if let (Some(set), Some(invalid)) = (&mut set, over.and_then(|part| part.invalid)) {
            say_invalid(set, invalid);
        }
        Some(ResourcePlan {
            kind: kind?,
            each: each?,
            when: transpose(when)?,
            once: once?,
            id: id?,
            find: find?,
            removed: false,
            differs_from: transpose(differs_from)?,
            write: over.and_then(|part| part.write).unwrap_or(write),
            set: set?,
        })
    }

    /// One path, or a list of them; a part's resource without any takes that of the `include`.
    pub(super) fn each(&self, table: &Table<'_, '_>, over: Option<&Part>) -> Option<Vec<Path>> {
        let Some(value) = table.value("each") else {
            return match over.and_then(|part| part.each.as_deref()) {
                Some(each) => Path::parse(each).ok().map(|path| vec![path]),
                None => Some(Vec::new()),
            };
        };
        if !value.get_ref().is_array() {
            return self.path(table, "each").map(|path| vec![path]);
        }
        let words = table.texts("each");
        let paths = words.iter().map(|word| self.one_path(&table.sheet, word, 0, word.text));
        paths.collect::<Vec<_>>().into_iter().collect()
    }

    /// The paths that may name one node at most.
    pub(super) fn once(&self, table: &Table<'_, '_>) -> Option<Vec<Once>> {
        let at = self.at(table, "once");
        let words = table.texts("once");
        let paths = words.iter().map(|word| {
            let path = self.one_path(&table.sheet, word, 0, word.text)?;
            Some(Once { at, path })
        });
        paths.collect()
    }

    /// The resource that must not turn out to be this one.
    pub(super) fn differs_from(&self, table: &Table<'_, '_>) -> Option<Differs> {
        let word = table.text("differs_from")?;
        let from = self.resource_named(table, &word, word.text)?;
        let own = table.text("as").map(|word| word.text);
        let kind = table.text("type").and_then(|word| ResourceType::from_name(word.text));
        let message = if own == Some(word.text) {
            "a resource cannot differ from itself".to_owned()
        } else if let (Some(kind), Some(other)) = (kind, self.resources[from].kind)
            && kind != other
        {
            format!("`{}` is {other} and differs from every {kind} anyway", word.text)
        } else {
            return Some(Differs { at: self.at(table, "differs_from"), name: word.text.into(), from });
        };
        table.sheet.find(FindingKind::UnknownReference, word.span, message);
        None
    }

    fn at(&self, table: &Table<'_, '_>, key: &str) -> At {
        At { file: table.sheet.number, line: table.sheet.line(&table.key_span(key)) }
    }

    pub(super) fn id(&self, table: &Table<'_, '_>) -> Option<IdPlan> {
        let help = "the id is computed of a word and paths: `id = [\"patient\", \"PID-3.1\"]`";
        if !table.has("id") {
            table.missing("id", help);
            return None;
        }
        let words = table.texts("id");
        let Some((namespace, rest)) = words.split_first() else {
            table.sheet.find(FindingKind::WrongType, table.key_span("id"), help);
            return None;
        };
        if rest.is_empty() {
            let message = "every message would have the same id: a word alone does not tell resources apart";
            table.sheet.find_help(
                FindingKind::WrongType,
                namespace.span.clone(),
                message,
                Some(help.to_owned()),
            );
            return None;
        }
        let parts: Vec<_> = rest.iter().map(|word| self.id_part(table, word)).collect();
        let known_by = match table.text("known_by") {
            Some(word) => self.sought(&table.sheet, &word)?,
            None if table.has("known_by") => return None,
            None => Vec::new(),
        };
        let is_used = rest.iter().any(|word| word.text.contains('@'));
        if !known_by.is_empty() && !is_used {
            let message =
                "no part of the `id` begins with `@`, which stands for what the resource is known by";
            let help = "write `id = [\"patient\", \"@.1\"]`".to_owned();
            table.sheet.find_help(FindingKind::WrongType, table.key_span("known_by"), message, Some(help));
        }
        Some(IdPlan {
            at: self.at(table, "id"),
            namespace: namespace.text.into(),
            known_by,
            parts: parts.into_iter().collect::<Option<_>>()?,
        })
    }

    fn id_part(&self, table: &Table<'_, '_>, word: &Word<'_>) -> Option<IdPart> {
        let (text, optional) = match word.text.trim_end().strip_suffix('?') {
            Some(text) => (text, true),
            None => (word.text, false),
        };
        let sources: Vec<_> = split_alternatives(text)
            .into_iter()
            .map(|(offset, piece)| {
                let plain = piece.trim();
                if let Some(name) = plain.strip_prefix("ref.") {
                    return self.resource_named(table, word, name).map(IdSource::Ref);
                }
                if plain == "nth" {
                    return Some(IdSource::Nth);
                }
                let quoted = plain.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
                if let Some(literal) = quoted {
                    return Some(IdSource::Literal(literal.into()));
                }
                let path = self.one_path(&table.sheet, word, offset, piece)?;
                Some(IdSource::Path(Sought::new(path, &self.from)))
            })
            .collect();
        let any = sources.into_iter().collect::<Option<_>>()?;
        Some(IdPart { text: text.trim().into(), any, optional })
    }

    /// The order in which ids can be computed: a resource after those whose ids its own is made of.
    pub(super) fn order(
        &self,
        tables: &[Table<'_, '_>],
        plans: &[Option<ResourcePlan>],
    ) -> Option<Vec<usize>> {
        let needs: Vec<Vec<usize>> =
            plans.iter().map(|plan| plan.as_ref().map_or_else(Vec::new, needs)).collect();
        let mut order = Vec::with_capacity(plans.len());
        let mut done = vec![false; plans.len()];
        while order.len() < plans.len() {
            let ready =
                (0..plans.len()).find(|place| !done[*place] && needs[*place].iter().all(|need| done[*need]));
            let Some(place) = ready else {
                let stuck = (0..plans.len()).find(|place| !done[*place]).unwrap_or_default();
                let message = format!("the id of `{}` depends on itself", self.resources[stuck].name);
                let table = &tables[stuck];
                table.sheet.find(FindingKind::UnknownReference, table.key_span("id"), message);
                return None;
            };
            done[place] = true;
            order.push(place);
        }
        Some(order)
    }
}

/// For a resource that is only looked up: its id is the stored one.
fn no_id() -> IdPlan {
    IdPlan {
        at: At { file: 0, line: 0 },
        namespace: CompactString::default(),
        known_by: Vec::new(),
        parts: Vec::new(),
    }
}

/// The key `write` of a resource or of an `include`.
pub(super) fn write(table: &Table<'_, '_>) -> Option<Write> {
    let word = table.text("write")?;
    Some(match word.text {
        "replace" => Write::Replace,
        "merge" => Write::Merge,
        "ensure" => Write::Ensure,
        other => {
            let message = format!("`write` is `{other}`, but it must be `replace`, `merge` or `ensure`");
            let help = suggest(other, ["replace", "merge", "ensure"]);
            table.sheet.find_help(FindingKind::WrongType, word.span, message, help);
            return None;
        }
    })
}

fn needs(plan: &ResourcePlan) -> Vec<usize> {
    let sources = plan.id.parts.iter().flat_map(|part| &part.any);
    let refs = sources.filter_map(|source| match source {
        IdSource::Ref(place) => Some(*place),
        IdSource::Path(_) | IdSource::Literal(_) | IdSource::Nth => None,
    });
    refs.chain(plan.differs_from.iter().map(|differs| differs.from)).collect()
}

/// Says what is done with values that do not fit, where a line does not say it itself.
fn say_invalid(set: &mut [ElementPlan], invalid: Invalid) {
    for line in set.iter_mut().flat_map(|element| &mut element.lines) {
        line.invalid.get_or_insert(invalid);
        if let Make::Set { set, .. } = &mut line.make {
            say_invalid(set, invalid);
        }
    }
}

/// A key that is there must be right; one that is not there is fine.
fn transpose<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(Some(value)) => Some(Some(value)),
        Some(None) => None,
    }
}

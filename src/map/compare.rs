//! What differs between two results of a mapping: by resource and element path, old beside new.

use std::collections::HashMap;

use hub_core::commit::Change;
use hub_fhir::difference::{all_gone, all_new, differences};
use hub_fhir::leaves::without_places;
use hub_fhir::{Object, ResourceType};

use super::route::Made;

/// One value that differs. Old and new are never both absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The resource's type, or nothing for a partner's message.
    pub kind: String,
    /// What it is called: `Observation(2)`.
    pub name: String,
    /// `name[0].family`; in round brackets what is no element: `(write)`.
    pub path: String,
    /// The value before.
    pub old: Option<String>,
    /// The value now.
    pub new: Option<String>,
}

impl Difference {
    /// The field it is counted by: `Patient.name.family`.
    pub fn field(&self) -> String {
        let path = without_places(&self.path);
        if self.kind.is_empty() { path } else { format!("{}.{path}", self.kind) }
    }
}

/// What is compared of one resource.
struct Part<'c> {
    kind: ResourceType,
    id: String,
    name: String,
    tree: &'c Object,
    /// What stands beside its elements: how it is written, what is cleared, what counts only when it is new.
    beside: Vec<(&'static str, String)>,
}

impl<'c> Part<'c> {
    fn of(changes: &'c [Change]) -> Vec<Self> {
        let kinds: Vec<ResourceType> = changes.iter().map(|change| change.reference().kind).collect();
        let mut counted: HashMap<ResourceType, usize> = HashMap::new();
        let part = |change: &'c Change| {
            let resource = change.resource()?;
            let kind = resource.kind();
            let nth = counted.entry(kind).or_default();
            *nth += 1;
            let many = kinds.iter().filter(|known| **known == kind).count() > 1;
            let name = if many { format!("{kind}({nth})") } else { kind.to_string() };
            Some(Part {
                kind,
                id: resource.id().to_string(),
                name,
                tree: resource.tree(),
                beside: beside(change),
            })
        };
        changes.iter().filter_map(part).collect()
    }
}

fn beside(change: &Change) -> Vec<(&'static str, String)> {
    match change {
        Change::Merge { clear, initial, .. } => vec![
            ("(write)", "merge".to_owned()),
            ("(cleared)", list(clear.iter().map(|name| name.as_str()))),
            ("(only when new)", list(initial.iter().map(|name| name.as_str()))),
        ],
        Change::Ensure(_) => vec![("(write)", "ensure".to_owned())],
        _ => vec![("(write)", "replace".to_owned())],
    }
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.join(", ")
}

/// What differs between two runs, in the order of the new one; what is gone comes last.
fn changes(old: &[Change], new: &[Change]) -> Vec<Difference> {
    let (old, new) = (Part::of(old), Part::of(new));
    let mut left: Vec<&Part<'_>> = old.iter().collect();
    let mut pairs: Vec<(Option<&Part<'_>>, &Part<'_>)> = Vec::with_capacity(new.len());
    for part in &new {
        let same = left.iter().position(|known| known.kind == part.kind && known.id == part.id);
        pairs.push((same.map(|at| left.remove(at)), part));
    }
    // Another id is another resource; to show what is new in it, it is laid beside the one that is gone.
    for (before, part) in pairs.iter_mut().filter(|(before, _)| before.is_none()) {
        let same_kind = left.iter().position(|known| known.kind == part.kind);
        *before = same_kind.map(|at| left.remove(at));
    }
    let mut found = Vec::new();
    for (before, part) in pairs {
        let mut log = Log { kind: part.kind.to_string(), name: part.name.clone(), found: &mut found };
        match before {
            Some(before) => log.part(before, part),
            None => all_new(part.tree, &mut |path, old, new| log.differ(path, old, new)),
        }
    }
    for part in left {
        let mut log = Log { kind: part.kind.to_string(), name: part.name.clone(), found: &mut found };
        all_gone(part.tree, &mut |path, old, new| log.differ(path, old, new));
    }
    found
}

/// What differs between what two mappings make of one message.
pub fn made(old: &Made, new: &Made) -> Vec<Difference> {
    let mut found = changes(&old.changes, &new.changes);
    let nothing = Object::new();
    let count = old.messages.len().max(new.messages.len());
    for at in 0..count {
        let name = if count == 1 { "message".to_owned() } else { format!("message({})", at + 1) };
        let side = |made: &Made| made.messages.get(at).cloned().unwrap_or_else(|| nothing.clone());
        found.extend(trees("message", &name, &side(old), &side(new)));
    }
    found
}

/// What differs between two trees of one thing.
pub fn trees(kind: &str, name: &str, old: &Object, new: &Object) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut log = Log { kind: kind.to_owned(), name: name.to_owned(), found: &mut found };
    log.objects(old, new);
    found
}

struct Log<'f> {
    kind: String,
    name: String,
    found: &'f mut Vec<Difference>,
}

impl Log<'_> {
    fn differ(&mut self, path: &str, old: Option<String>, new: Option<String>) {
        let (kind, name) = (self.kind.clone(), self.name.clone());
        self.found.push(Difference { kind, name, path: path.to_owned(), old, new });
    }

    fn part(&mut self, old: &Part<'_>, new: &Part<'_>) {
        for (name, now) in &new.beside {
            let before = old.beside.iter().find(|(known, _)| known == name).map(|(_, text)| text);
            let valued = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
            let (before, now) = (valued(before), valued(Some(now)));
            if before != now {
                self.differ(name, before, now);
            }
        }
        self.objects(old.tree, new.tree);
    }

    fn objects(&mut self, old: &Object, new: &Object) {
        differences(old, new, &mut |path, old, new| self.differ(path, old, new));
    }
}

//! Makes changes of the trees that were built; trees of one resource become one.

use std::collections::HashMap;

use compact_str::CompactString;
use hub_core::commit::Change;
use hub_fhir::{Id, Json, Object, Resource, ResourceType};

use super::{Beside, Runner, Tree};
use crate::plan::Write;

/// A resource about to be written.
struct Pending {
    place: usize,
    kind: ResourceType,
    id: Id,
    write: Write,
    tree: Tree,
}

impl Runner<'_> {
    pub(super) fn changes(&self, trees: Vec<Tree>) -> Vec<Change> {
        let mut pending: Vec<Pending> = Vec::with_capacity(trees.len());
        let mut known: HashMap<&str, usize> = HashMap::with_capacity(trees.len());
        for (instance, tree) in self.instances.iter().zip(trees) {
            if instance.absent {
                continue;
            }
            let plan = &self.plan.resources[instance.resource];
            match known.get(instance.reference.as_str()) {
                Some(&at) => {
                    let earlier: &mut Pending = &mut pending[at];
                    earlier.write = earlier.write.max(plan.write);
                    unite(&mut earlier.tree, tree);
                }
                None => {
                    known.insert(&instance.reference, pending.len());
                    pending.push(Pending {
                        place: instance.resource,
                        kind: plan.kind,
                        id: instance.id.clone(),
                        write: plan.write,
                        tree,
                    });
                }
            }
        }
        // Instances stand in the order in which ids were computed; changes in that of the mapping.
        pending.sort_by_key(|pending| pending.place);
        pending.into_iter().map(change).collect()
    }
}

fn change(pending: Pending) -> Change {
    let Pending { kind, id, write, tree, .. } = pending;
    let Beside { clear, initial } = tree.beside;
    let clear: Vec<CompactString> =
        clear.into_iter().filter(|name| tree.object.get(name).is_none()).collect();
    let resource = Resource::new(kind, id, tree.object);
    match write {
        Write::Replace => Change::Put(resource),
        Write::Merge => Change::Merge { resource, clear, initial },
        Write::Ensure => Change::Ensure(resource),
    }
}

/// Adds what was found later: single values replace, lists are united. An entry that says no more than another is left out. What one of
/// the two says for good counts more than what the other says for a new resource only.
fn unite(earlier: &mut Tree, later: Tree) {
    earlier.beside.clear.extend(later.beside.clear);
    let object: &mut Object = &mut earlier.object;
    for (name, value) in later.object {
        let was_initial = earlier.beside.initial.contains(&name);
        let is_initial = later.beside.initial.contains(&name);
        match (object.get(&name).is_some(), was_initial, is_initial) {
            (true, false, true) => continue,
            (true, true, false) => {
                earlier.beside.initial.retain(|known| *known != name);
                object.set(&name, value);
                continue;
            }
            (false, _, true) => earlier.beside.initial.push(name.clone()),
            _ => {}
        }
        match (object.get_mut(&name), value) {
            (Some(Json::Array(items)), Json::Array(more)) => {
                for item in more {
                    if items.iter().any(|known| says_no_more(&item, known)) {
                        continue;
                    }
                    items.retain(|known| !says_no_more(known, &item));
                    items.push(item);
                }
            }
            (Some(old), value) => *old = value,
            (None, value) => object.push(name, value),
        }
    }
}

/// Whether everything in `item` stands in `other` too.
fn says_no_more(item: &Json, other: &Json) -> bool {
    match (item, other) {
        (Json::Object(item), Json::Object(other)) => {
            item.iter().all(|(name, value)| other.get(name) == Some(value))
        }
        _ => item == other,
    }
}

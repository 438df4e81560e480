//! Runs a compiled mapping to FHIR: finds the resources, computes their ids, builds them, makes changes of them.

mod changes;
mod element;
mod find;
mod ids;
mod single;
mod source;

use std::cell::{Cell, RefCell};
use std::ops::Range;

use compact_str::CompactString;
use hub_core::commit::Note;
use hub_core::document::Node;
use hub_core::fault::{Fault, FaultStep};
use hub_fhir::{Id, Object};

use crate::find::Need;
use crate::mapping::Run;
use crate::plan::{At, Plan};
use crate::read::Reader;
use crate::trace::{Lineage, LineageLog};

/// One resource of this run.
pub(crate) struct Instance {
    /// Its place in [`Plan::resources`].
    resource: usize,
    /// What it is made of: the node its paths are seen from.
    node: Node,
    id: Id,
    /// `Patient/5c1e..`
    reference: CompactString,
    /// It turned out to be empty and is not written.
    absent: bool,
    /// What was left out of it, and why; kept when it is empty for that reason.
    notes: Vec<Note>,
}

/// A resource that was built.
pub(crate) struct Built {
    pub(crate) object: Object,
    /// Something in it was read from the source.
    pub(crate) real: bool,
}

/// One run.
pub(crate) struct Runner<'r> {
    plan: &'r Plan,
    reader: &'r Reader<'r>,
    instances: Vec<Instance>,
    /// Where the instances of each resource of the plan stand in `instances`.
    ranges: Vec<Range<usize>>,
    notes: Vec<Note>,
    lineage: Option<LineageLog>,
    /// The questions to the store, when only they are wanted.
    asked: Option<RefCell<Vec<Need>>>,
    /// How many ids stand in for those that are not known while questions are asked.
    stand_ins: Cell<usize>,
}

/// What must be looked up for a document. It is found by a run in which everything is taken as found: what stops that run stops the
/// real one too.
pub(crate) fn needs(plan: &Plan, reader: &Reader<'_>) -> Vec<Need> {
    let mut runner = Runner::new(plan, reader);
    runner.asked = Some(RefCell::default());
    if runner.find_instances(reader.document().root()).is_ok() {
        // A fault here is one of the real run; what was asked until then is all it will need.
        let _ = runner.build_all();
    }
    runner.asked.map(RefCell::into_inner).unwrap_or_default()
}

pub(crate) fn run(plan: &Plan, reader: &Reader<'_>) -> Result<(Run, Option<Vec<Lineage>>), Fault> {
    run_from(plan, reader, reader.document().root())
}

/// The same, with the paths of `each` seen from `scope`.
pub(crate) fn run_from(
    plan: &Plan,
    reader: &Reader<'_>,
    scope: Node,
) -> Result<(Run, Option<Vec<Lineage>>), Fault> {
    let mut runner = Runner::new(plan, reader);
    runner.find_instances(scope)?;
    // An empty resource is not written, so nothing may point at it: what points is built again without it. Each
    // round leaves fewer resources, and a chain of them is at most as long as the plan.
    let mut trees = runner.build_all()?;
    for _ in 0..plan.resources.len() {
        if !runner.mark_absent(&trees) {
            break;
        }
        trees = runner.build_all()?;
    }
    runner.mark_absent(&trees);
    let changes = runner.changes(trees);
    let notes = runner.instances.into_iter().flat_map(|instance| instance.notes).collect();
    let lineage = runner.lineage.map(|log| log.list);
    Ok((Run { changes, notes }, lineage))
}

/// The tree of one instance, and what is to be said of its elements beside their values.
struct Tree {
    object: Object,
    beside: Beside,
}

/// What a merge is told of elements beside their values.
#[derive(Default)]
pub(crate) struct Beside {
    /// The sender says they are empty now.
    clear: Vec<CompactString>,
    /// Their values count only when the resource is new.
    initial: Vec<CompactString>,
}

impl<'r> Runner<'r> {
    pub(crate) fn new(plan: &'r Plan, reader: &'r Reader<'r>) -> Self {
        let lineage = reader.is_traced().then(LineageLog::default);
        Self {
            plan,
            reader,
            instances: Vec::new(),
            ranges: Vec::new(),
            notes: Vec::new(),
            lineage,
            asked: None,
            stand_ins: Cell::new(0),
        }
    }

    pub(crate) fn reader(&self) -> &'r Reader<'r> {
        self.reader
    }

    /// For lineage: what follows stands within this place of the message.
    pub(crate) fn within(&mut self, place: &str) {
        if let Some(log) = &mut self.lineage {
            log.prefix.clear();
            log.prefix.push_str(place);
        }
    }

    pub(crate) fn lineage_mark(&self) -> usize {
        self.lineage.as_ref().map_or(0, |log| log.list.len())
    }

    /// What was noted since a mark was not written after all.
    pub(crate) fn forget_lineage(&mut self, mark: usize) {
        if let Some(log) = &mut self.lineage {
            log.list.truncate(mark);
        }
    }

    pub(crate) fn finish(self) -> (Vec<Note>, Option<Vec<Lineage>>) {
        (self.notes, self.lineage.map(|log| log.list))
    }

    /// The place of a node in the words of the mapping.
    fn place(&self, node: Node) -> String {
        self.plan.told.place(self.reader.place(node))
    }

    fn fault(&self, node: Node, at: At, reason: impl Into<String>) -> Fault {
        // The whole document has no place of its own.
        let place = Some(self.place(node)).filter(|place| !place.is_empty());
        Fault { step: FaultStep::Map, place, rule: Some(self.plan.rule(at)), reason: reason.into() }
    }

    fn note(&mut self, node: Node, reason: impl Into<String>) {
        let place = self.place(node);
        self.notes.push(Note { place, reason: reason.into() });
    }

    fn build_all(&mut self) -> Result<Vec<Tree>, Fault> {
        if let Some(log) = &mut self.lineage {
            log.list.clear();
        }
        let plan = self.plan;
        let mut trees = Vec::with_capacity(self.instances.len());
        for place in 0..self.instances.len() {
            let instance = &self.instances[place];
            if instance.absent {
                trees.push(Tree { object: Object::new(), beside: Beside::default() });
                continue;
            }
            let resource = &plan.resources[instance.resource];
            if let Some(log) = &mut self.lineage {
                log.prefix = format!("{}#", instance.reference);
            }
            let mut beside = Beside::default();
            let built = self.object(&resource.set, instance.node, Some(&mut beside))?;
            self.instances[place].notes = std::mem::take(&mut self.notes);
            trees.push(Tree { object: built.object, beside });
        }
        Ok(trees)
    }

    /// Marks what is empty; tells whether something newly is.
    fn mark_absent(&mut self, trees: &[Tree]) -> bool {
        let mut changed = false;
        for (instance, tree) in self.instances.iter_mut().zip(trees) {
            if !instance.absent && tree.object.is_empty() && tree.beside.clear.is_empty() {
                instance.absent = true;
                changed = true;
            }
        }
        changed
    }
}

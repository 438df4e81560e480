//! Finds the nodes that become resources, and computes their ids.

use std::borrow::Cow;
use std::collections::HashMap;

use compact_str::{CompactString, format_compact};
use hub_core::document::Node;
use hub_core::fault::Fault;
use hub_fhir::Id;

use super::find::Looked;
use super::{Instance, Runner};
use crate::plan::{IdPart, IdSource, ResourcePlan, Sought};
use crate::read::{Value, after_here};

/// What needs one value, for the reason of a fault.
const ID: &str = "the id";

fn sought(source: &IdSource) -> Option<&Sought> {
    match source {
        IdSource::Path(sought) => Some(sought),
        IdSource::Ref(_) | IdSource::Literal(_) | IdSource::Nth => None,
    }
}

fn of_id(place: usize, resource: &ResourcePlan, node: Node, id: Id) -> Instance {
    let reference = format_compact!("{}/{}", resource.kind.name(), id.as_str());
    Instance { resource: place, node, id, reference, absent: false, notes: Vec::new() }
}

impl Runner<'_> {
    pub(super) fn find_instances(&mut self, root: Node) -> Result<(), Fault> {
        let plan = self.plan;
        self.ranges = vec![0..0; plan.resources.len()];
        for &place in &plan.order {
            let resource = &plan.resources[place];
            let first = self.instances.len();
            if resource.removed {
                self.ranges[place] = first..first;
                continue;
            }
            let mut nodes = self.reader.buffer();
            for path in &resource.each {
                self.reader.select(root, path, &mut nodes);
            }
            if resource.each.is_empty() {
                nodes.push(root);
            }
            let mut seen = HashMap::new();
            for node in &nodes {
                let wanted = !self.reader.is_null(*node)
                    && resource.when.as_ref().is_none_or(|when| when.holds_in(self.reader, *node));
                if wanted && let Some(instance) = self.instance(place, resource, *node, &mut seen)? {
                    self.instances.push(instance);
                }
            }
            self.reader.give_back(nodes);
            self.ranges[place] = first..self.instances.len();
        }
        Ok(())
    }

    /// `seen` counts how often the parts of an id came before in this run.
    fn instance(
        &self,
        place: usize,
        resource: &ResourcePlan,
        node: Node,
        seen: &mut HashMap<Vec<CompactString>, u32>,
    ) -> Result<Option<Instance>, Fault> {
        self.check_once(resource, node)?;
        if let Some(find) = &resource.find {
            match self.look_up(find, node)? {
                Looked::Found(id) => {
                    let instance = of_id(place, resource, node, id);
                    self.check_differs(resource, &instance, node)?;
                    return Ok(Some(instance));
                }
                Looked::Skip => return Ok(None),
                Looked::Create => {}
            }
        }
        let here = self.known_by(resource, node)?;
        let mut parts = Vec::with_capacity(resource.id.parts.len() + 1);
        parts.push(resource.id.namespace.clone());
        let mut nth = None;
        for part in &resource.id.parts {
            if part.any.iter().any(|source| matches!(source, IdSource::Nth)) {
                nth = Some(parts.len());
            }
            match self.id_part(resource, part, node, here)? {
                Some(value) => parts.push(value),
                None if part.optional => parts.push(CompactString::default()),
                None => {
                    let reason = format!("the id needs `{}`, which has no value", part.text);
                    let mut fault = self.fault(node, resource.id.at, reason);
                    // A value that is missing has no node: the place is the first path where it was looked for.
                    let looked_for = part.any.iter().find_map(|source| match source {
                        IdSource::Path(sought) => Some(sought.path.as_str().to_owned()),
                        _ => None,
                    });
                    fault.place = looked_for.or(fault.place);
                    return Err(fault);
                }
            }
        }
        if let Some(at) = nth {
            let count = seen.entry(parts.clone()).or_default();
            *count += 1;
            if *count > 1 {
                parts[at] = format_compact!("{count}");
            }
        }
        let instance = of_id(place, resource, node, Id::of_parts(&parts));
        self.check_differs(resource, &instance, here)?;
        Ok(Some(instance))
    }

    /// A second node where one at most may stand sets the message aside, with the place of the second.
    fn check_once(&self, resource: &ResourcePlan, node: Node) -> Result<(), Fault> {
        for once in &resource.once {
            let mut nodes = self.reader.buffer();
            self.reader.select(node, &once.path, &mut nodes);
            let (count, second) = (nodes.len(), nodes.get(1).copied());
            self.reader.give_back(nodes);
            if let Some(second) = second {
                let reason = format!("expected `{}` once, but it stands here {count} times", once.path);
                return Err(self.fault(second, once.at, reason));
            }
        }
        Ok(())
    }

    /// What `@` stands for in the parts of the id.
    fn known_by(&self, resource: &ResourcePlan, node: Node) -> Result<Node, Fault> {
        let paths = &resource.id.known_by;
        let Some(first_path) = paths.first() else { return Ok(node) };
        for sought in paths {
            let wanted = (ID, resource.id.at);
            let known =
                self.single(node, sought, paths.iter(), wanted, |node| Ok(self.known(resource, node)))?;
            if let Some((known, _)) = known {
                return Ok(known);
            }
        }
        let texts: Vec<&str> = paths.iter().map(|sought| sought.path.as_str()).collect();
        let reason = format!("the id needs `{}`, which has no value", texts.join(" | "));
        let mut fault = self.fault(node, resource.id.at, reason);
        fault.place = Some(first_path.path.as_str().to_owned());
        Err(fault)
    }

    /// Two resources that must be two, but have one id, set the message aside.
    fn check_differs(&self, resource: &ResourcePlan, instance: &Instance, here: Node) -> Result<(), Fault> {
        let Some(differs) = &resource.differs_from else { return Ok(()) };
        if self.related(differs.from, instance.node).all(|other| other.id != instance.id) {
            return Ok(());
        }
        let reason =
            format!("this is the same {} as `{}`, which must be another", resource.kind, differs.name);
        Err(self.fault(here, differs.at, reason))
    }

    /// What the parts of an id would take of a node that `@` may stand for; nothing where the node itself says nothing.
    fn known(&self, resource: &ResourcePlan, node: Node) -> Option<Vec<Option<String>>> {
        let text = |node| Value::of_node(self.reader, node).text().map(Cow::into_owned);
        let own = text(node)?;
        let mut said = vec![Some(own)];
        for source in resource.id.parts.iter().flat_map(|part| &part.any) {
            let IdSource::Path(sought) = source else { continue };
            if after_here(&sought.path).is_none() {
                continue;
            }
            let mut nodes = self.reader.buffer();
            self.reader.select(node, &sought.path, &mut nodes);
            said.push(nodes.first().copied().and_then(text));
            self.reader.give_back(nodes);
        }
        Some(said)
    }

    /// The value of one part of an id: of the first of its sources that has one.
    fn id_part(
        &self,
        resource: &ResourcePlan,
        part: &IdPart,
        node: Node,
        here: Node,
    ) -> Result<Option<CompactString>, Fault> {
        let text = |node| Ok(Value::of_node(self.reader, node).text().map(CompactString::from));
        for source in &part.any {
            let value = match source {
                IdSource::Literal(text) => Some(text.clone()),
                // Filled in when the other parts are known.
                IdSource::Nth => Some(CompactString::default()),
                IdSource::Ref(other) => self.one_related(*other, node, (ID, resource.id.at))?,
                IdSource::Path(path) => {
                    let scope = if after_here(&path.path).is_some() { here } else { node };
                    let wanted = (ID, resource.id.at);
                    self.single(scope, path, part.any.iter().filter_map(sought), wanted, text)?
                        .map(|(_, value)| value)
                }
            };
            if value.is_some() {
                return Ok(value);
            }
        }
        Ok(None)
    }

    /// The instances of a resource whose node encloses `node`, is it, or stands inside it.
    pub(super) fn related(&self, resource: usize, node: Node) -> impl Iterator<Item = &Instance> {
        let document = self.reader.document();
        let instances = &self.instances[self.ranges[resource].clone()];
        let near = move |other: Node| document.contains(other, node) || document.contains(node, other);
        instances.iter().filter(move |instance| !instance.absent && near(instance.node))
    }
}

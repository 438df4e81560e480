//! Finds the nodes that become resources, and computes their ids.

use std::collections::HashMap;

use compact_str::{CompactString, format_compact};
use hub_core::document::Node;
use hub_core::fault::Fault;
use hub_fhir::Id;
use sha2::{Digest, Sha256};

use super::find::Looked;
use super::{Instance, Runner};
use crate::plan::{IdSource, ResourcePlan};
use crate::read::{Value, after_here};

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
            match part.any.iter().find_map(|source| self.id_part(source, node, here)) {
                Some(value) => parts.push(value),
                None if part.optional => parts.push(CompactString::default()),
                None => {
                    let reason = format!("the id needs `{}`, which has no value", part.text);
                    let mut fault = self.fault(node, resource.id.at, reason);
                    // A value that is missing has no node: the place is the first path where it was looked for.
                    let looked_for = part.any.iter().find_map(|source| match source {
                        IdSource::Path(path) => Some(path.as_str().to_owned()),
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
        let mut hash = Sha256::new();
        for part in &parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        let mut buffer = uuid::Uuid::encode_buffer();
        let text =
            &*uuid::Builder::from_custom_bytes(bytes).into_uuid().hyphenated().encode_lower(&mut buffer);
        let id = Id::new(text).expect("a UUID is made of hexadecimal digits and `-`");
        let instance = of_id(place, resource, node, id);
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
        for path in paths {
            let mut nodes = self.reader.buffer();
            self.reader.select(node, path, &mut nodes);
            let known =
                nodes.iter().copied().find(|found| Value::of_node(self.reader, *found).text().is_some());
            self.reader.give_back(nodes);
            if let Some(known) = known {
                return Ok(known);
            }
        }
        let texts: Vec<&str> = paths.iter().map(hub_core::path::Path::as_str).collect();
        let reason = format!("the id needs `{}`, which has no value", texts.join(" | "));
        let mut fault = self.fault(node, resource.id.at, reason);
        fault.place = Some(first_path.as_str().to_owned());
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

    /// The value of one part of an id.
    fn id_part(&self, source: &IdSource, node: Node, here: Node) -> Option<CompactString> {
        match source {
            IdSource::Literal(text) => Some(text.clone()),
            // Filled in when the other parts are known.
            IdSource::Nth => Some(CompactString::default()),
            IdSource::Ref(resource) => {
                self.related(*resource, node).next().map(|instance| instance.id.as_str().into())
            }
            IdSource::Path(path) => {
                let scope = if after_here(path).is_some() { here } else { node };
                let mut nodes = self.reader.buffer();
                self.reader.select(scope, path, &mut nodes);
                let text = nodes.iter().find_map(|found| Value::of_node(self.reader, *found).text());
                self.reader.give_back(nodes);
                text.map(CompactString::from)
            }
        }
    }

    /// The instances of a resource whose node encloses `node`, is it, or stands inside it.
    pub(super) fn related(&self, resource: usize, node: Node) -> impl Iterator<Item = &Instance> {
        let document = self.reader.document();
        let instances = &self.instances[self.ranges[resource].clone()];
        let near = move |other: Node| document.contains(other, node) || document.contains(node, other);
        instances.iter().filter(move |instance| !instance.absent && near(instance.node))
    }
}

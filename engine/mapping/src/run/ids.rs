//! Finds the nodes that become resources, and computes their ids.

use hub_core::document::Node;
use hub_core::fault::Fault;
use hub_fhir::Id;
use sha2::{Digest, Sha256};

use super::{Instance, Runner};
use crate::plan::{IdSource, ResourcePlan};
use crate::read::Value;

impl Runner<'_> {
    pub(super) fn find_instances(&mut self) -> Result<(), Fault> {
        let plan = self.plan;
        self.ranges = vec![0..0; plan.resources.len()];
        for &place in &plan.order {
            let resource = &plan.resources[place];
            let first = self.instances.len();
            let mut nodes = self.reader.buffer();
            match &resource.each {
                Some(path) => {
                    let document = self.reader.document();
                    document.select(document.root(), path, &mut nodes);
                }
                None => nodes.push(self.reader.document().root()),
            }
            for node in &nodes {
                let wanted = resource.when.as_ref().is_none_or(|when| when.holds_in(self.reader, *node));
                if wanted {
                    let instance = self.instance(place, resource, *node)?;
                    self.instances.push(instance);
                }
            }
            self.reader.give_back(nodes);
            self.ranges[place] = first..self.instances.len();
        }
        Ok(())
    }

    fn instance(&self, place: usize, resource: &ResourcePlan, node: Node) -> Result<Instance, Fault> {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        };
        add(&resource.id.namespace);
        for part in &resource.id.parts {
            let mut found = false;
            for source in &part.any {
                found = self.id_part(source, node, &mut add);
                if found {
                    break;
                }
            }
            if !found && !part.optional {
                let reason = format!("the id needs `{}`, which has no value", part.text);
                return Err(self.fault(node, resource.id.at, reason));
            }
            if !found {
                add("");
            }
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        let mut buffer = uuid::Uuid::encode_buffer();
        let text = &*uuid::Builder::from_custom_bytes(bytes).into_uuid().hyphenated().encode_lower(&mut buffer);
        let id = Id::new(text).expect("a UUID is made of hexadecimal digits and `-`");
        let reference = compact_str::format_compact!("{}/{text}", resource.kind.name());
        Ok(Instance { resource: place, node, id, reference, absent: false })
    }

    /// Hands the part's value to `add`; tells whether there is one.
    fn id_part(&self, source: &IdSource, node: Node, add: &mut dyn FnMut(&str)) -> bool {
        match source {
            IdSource::Literal(text) => {
                add(text);
                true
            }
            IdSource::Ref(resource) => {
                let related = self.related(*resource, node).next();
                if let Some(instance) = related {
                    add(instance.id.as_str());
                }
                related.is_some()
            }
            IdSource::Path(path) => {
                let mut nodes = self.reader.buffer();
                self.reader.document().select(node, path, &mut nodes);
                let text = nodes.iter().find_map(|found| Value::of_node(self.reader, *found).text());
                self.reader.give_back(nodes);
                if let Some(text) = &text {
                    add(text);
                }
                text.is_some()
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

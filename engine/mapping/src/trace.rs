//! What a run read, and where every value it wrote comes from.

use std::collections::HashSet;

use hub_core::document::Node;
use hub_fhir::Json;

use crate::plan::{At, Plan};
use crate::read::Reader;

/// The trace of one run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The leaves that were read.
    pub(crate) read: HashSet<Node>,
    /// Where each value written comes from, in the order of writing.
    pub lineage: Vec<Lineage>,
}

/// Where one value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The value: `Patient/5c1e..#name[0].family`, `PID[1]-5.1`, `Request.Items[0].code`.
    pub target: String,
    /// The place in the source: `PID[1]-5.1`; `None` for what the mapping itself says.
    pub place: Option<String>,
    /// The mapping's file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u32,
}

/// Collects lineage during a run.
#[derive(Default)]
pub(crate) struct LineageLog {
    /// The target path so far: `Patient/5c1e..#contact[0]`.
    pub(crate) prefix: String,
    pub(crate) list: Vec<Lineage>,
}

impl LineageLog {
    /// Notes every leaf of a value. `read` are the source leaves it was made of, `whole` the node it was made of.
    pub(crate) fn value(
        &mut self,
        name: &str,
        json: &Json,
        at: At,
        plan: &Plan,
        from: Option<(&Reader<'_>, Node, &[Node])>,
    ) {
        let length = self.prefix.len();
        push_step(&mut self.prefix, name);
        self.leaves(json, at, plan, from);
        self.prefix.truncate(length);
    }

    fn leaves(&mut self, json: &Json, at: At, plan: &Plan, from: Option<(&Reader<'_>, Node, &[Node])>) {
        let length = self.prefix.len();
        match json {
            Json::Object(object) => {
                for (name, value) in object.iter() {
                    push_step(&mut self.prefix, name);
                    self.leaves(value, at, plan, from);
                    self.prefix.truncate(length);
                }
            }
            Json::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    self.prefix.push_str(&format!("[{place}]"));
                    self.leaves(item, at, plan, from);
                    self.prefix.truncate(length);
                }
            }
            leaf => {
                let place = from.map(|(reader, whole, read)| place(reader, whole, read, leaf));
                let file = plan.files[usize::from(at.file)].clone();
                self.list.push(Lineage { target: self.prefix.clone(), place, file, line: at.line });
            }
        }
    }
}

pub(crate) fn push_step(prefix: &mut String, name: &str) {
    if !prefix.ends_with(['#', '-']) && !prefix.is_empty() {
        prefix.push('.');
    }
    prefix.push_str(name);
}

/// The source leaf with the same text; where the value was changed on its way, the node it was made of.
fn place(reader: &Reader<'_>, whole: Node, read: &[Node], leaf: &Json) -> String {
    let text = match leaf {
        Json::String(text) | Json::Number(text) => text.as_str(),
        _ => "",
    };
    let same = |node: &&Node| {
        let found = reader.peek(**node).and_then(hub_core::document::Text::value);
        found.is_some_and(|found| found.trim() == text)
    };
    match (read, read.iter().find(same)) {
        (_, Some(node)) => reader.place(*node),
        ([only], None) => reader.place(*only),
        _ => reader.place(whole),
    }
}

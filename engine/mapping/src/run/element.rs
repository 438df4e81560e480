//! Builds objects: elements of lines, lines of literals, references, sets and values.

use std::collections::HashSet;

use compact_str::{CompactString, format_compact};
use hub_core::document::Node;
use hub_core::fault::Fault;
use hub_fhir::elements::Element;
use hub_fhir::{Json, Object};

use super::find::Looked;
use super::{Beside, Built, Runner};
use crate::plan::{ElementPlan, LinePlan, Make};

/// What the lines of one element have yielded so far.
pub(super) struct Got {
    many: bool,
    /// For an element that takes one value: the JSON name a choice has got, and the value.
    one: Option<(Option<CompactString>, Json)>,
    /// For an element that takes a list.
    items: Vec<Json>,
    /// Something was read from the source.
    pub(super) real: bool,
    /// The sender says that there is nothing any more.
    pub(super) null: bool,
    /// All that was taken counts only when the resource is new.
    initial: bool,
}

impl Got {
    fn new(many: bool) -> Self {
        Self { many, one: None, items: Vec::new(), real: false, null: false, initial: true }
    }

    pub(super) fn push(&mut self, name: Option<CompactString>, json: Json) {
        if self.many {
            self.items.push(json);
        } else if self.one.is_none() {
            self.one = Some((name, json));
        }
    }

    pub(super) fn count(&self) -> usize {
        self.items.len() + usize::from(self.one.is_some())
    }

    /// Nothing more can be taken.
    pub(super) fn is_full(&self) -> bool {
        self.one.is_some()
    }
}

impl Runner<'_> {
    /// Builds an object of lines. `beside` takes what is to be said of its elements beside their values.
    pub(crate) fn object(
        &mut self,
        set: &[ElementPlan],
        scope: Node,
        mut beside: Option<&mut Beside>,
    ) -> Result<Built, Fault> {
        let mut built = Built { object: Object::with_capacity(set.len() + 2), real: false };
        for element in set {
            let taken =
                |rivals: &Element| rivals.concrete.iter().any(|name| built.object.get(name).is_some());
            if element.rivals.is_some_and(taken) {
                continue;
            }
            let mut got = Got::new(element.many);
            let mut clears = false;
            for line in &element.lines {
                got.null = false;
                let before = got.count();
                self.line(element, line, scope, &mut got)?;
                got.initial &= line.initial || got.count() == before;
                clears |= got.null && line.clears;
                if got.is_full() {
                    break;
                }
            }
            built.real |= got.real;
            let name = &element.name;
            let initial = got.initial;
            let written = if let Some((chosen, json)) = got.one {
                let chosen = chosen.unwrap_or_else(|| name.clone());
                built.object.set(&chosen, json);
                Some(chosen)
            } else if !got.items.is_empty() {
                built.object.set(name, got.items);
                Some(name.clone())
            } else {
                None
            };
            let Some(beside) = beside.as_deref_mut() else { continue };
            match written {
                Some(written) if initial => beside.initial.push(written),
                Some(_) => {}
                None if clears => match element.choice {
                    Some(choice) => beside.clear.extend(choice.concrete.iter().cloned()),
                    None => beside.clear.push(name.clone()),
                },
                None => {}
            }
        }
        Ok(built)
    }

    fn line(
        &mut self,
        element: &ElementPlan,
        line: &LinePlan,
        scope: Node,
        got: &mut Got,
    ) -> Result<(), Fault> {
        let before = got.count();
        match &line.each {
            None => {
                if let Some(when) = &line.when
                    && !when.holds_in(self.reader, scope)
                {
                    return Ok(());
                }
                self.make(element, line, scope, got)?;
            }
            Some(path) => {
                let mut nodes = self.reader.buffer();
                self.reader.select(scope, path, &mut nodes);
                let before = self.reader.set_nth(1);
                for (place, node) in nodes.iter().enumerate() {
                    if got.is_full() {
                        break;
                    }
                    self.reader.set_nth(place + 1);
                    if self.reader.is_null(*node) {
                        got.null = true;
                    } else if line.when.as_ref().is_none_or(|when| when.holds_in(self.reader, *node)) {
                        self.make(element, line, *node, got)?;
                    }
                }
                self.reader.set_nth(before);
                self.reader.give_back(nodes);
            }
        }
        let removed = got.null && line.clears;
        if got.count() == before
            && !removed
            && let Some(default) = &line.default
        {
            self.trace(element, got, line.member.as_deref(), default, line.at, None);
            got.push(line.member.clone(), default.clone());
        }
        Ok(())
    }

    fn make(
        &mut self,
        element: &ElementPlan,
        line: &LinePlan,
        scope: Node,
        got: &mut Got,
    ) -> Result<(), Fault> {
        match &line.make {
            Make::Value(values) => {
                for json in values {
                    self.trace(element, got, line.member.as_deref(), json, line.at, None);
                    got.push(line.member.clone(), json.clone());
                }
            }
            Make::Ref(resource) => self.reference(element, line, *resource, scope, got)?,
            Make::Find(find) => {
                if let Looked::Found(id) = self.look_up(find, scope)? {
                    let reference = format_compact!("{}/{}", find.kind.name(), id.as_str());
                    self.point(element, line, reference, got);
                }
            }
            Make::Set { set, constant } => {
                let before = self.enter(element, got, line.member.as_deref());
                let built = self.object(set, scope, None)?;
                let kept = (built.real || *constant) && !built.object.is_empty();
                self.leave(before, kept);
                if kept {
                    got.real |= built.real;
                    got.push(line.member.clone(), Json::Object(built.object));
                }
            }
            Make::From(from) => self.take(element, line, from, scope, got)?,
        }
        Ok(())
    }

    fn reference(
        &mut self,
        element: &ElementPlan,
        line: &LinePlan,
        resource: usize,
        scope: Node,
        got: &mut Got,
    ) -> Result<(), Fault> {
        if !element.many {
            self.one_related(resource, scope, (&element.name, line.at))?;
        }
        let wanted = if element.many { usize::MAX } else { 1 };
        let related = self.related(resource, scope).take(wanted);
        let related: Vec<CompactString> = related.map(|instance| instance.reference.clone()).collect();
        // The same resource may have been found twice in the message.
        let mut seen: HashSet<CompactString> = got.items.iter().filter_map(reference_of).collect();
        for reference in related {
            if !seen.insert(reference.clone()) {
                continue;
            }
            self.point(element, line, reference, got);
        }
        Ok(())
    }

    fn point(&mut self, element: &ElementPlan, line: &LinePlan, reference: CompactString, got: &mut Got) {
        let mut object = Object::with_capacity(1);
        object.push(CompactString::const_new("reference"), Json::String(reference));
        let json = Json::Object(object);
        self.trace(element, got, line.member.as_deref(), &json, line.at, None);
        got.push(line.member.clone(), json);
        got.real = true;
    }

    /// Goes into an object for lineage; gives back where it came from.
    fn enter(&mut self, element: &ElementPlan, got: &Got, member: Option<&str>) -> (usize, usize) {
        let Some(log) = &mut self.lineage else { return (0, 0) };
        let before = (log.prefix.len(), log.list.len());
        crate::trace::push_step(&mut log.prefix, member.unwrap_or(&element.name));
        if element.many {
            log.prefix.push_str(&format!("[{}]", got.items.len()));
        }
        before
    }

    fn leave(&mut self, (prefix, list): (usize, usize), kept: bool) {
        if let Some(log) = &mut self.lineage {
            log.prefix.truncate(prefix);
            if !kept {
                log.list.truncate(list);
            }
        }
    }

    /// Remembers where a value comes from that is about to be pushed.
    pub(super) fn trace(
        &mut self,
        element: &ElementPlan,
        got: &Got,
        member: Option<&str>,
        json: &Json,
        at: crate::plan::At,
        from: Option<(Node, &[Node])>,
    ) {
        if got.is_full() {
            return;
        }
        if let Some(log) = &mut self.lineage {
            let mut name = member.unwrap_or(&element.name).to_owned();
            if element.many {
                name.push_str(&format!("[{}]", got.items.len()));
            }
            let from = from.map(|(node, read)| (self.reader, node, read));
            log.value(&name, json, at, self.plan, from);
        }
    }
}

fn reference_of(item: &Json) -> Option<CompactString> {
    item.get("reference").and_then(Json::as_str).map(CompactString::new)
}

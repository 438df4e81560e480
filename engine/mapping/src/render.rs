//! Makes a message for a partner, as a tree in the shape of its format.

use compact_str::{CompactString, format_compact};
use hub_core::document::Node;
use hub_core::fault::Fault;
use hub_fhir::{Json, Object};

use crate::mapping::{Rendered, Run, Target};
use crate::plan::{MessagePlan, Plan, SegmentPlan};
use crate::read::Reader;
use crate::run::{self, Runner};
use crate::trace::Lineage;

pub(crate) fn render(
    plan: &Plan,
    reader: &Reader<'_>,
    scope: Node,
) -> Result<(Rendered, Option<Vec<Lineage>>), Fault> {
    let mut runner = Runner::new(plan, reader);
    let tree = match &plan.message {
        MessagePlan::Resources => {
            let (run, lineage) = run::run_from(plan, reader, scope)?;
            return Ok((bundle(run), lineage));
        }
        MessagePlan::Members { root: None, set } => runner.object(set, scope, None)?.object,
        MessagePlan::Members { root: Some(root), set } => {
            runner.within(root);
            let inner = runner.object(set, scope, None)?.object;
            [(root.as_str(), Json::Object(inner))].into_iter().collect()
        }
        MessagePlan::Segments(segments) => {
            let mut written = Segments::default();
            written.all(&mut runner, segments, scope)?;
            [("segments", Json::Array(written.list))].into_iter().collect()
        }
    };
    debug_assert!(plan.to != Target::Fhir, "a mapping to FHIR has resources");
    let (notes, lineage) = runner.finish();
    Ok((Rendered { tree, notes }, lineage))
}

/// Segments written so far.
#[derive(Default)]
struct Segments {
    list: Vec<Json>,
    counts: Vec<(CompactString, u32)>,
}

impl Segments {
    fn all(&mut self, runner: &mut Runner<'_>, plans: &[SegmentPlan], scope: Node) -> Result<(), Fault> {
        for plan in plans {
            let mut nodes = Vec::new();
            match &plan.each {
                Some(path) => runner.reader().select(scope, path, &mut nodes),
                None => nodes.push(scope),
            }
            let before = runner.reader().set_nth(1);
            for (place, node) in nodes.into_iter().enumerate() {
                runner.reader().set_nth(place + 1);
                let wanted = plan.when.as_ref().is_none_or(|when| when.holds_in(runner.reader(), node));
                if wanted {
                    self.one(runner, plan, node)?;
                }
            }
            runner.reader().set_nth(before);
        }
        Ok(())
    }

    /// A segment of which nothing was read is left out, unless it is made of literals only; what follows it stays.
    fn one(&mut self, runner: &mut Runner<'_>, plan: &SegmentPlan, node: Node) -> Result<(), Fault> {
        let nth = self.count(&plan.name);
        runner.within(&format!("{}[{nth}]-", plan.name));
        let mark = runner.lineage_mark();
        let built = runner.object(&plan.set, node, None)?;
        if (built.real || plan.constant) && !built.object.is_empty() {
            let segment: Object = [(plan.name.as_str(), Json::Object(built.object))].into_iter().collect();
            self.list.push(Json::Object(segment));
        } else {
            runner.forget_lineage(mark);
            self.uncount(&plan.name);
        }
        self.all(runner, &plan.then, node)
    }

    fn count(&mut self, name: &str) -> u32 {
        match self.counts.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                self.counts.push((name.into(), 1));
                1
            }
        }
    }

    fn uncount(&mut self, name: &str) {
        if let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| known == name) {
            *count -= 1;
        }
    }
}

/// What a mapping to FHIR makes, as a transaction that whoever receives it can carry out.
fn bundle(run: Run) -> Rendered {
    let entries = run.changes.iter().filter_map(hub_core::commit::Change::resource).map(|resource| {
        let url = Json::String(format_compact!("{}/{}", resource.kind(), resource.id()));
        let request: Object = [("method", Json::string("PUT")), ("url", url)].into_iter().collect();
        let entry: Object =
            [("resource", Json::Object(resource.tree().clone())), ("request", Json::Object(request))]
                .into_iter()
                .collect();
        Json::Object(entry)
    });
    let entries = Json::Array(entries.collect());
    let tree =
        [("resourceType", Json::string("Bundle")), ("type", Json::string("transaction")), ("entry", entries)];
    Rendered { tree: tree.into_iter().collect(), notes: run.notes }
}

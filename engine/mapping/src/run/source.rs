//! Takes values from the source and hands them to functions and code tables.

use compact_str::CompactString;
use hub_core::document::Node;
use hub_core::fault::Fault;
use hub_fhir::Json;

use super::Runner;
use super::element::Got;
use crate::functions::{Context, Mapped, Misfit, function, make_by, make_mapped};
use crate::plan::{ElementPlan, FromPlan, How, Invalid, LinePlan};
use crate::read::{Reader, Value};

/// A value, and the JSON name a choice gets by its type.
type Made = Option<(Option<CompactString>, Json)>;

/// Why there is no value.
enum Miss {
    Misfit(Misfit),
    Dropped(String),
}

impl Runner<'_> {
    /// Does a `from` line: the first path that yields something.
    pub(super) fn take(
        &mut self,
        element: &ElementPlan,
        line: &LinePlan,
        from: &FromPlan,
        scope: Node,
        got: &mut Got,
    ) -> Result<(), Fault> {
        let reader = self.reader;
        let before = got.count();
        let unit = from.unit.as_ref().and_then(|path| first(reader, path, scope));
        let kind = match &from.how {
            How::By { path, .. } => first(reader, path, scope).and_then(|value| value.text()),
            How::Function(_) | How::Code { .. } => None,
        };
        let context = Context {
            zone: &self.plan.zone,
            systems: &self.plan.systems,
            system: from.system.as_deref(),
            unit,
            units: from.units.as_deref(),
        };
        let mut nodes = reader.buffer();
        for path in &from.paths {
            nodes.clear();
            reader.select(scope, path, &mut nodes);
            let found = nodes.len();
            nodes.retain(|node| !reader.is_null(*node));
            got.null |= nodes.len() < found;
            if let Some(joint) = &from.join {
                let texts = nodes.iter().filter_map(|node| Value::of_node(reader, *node).raw());
                let joined = texts.collect::<Vec<_>>().join(joint);
                if let Some(node) = nodes.first() {
                    let value = Value::of_text(reader, *node, &joined);
                    self.convert(element, line, from, value, kind.as_deref(), &context, got)?;
                }
            } else {
                for node in &nodes {
                    self.each_value(element, line, from, *node, kind.as_deref(), &context, got)?;
                    if got.is_full() {
                        break;
                    }
                }
            }
            if got.count() > before {
                break;
            }
        }
        reader.give_back(nodes);
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the line, its surroundings and its result; a struct would hide it"
    )]
    fn each_value(
        &mut self,
        element: &ElementPlan,
        line: &LinePlan,
        from: &FromPlan,
        node: Node,
        kind: Option<&str>,
        context: &Context<'_>,
        got: &mut Got,
    ) -> Result<(), Fault> {
        let value = Value::of_node(self.reader, node);
        let Some(separator) = &from.split else {
            return self.convert(element, line, from, value, kind, context, got);
        };
        let Some(text) = value.raw() else { return Ok(()) };
        for piece in text.split(separator.as_str()).filter(|piece| !piece.trim().is_empty()) {
            let value = Value::of_text(self.reader, node, piece);
            self.convert(element, line, from, value, kind, context, got)?;
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the line, its surroundings and its result; a struct would hide it"
    )]
    fn convert(
        &mut self,
        element: &ElementPlan,
        line: &LinePlan,
        from: &FromPlan,
        value: Value<'_>,
        kind: Option<&str>,
        context: &Context<'_>,
        got: &mut Got,
    ) -> Result<(), Fault> {
        let mark = self.reader.mark();
        let made = match make(element, line, from, value, kind, context) {
            Ok(made) => made,
            Err(miss) => self.missed(element, line, from, value, context, miss)?,
        };
        let Some((member, json)) = made else { return Ok(()) };
        if self.lineage.is_some() {
            let read = self.reader.read_since(mark);
            self.trace(element, got, member.as_deref(), &json, line.at, Some((value.node, &read)));
        }
        got.push(member, json);
        got.real = true;
        Ok(())
    }

    /// What is done with a value that does not fit.
    fn missed(
        &mut self,
        element: &ElementPlan,
        line: &LinePlan,
        from: &FromPlan,
        value: Value<'_>,
        context: &Context<'_>,
        miss: Miss,
    ) -> Result<Made, Fault> {
        let misfit = match miss {
            Miss::Misfit(misfit) => misfit,
            Miss::Dropped(reason) => {
                self.note(value.node, reason);
                return Ok(None);
            }
        };
        let invalid = line.invalid.unwrap_or(Invalid::Quarantine);
        if invalid == Invalid::Quarantine {
            return Err(self.fault(misfit.node, line.at, misfit.expected));
        }
        self.note(misfit.node, misfit.expected);
        let text = function("string").filter(|_| invalid == Invalid::Text && takes_text(&from.how));
        let Some(text) = text else { return Ok(None) };
        let made = (text.make)(value, context);
        let made = made.map_err(|misfit| self.fault(misfit.node, line.at, misfit.expected))?;
        Ok(made.map(|json| (member(element, line, "string"), json)))
    }
}

fn first<'a>(reader: &'a Reader<'a>, path: &hub_core::path::Path, scope: Node) -> Option<Value<'a>> {
    let mut nodes = reader.buffer();
    reader.select(scope, path, &mut nodes);
    let found = nodes.first().map(|node| Value::of_node(reader, *node));
    reader.give_back(nodes);
    found
}

fn takes_text(how: &How) -> bool {
    matches!(how, How::By { allowed, .. } if allowed.contains(&"string"))
}

/// The JSON name for a value of this type, where the element leaves it to the value.
fn member(element: &ElementPlan, line: &LinePlan, kind: &str) -> Option<CompactString> {
    match (&line.member, element.choice) {
        (Some(member), _) => Some(member.clone()),
        (None, Some(choice)) => choice.json_name(kind).map(Into::into),
        (None, None) => None,
    }
}

fn make(
    element: &ElementPlan,
    line: &LinePlan,
    from: &FromPlan,
    value: Value<'_>,
    kind: Option<&str>,
    context: &Context<'_>,
) -> Result<Made, Miss> {
    match &from.how {
        How::Function(function) => {
            let json = (function.make)(value, context).map_err(Miss::Misfit)?;
            Ok(json.map(|json| (line.member.clone(), json)))
        }
        How::By { allowed, .. } => {
            let made = make_by(kind, value, context, allowed).map_err(Miss::Misfit)?;
            Ok(made.map(|(kind, json)| (member(element, line, kind), json)))
        }
        How::Code { table, into } => match make_mapped(table, *into, value, context).map_err(Miss::Misfit)? {
            Mapped::Value(json) => Ok(Some((line.member.clone(), json))),
            Mapped::Nothing => Ok(None),
            Mapped::Dropped(reason) => Err(Miss::Dropped(reason)),
        },
    }
}

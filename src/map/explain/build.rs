//! Puts a run of a mapping and its trace together: fields on one side, values on the other, and what ties them.

use std::collections::HashMap;

use anyhow::bail;
use hub_core::commit::{Change, Note};
use hub_core::document::{Document, Node};
use hub_core::fault::{Fault, FaultStep};
use hub_fhir::Object;
use hub_mapping::{Found, Lineage, Mapping, Unread};
use hub_runtime::with_request::WithRequest;

use super::segments::Segments;
use super::{Became, Explained, FaultTold, Link, NoteTold, Origin, SourceField, TargetPart, TargetValue};
use crate::map::given::Message;
use crate::map::lookup::{Answers, unanswered};
use crate::map::reply::{Answered, advice};
use crate::map::subject::Subject;
use crate::shelf;
use hub_fhir::leaves::{each_leaf, shown, without_places};

/// Runs the mapping over a message and says what became of it.
pub fn explain(
    subject: &Subject,
    message: &Message,
    name: &str,
    answers: &Answers,
) -> anyhow::Result<Explained> {
    let mapping = &subject.mapping;
    let mut asked = Vec::new();
    let read = match subject.read(&message.bytes, message.facts, answers, &mut asked) {
        Ok(read) => read,
        Err(fault) if fault.step == FaultStep::Parse && mapping.request().is_some() => {
            let (format, mapping) = (mapping.from(), mapping.name());
            bail!(
                "{name} cannot be read as {format}: mapping `{mapping}` makes the reply to a request, of what was found and of the \
                 request; {}",
                advice(&subject.place, name)
            );
        }
        Err(fault) if fault.step == FaultStep::Parse => {
            let place = fault.place.map_or(String::new(), |place| format!(" at {place}"));
            let (format, mapping) = (mapping.from(), mapping.name());
            bail!(
                "{name} cannot be read as {format}, the format of mapping `{mapping}`{place}: {}",
                fault.reason
            );
        }
        Err(fault) => {
            let why = unanswered(&asked).map_or_else(String::new, |why| format!(" ({why})"));
            bail!("the channel's own mapping sets {name} aside: {fault}{why}");
        }
    };
    let document = read.document.as_ref();
    let told = answers.tell(mapping, document, message.facts, &mut asked);
    let scopes = match &told {
        Ok(told) if subject.renders() => Some(subject.scopes(document, told, message.facts)),
        _ => None,
    };
    let mut explained = lay_out(mapping, document, scopes.as_deref(), told, name)?;
    explained.filtered = read.stopped;
    if mapping.request().is_some() {
        let notice = format!(
            "the request is not given, so paths into it find nothing: {}",
            advice(&subject.place, "REQUEST")
        );
        explained.notices.push(notice);
    }
    explained.notices.extend(unanswered(&asked));
    explained.looked_up = asked;
    Ok(explained)
}

/// Says what became of a request, and of what was found for it, in the reply to it.
pub fn explain_reply(mapping: &Mapping, answered: &Answered, name: &str) -> anyhow::Result<Explained> {
    let both = WithRequest { found: &answered.found, request: answered.request.as_ref() };
    let mut told = Found::default();
    shelf::facts(&mut told);
    let scopes = [(both.root(), told.clone())];
    let explained = lay_out(mapping, &both, Some(&scopes), Ok(told), name)?;
    Ok(Explained { request: mapping.request().map(str::to_owned), ..explained })
}

fn lay_out(
    mapping: &Mapping,
    document: &dyn Document,
    scopes: Option<&[(Node, Found)]>,
    told: Result<Found, Fault>,
    name: &str,
) -> anyhow::Result<Explained> {
    let mut explained = Explained {
        mapping: mapping.name().to_owned(),
        files: mapping.files().map(str::to_owned).collect(),
        message: name.to_owned(),
        format: mapping.from().to_owned(),
        request: None,
        fault: None,
        source: fields(document),
        target: Vec::new(),
        filtered: None,
        notes: Vec::new(),
        looked_up: Vec::new(),
        notices: Vec::new(),
    };
    let ran = match told {
        Ok(told) => outcome(mapping, document, scopes, &told)?,
        Err(fault) => Err(fault),
    };
    match ran {
        Ok(ran) => {
            let sources = Sources::of(&explained.source, &ran.unread);
            for part in ran.parts {
                let part = sources.trace(part, &explained.source);
                explained.target.push(part);
            }
            explained.notes = ran.notes.into_iter().map(note).collect();
            judge(&mut explained, ran.unread);
        }
        Err(fault) => set_aside(&mut explained, fault),
    }
    Ok(explained)
}

/// What a mapping wrote, in the shape of either direction.
struct Ran {
    parts: Vec<(TargetPart, Object, Vec<Lineage>)>,
    notes: Vec<Note>,
    unread: Vec<Unread>,
}

fn outcome(
    mapping: &Mapping,
    document: &dyn Document,
    scopes: Option<&[(Node, Found)]>,
    told: &Found,
) -> anyhow::Result<Result<Ran, Fault>> {
    if let Some(scopes) = scopes {
        return rendered(mapping, document, scopes);
    }
    let (run, trace) = match mapping.run_traced(document, told) {
        Ok(ran) => ran,
        Err(fault) => return Ok(Err(fault)),
    };
    let unread = mapping.unread(document, &trace);
    let mut lineage: HashMap<String, Vec<Lineage>> = HashMap::new();
    for line in trace.lineage {
        let reference = line.target.split('#').next().unwrap_or_default().to_owned();
        lineage.entry(reference).or_default().push(line);
    }
    let names = names(&run.changes);
    let parts = run.changes.iter().zip(names).filter_map(|(change, name)| {
        let resource = change.resource()?;
        let reference = resource.reference().to_string();
        let (write, clears) = match change {
            Change::Merge { clear, .. } => ("merge", clear.iter().map(ToString::to_string).collect()),
            Change::Ensure(_) => ("ensure", Vec::new()),
            _ => ("replace", Vec::new()),
        };
        let lines = lineage.remove(&reference).unwrap_or_default();
        let object = resource.tree().clone();
        let part =
            TargetPart { name, reference: Some(reference), write: Some(write), clears, values: Vec::new() };
        Some((part, object, lines))
    });
    let parts = parts.collect();
    Ok(Ok(Ran { parts, notes: run.notes, unread }))
}

/// What a mapping to a partner's message made: a part for each message.
fn rendered(
    mapping: &Mapping,
    document: &dyn Document,
    scopes: &[(Node, Found)],
) -> anyhow::Result<Result<Ran, Fault>> {
    if scopes.is_empty() {
        bail!(
            "nothing is sent of this message: no node is found by `each`, or `when` of the channel's [[to]] does not hold"
        );
    }
    let mut ran = Ran { parts: Vec::new(), notes: Vec::new(), unread: Vec::new() };
    let mut unread: Option<Vec<Unread>> = None;
    for (nth, (scope, told)) in scopes.iter().enumerate() {
        let (rendered, trace) = match mapping.render_traced(document, *scope, told) {
            Ok(rendered) => rendered,
            Err(fault) => return Ok(Err(fault)),
        };
        let name = if scopes.len() == 1 { "message".to_owned() } else { format!("message({})", nth + 1) };
        let part = TargetPart { name, reference: None, write: None, clears: Vec::new(), values: Vec::new() };
        // What one message leaves another may read.
        let left = mapping.unread(document, &trace);
        unread = Some(match unread {
            None => left,
            Some(before) => before.into_iter().filter(|known| left.contains(known)).collect(),
        });
        ran.notes.extend(rendered.notes);
        ran.parts.push((part, rendered.tree, trace.lineage));
    }
    ran.unread = unread.unwrap_or_default();
    Ok(Ok(ran))
}

/// `Patient`, or where there are several of a type: `Observation(2)`.
pub fn names(changes: &[Change]) -> Vec<String> {
    let kinds: Vec<_> = changes.iter().map(|change| change.reference().kind).collect();
    let mut counted: HashMap<_, usize> = HashMap::new();
    let name = |kind: &hub_fhir::ResourceType| {
        let nth = counted.entry(*kind).or_default();
        *nth += 1;
        let many = kinds.iter().filter(|known| *known == kind).count() > 1;
        if many { format!("{kind}({nth})") } else { kind.to_string() }
    };
    kinds.iter().map(name).collect()
}

fn fields(document: &dyn Document) -> Vec<SourceField> {
    let leaves = document.leaves();
    let field = |leaf| SourceField {
        place: document.place(leaf),
        value: document.text(leaf).and_then(hub_core::document::Text::value).map(Into::into),
        became: Became::Unknown,
        reason: None,
        to: Vec::new(),
    };
    leaves.into_iter().map(field).collect()
}

/// The fields by their places, and which were read.
struct Sources {
    by_place: HashMap<String, usize>,
    read: Vec<bool>,
}

impl Sources {
    fn of(fields: &[SourceField], unread: &[Unread]) -> Self {
        let by_place: HashMap<_, _> =
            fields.iter().enumerate().map(|(at, field)| (field.place.clone(), at)).collect();
        let mut read = vec![true; fields.len()];
        for left in unread {
            if let Some(at) = by_place.get(&left.place) {
                read[*at] = false;
            }
        }
        Self { by_place, read }
    }

    /// The fields a place stands for: itself, or all read fields within it.
    fn within(&self, place: &str, fields: &[SourceField]) -> Vec<usize> {
        if let Some(at) = self.by_place.get(place) {
            return vec![*at];
        }
        let inside = |at: &usize| {
            self.read[*at]
                && fields[*at]
                    .place
                    .strip_prefix(place)
                    .is_some_and(|rest| rest.starts_with(['-', '.', '/', '(', '[']))
        };
        (0..fields.len()).filter(inside).collect()
    }

    /// Every value of a part, with where it comes from.
    fn trace(
        &self,
        (mut part, object, lines): (TargetPart, Object, Vec<Lineage>),
        fields: &[SourceField],
    ) -> TargetPart {
        let origin = |line: &Lineage| Origin {
            fields: line.place.as_deref().map_or_else(Vec::new, |place| self.within(place, fields)),
            place: line.place.clone(),
            file: line.file.clone(),
            line: line.line,
        };
        let mut by_path: HashMap<&str, Vec<&Lineage>> = HashMap::new();
        let mut by_name: HashMap<String, Vec<&Lineage>> = HashMap::new();
        for line in &lines {
            let path = line.target.split_once('#').map_or(line.target.as_str(), |(_, path)| path);
            by_path.entry(path).or_default().push(line);
            by_name.entry(without_places(path)).or_default().push(line);
        }
        // Lineage names what stands in a segment by the segment, and so do people.
        let segments = Segments::of(&object);
        each_leaf(&object, &mut |tree_path, json| {
            let names = segments.names(tree_path);
            let (path, shown_path) =
                names.as_ref().map_or((tree_path, tree_path), |(path, shown_path)| (path, shown_path));
            if part.reference.is_some() && matches!(path, "resourceType" | "id") {
                return;
            }
            let value = shown(json).into_owned();
            let says_it = |line: &&&Lineage| {
                let places = line.place.as_deref().map_or_else(Vec::new, |place| self.within(place, fields));
                places.iter().any(|at| fields[*at].value.as_deref() == Some(value.as_str()))
            };
            let here = by_path.get(path).map_or(&[][..], Vec::as_slice);
            // Parts of one resource are united, and entries of their lists may have moved.
            let elsewhere = || {
                let all = by_name.get(&without_places(path)).map_or(&[][..], Vec::as_slice);
                let same: Vec<_> = all.iter().filter(says_it).copied().collect();
                if same.is_empty() { all.to_vec() } else { same }
            };
            let lines = if here.is_empty() { elsewhere() } else { here.to_vec() };
            let mut from: Vec<Origin> = Vec::new();
            for line in lines {
                let origin = origin(line);
                if !from.contains(&origin) {
                    from.push(origin);
                }
            }
            part.values.push(TargetValue { path: shown_path.to_owned(), value, from });
        });
        part
    }
}

/// Says of every field what became of it.
fn judge(explained: &mut Explained, unread: Vec<Unread>) {
    for (part, told) in explained.target.iter().enumerate() {
        for (at, value) in told.values.iter().enumerate() {
            for origin in &value.from {
                for field in &origin.fields {
                    let link = Link {
                        target: match told.name.as_str() {
                            "" => value.path.clone(),
                            name => format!("{name}.{}", value.path),
                        },
                        file: origin.file.clone(),
                        line: origin.line,
                        whole: origin.fields.len() > 1,
                        part,
                        at,
                    };
                    let to = &mut explained.source[*field].to;
                    if !to.contains(&link) {
                        to.push(link);
                    }
                }
            }
        }
    }
    let mut left: HashMap<String, Option<String>> =
        unread.into_iter().map(|unread| (unread.place, unread.on_purpose)).collect();
    for field in &mut explained.source {
        let unread = left.remove(&field.place);
        field.became = match (&unread, field.to.is_empty()) {
            (_, false) => Became::Written,
            (None, true) => Became::Read,
            (Some(Some(_)), true) => Became::OnPurpose,
            (Some(None), true) => Became::Unread,
        };
        field.reason = unread.flatten();
    }
}

/// The place of the fault, and nothing of the rest.
fn set_aside(explained: &mut Explained, fault: Fault) {
    if let Some(place) = &fault.place {
        for field in &mut explained.source {
            let rest = field.place.strip_prefix(place.as_str());
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', '/', '(', '['])) {
                field.became = Became::Fault;
                field.reason = Some(fault.reason.clone());
            }
        }
    }
    explained.fault = Some(FaultTold {
        step: fault.step.name(),
        place: fault.place,
        rule: fault.rule,
        reason: fault.reason,
    });
}

fn note(note: Note) -> NoteTold {
    NoteTold { place: note.place, reason: note.reason }
}

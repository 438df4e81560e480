//! Looks resources up in what the store was asked for before the run.

use compact_str::{CompactString, format_compact};
use hub_core::document::Node;
use hub_core::fault::Fault;
use hub_fhir::{Id, Json};

use super::Runner;
use crate::find::Need;
use crate::functions::Context;
use crate::plan::{Criterion, FindPlan, IDENTIFIER, Missing};
use crate::read::Value;

/// What looking up has come to.
pub(super) enum Looked {
    Found(Id),
    /// Nothing is there, and it is to be made.
    Create,
    /// Nothing is there, and nothing is to be done about it.
    Skip,
}

impl Runner<'_> {
    /// Looks a resource up, seen from a node.
    pub(super) fn look_up(&self, find: &FindPlan, node: Node) -> Result<Looked, Fault> {
        let mut looked_for = false;
        for way in &find.ways {
            let Some(need) = self.need(find, way, node)? else { continue };
            looked_for = true;
            if let Some(asked) = &self.asked {
                let mut asked = asked.borrow_mut();
                if !asked.contains(&need) {
                    asked.push(need);
                }
                continue;
            }
            match self.reader.found().ids(&need) {
                [] => {}
                [one] => return Ok(Looked::Found(one.clone())),
                several => {
                    let reason = format!(
                        "{} {} are stored with this {}; which one is meant cannot be told",
                        several.len(),
                        find.kind,
                        names(way)
                    );
                    return Err(self.not_found(find, node, reason));
                }
            }
        }
        if self.asked.is_some() {
            return Ok(Looked::Found(self.stand_in()));
        }
        match find.missing {
            Missing::Create => Ok(Looked::Create),
            Missing::Quarantine => {
                let ways: Vec<String> = find.ways.iter().map(|way| names(way)).collect();
                let reason = if looked_for {
                    format!("no {} with this {} is stored", find.kind, ways.join(" or "))
                } else {
                    format!("the message has no {} to look the {} up by", ways.join(" or "), find.kind)
                };
                Err(self.not_found(find, node, reason))
            }
            Missing::Skip => Ok(Looked::Skip),
        }
    }

    /// While only questions are asked everything is taken as found, so that what is asked within it is asked too.
    fn stand_in(&self) -> Id {
        let nth = self.stand_ins.get();
        self.stand_ins.set(nth + 1);
        Id::new(&format!("asked-{nth}")).expect("letters, a sign and digits are an id")
    }

    /// The question of one way; none when a value of it is missing.
    fn need(&self, find: &FindPlan, way: &[Criterion], node: Node) -> Result<Option<Need>, Fault> {
        let mut criteria = Vec::with_capacity(way.len());
        for criterion in way {
            let Some(value) = self.criterion(find, criterion, node)? else { return Ok(None) };
            criteria.push((criterion.param.clone(), value));
        }
        Ok(Some(Need { kind: find.kind, criteria }))
    }

    fn criterion(
        &self,
        find: &FindPlan,
        criterion: &Criterion,
        node: Node,
    ) -> Result<Option<CompactString>, Fault> {
        if let Some(value) = &criterion.value {
            return Ok(Some(value.clone()));
        }
        let context = Context {
            zone: &self.plan.zone,
            systems: &self.plan.systems,
            system: criterion.system.as_deref(),
            unit: None,
            units: None,
        };
        let wanted = format!("looking up the {}", find.kind);
        let value = |node: Node| {
            if self.reader.is_null(node) {
                return Ok(None);
            }
            let made = (criterion.how.make)(Value::of_node(self.reader, node), &context)
                .map_err(|misfit| self.fault(misfit.node, find.at, misfit.expected))?;
            let Some(json) = made else { return Ok(None) };
            let system = criterion.system.as_deref().filter(|_| criterion.param == IDENTIFIER);
            if criterion.param == IDENTIFIER && json.get("system").is_none() && system.is_none() {
                let reason = format!(
                    "the number has no system, so that it may be that of another {}: `system` of the line names one",
                    find.kind
                );
                return Err(self.fault(node, find.at, reason));
            }
            Ok(searched(&json, system))
        };
        for sought in &criterion.from {
            if let Some((_, value)) =
                self.single(node, sought, criterion.from.iter(), (&wanted, find.at), value)?
            {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn not_found(&self, find: &FindPlan, node: Node, reason: String) -> Fault {
        let mut fault = self.fault(node, find.at, reason);
        let paths = find.ways.iter().flatten().flat_map(|criterion| &criterion.from);
        let first = paths.map(|sought| sought.path.as_str().to_owned()).next();
        fault.place = fault.place.or(first);
        fault
    }
}

/// `identifier and birthdate`
fn names(way: &[Criterion]) -> String {
    let plain = |criterion: &Criterion| criterion.param.trim_end_matches(":exact").to_owned();
    way.iter().map(plain).collect::<Vec<_>>().join(" and ")
}

/// A value as a FHIR search has it (R4B §3.1.1.4): `system|value`, with `,`, `|`, `$` and `\\` escaped. `system` is that of a value which
/// names none.
fn searched(json: &Json, system: Option<&str>) -> Option<CompactString> {
    let escaped = |text: &str| {
        let mut written = CompactString::with_capacity(text.len());
        for letter in text.chars() {
            if matches!(letter, ',' | '|' | '$' | '\\') {
                written.push('\\');
            }
            written.push(letter);
        }
        written
    };
    let text = |json: Option<&Json>| match json {
        Some(Json::String(text) | Json::Number(text)) => Some(escaped(text)),
        Some(Json::Bool(truth)) => Some(format_compact!("{truth}")),
        _ => None,
    };
    let coding = json.at(&["coding", "0"]).unwrap_or(json);
    let (own, code) = match coding {
        Json::Object(object) => {
            (text(object.get("system")), text(object.get("value").or_else(|| object.get("code")))?)
        }
        single => (None, text(Some(single))?),
    };
    Some(match own.or_else(|| system.map(&escaped)) {
        Some(system) => format_compact!("{system}|{code}"),
        None => code,
    })
}

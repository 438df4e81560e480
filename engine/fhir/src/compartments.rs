//! The compartments of R4B: what belongs to a patient, an encounter, a practitioner, a related person or a device, and by which
//! references (R4B §2.24).
//!
//! Read once, at first use, from `tables/compartments.tsv`.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::index::IndexValue;
use crate::index_rows::values;
use crate::json::Object;
use crate::params::{ParamKind, find, supported};
use crate::resource::{Id, Reference};
use crate::search::{Filter, FilterOn, Test};
use crate::types::ResourceType;

/// The parameters by which a type is in a compartment.
type Members = HashMap<ResourceType, Vec<&'static str>>;

/// What the definitions write for the resource that the compartment is named by.
const ITSELF: &str = "{def}";

static TABLE: LazyLock<Vec<(ResourceType, Members)>> =
    LazyLock::new(|| read(include_str!("../tables/compartments.tsv")));

fn read(table: &'static str) -> Vec<(ResourceType, Members)> {
    let mut all: Vec<(ResourceType, Members)> = Vec::new();
    for line in table.lines() {
        if let Some(name) = line.strip_prefix('@') {
            all.extend(ResourceType::from_name(name).map(|kind| (kind, Members::new())));
        } else if let (Some((_, members)), Some((name, params))) = (all.last_mut(), line.split_once('\t'))
            && let Some(kind) = ResourceType::from_name(name)
        {
            members.insert(kind, params.split(',').collect());
        }
    }
    all
}

/// The types whose resources have a compartment.
pub fn compartments() -> impl Iterator<Item = ResourceType> {
    TABLE.iter().map(|(kind, _)| *kind)
}

fn members(compartment: ResourceType) -> Option<&'static Members> {
    TABLE.iter().find(|(kind, _)| *kind == compartment).map(|(_, members)| members)
}

/// The types that have resources in compartments of this type, in the order of [`ResourceType::all`]; none where it has no compartment.
pub fn types_in(compartment: ResourceType) -> Vec<ResourceType> {
    let Some(members) = members(compartment) else { return Vec::new() };
    ResourceType::all().filter(|kind| *kind == compartment || members.contains_key(kind)).collect()
}

/// The filter that leaves the resources of a type that are in the compartment of `focus`; `None` where none can be.
pub fn filter(focus: &Reference, kind: ResourceType) -> Option<Filter> {
    let params = members(focus.kind)?.get(&kind).map(Vec::as_slice).unwrap_or_default();
    let is_focus = kind == focus.kind;
    let mut any = Vec::new();
    // A resource is in the compartment that is named by it, whether the definitions write so or not.
    if is_focus {
        let on = FilterOn::Id;
        any.push(Test::All(vec![Filter { on, any: vec![Test::Id(focus.id.as_str().into())], not: false }]));
    }
    for code in params.iter().filter(|code| **code != ITSELF) {
        let param = find(kind, code).filter(|param| param.kind == ParamKind::Reference && supported(param));
        if let Some(param) = param {
            let test = Test::Reference { kind: Some(focus.kind), id: focus.id.as_str().into() };
            any.push(Test::All(vec![Filter { on: FilterOn::Param(param.id), any: vec![test], not: false }]));
        }
    }
    (!any.is_empty()).then_some(Filter { on: FilterOn::Each, any, not: false })
}

/// Whether a resource is in a compartment of this type, whosever it is.
pub fn is_in_one(compartment: ResourceType, kind: ResourceType, tree: &Object) -> bool {
    kind == compartment || !foci(compartment, kind, tree).is_empty()
}

/// Of whom, of this type, a resource is in the compartment; beside itself, where it has one.
pub fn foci(compartment: ResourceType, kind: ResourceType, tree: &Object) -> Vec<Reference> {
    let params = members(compartment).and_then(|members| members.get(&kind));
    params.map(|params| pointed_at(compartment, kind, params, tree)).unwrap_or_default()
}

/// The resources of type `focus` that a resource points at by one of these parameters.
pub(crate) fn pointed_at(
    focus: ResourceType,
    kind: ResourceType,
    codes: &[&str],
    tree: &Object,
) -> Vec<Reference> {
    let params = codes.iter().filter(|code| **code != ITSELF).filter_map(|code| find(kind, code));
    let values = params.flat_map(|param| values(param, tree));
    let points_at = values.filter_map(|value| match value {
        IndexValue::Reference { kind: Some(of), id } if of == focus => {
            Some(Reference { kind: focus, id: Id::new(&id).ok()? })
        }
        _ => None,
    });
    let mut foci: Vec<Reference> = points_at.collect();
    foci.sort_unstable();
    foci.dedup();
    foci
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> ResourceType {
        ResourceType::from_name(name).unwrap()
    }

    #[test]
    fn every_parameter_of_a_compartment_is_a_reference_that_is_searched_by() {
        let mut count = 0;
        for (compartment, members) in TABLE.iter() {
            for (kind, params) in members {
                for code in params.iter().filter(|code| **code != ITSELF) {
                    let param = find(*kind, code);
                    assert!(
                        param.is_some_and(|param| param.kind == ParamKind::Reference && supported(param)),
                        "{compartment}: {kind} {code}"
                    );
                    count += 1;
                }
            }
        }
        assert!(count > 250, "{count}");
    }

    #[test]
    fn what_is_in_the_compartment_of_a_patient_points_at_it_or_is_it() {
        let focus = Reference::parse("Patient/1").unwrap();
        let observations = filter(&focus, kind("Observation")).unwrap();
        assert_eq!(observations.any.len(), 2, "by subject and by performer");
        assert_eq!(filter(&focus, kind("Patient")).unwrap().any.len(), 2, "itself, and by link");
        assert!(filter(&focus, kind("Organization")).is_none());
        assert!(filter(&Reference::parse("Organization/1").unwrap(), kind("Patient")).is_none());
        assert_eq!(compartments().count(), 5);
        assert!(types_in(kind("Patient")).contains(&kind("Observation")));
        assert!(types_in(kind("Organization")).is_empty());
    }
}

//! What somebody may see: of some types everything, of others what is in the compartments of some patients, of the rest nothing.
//!
//! A search is narrowed before it is run, so that what may not be seen is not found, not counted and not looked through; what is read by
//! its address is held against the same rule ([`Sight::sees`]). Pure.

use std::collections::HashSet;

use crate::compartments;
use crate::json::{Json, Object};
use crate::params::find;
use crate::resource::Reference;
use crate::search::{Filter, FilterOn, Search, Sort, SortOn, Test};
use crate::types::ResourceType;

/// Types that are about a patient, which R4B's compartments leave out, with the parameter that tells about whom.
const BESIDE: [(&str, &str); 1] = [("Task", "patient")];

/// What somebody may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    is_everything: bool,
    whole: HashSet<ResourceType>,
    own: HashSet<ResourceType>,
    patients: Vec<Reference>,
    itself: Option<Reference>,
}

/// What of a type may be seen.
enum Reach {
    All,
    Nothing,
    Within(Filter),
}

impl Sight {
    /// All there is.
    pub fn everything() -> Self {
        Self { is_everything: true, ..Self::default() }
    }

    /// Of the types `whole` everything; of the types `own` what is in the compartments of these patients; and who it is.
    pub fn of(
        whole: impl IntoIterator<Item = ResourceType>,
        own: impl IntoIterator<Item = ResourceType>,
        patients: Vec<Reference>,
        itself: Option<Reference>,
    ) -> Self {
        let (whole, own) = (whole.into_iter().collect(), own.into_iter().collect());
        Self { is_everything: false, whole, own, patients, itself }
    }

    /// Whether there is nothing it may not see.
    pub fn is_everything(&self) -> bool {
        self.is_everything
    }

    /// Whether all resources of a type may be seen.
    pub fn sees_all_of(&self, kind: ResourceType) -> bool {
        self.is_everything || self.whole.contains(&kind)
    }

    /// Whether a resource may be seen.
    pub fn sees(&self, reference: &Reference, tree: &Object) -> bool {
        self.sees_all_of(reference.kind)
            || self.itself.as_ref() == Some(reference)
            || (self.own.contains(&reference.kind)
                && patients_of(reference, tree).iter().any(|patient| self.patients.contains(patient)))
    }

    /// Leaves of a search what may be seen; `false`: nothing is left.
    pub fn narrow(&self, search: &mut Search) -> bool {
        if self.is_everything {
            return true;
        }
        search.filters.iter_mut().for_each(|filter| self.narrow_filter(filter));
        search.sort.retain_mut(|sort| self.narrow_sort(sort));
        match self.reach(search.kind) {
            Reach::All => true,
            Reach::Nothing => false,
            Reach::Within(filter) => {
                search.filters.push(filter);
                true
            }
        }
    }

    fn reach(&self, kind: ResourceType) -> Reach {
        if self.sees_all_of(kind) {
            return Reach::All;
        }
        let mut any = Vec::new();
        if self.own.contains(&kind) {
            let filters = self.patients.iter().filter_map(|patient| within(patient, kind));
            any.extend(filters.flat_map(|filter| filter.any));
        }
        if let Some(itself) = self.itself.as_ref().filter(|itself| itself.kind == kind) {
            let test = Test::Id(itself.id.as_str().into());
            any.push(Test::All(vec![Filter { on: FilterOn::Id, any: vec![test], not: false }]));
        }
        match any.is_empty() {
            true => Reach::Nothing,
            false => Reach::Within(Filter { on: FilterOn::Each, any, not: false }),
        }
    }

    fn narrow_filter(&self, filter: &mut Filter) {
        filter.any.iter_mut().for_each(|test| self.narrow_test(test));
    }

    fn narrow_test(&self, test: &mut Test) {
        match test {
            Test::Through(kind, inner) | Test::From(kind, _, inner) => {
                self.narrow_filter(inner);
                let leave = match self.reach(*kind) {
                    Reach::All => return,
                    Reach::Within(filter) => filter,
                    // No resource has an empty id.
                    Reach::Nothing => Filter { on: FilterOn::Id, any: vec![Test::Id("".into())], not: false },
                };
                let both = Test::All(vec![(**inner).clone(), leave]);
                **inner = Filter { on: FilterOn::Each, any: vec![both], not: false };
            }
            Test::All(filters) | Test::Contains(_, filters) => {
                filters.iter_mut().for_each(|filter| self.narrow_filter(filter));
            }
            Test::Unlike(test) | Test::Of(_, test) => self.narrow_test(test),
            Test::Together(tests) => tests.iter_mut().for_each(|(_, test)| self.narrow_test(test)),
            Test::Id(_)
            | Test::Token { .. }
            | Test::String(..)
            | Test::Reference { .. }
            | Test::Date { .. }
            | Test::Number { .. }
            | Test::Below(_)
            | Test::Holds(_)
            | Test::OneOf(_)
            | Test::Told(_)
            | Test::Sought(_)
            | Test::Missing(_) => {}
        }
    }

    /// An order would tell of what is sorted by: what may not be seen whole is not looked through.
    fn narrow_sort(&self, sort: &mut Sort) -> bool {
        fn keep(sight: &Sight, on: &mut SortOn) -> bool {
            let SortOn::Through(_, ways) = on else { return true };
            ways.retain_mut(|(kind, on)| sight.sees_all_of(*kind) && keep(sight, on));
            !ways.is_empty()
        }
        keep(self, &mut sort.on)
    }
}

/// The filter that leaves the resources of a type that are about a patient.
fn within(patient: &Reference, kind: ResourceType) -> Option<Filter> {
    let Some((_, code)) = BESIDE.iter().find(|(name, _)| *name == kind.name()) else {
        return compartments::filter(patient, kind);
    };
    let on = FilterOn::Param(find(kind, code)?.id);
    let test = Test::Reference { kind: Some(patient.kind), id: patient.id.as_str().into() };
    let filter = Filter { on, any: vec![test], not: false };
    Some(Filter { on: FilterOn::Each, any: vec![Test::All(vec![filter])], not: false })
}

/// The patients whom a resource is about: those in whose compartments it is, itself where it is one, and whom the `securityContext` of a
/// Binary names (R4B §2.36.1).
pub fn patients_of(reference: &Reference, tree: &Object) -> Vec<Reference> {
    let Some(patient) = ResourceType::from_name("Patient") else { return Vec::new() };
    let mut patients = match reference.kind.name() {
        "Binary" => {
            let context = tree.get("securityContext").and_then(|context| context.get("reference"));
            let context = context.and_then(Json::as_str).and_then(|text| Reference::parse(text).ok());
            context.into_iter().filter(|context| context.kind == patient).collect()
        }
        name => match BESIDE.iter().find(|(beside, _)| *beside == name) {
            Some((_, code)) => compartments::pointed_at(patient, reference.kind, &[code], tree),
            None => compartments::foci(patient, reference.kind, tree),
        },
    };
    if reference.kind == patient {
        patients.push(reference.clone());
    }
    patients
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::parse;

    fn kind(name: &str) -> ResourceType {
        ResourceType::from_name(name).unwrap()
    }

    fn reference(text: &str) -> Reference {
        Reference::parse(text).unwrap()
    }

    fn tree(text: &str) -> Object {
        crate::json::parse(text).unwrap().as_object().unwrap().clone()
    }

    fn patient() -> Sight {
        let own = ["Patient", "Observation", "Task", "Binary"].map(kind);
        Sight::of([kind("Slot")], own, vec![reference("Patient/1")], Some(reference("Person/me")))
    }

    #[test]
    fn of_a_compartment_what_is_about_the_patient_is_seen() {
        let sight = patient();
        let sees = |name: &str, text: &str| sight.sees(&reference(name), &tree(text));
        assert!(sees("Slot/1", "{}"));
        assert!(sees("Patient/1", "{}") && !sees("Patient/2", "{}"));
        assert!(
            sees("Person/me", "{}")
                && !sees("Person/you", r#"{"link":[{"target":{"reference":"Patient/1"}}]}"#)
        );
        assert!(sees("Observation/1", r#"{"subject":{"reference":"Patient/1"}}"#));
        assert!(!sees("Observation/2", r#"{"subject":{"reference":"Patient/2"}}"#));
        assert!(sees("Task/1", r#"{"for":{"reference":"Patient/1"}}"#));
        assert!(!sees("Task/1", r#"{"focus":{"reference":"Patient/1"}}"#));
        assert!(
            sees("Binary/1", r#"{"securityContext":{"reference":"Patient/1"}}"#) && !sees("Binary/1", "{}")
        );
        assert!(!sees("Condition/1", r#"{"subject":{"reference":"Patient/1"}}"#), "no such type at all");
    }

    #[test]
    fn a_search_is_narrowed_at_every_type_it_goes_through() {
        let sight = patient();
        let search = |name: &str, pairs: &[(&str, &str)]| {
            let pairs: Vec<_> =
                pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            parse(kind(name), &pairs).unwrap()
        };
        let mut slots = search("Slot", &[("_has:Appointment:slot:status", "booked")]);
        assert!(sight.narrow(&mut slots));
        let [Test::From(_, _, inner)] = slots.filters[0].any.as_slice() else { panic!() };
        assert_eq!(inner.on, FilterOn::Each, "what is looked through is narrowed too");
        assert_eq!(slots.filters.len(), 1, "slots themselves are everybody's");
        let mut observations =
            search("Observation", &[("subject:Patient.name", "x"), ("_sort", "subject:Patient.name")]);
        assert!(sight.narrow(&mut observations));
        assert_eq!((observations.filters.len(), observations.sort.len()), (2, 0));
        assert!(!sight.narrow(&mut search("Condition", &[])), "nothing of this type");
        let alone = Sight::of([], [kind("Observation")], Vec::new(), None);
        assert!(!alone.narrow(&mut search("Observation", &[])), "an account without visit persons sees none");
        let before = search("Condition", &[("code", "x")]);
        let mut after = before.clone();
        assert!(Sight::everything().narrow(&mut after) && before == after);
    }
}

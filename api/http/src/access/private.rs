//! What of doctors is private: who is not of the house sees it nowhere, and cannot find it out by searching for it (DIR-4).

use bytes::Bytes;
use hub_directory::public::{has_private, is_public_system, is_searchable, leave_public};
use hub_fhir::contained::Among;
use hub_fhir::params::by_id;
use hub_fhir::search::{Filter, FilterOn, Search, SortOn, Stored, Test};
use hub_fhir::{Json, ResourceType};

use crate::access::seen::tree_of;

/// Leaves of a stored resource what is public.
pub(super) fn veil(stored: &mut Stored) {
    if !has_private(stored.reference.kind) {
        return;
    }
    if let Some(mut tree) = tree_of(stored) {
        leave_public(stored.reference.kind, &mut tree);
        stored.body = Bytes::from(Json::Object(tree).to_text());
    }
}

/// Whether a search looks at nothing private.
pub(super) fn is_open(search: &Search) -> bool {
    let kind = search.kind;
    let own = !has_private(kind) || search.among == Among::Own;
    own && search.filters.iter().all(|filter| may_filter(kind, filter))
        && search.sort.iter().all(|sort| may_sort(kind, &sort.on))
}

fn may_filter(kind: ResourceType, filter: &Filter) -> bool {
    let may = match filter.on {
        FilterOn::Id | FilterOn::LastUpdated | FilterOn::Pointed | FilterOn::Each => true,
        FilterOn::Param(id) => by_id(id).is_some_and(|param| is_searchable(kind, param.code)),
        FilterOn::Narrative | FilterOn::Content | FilterOn::Contains => !has_private(kind),
    };
    let is_number =
        matches!(filter.on, FilterOn::Param(id) if by_id(id).is_some_and(|param| param.code == "identifier"));
    may && filter.any.iter().all(|test| may_test(kind, test, is_number && has_private(kind)))
}

/// `is_number`: it is a number of somebody, of which some are private.
fn may_test(kind: ResourceType, test: &Test, is_number: bool) -> bool {
    match test {
        Test::Through(kind, filter) | Test::From(kind, _, filter) => may_filter(*kind, filter),
        Test::All(filters) => filters.iter().all(|filter| may_filter(kind, filter)),
        Test::Contains(_, filters) => {
            !has_private(kind) && filters.iter().all(|filter| may_filter(kind, filter))
        }
        Test::Unlike(test) => may_test(kind, test, is_number),
        Test::Token { system, .. } if is_number => system.as_deref().is_some_and(is_public_system),
        _ => !is_number,
    }
}

fn may_sort(kind: ResourceType, on: &SortOn) -> bool {
    let is_open = |id| {
        by_id(id).is_some_and(|param| {
            is_searchable(kind, param.code) && !(has_private(kind) && param.code == "identifier")
        })
    };
    match on {
        SortOn::Id | SortOn::LastUpdated => true,
        SortOn::Param(id) => is_open(*id),
        SortOn::Through(id, ways) => is_open(*id) && ways.iter().all(|(kind, on)| may_sort(*kind, on)),
    }
}

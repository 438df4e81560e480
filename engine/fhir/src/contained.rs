//! Resources within resources: what they are searched by, and how a search looks for them (R4B §3.1.1.5.6).

use compact_str::CompactString;

use crate::index::{IndexRow, rows};
use crate::json::{Json, Object};
use crate::params::by_id;
use crate::search::{Filter, FilterOn, Search, SortOn, Test};
use crate::search_parse::SearchError;
use crate::types::ResourceType;

/// A resource that another one contains.
pub struct Contained {
    /// Its type.
    pub kind: ResourceType,
    /// Its id within the container.
    pub id: CompactString,
    /// What it can be found by.
    pub rows: Vec<IndexRow>,
}

impl std::fmt::Debug for Contained {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Contained({}, {} rows)", self.kind, self.rows.len())
    }
}

/// The contained resources of a tree, each with its place among them. What has no type or id is passed over.
pub fn contained(tree: &Object) -> impl Iterator<Item = (usize, Contained)> + '_ {
    let members = tree.get("contained").map(Json::items).unwrap_or_default();
    members.iter().enumerate().filter_map(|(nth, member)| {
        let member = member.as_object()?;
        let text = |name| member.get(name).and_then(Json::as_str);
        let kind = text("resourceType").and_then(ResourceType::from_name)?;
        Some((nth, Contained { kind, id: text("id")?.into(), rows: rows(kind, member) }))
    })
}

/// Whether contained resources are searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Among {
    /// Resources of their own: the default.
    #[default]
    Own,
    /// `_contained=true`: those in others.
    Contained,
    /// `_contained=both`
    Both,
}

/// The searches that a search of one type becomes where contained resources are looked for: their containers may be of any type.
/// [`SearchError::NotSupported`] for what a contained resource has not: a time, texts, references to it, values of the server's own
/// parameters.
pub fn spread(search: Search) -> Result<Vec<Search>, SearchError> {
    if search.among == Among::Own {
        return Ok(vec![search]);
    }
    let wrong = |name: &str, why| SearchError::NotSupported { name: name.into(), why };
    if search.sort.iter().any(|sort| !matches!(sort.on, SortOn::Id | SortOn::LastUpdated)) {
        return Err(wrong(
            "_sort",
            "with `_contained` matches are sorted by `_id` or `_lastUpdated` of their containers",
        ));
    }
    if !search.filters.iter().all(is_of_contained) {
        return Err(wrong(
            "_contained",
            "a contained resource has no `_lastUpdated`, `_text` and `_content`, is in no `_list`, nothing points at it, and it is found by R4B's parameters alone",
        ));
    }
    let within = Test::Contains(search.kind, search.filters.clone());
    let searches = ResourceType::all().map(|kind| {
        let contains = Filter { on: FilterOn::Contains, any: vec![within.clone()], not: false };
        let mut leg = Search { kind, filters: vec![contains.clone()], ..search.clone() };
        if kind == search.kind && search.among == Among::Both {
            let any = vec![Test::All(search.filters.clone()), Test::All(vec![contains])];
            leg.filters = vec![Filter { on: FilterOn::Each, any, not: false }];
        }
        leg
    });
    Ok(searches.collect())
}

/// What a search that [`spread`] made looks for within containers.
pub fn looked_for(search: &Search) -> Option<&Test> {
    fn within(filters: &[Filter]) -> Option<&Test> {
        filters.iter().flat_map(|filter| &filter.any).find_map(|test| match test {
            Test::Contains(..) => Some(test),
            Test::All(filters) => within(filters),
            _ => None,
        })
    }
    within(&search.filters)
}

fn is_of_contained(filter: &Filter) -> bool {
    match filter.on {
        FilterOn::Id => true,
        // By parameters of the server's own only resources that stand for themselves are indexed.
        FilterOn::Param(id) => by_id(id).is_some_and(|param| !param.is_own()),
        FilterOn::Each => filter.any.iter().all(|test| match test {
            Test::All(filters) => filters.iter().all(is_of_contained),
            _ => false,
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::parse;

    fn spread_of(query: &[(&str, &str)]) -> Result<Vec<Search>, SearchError> {
        let pairs: Vec<(String, String)> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        spread(parse(ResourceType::from_name("Medication").unwrap(), &pairs).unwrap())
    }

    #[test]
    fn containers_may_be_of_any_type() {
        assert_eq!(spread_of(&[("code", "x")]).unwrap().len(), 1);
        let all = ResourceType::all().count();
        let searches = spread_of(&[("_contained", "both"), ("code", "x")]).unwrap();
        assert_eq!(searches.len(), all);
        let own = searches.iter().find(|search| search.kind.name() == "Medication").unwrap();
        assert_eq!(own.filters[0].any.len(), 2);
    }

    #[test]
    fn what_a_contained_resource_has_not_is_refused() {
        for (name, value) in
            [("_lastUpdated", "2026"), ("_has:MedicationRequest:medication:status", "x"), ("_sort", "code")]
        {
            assert!(spread_of(&[("_contained", "true"), (name, value)]).is_err(), "{name}");
        }
        assert!(spread_of(&[("_contained", "true"), ("_filter", "code eq x or not (status eq y)")]).is_ok());
    }
}

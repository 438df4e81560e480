//! Reads a sort key: a parameter, or one of what a reference points at (`patient.name`).

use crate::parameters::Parameters;
use crate::params::{ParamKind, by_id, supported};
use crate::search::{FilterOn, Sort, SortOn};
use crate::search_links::{MANY, MAX_TYPES, bounded};
use crate::search_parse::{SearchError, filter_on, shown};
use crate::types::ResourceType;

/// `name`, `-name`, `patient.name`, `subject:Patient.name`
pub(crate) fn key(kind: ResourceType, key: &str, parameters: &Parameters) -> Result<Sort, SearchError> {
    let (path, descending) = match key.strip_prefix('-') {
        Some(path) => (path, true),
        None => (key, false),
    };
    bounded(path)?;
    let on = sort_on(kind, path, parameters)?;
    if !is_of_one_sort(&on) {
        let why = "the types it may point at have values of different kinds; name one, as in `subject:Patient.name`";
        return Err(SearchError::NotSupported { name: shown(path), why });
    }
    Ok(Sort { on, descending })
}

fn sort_on(kind: ResourceType, path: &str, parameters: &Parameters) -> Result<SortOn, SearchError> {
    if let Some((head, rest)) = path.split_once('.') {
        return through(kind, head, rest, parameters);
    }
    let not_supported = |why| Err(SearchError::NotSupported { name: shown(path), why });
    match filter_on(kind, path, parameters)? {
        FilterOn::Id => Ok(SortOn::Id),
        FilterOn::LastUpdated => Ok(SortOn::LastUpdated),
        FilterOn::Param(id) if by_id(id).is_some_and(|param| param.kind == ParamKind::Composite) => {
            not_supported("a composite has no order")
        }
        FilterOn::Param(id) => Ok(SortOn::Param(id)),
        FilterOn::Narrative | FilterOn::Content => not_supported("a text has no order"),
        FilterOn::Pointed | FilterOn::Each | FilterOn::Contains => not_supported("it has no order"),
    }
}

fn through(
    kind: ResourceType,
    head: &str,
    rest: &str,
    parameters: &Parameters,
) -> Result<SortOn, SearchError> {
    let (code, named) = match head.split_once(':') {
        Some((code, named)) => (code, Some(named)),
        None => (head, None),
    };
    let name = || format!("{}.{}", shown(head), shown(rest));
    let FilterOn::Param(id) = filter_on(kind, code, parameters)? else {
        return Err(SearchError::NotSupported { name: name(), why: "only references can be looked through" });
    };
    let param =
        parameters.find(kind, code).filter(|param| param.kind == ParamKind::Reference && supported(param));
    let Some(param) = param else {
        return Err(SearchError::NotSupported { name: name(), why: "only references can be looked through" });
    };
    let may_be = |kind: &ResourceType| param.targets.is_empty() || param.targets.contains(kind);
    if let Some(named) = named {
        let to = ResourceType::from_name(named).filter(may_be).ok_or_else(|| SearchError::Modifier {
            name: name(),
            modifier: shown(named),
            expected: "a resource type the reference may point at",
        })?;
        return Ok(SortOn::Through(id, vec![(to, sort_on(to, rest, parameters)?)]));
    }
    let (mut ways, mut fault) = (Vec::new(), None);
    for to in ResourceType::all().filter(may_be) {
        match sort_on(to, rest, parameters) {
            Ok(on) => ways.push((to, on)),
            Err(error) => drop(fault.get_or_insert(error)),
        }
        if ways.len() > MAX_TYPES {
            return Err(SearchError::NotSupported { name: name(), why: MANY });
        }
    }
    match (ways.is_empty(), fault) {
        (true, Some(error)) => Err(error),
        _ => Ok(SortOn::Through(id, ways)),
    }
}

/// Whether all values that are compared are numbers, or all are texts.
fn is_of_one_sort(on: &SortOn) -> bool {
    match on {
        SortOn::Through(_, ways) => {
            let mut sorts = ways.iter().map(|(_, on)| on.is_integer());
            let first = sorts.next();
            sorts.all(|sort| Some(sort) == first) && ways.iter().all(|(_, on)| is_of_one_sort(on))
        }
        SortOn::Id | SortOn::LastUpdated | SortOn::Param(_) => true,
    }
}

impl SortOn {
    /// Whether its values are integers: moments and the places of numbers.
    pub fn is_integer(&self) -> bool {
        match self {
            Self::Id => false,
            Self::LastUpdated => true,
            Self::Param(id) => by_id(*id).is_some_and(|param| {
                matches!(param.kind, ParamKind::Date | ParamKind::Number | ParamKind::Quantity)
            }),
            Self::Through(_, ways) => ways.first().is_some_and(|(_, on)| on.is_integer()),
        }
    }
}

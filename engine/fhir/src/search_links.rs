//! Reads parameters that look through references: chains (R4B §3.1.1.4.14) and `_has` (§3.1.1.4.15).

use std::cell::Cell;

use crate::parameters::Parameters;
use crate::params::{Param, ParamKind, find, supported};
use crate::search::{Filter, FilterOn, Test};
use crate::search_parse::{SearchError, filter, shown};
use crate::types::ResourceType;

/// So many references may be looked through one after the other.
const MAX_LINKS: usize = 6;
/// A chain that does not say which type it goes through is tried for so many types.
pub(crate) const MAX_TYPES: usize = 16;
/// A type of each link may have to be tried with each of the next: so many tries.
const MAX_TRIED: usize = 1_000;
pub(crate) const MANY: &str =
    "the reference may point at many types that have the parameter; name one, as in `subject:Patient.name`";

/// What is the same for all parts of one parameter.
pub(crate) struct Reading<'q> {
    /// The server's own URL.
    pub(crate) base: Option<&'q str>,
    /// The parameters in force.
    pub(crate) parameters: &'q Parameters,
    tried: Cell<usize>,
}

impl<'q> Reading<'q> {
    pub(crate) fn new(base: Option<&'q str>, parameters: &'q Parameters) -> Self {
        Self { base, parameters, tried: Cell::new(0) }
    }
}

impl Filter {
    /// About how many values a statement needs for it, in alternatives.
    pub(crate) fn weight(&self) -> usize {
        fn one(test: &Test) -> usize {
            match test {
                Test::Through(_, inner) | Test::From(_, _, inner) => 2 + inner.weight(),
                Test::Together(tests) => tests.len() * 4,
                Test::All(filters) | Test::Contains(_, filters) => filters.iter().map(Filter::weight).sum(),
                Test::Unlike(test) | Test::Of(_, test) => one(test),
                Test::Sought(sought) => sought.weight(),
                _ => 1,
            }
        }
        self.any.iter().map(one).sum()
    }
}

/// The filter of a chain or of `_has`; `None` when the name is neither.
pub(crate) fn linked(
    kind: ResourceType,
    name: &str,
    value: &str,
    reading: &Reading<'_>,
) -> Result<Option<Filter>, SearchError> {
    if name == "_has" || name.starts_with("_has:") {
        bounded(name)?;
        return pointed(kind, name, value, reading).map(Some);
    }
    if name == "_list" {
        return of_list(value, reading).map(Some);
    }
    let Some((head, rest)) = name.split_once('.') else { return Ok(None) };
    let (code, through) = match head.split_once(':') {
        Some((code, through)) => (code, Some(through)),
        None => (head, None),
    };
    let Some(param) = reading.parameters.find(kind, code) else { return Ok(None) };
    bounded(name)?;
    let inner = |kind| filter(kind, rest, value, reading);
    through_reference(param, through, name, reading, &inner).map(Some)
}

/// `_list`: what the entries of a List point at (R4B §3.1.1.5.2).
fn of_list(value: &str, reading: &Reading<'_>) -> Result<Filter, SearchError> {
    let name = || "_list".to_owned();
    if value.contains('$') {
        let why = "lists that a server keeps by itself, such as `$current-problems`, are not kept";
        return Err(SearchError::NotSupported { name: name(), why });
    }
    let list = ResourceType::from_name("List").expect("R4B has this type");
    let item = find(list, "item").expect("R4B has this parameter");
    let ids: Vec<&str> = value.split(',').map(|id| id.strip_prefix("List/").unwrap_or(id)).collect();
    let inner = filter(list, "_id", &ids.join(","), reading)?;
    Ok(Filter { on: FilterOn::Pointed, any: vec![Test::From(list, item.id, Box::new(inner))], not: false })
}

/// Each link costs the stack and the database.
pub(crate) fn bounded(name: &str) -> Result<(), SearchError> {
    let links = name.matches('.').count() + name.matches("_has").count();
    if links > MAX_LINKS {
        let why = "at most 6 references are looked through one after the other";
        return Err(SearchError::NotSupported { name: shown(name), why });
    }
    Ok(())
}

/// The filter on what a reference points at: `inner` says what must hold of it, for each type that it may be.
pub(crate) fn through_reference(
    param: &Param,
    through: Option<&str>,
    name: &str,
    reading: &Reading<'_>,
    inner: &dyn Fn(ResourceType) -> Result<Filter, SearchError>,
) -> Result<Filter, SearchError> {
    if param.kind != ParamKind::Reference || !supported(param) {
        let why = "only references can be looked through";
        return Err(SearchError::NotSupported { name: shown(name), why });
    }
    let on = FilterOn::Param(param.id);
    let may_be = |kind: &ResourceType| param.targets.is_empty() || param.targets.contains(kind);
    if let Some(through) = through {
        let kind = ResourceType::from_name(through).filter(may_be).ok_or_else(|| SearchError::Modifier {
            name: shown(name),
            modifier: shown(through),
            expected: "a resource type the reference may point at",
        })?;
        let inner = inner(kind)?;
        return Ok(Filter { on, any: vec![Test::Through(kind, Box::new(inner))], not: false });
    }
    // Every type that can be searched so; that others cannot is no fault of the query, unless none can.
    let (mut any, mut fault) = (Vec::new(), None);
    for kind in ResourceType::all().filter(may_be) {
        reading.tried.set(reading.tried.get() + 1);
        if reading.tried.get() > MAX_TRIED {
            return Err(SearchError::NotSupported { name: shown(name), why: MANY });
        }
        match inner(kind) {
            Ok(inner) => any.push(Test::Through(kind, Box::new(inner))),
            Err(error @ SearchError::NotSupported { why: MANY, .. }) => return Err(error),
            Err(error) => {
                let says_more = !matches!(error, SearchError::UnknownParameter { .. });
                if says_more || fault.is_none() {
                    fault = Some(error);
                }
            }
        }
    }
    match (any.len(), fault) {
        (0, Some(error)) => Err(error),
        (1..=MAX_TYPES, _) => Ok(Filter { on, any, not: false }),
        _ => Err(SearchError::NotSupported { name: shown(name), why: MANY }),
    }
}

/// `_has:Type:reference:rest`
fn pointed(
    kind: ResourceType,
    name: &str,
    value: &str,
    reading: &Reading<'_>,
) -> Result<Filter, SearchError> {
    let wrong = |expected| SearchError::Value { name: shown(name), expected };
    let mut parts = name.splitn(4, ':').skip(1);
    let (Some(source), Some(code), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong("a name of the form `_has:Type:reference:parameter`"));
    };
    let source =
        ResourceType::from_name(source).ok_or_else(|| wrong("a resource type of R4B after `_has:`"))?;
    let reference = reading.parameters.find(source, code).filter(|param| {
        param.kind == ParamKind::Reference
            && supported(param)
            && (param.targets.is_empty() || param.targets.contains(&kind))
    });
    let reference = reference.ok_or_else(|| {
        wrong("a reference parameter of the type named first that may point at the type searched")
    })?;
    let inner = filter(source, rest, value, reading)?;
    let any = vec![Test::From(source, reference.id, Box::new(inner))];
    Ok(Filter { on: FilterOn::Pointed, any, not: false })
}

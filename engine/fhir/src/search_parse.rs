//! Reads the parameters of a search.

use thiserror::Error;

use crate::contained::Among;
use crate::parameters::Parameters;
use crate::params::{ParamKind, find, supported};
use crate::search::{Cursor, Filter, FilterOn, Include, Search};
use crate::search_filter;
use crate::search_links::{Reading, linked};
use crate::search_sort;
use crate::search_value::{Asked, alternatives};
use crate::types::ResourceType;

/// How many matches a page holds when the query does not say.
pub const DEFAULT_COUNT: u32 = 20;
/// How many matches a page holds at most; a larger `_count` means this.
pub const MAX_COUNT: u32 = 1000;
/// Every filter is a join of its own; more are refused.
const MAX_FILTERS: usize = 20;
/// Each alternative is a few values of a statement, which databases bound.
const MAX_WEIGHT: usize = 2_000;
const MAX_SORTS: usize = 5;
const MAX_INCLUDES: usize = 16;

/// What is wrong with a search. Becomes an OperationOutcome.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SearchError {
    /// The type has no such parameter.
    #[error("`{kind}` has no search parameter `{name}`{hint}")]
    UnknownParameter {
        /// The type searched.
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// Empty, or the nearest right name.
        hint: String,
    },
    /// FHIR has the parameter; this server does not search by it.
    #[error("the search parameter `{name}` is not supported: {why}")]
    NotSupported {
        /// The parameter.
        name: String,
        /// What is missing.
        why: &'static str,
    },
    /// The modifier does not fit the parameter.
    #[error("the modifier `:{modifier}` does not fit `{name}`; expected {expected}")]
    Modifier {
        /// The parameter.
        name: String,
        /// The modifier given.
        modifier: String,
        /// What would fit.
        expected: &'static str,
    },
    /// The value cannot be read.
    #[error("the value of `{name}` cannot be read: expected {expected}")]
    Value {
        /// The parameter.
        name: String,
        /// What was expected.
        expected: &'static str,
    },
}

impl SearchError {
    /// The same of the whole name, as it stands in the query: what is wrong may be at the end of a chain.
    fn named(mut self, whole: &str) -> Self {
        if whole.contains('.') || whole.starts_with("_has") {
            let (Self::UnknownParameter { name, .. }
            | Self::NotSupported { name, .. }
            | Self::Modifier { name, .. }
            | Self::Value { name, .. }) = &mut self;
            *name = shown(whole);
        }
        self
    }
}

/// Reads decoded name-value pairs of a query string.
pub fn parse(kind: ResourceType, query: &[(String, String)]) -> Result<Search, SearchError> {
    parse_at(kind, query, None)
}

/// A search of several types in one order: the same for each of them. What it names all of them must have.
pub fn parse_across(
    kinds: &[ResourceType],
    query: &[(String, String)],
    base: Option<&str>,
    parameters: &Parameters,
) -> Result<Vec<Search>, SearchError> {
    kinds.iter().map(|kind| parse_by(*kind, query, base, parameters)).collect()
}

/// The same on a server whose URL is `base` (without a slash at its end): a reference given as a full URL below it
/// means the resource of this server.
pub fn parse_at(
    kind: ResourceType,
    query: &[(String, String)],
    base: Option<&str>,
) -> Result<Search, SearchError> {
    parse_by(kind, query, base, Parameters::of_r4b())
}

/// The same on a server that has parameters of its own.
pub fn parse_by(
    kind: ResourceType,
    query: &[(String, String)],
    base: Option<&str>,
    parameters: &Parameters,
) -> Result<Search, SearchError> {
    let mut search = Search {
        kind,
        filters: Vec::new(),
        includes: Vec::new(),
        revincludes: Vec::new(),
        sort: Vec::new(),
        count: DEFAULT_COUNT,
        total: false,
        after: None,
        among: Among::Own,
        gives_contained: false,
    };
    let mut summary_count = false;
    for (name, value) in query {
        let (code, modifier) = match name.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (name.as_str(), None),
        };
        let wrong = |expected| SearchError::Value { name: shown(code), expected };
        match code {
            "_format" | "_pretty" => {}
            "_count" => search.count = value.parse::<u32>().map_err(|_| wrong("a number"))?.min(MAX_COUNT),
            "_total" => {
                search.total = match value.as_str() {
                    "none" => false,
                    "estimate" | "accurate" => true,
                    _ => return Err(wrong("`none`, `estimate` or `accurate`")),
                }
            }
            "_summary" => {
                summary_count = match value.as_str() {
                    "count" => true,
                    "false" => false,
                    _ => return Err(wrong("`count` or `false`")),
                }
            }
            "_cursor" => {
                search.after = Some(Cursor::decode(value).ok_or_else(|| wrong("a cursor this server gave"))?)
            }
            "_sort" => {
                search.sort = value
                    .split(',')
                    .map(|key| search_sort::key(kind, key, parameters))
                    .collect::<Result<_, _>>()?;
                if search.sort.len() > MAX_SORTS {
                    return Err(wrong("at most 5 sort keys"));
                }
            }
            "_include" => search.includes.push(include(code, modifier, value, parameters)?),
            "_revinclude" => search.revincludes.push(include(code, modifier, value, parameters)?),
            "_contained" => {
                search.among = match value.as_str() {
                    "false" => Among::Own,
                    "true" => Among::Contained,
                    "both" => Among::Both,
                    _ => return Err(wrong("`true`, `false` or `both`")),
                }
            }
            "_containedType" => {
                search.gives_contained = match value.as_str() {
                    "container" => false,
                    "contained" => true,
                    _ => return Err(wrong("`container` or `contained`")),
                }
            }
            "_filter" => {
                search.filters.push(search_filter::read(kind, value, &Reading::new(base, parameters))?)
            }
            _ => {
                let found = filter(kind, name, value, &Reading::new(base, parameters));
                search.filters.push(found.map_err(|error| error.named(name))?);
            }
        }
        if search.filters.iter().map(Filter::weight).sum::<usize>() > MAX_WEIGHT {
            return Err(wrong("fewer alternatives in one search"));
        }
        if search.filters.len() > MAX_FILTERS {
            return Err(wrong("at most 20 parameters in one search"));
        }
        if search.includes.len() + search.revincludes.len() > MAX_INCLUDES {
            return Err(wrong("at most 16 includes"));
        }
    }
    if summary_count {
        search.count = 0;
    }
    search.total |= search.count == 0;
    // A cursor stands for the last match of one order; in another order it means nothing.
    let fits = |after: &Cursor| match search.sort.len() {
        0 => after.values.len() <= 1,
        keys => after.values.len() == keys,
    };
    if search.after.as_ref().is_some_and(|after| !fits(after)) {
        return Err(SearchError::Value {
            name: "_cursor".into(),
            expected: "a cursor of a search with the same `_sort`",
        });
    }
    Ok(search)
}

/// Reads a parameter that narrows the search: `name`, `name:modifier`, a chain or `_has`.
pub(crate) fn filter(
    kind: ResourceType,
    name: &str,
    value: &str,
    reading: &Reading<'_>,
) -> Result<Filter, SearchError> {
    if let Some(linked) = linked(kind, name, value, reading)? {
        return Ok(linked);
    }
    let (code, modifier) = match name.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (name, None),
    };
    let on = filter_on(kind, code, reading.parameters)?;
    let asked = Asked { on: &on, code, modifier, base: reading.base };
    let (any, not) = alternatives(&asked, value)?;
    Ok(Filter { on, any, not })
}

/// What a name in a query means for this type.
pub(crate) fn filter_on(
    kind: ResourceType,
    code: &str,
    parameters: &Parameters,
) -> Result<FilterOn, SearchError> {
    match code {
        "_id" => return Ok(FilterOn::Id),
        "_lastUpdated" => return Ok(FilterOn::LastUpdated),
        "_text" if find(kind, code).is_some() => return Ok(FilterOn::Narrative),
        "_content" => return Ok(FilterOn::Content),
        _ => {}
    }
    let unsupported = |why| Err(SearchError::NotSupported { name: shown(code), why });
    if code == "_elements" {
        return unsupported("resources come whole and are searched as such");
    }
    let Some(param) = parameters.find(kind, code) else {
        let known = parameters.of(kind).filter(|param| supported(param)).map(|param| param.code);
        let hint = nearest(
            code,
            known.chain(["_id", "_lastUpdated", "_sort", "_count", "_include", "_revinclude", "_total"]),
        );
        let hint = hint.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
        return Err(SearchError::UnknownParameter { kind: kind.name(), name: shown(code), hint });
    };
    if supported(param) {
        return Ok(FilterOn::Param(param.id));
    }
    unsupported("it is not indexed")
}

/// `Source:param[:Target]`, `Source:*` or `*`.
fn include(
    code: &str,
    modifier: Option<&str>,
    value: &str,
    parameters: &Parameters,
) -> Result<Include, SearchError> {
    let iterate = match modifier {
        None => false,
        Some("iterate" | "recurse") => true,
        Some(modifier) => {
            return Err(SearchError::Modifier {
                name: shown(code),
                modifier: shown(modifier),
                expected: "`:iterate`",
            });
        }
    };
    let wrong = |expected| SearchError::Value { name: shown(code), expected };
    if value == "*" {
        return Ok(Include { source: None, param: None, target: None, iterate });
    }
    let mut parts = value.split(':');
    let source = parts.next().and_then(ResourceType::from_name);
    let source = source.ok_or_else(|| wrong("`Type:parameter` with a resource type of R4B"))?;
    let name = parts.next().ok_or_else(|| wrong("`Type:parameter`"))?;
    let target = match parts.next() {
        None => None,
        Some(target) => Some(
            ResourceType::from_name(target).ok_or_else(|| wrong("a resource type of R4B as the target"))?,
        ),
    };
    if parts.next().is_some() {
        return Err(wrong("`Type:parameter:Target` and nothing after it"));
    }
    if name == "*" {
        return Ok(Include { source: Some(source), param: None, target, iterate });
    }
    match parameters.find(source, name).filter(|param| param.kind == ParamKind::Reference && supported(param))
    {
        Some(param) => Ok(Include { source: Some(source), param: Some(param.id), target, iterate }),
        None => Err(wrong("a reference parameter of the type named first")),
    }
}

/// A name as it is shown in an error: clients may send anything, of any length.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(64).collect::<String>().to_lowercase();
    known
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

//! One write as it was asked for, alone or as an entry of a Bundle.

use hub_fhir::search::{self, Search};
use hub_fhir::{Id, Object, ResourceType};

use crate::fhir::conditional::Expected;
use crate::fhir::problem::Problem;

/// A write that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The type that is written to.
    pub kind: ResourceType,
    /// Which resource is meant.
    pub at: Where,
    /// What is to be done.
    pub what: What,
    /// The version it must have (`If-Match`, `If-None-Match`).
    pub expected: Expected,
}

/// Which resource is meant.
#[derive(Clone, Debug)]
pub(crate) enum Where {
    /// A new one.
    New,
    /// The one of this id.
    Id(Id),
    /// What a search finds; a new one where it finds none.
    Found(Search),
}

/// What is to be done with it.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// It is this from now on, unless it is there already.
    Create(Object),
    /// It is this from now on.
    Update(Object),
    /// It is gone from now on.
    Delete,
}

/// How many resources a conditional delete may find where it may find several.
const MOST_FOUND: u32 = 1_000;

/// The search of a conditional write (R4B §3.1.0.5.1 and further). Unlike one that reads it never leaves anything out: it would find
/// more than was meant.
pub(crate) fn criteria(
    kind: ResourceType,
    pairs: &[(String, String)],
    base: &str,
) -> Result<Search, Problem> {
    let of_pages = ["_count", "_sort", "_total", "_cursor", "_include", "_revinclude", "_summary"];
    let bare = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    if let Some((name, _)) = pairs.iter().find(|(name, _)| of_pages.contains(&bare(name).as_str())) {
        let name = bare(name);
        let text = format!("`{name}` is about pages of a search and has no place in a condition");
        return Err(Problem::bad_parameter(&name, text));
    }
    let search = search::parse_at(kind, pairs, Some(base))?;
    if search.filters.is_empty() {
        let text = "a condition needs at least one search parameter, such as `identifier=system|value`";
        return Err(Problem::new(axum::http::StatusCode::BAD_REQUEST, "required", text));
    }
    Ok(Search { count: MOST_FOUND, ..search })
}

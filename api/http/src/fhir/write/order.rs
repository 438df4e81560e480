//! One write as it was asked for, alone or as an entry of a Bundle.

use axum::http::StatusCode;
use hub_fhir::parameters::Parameters;
use hub_fhir::search::{self, Search};
use hub_fhir::{Id, Object, ResourceType};

use crate::fhir::conditional::Expected;
use crate::fhir::problem::Problem;
use crate::fhir::write::aim::same_id;
use crate::fhir::write::patch::Patch;
use crate::query;

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
    /// It is changed so.
    Patch(Patch),
    /// It is gone from now on.
    Delete,
}

/// What a request says besides.
pub(crate) struct Said<'s> {
    /// The parameters of its address, but those about the looks of the answer.
    pub pairs: &'s [(String, String)],
    /// The FHIR base, as the client knows it.
    pub base: &'s str,
    /// The search parameters in force.
    pub parameters: &'s Parameters,
    /// `If-None-Exist`
    pub if_none_exist: Option<&'s str>,
    /// `If-Match`, `If-None-Match`
    pub expected: Expected,
}

impl Order {
    /// `POST /Patient`
    pub fn create(kind: ResourceType, tree: Object, said: &Said<'_>) -> Result<Self, Problem> {
        let at = match said.if_none_exist {
            None if said.pairs.is_empty() => Where::New,
            None => Where::Found(criteria(kind, said.pairs, said.base, said.parameters)?),
            Some(condition) => {
                Where::Found(criteria(kind, &pairs_of(kind, condition)?, said.base, said.parameters)?)
            }
        };
        Ok(Self { kind, at, what: What::Create(tree), expected: Expected::Any })
    }

    /// `PUT /Patient/1`, and without an id `PUT /Patient?..`
    pub fn update(
        kind: ResourceType,
        id: Option<Id>,
        tree: Object,
        said: &Said<'_>,
    ) -> Result<Self, Problem> {
        if let Some(id) = &id {
            same_id(&tree, id)?;
        }
        Self::existing(kind, id, What::Update(tree), said)
    }

    /// `PATCH` and `DELETE`, of an id or of what the parameters find.
    pub fn existing(
        kind: ResourceType,
        id: Option<Id>,
        what: What,
        said: &Said<'_>,
    ) -> Result<Self, Problem> {
        let at = match id {
            Some(id) => Where::Id(id),
            None => Where::Found(criteria(kind, said.pairs, said.base, said.parameters)?),
        };
        Ok(Self { kind, at, what, expected: said.expected })
    }
}

/// How many resources a conditional delete may find where it may find several.
const MOST_FOUND: u32 = 1_000;

/// The search of a condition (R4B §3.1.0.5.1 and further). Unlike one that reads it never leaves anything out: it would find more than
/// was meant.
pub(crate) fn criteria(
    kind: ResourceType,
    pairs: &[(String, String)],
    base: &str,
    parameters: &Parameters,
) -> Result<Search, Problem> {
    let of_pages = ["_count", "_sort", "_total", "_cursor", "_include", "_revinclude", "_summary"];
    let bare = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    if let Some((name, _)) = pairs.iter().find(|(name, _)| of_pages.contains(&bare(name).as_str())) {
        let name = bare(name);
        let text = format!("`{name}` is about pages of a search and has no place in a condition");
        return Err(Problem::bad_parameter(&name, text));
    }
    let search = search::parse_by(kind, pairs, Some(base), parameters)?;
    if search.filters.is_empty() {
        let text = "a condition needs at least one search parameter, such as `identifier=system|value`";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "required", text));
    }
    Ok(Search { count: MOST_FOUND, ..search })
}

/// The parameters of a condition that stands in a text: `identifier=1`, also with `?` or `Patient?` before it.
pub(crate) fn pairs_of(kind: ResourceType, condition: &str) -> Result<Vec<(String, String)>, Problem> {
    let condition = condition.trim();
    let bare = condition.strip_prefix(kind.name()).unwrap_or(condition);
    let text = bare.strip_prefix('?').unwrap_or(condition);
    query::pairs(text.as_bytes())
        .map_err(|wrong| Problem::new(StatusCode::BAD_REQUEST, "structure", wrong.text()))
}

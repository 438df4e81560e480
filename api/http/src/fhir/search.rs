//! Searches one type, several or a compartment, and writes the page that was found.

use axum::http::StatusCode;
use hub_fhir::ResourceType;
use hub_fhir::bundle::{self, Link};
use hub_fhir::compartments;
use hub_fhir::contained::{self, Among};
use hub_fhir::outcome::{Outcome, Severity};
use hub_fhir::search::{self, Page, Search, SearchError, Stored};

use crate::fhir::address::{Scope, resource_type};
use crate::fhir::links::address;
use crate::fhir::problem::Problem;
use crate::fhir::reply::Reply;
use crate::fhir::wants::Part;
use crate::fhir::{Fhir, Question, shape, terms};

/// `GET /Patient?..`, `POST /Patient/_search`, and the same without a type and in a compartment.
pub(crate) async fn search(fhir: &Fhir, question: &Question, scope: &Scope) -> Result<Reply, Problem> {
    let (mut searches, used, left_out) = understand(scope, question)?;
    terms::tell(fhir, &question.base, &mut searches).await?;
    run(fhir, question, &scope.path(), &searches, used, &left_out).await
}

/// Runs searches and writes the page. `path` and `used` are what its links lead to.
pub(crate) async fn run(
    fhir: &Fhir,
    question: &Question,
    path: &str,
    searches: &[Search],
    used: Vec<(String, String)>,
    left_out: &[SearchError],
) -> Result<Reply, Problem> {
    let mut page = fhir.resources.search_across(searches).await?;
    let is_whole = searches.first().is_none_or(|search| search.after.is_none() && search.count > 0);
    // A first page without a next one holds all matches: the total is known without counting.
    if is_whole && page.next.is_none() && page.total.is_none() {
        page.total = Some(page.matches.len() as u64);
    }
    let links = links(question, path, used, &page);
    if let Some(part) = &question.wants.part {
        // What is given of containers is not a part of them.
        let is_cut = page.contained.iter().all(Vec::is_empty);
        let matches = if is_cut { cut(page.matches, part)? } else { page.matches };
        page = Page { matches, included: cut(page.included, part)?, ..page };
    }
    let told = told(left_out, page.is_cut);
    Ok(Reply::fresh(bundle::searchset(&question.base, &page, &links, told.as_ref())))
}

/// What a client is told of its search, with the answer.
fn told(left_out: &[SearchError], is_cut: bool) -> Option<Outcome> {
    let left_out = left_out.iter().map(|wrong| ("not-supported", format!("left out: {wrong}")));
    let cut = is_cut.then(|| {
        let text = "more was to be included than comes with one page; ask for a smaller page with `_count`";
        ("too-costly", text.to_owned())
    });
    left_out.chain(cut).fold(None, |told: Option<Outcome>, (code, text)| {
        Some(match told {
            Some(told) => told.and(Severity::Warning, code, text),
            None => Outcome::new(Severity::Warning, code, text),
        })
    })
}

fn cut(stored: Vec<Stored>, part: &Part) -> Result<Vec<Stored>, Problem> {
    stored.into_iter().map(|stored| shape::cut(stored, part)).collect()
}

/// What a question means.
type Understood = (Vec<Search>, Vec<(String, String)>, Vec<SearchError>);

/// The parameter that names the types of a search that the address does not name one for.
const TYPES: &str = "_type";

/// The types that are searched: those that `_type` names, else all there can be.
fn kinds(scope: &Scope, question: &Question) -> Result<Vec<ResourceType>, Problem> {
    let possible: Vec<ResourceType> = match scope {
        Scope::Type(kind) | Scope::Compartment(_, Some(kind)) => return Ok(vec![*kind]),
        Scope::All => ResourceType::all().collect(),
        Scope::Compartment(focus, None) => compartments::types_in(focus.kind),
    };
    let mut named = Vec::new();
    for (_, value) in question.pairs.iter().filter(|(name, _)| name == TYPES) {
        for name in value.split(',') {
            let wrong = |problem: Problem| Problem { status: StatusCode::BAD_REQUEST, ..problem };
            named.push(resource_type(name).map_err(wrong)?);
        }
    }
    Ok(match named.is_empty() {
        true => possible,
        false => possible.into_iter().filter(|kind| named.contains(kind)).collect(),
    })
}

/// Leaves of the searches what is in the compartment; a type that cannot be in it is not searched.
fn within(scope: &Scope, searches: Vec<Search>) -> Vec<Search> {
    let Scope::Compartment(focus, _) = scope else { return searches };
    let within = searches.into_iter().filter_map(|mut search| {
        search.filters.push(compartments::filter(focus, search.kind)?);
        Some(search)
    });
    within.collect()
}

/// Where contained resources are looked for, the types that may contain them.
fn among_contained(scope: &Scope, searches: Vec<Search>) -> Result<Vec<Search>, SearchError> {
    if searches.iter().all(|search| search.among == Among::Own) {
        return Ok(searches);
    }
    match (scope, <[Search; 1]>::try_from(searches)) {
        (Scope::Type(_), Ok([search])) => contained::spread(search),
        _ => {
            let why =
                "contained resources are searched one type at a time, as in `Medication?_contained=true`";
            Err(SearchError::NotSupported { name: "_contained".to_owned(), why })
        }
    }
}

/// The searches, the parameters that went into it, and why others did not. A parameter that is unknown or not supported is refused, unless
/// the client is lenient: then it is left out, and the self link shows what was used (R4B §3.1.1.1.2).
fn understand(scope: &Scope, question: &Question) -> Result<Understood, Problem> {
    let kinds = kinds(scope, question)?;
    let names_types = matches!(scope, Scope::All | Scope::Compartment(_, None));
    let mut used = question.pairs.clone();
    let mut left_out = Vec::new();
    loop {
        let is_asked = |(name, _): &&(String, String)| !names_types || name != TYPES;
        let asked: Vec<(String, String)> = used.iter().filter(is_asked).cloned().collect();
        let wrong = match search::parse_across(&kinds, &asked, Some(&question.base), &question.parameters) {
            Ok(searches) => {
                return Ok((within(scope, among_contained(scope, searches)?), used, left_out));
            }
            Err(wrong) => wrong,
        };
        let (SearchError::UnknownParameter { name, .. } | SearchError::NotSupported { name, .. }) = &wrong
        else {
            return Err(wrong.into());
        };
        if !question.wants.lenient {
            return Err(wrong.into());
        }
        let before = used.len();
        used.retain(|(given, _)| bare(given) != *name && shown(given) != *name);
        if used.len() == before {
            // The name stands in a value, as in `_sort=x`: leaving that out would change the order, not only widen it.
            return Err(wrong.into());
        }
        left_out.push(wrong);
    }
}

/// A parameter's name without its modifier, as errors show it.
fn bare(name: &str) -> String {
    name.split(':').next().unwrap_or_default().chars().take(64).collect()
}

/// A parameter's whole name, as errors show it.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

fn links(question: &Question, path: &str, used: Vec<(String, String)>, page: &Page) -> Vec<Link> {
    let with_looks = |pairs: &[(String, String)]| [pairs, &question.looks].concat();
    let link = |relation, pairs: &[(String, String)]| Link {
        relation,
        url: address(&question.base, path, &with_looks(pairs)),
    };
    let mut links = vec![link("self", &used)];
    if let Some(cursor) = &page.next {
        let mut next = used;
        next.retain(|(name, _)| name != "_cursor");
        next.push(("_cursor".to_owned(), cursor.encode()));
        links.push(link("next", &next));
    }
    links
}

//! Searches one type, and writes the page that was found.

use hub_fhir::ResourceType;
use hub_fhir::bundle::{self, Link};
use hub_fhir::outcome::{Outcome, Severity};
use hub_fhir::search::{self, Page, Search, SearchError, Stored};

use crate::fhir::links::address;
use crate::fhir::problem::Problem;
use crate::fhir::reply::Reply;
use crate::fhir::wants::Part;
use crate::fhir::{Fhir, Question, shape};

/// `GET /Patient?..` and `POST /Patient/_search`
pub(crate) async fn search(fhir: &Fhir, question: &Question, kind: ResourceType) -> Result<Reply, Problem> {
    let (search, used, left_out) = understand(kind, question)?;
    let first = search.after.is_none();
    let mut page = fhir.doors.resources.search(&search).await?;
    // A first page without a next one holds all matches: the total is known without counting.
    if first && page.next.is_none() && search.count > 0 && page.total.is_none() {
        page.total = Some(page.matches.len() as u64);
    }
    let links = links(question, kind, used, &page);
    if let Some(part) = &question.wants.part {
        page = Page { matches: cut(page.matches, part)?, included: cut(page.included, part)?, ..page };
    }
    let told = told(&left_out, page.is_cut);
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
type Understood = (Search, Vec<(String, String)>, Vec<SearchError>);

/// The search, the parameters that went into it, and why others did not. A parameter that is unknown or not supported is refused, unless
/// the client is lenient: then it is left out, and the self link shows what was used (R4B §3.1.1.1.2).
fn understand(kind: ResourceType, question: &Question) -> Result<Understood, Problem> {
    let mut used = question.pairs.clone();
    let mut left_out = Vec::new();
    loop {
        let wrong = match search::parse_by(kind, &used, Some(&question.base), &question.parameters) {
            Ok(search) => return Ok((search, used, left_out)),
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

fn links(question: &Question, kind: ResourceType, used: Vec<(String, String)>, page: &Page) -> Vec<Link> {
    let with_looks = |pairs: &[(String, String)]| [pairs, &question.looks].concat();
    let link = |relation, pairs: &[(String, String)]| Link {
        relation,
        url: address(&question.base, kind.name(), &with_looks(pairs)),
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

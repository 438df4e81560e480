//! The versions of one resource, newest first, page by page.

use hub_fhir::Reference;
use hub_fhir::bundle::{self, Link};
use hub_fhir::search::Stored;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::fhir::links::address;
use crate::fhir::problem::Problem;
use crate::fhir::reply::{Reply, refuse_parameters};
use crate::fhir::{Fhir, Question, shape};

/// The versions of a page when nothing is said.
const DEFAULT_COUNT: u32 = 50;
/// The most versions of a page.
const MAX_COUNT: u32 = 500;

/// The parameters of a history.
const KNOWN: [&str; 3] = ["_count", "_since", "_cursor"];

/// Where a page starts and ends.
struct Span {
    count: u32,
    /// Only versions lower than this.
    before: Option<u64>,
    /// Only versions written at or after.
    since: Option<OffsetDateTime>,
}

/// `GET /Patient/1/_history`
pub(crate) async fn history(
    fhir: &Fhir,
    question: &Question,
    reference: &Reference,
) -> Result<Reply, Problem> {
    refuse_parameters(question, &KNOWN)?;
    let span = span(question)?;
    // One more than the page holds tells whether there is a next one.
    let mut versions = fhir.doors.resources.history(reference, span.before, span.count + 1).await?;
    if versions.is_empty() && span.before.is_none() {
        return Err(Problem::not_found("there is no such resource"));
    }
    if let Some(since) = span.since {
        let newer = versions.iter().take_while(|stored| stored.updated >= since).count();
        versions.truncate(newer);
    }
    let has_next = versions.len() > span.count as usize;
    versions.truncate(span.count as usize);
    let is_whole = span.before.is_none() && span.since.is_none() && !has_next;
    let total = is_whole.then_some(versions.len() as u64);

    let path = format!("{reference}/_history");
    let used = question.used(|name| ["_count", "_since"].contains(&name));
    let mut links =
        vec![Link { relation: "self", url: address(&question.base, &path, &question.used(is_known)) }];
    if let Some(last) = versions.last().filter(|_| has_next) {
        let cursor = ("_cursor".to_owned(), last.version.to_string());
        let next: Vec<_> = used.into_iter().chain([cursor]).collect();
        links.push(Link { relation: "next", url: address(&question.base, &path, &next) });
    }
    let versions: Vec<Stored> = match &question.wants.part {
        Some(part) => {
            versions.into_iter().map(|stored| shape::cut(stored, part)).collect::<Result<_, _>>()?
        }
        None => versions,
    };
    Ok(Reply::fresh(bundle::history(&question.base, &versions, total, &links)))
}

fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

fn span(question: &Question) -> Result<Span, Problem> {
    let mut span = Span { count: DEFAULT_COUNT, before: None, since: None };
    for (name, value) in &question.pairs {
        match name.as_str() {
            "_count" => {
                let count: Option<u32> = value.parse().ok().filter(|count| *count > 0);
                let count =
                    count.ok_or_else(|| Problem::bad_parameter(name, "`_count` must be a number from 1"))?;
                span.count = count.min(MAX_COUNT);
            }
            "_cursor" => {
                let before = value.parse().ok();
                let text = "`_cursor` must come from the `next` link of a page";
                span.before = Some(before.ok_or_else(|| Problem::bad_parameter(name, text))?);
            }
            "_since" => {
                // A `+` that was not escaped arrives as a space.
                let since = OffsetDateTime::parse(&value.replace(' ', "+"), &Rfc3339).ok();
                let text = "`_since` must be an instant such as `2026-01-31T08:00:00Z`";
                span.since = Some(since.ok_or_else(|| Problem::bad_parameter(name, text))?);
            }
            _ => {}
        }
    }
    Ok(span)
}

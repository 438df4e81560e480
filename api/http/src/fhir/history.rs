//! The versions of a resource, of a type or of the whole server, newest first, page by page (R4B §3.1.0.10).

use hub_core::store::{ChangesOf, ChangesQuery, VersionPlace};
use hub_fhir::bundle::{self, Link};
use hub_fhir::moment;
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
const KNOWN: [&str; 4] = ["_count", "_since", "_at", "_cursor"];

/// `GET /Patient/1/_history`, `GET /Patient/_history` and `GET /_history`
pub(crate) async fn history(fhir: &Fhir, question: &Question, of: ChangesOf) -> Result<Reply, Problem> {
    refuse_parameters(question, &KNOWN)?;
    let path = match &of {
        ChangesOf::Resource(reference) => format!("{reference}/_history"),
        ChangesOf::Type(kind) => format!("{kind}/_history"),
        ChangesOf::All => "_history".to_owned(),
    };
    let query = understand(question, of)?;
    let count = query.count as usize;
    // One more than the page holds tells whether there is a next one.
    let wanted = ChangesQuery { count: query.count + 1, ..query.clone() };
    let mut found = fhir.resources.changes(&wanted).await?;
    if let (true, ChangesOf::Resource(reference)) = (found.is_empty(), &query.of)
        && fhir.resources.read(reference).await?.is_none()
    {
        return Err(Problem::not_found("there is no such resource"));
    }
    let has_next = found.len() > count;
    found.truncate(count);
    let is_whole = query.after.is_none() && !has_next;
    let total = is_whole.then_some(found.len() as u64);

    let mut links =
        vec![Link { relation: "self", url: address(&question.base, &path, &question.used(is_known)) }];
    if let Some((_, place)) = found.last().filter(|_| has_next) {
        let cursor = ("_cursor".to_owned(), written(*place));
        let next: Vec<_> = question.used(|name| name != "_cursor" && is_known(name));
        let next: Vec<_> = next.into_iter().chain([cursor]).collect();
        links.push(Link { relation: "next", url: address(&question.base, &path, &next) });
    }
    let versions = found.into_iter().map(|(stored, _)| match &question.wants.part {
        Some(part) => shape::cut(stored, part),
        None => Ok(stored),
    });
    let versions: Vec<Stored> = versions.collect::<Result<_, _>>()?;
    Ok(Reply::fresh(bundle::history(&question.base, &versions, total, &links)))
}

fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

fn understand(question: &Question, of: ChangesOf) -> Result<ChangesQuery, Problem> {
    let mut query = ChangesQuery { of, since: None, at: None, after: None, count: DEFAULT_COUNT };
    for (name, value) in &question.pairs {
        let wrong = |text: &'static str| Problem::bad_parameter(name, text);
        // A `+` that was not escaped arrives as a space.
        let moment = value.replace(' ', "+");
        match name.as_str() {
            "_count" => {
                let count: Option<u32> = value.parse().ok().filter(|count| *count > 0);
                let count = count.ok_or_else(|| wrong("`_count` must be a number from 1"))?;
                query.count = count.min(MAX_COUNT);
            }
            "_cursor" => {
                let text = "`_cursor` must come from the `next` link of a page";
                query.after = Some(place(value).ok_or_else(|| wrong(text))?);
            }
            "_since" => {
                let since = OffsetDateTime::parse(&moment, &Rfc3339).ok();
                let text = "`_since` must be an instant such as `2026-01-31T08:00:00Z`";
                query.since = Some(since.ok_or_else(|| wrong(text))?);
            }
            "_at" => {
                let text = "`_at` must be a date or time such as `2026-01-31` or `2026-01-31T08:00:00Z`";
                query.at = Some(span(&moment).ok_or_else(|| wrong(text))?);
            }
            _ => {}
        }
    }
    Ok(query)
}

/// The first moment of a date or time, and the first after it.
fn span(text: &str) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let read = moment::read(text)?;
    let moment = |micros: i64| OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok();
    Some((moment(read.low)?, moment(read.high)?))
}

/// A place as a cursor has it.
fn written(place: VersionPlace) -> String {
    format!("{}.{}.{}", place.updated_us, place.row, place.version)
}

fn place(text: &str) -> Option<VersionPlace> {
    let mut parts = text.split('.').map(|part| part.parse::<i64>().ok());
    let place = VersionPlace { updated_us: parts.next()??, row: parts.next()??, version: parts.next()?? };
    parts.next().is_none().then_some(place)
}

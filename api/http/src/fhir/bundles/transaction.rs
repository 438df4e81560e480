//! A transaction: all entries or none, in one commit (R4B §3.1.0.11.2).

use std::collections::HashSet;
use std::ops::Range;

use axum::http::StatusCode;
use hub_core::commit::Commit;
use hub_core::store::{Committed, StoreError};
use hub_fhir::Reference;
use hub_fhir::bundle::{EntryResponse, responses};
use hub_fhir::search::Search;

use crate::fhir::bundles::batch::turn;
use crate::fhir::bundles::entry::{Asked, Entry};
use crate::fhir::bundles::outcome::{of_read, of_write};
use crate::fhir::bundles::rewrite::Links;
use crate::fhir::conditional::Expected;
use crate::fhir::problem::Problem;
use crate::fhir::reply::Reply;
use crate::fhir::write::aim::{Aim, aim, changes, other_version};
use crate::fhir::write::answer::Written;
use crate::fhir::write::conform::{Beside, conform};
use crate::fhir::write::define::define;
use crate::fhir::write::order::{Order, What, Where};
use crate::fhir::write::{MOST_TRIES, cause};
use crate::fhir::{Fhir, Question};

/// A writing entry, and what it is aimed at.
struct Aimed<'e> {
    at: usize,
    full_url: Option<&'e str>,
    order: &'e Order,
    aim: Aim,
}

/// Does the entries of a transaction. What only reads is done when all is written.
pub(crate) async fn perform(
    fhir: &Fhir,
    question: &Question,
    mut entries: Vec<Entry>,
) -> Result<Reply, Problem> {
    let mut answers = vec![EntryResponse::default(); entries.len()];
    entries.sort_by_key(|entry| turn(&entry.asked));
    for (at, written) in write(fhir, question, &entries).await? {
        answers[at] = of_write(fhir, question, written).await?;
    }
    for Entry { at, asked, .. } in entries {
        if let Asked::Read(ask, question) = asked {
            answers[at] = of_read(fhir, ask, &question).await;
        }
    }
    Ok(Reply::fresh(responses("transaction-response", &answers)))
}

/// Writes all, however many others write at the same time.
async fn write(
    fhir: &Fhir,
    question: &Question,
    entries: &[Entry],
) -> Result<Vec<(usize, Written)>, Problem> {
    for _ in 0..MOST_TRIES {
        let mut aimed = aim_all(fhir, entries).await?;
        refuse_overlaps(&aimed)?;
        let mut commit = Commit::default();
        link(fhir, question, &mut aimed, &mut commit).await?;
        let mut ranges: Vec<Range<usize>> = Vec::with_capacity(aimed.len());
        for Aimed { order, aim, .. } in &mut aimed {
            let from = commit.changes.len();
            commit.changes.extend(changes(order, aim));
            commit.guards.append(&mut aim.guards);
            ranges.push(from..commit.changes.len());
        }
        let is_nothing = commit.changes.is_empty() && commit.guards.is_empty();
        let committed = match is_nothing {
            true => Committed::default(),
            false => match fhir.resources.commit(cause(&question.request_id), commit).await {
                Ok(committed) => committed,
                Err(StoreError::Overtaken) => continue,
                Err(StoreError::Conflict { reference, .. }) => match expected_by(&aimed, &reference) {
                    Some(at) => return Err(other_version().of_entry(at)),
                    None => continue,
                },
                Err(failure) => return Err(failure.into()),
            },
        };
        let of_entry = |(aimed, range): (Aimed<'_>, Range<usize>)| {
            let stands = committed.stands.get(range).unwrap_or_default().to_vec();
            (aimed.at, Written::of(aimed.order, aimed.aim, stands))
        };
        return Ok(aimed.into_iter().zip(ranges).map(of_entry).collect());
    }
    Err(StoreError::Overtaken.into())
}

/// Finds out what each entry is aimed at.
async fn aim_all<'e>(fhir: &Fhir, entries: &'e [Entry]) -> Result<Vec<Aimed<'e>>, Problem> {
    let mut aimed = Vec::with_capacity(entries.len());
    for Entry { at, full_url, asked } in entries {
        let Asked::Write(order) = asked else { continue };
        let aim = aim(fhir, order).await.map_err(|problem| problem.of_entry(*at))?;
        aimed.push(Aimed { at: *at, full_url: full_url.as_deref(), order, aim });
    }
    Ok(aimed)
}

/// R4B §3.1.0.11.2: no two entries are aimed at the same resource, nor create on the same condition.
fn refuse_overlaps(aimed: &[Aimed<'_>]) -> Result<(), Problem> {
    let mut seen = HashSet::new();
    let mut found: Vec<&Search> = Vec::new();
    let duplicate =
        |at, text: &'static str| Problem::new(StatusCode::BAD_REQUEST, "duplicate", text).of_entry(at);
    // What is found to be there is only read: several may find it, but no other may write it.
    for Aimed { at, order, aim, .. } in aimed.iter().filter(|aimed| aimed.aim.there.is_none()) {
        for id in &aim.ids {
            if !seen.insert(Reference { kind: order.kind, id: id.clone() }) {
                return Err(duplicate(*at, "another entry writes to the same resource"));
            }
        }
    }
    for Aimed { at, order, aim, .. } in aimed {
        let is_there = aim.there.as_ref();
        if is_there.is_some_and(|there| seen.contains(&there.reference)) {
            return Err(duplicate(*at, "another entry writes to the resource that the condition finds"));
        }
        if let (Where::Found(search), What::Create(_) | What::Update(_)) = (&order.at, &order.what)
            && is_there.is_none()
        {
            if found.contains(&search) {
                return Err(duplicate(*at, "another entry has the same condition"));
            }
            found.push(search);
        }
    }
    Ok(())
}

/// Writes the ids of the Bundle's resources into its links, and looks for what references ask for; then each resource must conform.
async fn link(
    fhir: &Fhir,
    question: &Question,
    aimed: &mut [Aimed<'_>],
    commit: &mut Commit,
) -> Result<(), Problem> {
    let (mut links, mut beside) = (Links::default(), Beside::new());
    for Aimed { at, full_url, order, aim } in aimed.iter() {
        let is_deletion = matches!(order.what, What::Delete);
        let references = aim.ids.iter().map(|id| Reference { kind: order.kind, id: id.clone() });
        beside.extend(references.map(|reference| (reference, !is_deletion)));
        if let (Some(full_url), [id], false) = (full_url, &aim.ids[..], is_deletion) {
            let reference = Reference { kind: order.kind, id: id.clone() };
            links.add(full_url, reference).map_err(|problem| problem.of_entry(*at))?;
        }
    }
    for Aimed { at, full_url, order, aim } in aimed {
        // What is there already stays as it is.
        if aim.there.is_some() {
            continue;
        }
        let Some(resource) = aim.becomes.as_mut() else {
            let defined = define(fhir, question, order.kind, &aim.ids, None).await;
            defined.map_err(|problem| problem.of_entry(*at))?;
            continue;
        };
        let looked = links.look_up(fhir, question, resource, &mut commit.guards).await;
        looked.map_err(|problem| problem.of_entry(*at))?;
        links.write(resource, *full_url);
        let conforms = conform(fhir, &question.base, resource, &beside).await;
        conforms.map_err(|problem| problem.of_entry(*at))?;
        let defined = define(fhir, question, order.kind, &aim.ids, Some(resource)).await;
        commit.guards.extend(defined.map_err(|problem| problem.of_entry(*at))?);
    }
    Ok(())
}

/// The entry that expects a version of this resource.
fn expected_by(aimed: &[Aimed<'_>], reference: &str) -> Option<usize> {
    let is_it = |aimed: &&Aimed<'_>| {
        matches!(aimed.order.expected, Expected::Version(_))
            && aimed.aim.ids.iter().any(|id| reference == format!("{}/{id}", aimed.order.kind))
    };
    aimed.iter().find(is_it).map(|aimed| aimed.at)
}

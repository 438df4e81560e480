//! A dry run: what a replay would do to each message, by itself, against what is stored now.

use std::collections::{BTreeMap, BTreeSet};

use hub_core::operations::ReplayWhat;
use hub_core::replay::{
    Came, Differing, Differs, FaultName, Foreseen, ForeseenResource, ForeseenSum, Foresight, Replayable,
    Replays,
};
use hub_core::store::{End, StoreError};
use hub_fhir::Object;
use hub_fhir::difference::differences;
use hub_fhir::leaves::without_places;
use tokio::sync::mpsc;

use super::BEGIN;
use super::again::{How, Planned, plan};
use super::rebase::Touched;
use crate::hub::Hub;
use crate::lane::commit_fault;

/// Messages read at a time.
const PAGE: u32 = 64;
/// Lines that may wait for whoever reads them.
pub(super) const AHEAD: usize = 64;
/// Live messages that are worked on before a dry run waits a little.
const LIVE_FIRST: usize = 16;

/// Tells of each message, and the sum, for as long as somebody reads.
pub(super) async fn foresee(
    hub: &Hub,
    replays: &dyn Replays,
    what: &ReplayWhat,
    last: i64,
    how: How,
    with_content: bool,
    told: &mpsc::Sender<Foresight>,
) {
    let mut all = ForeseenSum::default();
    let told_all = async {
        let mut place = BEGIN;
        loop {
            let page = replays.page(what, place, last, PAGE).await?;
            (0..page.missing).for_each(|_| all.sum.count(Came::Left));
            for past in page.messages {
                let planned = planned(hub, replays, &past, how).await?;
                let (came, one) = planned.sum(how);
                all.sum.add(&one);
                let foreseen = foreseen(past, planned, came, with_content);
                add(&mut all, &foreseen);
                if told.send(Foresight::Message(Box::new(foreseen))).await.is_err() {
                    return Ok(false);
                }
                rest(hub).await;
            }
            match page.next {
                Some(next) => place = next,
                None => return Ok::<bool, StoreError>(true),
            }
        }
    };
    let end = match told_all.await {
        Ok(true) => Foresight::Sum(Box::new(all)),
        Ok(false) => return,
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "A dry run of a replay has broken off: the store does not answer."
            );
            Foresight::Broken
        }
    };
    // Whoever read may have gone.
    told.send(end).await.ok();
}

/// So many names are counted apart; what comes after them is counted as `(others)`.
const MOST_NAMES: usize = 2_000;
const OTHERS: &str = "(others)";

/// Adds a message to the sum.
fn add(all: &mut ForeseenSum, foreseen: &Foreseen) {
    let mut differing: BTreeSet<String> = BTreeSet::new();
    let mut older: BTreeSet<String> = BTreeSet::new();
    for resource in &foreseen.resources {
        let kind = resource.reference.kind;
        differing
            .extend(resource.differences.iter().map(|one| format!("{kind}.{}", without_places(&one.path))));
        older.extend(resource.older.iter().map(|name| format!("{kind}.{name}")));
    }
    differing.into_iter().for_each(|name| count(&mut all.elements, name, || OTHERS.to_owned()));
    older.into_iter().for_each(|name| count(&mut all.older, name, || OTHERS.to_owned()));
    if let Some(fault) = &foreseen.fault {
        let name =
            |reason: &str, rule| FaultName { step: fault.step.name(), rule, reason: reason.to_owned() };
        count(&mut all.faults, name(&fault.reason, fault.rule.clone()), || name(OTHERS, None));
    }
    if let Some(rule) = &foreseen.rule {
        count(&mut all.rules, rule.to_string(), || OTHERS.to_owned());
    }
    for (to, is_there) in &foreseen.parcels {
        let (owed, there) = all.parcels.entry(to.clone()).or_default();
        *if *is_there { there } else { owed } += 1;
    }
}

fn count<N: Ord>(counts: &mut BTreeMap<N, u64>, name: N, others: impl FnOnce() -> N) {
    let is_full = counts.len() >= MOST_NAMES && !counts.contains_key(&name);
    *counts.entry(if is_full { others() } else { name }).or_default() += 1;
}

/// A message that the store itself cannot take would be set aside.
async fn planned(
    hub: &Hub,
    replays: &dyn Replays,
    past: &Replayable,
    how: How,
) -> Result<Planned, StoreError> {
    match plan(hub, replays, past, how).await {
        Err(error @ (StoreError::Invalid { .. } | StoreError::Conflict { .. })) => {
            Ok(Planned::End(End::Quarantined(commit_fault(&error)), Vec::new()))
        }
        planned => planned,
    }
}

/// Lets others work.
async fn rest(hub: &Hub) {
    let live: usize = hub.channels().iter().map(|channel| channel.backlog.in_flight()).sum();
    if live > LIVE_FIRST {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    } else {
        tokio::task::yield_now().await;
    }
}

fn foreseen(past: Replayable, planned: Planned, came: Came, with_content: bool) -> Foreseen {
    let head = past.message.head;
    let mut foreseen = Foreseen {
        id: head.id,
        channel: head.channel,
        state: past.state,
        came,
        fault: None,
        rule: None,
        resources: Vec::new(),
        same: 0,
        parcels: Vec::new(),
    };
    match planned {
        Planned::Came(_) => {}
        Planned::End(End::Filtered { rule }, _) => foreseen.rule = Some(rule.into()),
        Planned::End(End::Quarantined(fault), _) => foreseen.fault = Some(fault),
        Planned::Commit(plan) => {
            for one in plan.touched {
                if one.is_same() && one.older.is_empty() {
                    foreseen.same += 1;
                } else {
                    foreseen.resources.push(resource(one, with_content));
                }
            }
            foreseen.parcels = plan.parcels;
        }
    }
    foreseen
}

fn resource(one: Touched, with_content: bool) -> ForeseenResource {
    let nothing = Object::new();
    let (old, new) = (one.stored.as_ref().unwrap_or(&nothing), one.after.as_ref().unwrap_or(&nothing));
    let mut found = Vec::new();
    differences(old, new, &mut |path, old, new| {
        // These are the store's own.
        if matches!(path, "id" | "meta.versionId" | "meta.lastUpdated") {
            return;
        }
        let how = match (&old, &new) {
            (None, _) => Differing::Added,
            (_, None) => Differing::Removed,
            _ => Differing::Changed,
        };
        let content = |value: Option<String>| value.filter(|_| with_content);
        found.push(Differs { path: path.to_owned(), old: content(old), new: content(new), how });
    });
    ForeseenResource {
        reference: one.reference,
        version: one.version,
        differences: found,
        older: one.older.into_iter().collect(),
    }
}

//! Looks whether the chains hold.

use std::collections::{BTreeMap, HashMap, HashSet};

use hub_core::store::{Resources, StoreError};
use serde::Serialize;

use super::chain::{Link, Place};
use super::clerk::events;
use crate::access::seen::tree_of;

/// So many events are read at once.
const PAGE: u32 = 500;
/// So many faults are told; more are only counted.
const TOLD: usize = 100;

/// What was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// The events in chains.
    pub events: u64,
    /// AuditEvents that stand in none: others have written them.
    pub others: u64,
    /// The chains: each begins with a start of a node.
    pub chains: usize,
    /// The first things that are wrong; none when the trail is whole.
    pub faults: Vec<String>,
    /// How many there are.
    pub wrong: usize,
    /// The digest of the newest event: kept elsewhere, it tells later whether the end has been cut off.
    pub newest: Option<String>,
}

impl Report {
    fn wrong(&mut self, what: String) {
        self.wrong += 1;
        if self.faults.len() < TOLD {
            self.faults.push(what);
        }
    }
}

/// Reads the whole trail.
pub(crate) async fn verify(resources: &dyn Resources) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let (mut links, mut chains) =
        (HashSet::new(), HashMap::<String, BTreeMap<u64, (Link, Option<Link>)>>::new());
    let mut search = events("_lastUpdated", PAGE)?;
    loop {
        let page = resources.search(&search).await?;
        for stored in &page.matches {
            let Some(event) = tree_of(stored) else {
                report.wrong(format!("{} cannot be read", stored.reference));
                continue;
            };
            let Some(place) = Place::read(&event) else {
                report.others += 1;
                continue;
            };
            if stored.version > 1 {
                report.wrong(format!(
                    "{} has been changed: it is version {}",
                    stored.reference, stored.version
                ));
            }
            let link = Link::of(&event);
            report.newest = Some(link.to_string());
            report.events += 1;
            links.insert(link);
            let chain = chains.entry(place.chain.clone()).or_default();
            if chain.insert(place.number, (link, place.before)).is_some() {
                report.wrong(format!("number {} of chain {} is there twice", place.number, place.chain));
            }
        }
        let Some(next) = page.next else { break };
        search.after = Some(next);
    }
    report.chains = chains.len();
    for (name, chain) in &chains {
        let mut before: Option<(u64, Link)> = None;
        for (number, (link, claimed)) in chain {
            match before {
                Some((at, _)) if at + 1 != *number => {
                    report.wrong(format!("chain {name}: what came before number {number} is gone"));
                }
                None if *number != 1 => {
                    report.wrong(format!("chain {name}: what came before number {number} is gone"));
                }
                Some((_, link)) if Some(link) != *claimed => {
                    report.wrong(format!("chain {name}: what is now before number {number} is not what was"));
                }
                None if claimed.is_some_and(|claimed| !links.contains(&claimed)) => {
                    report.wrong(format!("chain {name}: what it goes on from is gone or was changed"));
                }
                _ => {}
            }
            before = Some((*number, *link));
        }
    }
    Ok(report)
}

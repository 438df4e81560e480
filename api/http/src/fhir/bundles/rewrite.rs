//! The links between the entries of a transaction, and those that are given as a search (R4B §3.1.0.11.2).

use std::collections::{BTreeMap, HashMap};

use axum::http::StatusCode;
use compact_str::{CompactString, ToCompactString as _};
use hub_core::commit::Guard;
use hub_fhir::links::{LinkKind, change_links};
use hub_fhir::search::Search;
use hub_fhir::{Object, Reference, ResourceType};

use crate::fhir::problem::Problem;
use crate::fhir::write::order::{criteria, pairs_of};
use crate::fhir::{Fhir, Question};

/// What the links of a transaction lead to.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// By the full URLs of the entries.
    urls: HashMap<String, Reference>,
    /// By searches, as they stand in the references.
    found: BTreeMap<String, Reference>,
}

impl Links {
    /// A full URL, and the resource of its entry.
    pub fn add(&mut self, full_url: &str, reference: Reference) -> Result<(), Problem> {
        if self.urls.insert(full_url.to_owned(), reference).is_none() {
            return Ok(());
        }
        let text = "another entry has the same `fullUrl`";
        Err(Problem::new(StatusCode::BAD_REQUEST, "duplicate", text))
    }

    /// Looks for what the references of a resource ask for by a search. Each must find one, and find it still when all is written.
    pub async fn look_up(
        &mut self,
        fhir: &Fhir,
        question: &Question,
        resource: &mut Object,
        guards: &mut Vec<Guard>,
    ) -> Result<(), Problem> {
        let mut asked = Vec::new();
        change_links(resource, &mut |kind, link| {
            if kind == LinkKind::Reference && search_type(link).is_some() && !self.found.contains_key(link) {
                asked.push(link.to_owned());
            }
            None
        });
        for link in asked {
            let Some(kind) = search_type(&link).filter(|_| !self.found.contains_key(&link)) else { continue };
            if self.found.len() >= fhir.doors.fhir.bundle_entries {
                let text = "the Bundle has too many references that are searches";
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-costly", text));
            }
            let search = criteria(kind, &pairs_of(kind, &link)?, &question.base, &question.parameters)?;
            let page = fhir.resources.search(&Search { count: 2, ..search.clone() }).await?;
            let [one] = &page.matches[..] else {
                let text = match page.matches.len() {
                    0 => "a reference that is a search finds no resource",
                    _ => "a reference that is a search finds more than one resource",
                };
                return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "not-found", text));
            };
            guards.push(Guard { search, finds: vec![one.reference.id.clone()] });
            self.found.insert(link, one.reference.clone());
        }
        Ok(())
    }

    /// Writes where the links lead to. `full_url`: that of the resource, to which relative references are relative.
    pub fn write(&self, resource: &mut Object, full_url: Option<&str>) {
        let home = full_url.and_then(base_of);
        change_links(resource, &mut |kind, link| self.target(kind, link, home));
    }

    fn target(&self, kind: LinkKind, link: &str, home: Option<&str>) -> Option<CompactString> {
        if let Some(reference) = self.urls.get(link) {
            return Some(reference.to_compact_string());
        }
        if kind != LinkKind::Reference {
            return None;
        }
        if let Some(reference) = self.found.get(link) {
            return Some(reference.to_compact_string());
        }
        Reference::parse(link).ok()?;
        let reference = self.urls.get(&format!("{}{link}", home?))?;
        Some(reference.to_compact_string())
    }
}

/// The type of a reference that is a search: `Patient?identifier=1`.
fn search_type(link: &str) -> Option<ResourceType> {
    ResourceType::from_name(link.split_once('?')?.0)
}

/// The base of a full URL with a type and an id, with its slash.
fn base_of(full_url: &str) -> Option<&str> {
    let (before, _id) = full_url.rsplit_once('/')?;
    let (base, kind) = before.rsplit_once('/')?;
    ResourceType::from_name(kind)?;
    full_url.get(..=base.len())
}

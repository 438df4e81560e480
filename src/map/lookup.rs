//! What `find` of a mapping asks of the store, and what answers it here: the resources of a file, the store of a hub, or nobody.

use std::path::Path;
use std::sync::Arc;

use hub_core::document::Document;
use hub_core::fault::{Fault, FaultStep};
use hub_core::store::Searches;
use hub_mapping::{Found, Mapping, Need};
use hub_runtime::lookup::look_up;
use hub_store::Archive;
use serde::Serialize;
use tokio::runtime::Handle;

use super::facts::Facts;
use crate::shelf::Shelf;

/// Answers what mappings ask, and tells them the facts of a message.
pub struct Answers {
    store: Asking,
    runtime: Handle,
}

/// Who is asked.
enum Asking {
    Nobody,
    File(Shelf),
    Hub(Arc<Archive>),
}

/// One question to the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// As a FHIR search: `Patient?identifier=urn:id:HIS|P1`.
    pub question: String,
    /// `Patient/28ce..`, each that was found, two at most; none where nobody answered.
    pub found: Option<Vec<String>>,
}

impl Answers {
    /// Nobody answers: what is looked up finds nothing.
    pub fn none() -> Self {
        Self { store: Asking::Nobody, runtime: Handle::current() }
    }

    /// The resources of a file answer, where one is named.
    pub async fn of(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(Self::none()) };
        Ok(Self { store: Asking::File(Shelf::of(Some(file)).await?), ..Self::none() })
    }

    /// The store of a hub answers, by what it holds now.
    pub fn of_hub(archive: Arc<Archive>) -> Self {
        Self { store: Asking::Hub(archive), ..Self::none() }
    }

    /// What a mapping is told before it runs on a document. What it asks is added to `asked`. A value that cannot be searched for sets
    /// the message aside, as in the hub.
    pub fn tell(
        &self,
        mapping: &Mapping,
        document: &dyn Document,
        facts: Facts,
        asked: &mut Vec<Asked>,
    ) -> Result<Found, Fault> {
        let needs = mapping.needs(document);
        let mut found = self.look_up(&needs)?;
        if mapping.reads_facts() {
            facts.tell(&mut found);
        }
        for need in &needs {
            let ids = || found.ids(need).iter().map(|id| format!("{}/{id}", need.kind)).collect();
            let is_answered = !matches!(self.store, Asking::Nobody);
            let one = Asked { question: question(need), found: is_answered.then(ids) };
            if !asked.contains(&one) {
                asked.push(one);
            }
        }
        Ok(found)
    }

    fn look_up(&self, needs: &[Need]) -> Result<Found, Fault> {
        let mut found = Found::default();
        let store: &dyn Searches = match &self.store {
            Asking::File(shelf) if !needs.is_empty() => shelf.store(),
            Asking::Hub(archive) if !needs.is_empty() => &**archive,
            _ => return Ok(found),
        };
        // A mapping runs in one go, wherever it runs: only the store is asked in its own time.
        let asking = look_up(store, needs, &mut found);
        let asked = tokio::task::block_in_place(|| self.runtime.block_on(asking));
        let fault = |reason| Fault { step: FaultStep::Map, place: None, rule: None, reason };
        asked.map(|()| found).map_err(|error| fault(error.to_string()))
    }
}

fn question(need: &Need) -> String {
    let criteria: Vec<String> = need.criteria.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}?{}", need.kind, criteria.join("&"))
}

/// `Patient/28ce..`; or that there is nothing, or too much.
pub fn found_in_words(found: &[String]) -> String {
    match found {
        [] => "nothing is found".to_owned(),
        [one] => one.clone(),
        several => format!("several are found: {}", several.join(", ")),
    }
}

/// What is to be said where questions were not answered; nothing where all were.
pub fn unanswered(asked: &[Asked]) -> Option<String> {
    let open: Vec<&Asked> = asked.iter().filter(|one| one.found.is_none()).collect();
    let (lookups, they) = match open.len() {
        0 => return None,
        1 => ("1 lookup".to_owned(), "it finds"),
        count => (format!("{count} lookups"), "they find"),
    };
    Some(format!(
        "{lookups} in the store {} not answered, so {they} nothing here: --stored FILE answers from a file of resources",
        if open.len() == 1 { "was" } else { "were" }
    ))
}

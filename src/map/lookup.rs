//! What `find` of a mapping asks of the store, and what answers it here: the resources of a file, or nobody.

use std::path::Path;

use hub_core::document::Document;
use hub_core::fault::{Fault, FaultStep};
use hub_mapping::{Found, Mapping, Need};
use serde::Serialize;
use tokio::runtime::Handle;

use crate::shelf::{self, Shelf};

/// Answers what mappings ask, and tells them the facts of a message that never came.
pub struct Answers {
    shelf: Option<Shelf>,
    runtime: Handle,
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
        Self { shelf: None, runtime: Handle::current() }
    }

    /// The resources of a file answer, where one is named.
    pub async fn of(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(Self::none()) };
        Ok(Self { shelf: Some(Shelf::of(Some(file)).await?), ..Self::none() })
    }

    /// What a mapping is told before it runs on a document. What it asks is added to `asked`. A value that cannot be searched for sets
    /// the message aside, as in the hub.
    pub fn tell(
        &self,
        mapping: &Mapping,
        document: &dyn Document,
        asked: &mut Vec<Asked>,
    ) -> Result<Found, Fault> {
        let needs = mapping.needs(document);
        let mut found = self.look_up(&needs)?;
        if mapping.reads_facts() {
            shelf::facts(&mut found);
        }
        for need in &needs {
            let ids = || found.ids(need).iter().map(|id| format!("{}/{id}", need.kind)).collect();
            let one = Asked { question: question(need), found: self.shelf.as_ref().map(|_| ids()) };
            if !asked.contains(&one) {
                asked.push(one);
            }
        }
        Ok(found)
    }

    fn look_up(&self, needs: &[Need]) -> Result<Found, Fault> {
        let Some(shelf) = self.shelf.as_ref().filter(|_| !needs.is_empty()) else {
            return Ok(Found::default());
        };
        // A mapping runs in one go, wherever it runs: only the store is asked in its own time.
        let looked_up = tokio::task::block_in_place(|| self.runtime.block_on(shelf.look_up(needs)));
        looked_up.map_err(|error| Fault {
            step: FaultStep::Map,
            place: None,
            rule: None,
            reason: error.to_string(),
        })
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

//! A store in a folder of its own that holds what a file says: what `stored` of a `[[test]]` and `--stored` of `huitong map` look things
//! up in.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use hub_core::commit::{Change, Commit};
use hub_core::document::Document;
use hub_core::fault::{Fault, FaultStep};
use hub_core::store::{Cause, Resources};
use hub_fhir::{Json, Object, Resource};
use hub_mapping::{Found, Need};
use hub_runtime::clock::Clock;
use hub_runtime::house::{House, Sizes};
use hub_runtime::lookup::{LookupError, look_up};
use hub_runtime::reply::Answerer;
use hub_store::{Store, StoreOptions};
use tempfile::TempDir;
use time::OffsetDateTime;

/// A real store that is gone when this is.
pub struct Shelf {
    house: House,
    store: Arc<Store>,
    _folder: TempDir,
}

/// The moment at which all happens here: the same each time, so that golden files are.
struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
    }
}

impl Shelf {
    /// A store with the resources of a file: a Bundle, one resource, or NDJSON. Without a file it is empty.
    pub async fn of(file: Option<&Path>) -> anyhow::Result<Self> {
        let changes = file.map(read).transpose()?;
        let folder = tempfile::tempdir().context("the store of what is looked up needs a folder")?;
        let store = Arc::new(Store::open(StoreOptions::new(folder.path().to_owned())).await?);
        let house = House {
            journal: store.clone(),
            resources: store.clone(),
            outbox: store.clone(),
            attachments: None,
            cluster: store.cluster(),
            clock: Arc::new(StillClock),
            typed_check: None,
            deaths: None,
            sizes: Sizes::default(),
        };
        let shelf = Self { house, store, _folder: folder };
        if let Some(changes) = changes {
            shelf.write(&Commit { changes, ..Commit::default() }).await?;
        }
        Ok(shelf)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Answers what a mapping needs.
    pub async fn look_up(&self, needs: &[Need]) -> Result<Found, LookupError> {
        let mut found = Found::default();
        look_up(&*self.store, needs, &mut found).await?;
        Ok(found)
    }

    /// What a message writes is there for the next one, and for the reply. Parcels go nowhere.
    pub async fn write(&self, commit: &Commit) -> anyhow::Result<()> {
        let commit = Commit { changes: commit.changes.clone(), ..Commit::default() };
        self.store.commit(Cause::Timer { name: "test" }, commit).await?;
        Ok(())
    }

    /// What the searches of a channel's reply find.
    pub async fn searched(&self, answerer: &Answerer, request: &dyn Document) -> Result<Vec<Object>, Fault> {
        let wrong = |reason: String| Fault { step: FaultStep::Map, place: None, rule: None, reason };
        let found = answerer.searched(request, &self.house).await?;
        found.map_err(|error| wrong(error.to_string()))
    }
}

/// What a mapping is told of a message that never came: the same each time.
pub fn facts(found: &mut Found) {
    found.tell("message_id", uuid::Uuid::nil().to_string());
    found.tell("control_id", "00000000000000000000");
    found.tell("time", "1970-01-01T00:00:00Z");
}

fn read(file: &Path) -> anyhow::Result<Vec<Change>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    resources(&text).map_err(|what| anyhow::anyhow!("{}: {what}", file.display()))
}

/// The resources of a Bundle, one resource, or those of NDJSON.
fn resources(text: &str) -> Result<Vec<Change>, String> {
    let tree = match hub_fhir::json::parse(text) {
        Ok(tree) => tree,
        Err(_) if is_lines(text) => return of_lines(text),
        Err(bad) => return Err(format!("line {} column {}: {}", bad.line, bad.column, bad.what)),
    };
    if tree.get("resourceType").and_then(Json::as_str) != Some("Bundle") {
        return Ok(vec![put(&tree)?]);
    }
    let entries = tree.get("entry").map_or(&[][..], Json::items);
    let resource = |(nth, entry): (usize, &Json)| {
        let resource = entry.get("resource")?;
        Some(put(resource).map_err(|what| format!("entry {}: {what}", nth + 1)))
    };
    entries.iter().enumerate().filter_map(resource).collect()
}

/// Whether a text that is not one JSON value is several, one a line: its first line is one.
fn is_lines(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().is_some_and(|first| hub_fhir::json::parse(first).is_ok());
    first && lines.next().is_some()
}

fn of_lines(text: &str) -> Result<Vec<Change>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let resource = |(nth, line): (usize, &str)| {
        let tree = hub_fhir::json::parse(line)
            .map_err(|bad| format!("line {} column {}: {}", nth + 1, bad.column, bad.what))?;
        put(&tree).map_err(|what| format!("line {}: {what}", nth + 1))
    };
    lines.map(resource).collect()
}

fn put(resource: &Json) -> Result<Change, String> {
    Resource::from_tree(resource.clone()).map(Change::Put).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        let changes = resources(text).unwrap();
        changes.iter().map(|change| change.reference().to_string()).collect()
    }

    #[test]
    fn a_resource_a_bundle_and_lines_are_read() {
        let (one, two) = (r#"{"resourceType":"Patient","id":"a"}"#, r#"{"resourceType":"Patient","id":"b"}"#);
        assert_eq!(ids(one), ["Patient/a"]);
        let bundle =
            format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{one}}},{{"resource":{two}}}]}}"#);
        assert_eq!(ids(&bundle), ["Patient/a", "Patient/b"]);
        assert_eq!(ids(&format!("{one}\n\n{two}\n")), ["Patient/a", "Patient/b"]);
        assert_eq!(ids(r#"{"resourceType":"Bundle","type":"searchset"}"#), Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let one = r#"{"resourceType":"Patient","id":"a"}"#;
        let wrong = |text: &str| resources(text).unwrap_err();
        assert!(wrong("{\n\"a\": }").starts_with("line 2 column"), "{}", wrong("{\n\"a\": }"));
        assert!(wrong(&format!("{one}\n{{\"a\": }}")).starts_with("line 2 column"));
        assert!(wrong(&format!("{one}\n{{\"a\": 1}}")).starts_with("line 2: "));
        let bundle =
            format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{one}}},{{"resource":{{}}}}]}}"#);
        assert!(wrong(&bundle).starts_with("entry 2: "), "{}", wrong(&bundle));
    }
}

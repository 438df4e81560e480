//! What a test's store holds before, where its channel looks something up or answers from the store: a real store in a folder of its own.

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
use hub_runtime::lookup::look_up;
use hub_runtime::reply::Answerer;
use hub_runtime::steps::Road;
use hub_spec::{ChannelTest, Facts};
use hub_store::{Store, StoreOptions};
use tempfile::TempDir;
use time::OffsetDateTime;

/// A store for one test.
pub(super) struct Stage {
    house: House,
    store: Arc<Store>,
    _folder: TempDir,
}

/// The moment at which tests happen: the same each time, so that golden files are.
struct TestClock;

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
    }
}

impl Stage {
    /// Sets the stage for a test that needs one.
    pub(super) async fn set(
        road: &Road,
        test: &ChannelTest,
        root: &Path,
    ) -> anyhow::Result<Option<Arc<Self>>> {
        let searches =
            road.channel.reply.as_ref().is_some_and(|reply| matches!(reply.facts, Facts::Search(_)));
        if !road.may_need() && !searches && test.stored.is_none() {
            return Ok(None);
        }
        let folder = tempfile::tempdir().context("the test needs a folder for its store")?;
        let store = Arc::new(Store::open(StoreOptions::new(folder.path().to_owned())).await?);
        let house = House {
            journal: store.clone(),
            resources: store.clone(),
            outbox: store.clone(),
            clock: Arc::new(TestClock),
            typed_check: None,
            sizes: Sizes::default(),
        };
        let stage = Self { house, store, _folder: folder };
        if let Some(file) = &test.stored {
            let text =
                std::fs::read_to_string(root.join(file)).with_context(|| file.display().to_string())?;
            let changes = stored(&text).map_err(|what| anyhow::anyhow!("{}: {what}", file.display()))?;
            stage.write(&Commit { changes, ..Commit::default() }).await?;
        }
        Ok(Some(Arc::new(stage)))
    }

    pub(super) async fn look_up(&self, needs: &[Need]) -> anyhow::Result<Found> {
        let mut found = Found::default();
        look_up(&*self.store, needs, &mut found).await?;
        Ok(found)
    }

    /// What a message writes is there for the next piece, and for the reply. Parcels go nowhere.
    pub(super) async fn write(&self, commit: &Commit) -> anyhow::Result<()> {
        let commit = Commit { changes: commit.changes.clone(), ..Commit::default() };
        self.store.commit(Cause::Timer { name: "test" }, commit).await?;
        Ok(())
    }

    pub(super) async fn searched(
        &self,
        answerer: &Answerer,
        request: &dyn Document,
    ) -> Result<Vec<Object>, Fault> {
        let wrong = |reason: String| Fault { step: FaultStep::Map, place: None, rule: None, reason };
        let found =
            answerer.searched(request, &self.house).await.map_err(|error| wrong(error.to_string()))?;
        found.map_err(|error| wrong(error.to_string()))
    }
}

/// What a reply's mapping is told in a test: the same each time.
pub(super) fn facts() -> Found {
    let mut found = Found::default();
    found.tell("message_id", uuid::Uuid::nil().to_string());
    found.tell("control_id", "00000000000000000000");
    found.tell("time", "1970-01-01T00:00:00Z");
    found
}

/// The resources of a Bundle, or one resource.
fn stored(text: &str) -> Result<Vec<Change>, String> {
    let tree = hub_fhir::json::parse(text)
        .map_err(|bad| format!("line {} column {}: {}", bad.line, bad.column, bad.what))?;
    let entries = tree.get("entry").map_or(&[][..], Json::items);
    let resources: Vec<&Json> = match entries {
        [] => vec![&tree],
        entries => entries.iter().filter_map(|entry| entry.get("resource")).collect(),
    };
    let put = |resource: &Json| {
        Resource::from_tree(resource.clone()).map(Change::Put).map_err(|error| error.to_string())
    };
    resources.into_iter().map(put).collect()
}

//! Writes the definitions of R4B's search parameters into the store, once a version: ordinary resources, so that they are read and
//! searched for as all others.

use std::sync::Arc;
use std::time::Duration;

use hub_core::cluster::{Cluster, Share};
use hub_core::commit::{Change, Commit};
use hub_core::id::Digest;
use hub_core::store::{Cause, Resources, StoreError};
use hub_fhir::{Json, Object, Resource, described, json};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::shares::Turns;

/// Written in one commit.
const SLICE: usize = 100;
/// How long it rests after each: what is received goes first.
const REST: Duration = Duration::from_millis(20);
/// How often it is looked whether it is this node's turn, until all are there.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The tag on the last one written: the digest of all.
const TAG: &str = "urn:huitong:definitions";

/// Writes them when they are others than those that are there.
pub struct Definitions {
    /// Where they are.
    pub resources: Arc<dyn Resources>,
    /// Who does what: one node, the one that has the jobs of the clock.
    pub cluster: Arc<dyn Cluster>,
    /// This node's turns.
    pub turns: Arc<Turns>,
}

impl Definitions {
    /// Runs until they are there, or the hub stops.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.until_written() => {}
            // An error means that whoever stops the hub is gone, which is a stop as well.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn until_written(&self) {
        loop {
            match self.write().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    warn!(%error, "The definitions of search parameters could not be written; it will be tried again.")
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Writes what is not there; `false` when it is not this node's turn.
    async fn write(&self) -> Result<bool, StoreError> {
        let definitions = definitions();
        if let Some(last) = definitions.last()
            && self.has(last).await?
        {
            return Ok(true);
        }
        let count = definitions.len();
        for slice in definitions.chunks(SLICE) {
            let Some(_turn) = self.turns.now(&*self.cluster, &Share::jobs()) else { return Ok(false) };
            let changes = slice.iter().cloned().map(Change::Put).collect();
            let commit = Commit { changes, ..Commit::default() };
            self.resources.commit(Cause::Timer { name: "definitions" }, commit).await?;
            tokio::time::sleep(REST).await;
        }
        info!(count, "The definitions of R4B's search parameters are written.");
        Ok(true)
    }

    /// Whether the one that is written last is there, with its tag: then the others are as well.
    async fn has(&self, last: &Resource) -> Result<bool, StoreError> {
        let stored = self.resources.read(&last.reference()).await?.filter(|stored| !stored.deleted);
        let text = stored.as_ref().and_then(|stored| std::str::from_utf8(&stored.body).ok());
        let tree = text.and_then(|text| json::parse(text).ok());
        let tags = |tree: &Object| Some(tree.get("meta")?.get("tag")?.to_text());
        let found = tree.as_ref().and_then(Json::as_object).and_then(tags);
        Ok(found.is_some() && found == tags(last.tree()))
    }
}

/// All definitions; the last has the tag.
fn definitions() -> Vec<Resource> {
    let mut all: Vec<Resource> = described::all().collect();
    let texts: String = all.iter().map(|one| Json::Object(one.tree().clone()).to_text()).collect();
    if let Some(last) = all.pop() {
        let (kind, id, mut tree) = (last.kind(), last.id().clone(), last.into_tree());
        let mut tag = Object::with_capacity(2);
        tag.set("system", TAG);
        tag.set("code", format!("{:?}", Digest::of(texts.as_bytes())).as_str());
        let mut meta = Object::with_capacity(1);
        meta.set("tag", vec![Json::Object(tag)]);
        tree.set("meta", meta);
        all.push(Resource::new(kind, id, tree));
    }
    all
}

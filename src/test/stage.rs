//! Where a test needs a store: one whose channel looks something up or answers from the store.

use std::path::Path;
use std::sync::Arc;

use hub_mapping::Found;
use hub_runtime::steps::Road;
use hub_spec::{ChannelTest, Facts};

use crate::shelf::{self, Shelf};

/// The store of a test that needs one.
pub(super) async fn set(road: &Road, test: &ChannelTest, root: &Path) -> anyhow::Result<Option<Arc<Shelf>>> {
    let searches = road.channel.reply.as_ref().is_some_and(|reply| matches!(reply.facts, Facts::Search(_)));
    if !road.may_need() && !searches && test.stored.is_none() {
        return Ok(None);
    }
    let file = test.stored.as_ref().map(|file| root.join(file));
    Ok(Some(Arc::new(Shelf::of(file.as_deref()).await?)))
}

/// What a reply's mapping is told in a test.
pub(super) fn facts() -> Found {
    let mut found = Found::default();
    shelf::facts(&mut found);
    found
}

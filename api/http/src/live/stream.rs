//! The events of one listener.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::HeaderMap;
use bytes::Bytes;
use futures_util::Stream as Events;
use futures_util::future::select_all;
use futures_util::stream::unfold;
use hub_core::store::{ChangesOf, ChangesQuery, StoreError, VersionPlace};
use hub_fhir::ResourceType;
use hub_fhir::search::Stored;
use hub_fhir::sight::Sight;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::watch::Watch;
use super::written;
use crate::access::seen::tree_of;
use crate::access::{self, Caller};
use crate::doors::Doors;

/// A line that says nothing, so that proxies and clients know that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often it is looked whether the listener may still listen, and whom he sees.
const AGAIN: Duration = Duration::from_secs(30);
/// The pause after the store has not answered.
const PAUSE: Duration = Duration::from_secs(1);
/// Who has missed more is told to read anew.
const MISSED: u32 = 500;

/// What a listener waits for.
enum Turn {
    Changed(usize),
    Beat,
    Look,
}

/// One type that is followed, and how far it was told.
struct Followed {
    kind: ResourceType,
    newest: watch::Receiver<Option<VersionPlace>>,
    told: Option<VersionPlace>,
}

/// One listener.
pub(super) struct Stream {
    doors: Arc<Doors>,
    headers: HeaderMap,
    sight: Sight,
    followed: Vec<Followed>,
    waiting: VecDeque<Bytes>,
    beat: Instant,
    look: Instant,
    is_over: bool,
    _seat: OwnedSemaphorePermit,
}

impl Stream {
    /// Begins after a place, or now.
    pub async fn open(
        doors: Arc<Doors>,
        watch: &Watch,
        caller: &Caller,
        headers: &HeaderMap,
        kinds: Vec<ResourceType>,
        after: Option<VersionPlace>,
        seat: OwnedSemaphorePermit,
    ) -> Result<Self, StoreError> {
        let sight = sight(caller, &doors).await?;
        let mut followed = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let mut newest = watch.follow(kind).await?;
            let now = *newest.borrow_and_update();
            if after.is_some() {
                newest.mark_changed();
            }
            followed.push(Followed { kind, newest, told: after.or(now) });
        }
        let now = Instant::now();
        // The first line goes out at once: the client knows that it is heard.
        let waiting = VecDeque::from([Bytes::from_static(b"retry: 2000\n\n")]);
        let (beat, look) = (now + HEARTBEAT, now + AGAIN);
        let headers = headers.clone();
        Ok(Self { doors, headers, sight, followed, waiting, beat, look, is_over: false, _seat: seat })
    }

    /// The events as they come.
    pub fn events(self) -> impl Events<Item = Result<Bytes, Infallible>> + Send {
        unfold(self, |mut stream| async move { stream.next().await.map(|event| (Ok(event), stream)) })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            let (beat, look) = (self.beat, self.look);
            let changed = select_all(self.followed.iter_mut().map(|one| Box::pin(one.newest.changed())));
            let turn = tokio::select! {
                (_, at, _) = changed => Turn::Changed(at),
                () = sleep_until(beat) => Turn::Beat,
                () = sleep_until(look) => Turn::Look,
            };
            match turn {
                Turn::Changed(at) => self.told(at).await,
                Turn::Beat => {
                    self.beat = Instant::now() + HEARTBEAT;
                    self.waiting.push_back(Bytes::from_static(b":\n\n"));
                }
                Turn::Look => self.look_again().await,
            }
        }
    }

    /// Something of a type has changed: what the listener may see of it is told.
    async fn told(&mut self, at: usize) {
        let Some(one) = self.followed.get_mut(at) else { return };
        one.newest.borrow_and_update();
        match missed(&self.doors, one.kind, one.told).await {
            Ok(Some(missed)) => {
                for (stored, place) in missed {
                    one.told = Some(place);
                    if let Some(event) = event(&self.sight, &stored, place) {
                        self.waiting.push_back(event);
                    }
                }
            }
            Ok(None) => {
                one.told = *one.newest.borrow();
                let event = format!("event: reset\ndata: {{\"resourceType\":\"{}\"}}\n\n", one.kind);
                self.waiting.push_back(event.into());
            }
            Err(_) => {
                sleep(PAUSE).await;
                one.newest.mark_changed();
            }
        }
    }

    /// Whether the listener may still listen: his token may be over, or he may see others now.
    async fn look_again(&mut self) {
        self.look = Instant::now() + AGAIN;
        let Ok(caller) = self.doors.access.caller(&self.headers).await else {
            self.waiting.push_back(Bytes::from_static(b"event: ended\ndata: {\"reason\":\"token\"}\n\n"));
            self.is_over = true;
            return;
        };
        if let Ok(sight) = sight(&caller, &self.doors).await {
            self.sight = sight;
        }
    }
}

async fn sight(caller: &Caller, doors: &Doors) -> Result<Sight, StoreError> {
    match caller.who() {
        Some(who) => Ok(access::seen_by(who, &doors.resources).await?.sight.clone()),
        None => Ok(Sight::everything()),
    }
}

/// The versions after a place, the oldest first; `None`: too many.
async fn missed(
    doors: &Doors,
    kind: ResourceType,
    after: Option<VersionPlace>,
) -> Result<Option<Vec<(Stored, VersionPlace)>>, StoreError> {
    let since = after.map(|place| place.updated_us);
    let moment = |us: i64| OffsetDateTime::from_unix_timestamp_nanos(i128::from(us) * 1_000).ok();
    let query = ChangesQuery {
        of: ChangesOf::Type(kind),
        since: since.and_then(moment),
        at: None,
        after: None,
        count: MISSED + 1,
    };
    let mut found = doors.resources.changes(&query).await?;
    found.retain(|(_, place)| after.is_none_or(|after| *place > after));
    found.reverse();
    Ok((found.len() <= MISSED as usize).then_some(found))
}

/// That a resource has a version; nothing of what is in it.
fn event(sight: &Sight, stored: &Stored, place: VersionPlace) -> Option<Bytes> {
    let sees = match tree_of(stored) {
        Some(tree) => sight.sees(&stored.reference, &tree),
        // Of a deletion nobody knows any more whom it was about.
        None => sight.sees_all_of(stored.reference.kind),
    };
    let (reference, version) = (&stored.reference, stored.version);
    let name = if stored.deleted { "deleted" } else { "changed" };
    sees.then(|| {
        let data = format!(
            r#"{{"resourceType":"{}","id":"{}","versionId":"{version}"}}"#,
            reference.kind, reference.id
        );
        format!("event: {name}\nid: {}\ndata: {data}\n\n", written(place)).into()
    })
}

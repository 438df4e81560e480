//! Remembers at which messages the process itself has died, so that none can keep the hub from starting for ever.
//!
//! Nothing is noted while all is well. Only when the hub has died twice in a row before it had finished what was left over from
//! the time before is it *careful*: it works on one message of it at a time and notes in a small file which. It is so with the first
//! of them only, for what it died at had begun, and what was before that has ended; a hub that was killed with much to do must
//! not take hours for it. A message at which it has died comes after all others, so that whoever kills the hub as it starts accuses nobody. One at
//! which it dies again and again is treated like any other that fails.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hub_core::fault::{Fault, FaultStep};
use hub_core::id::MessageId;
use hub_core::store::{Journal, MessageState};
use tokio::sync::OwnedMutexGuard;

use crate::backlog::Backlog;

/// From this start on in a row, each of which came to nothing, the hub is careful.
const CAREFUL_FROM: u32 = 2;
/// A message at which the hub has died less often may have been there by chance: somebody may have killed it.
const LEAST_DEATHS: u32 = 3;

/// With so many messages that were left over is a start careful. Should it die at a later one, that one is nearer the next time.
const CAREFUL_WITH: u32 = 1_000;

/// How often it is looked whether the channels have done what was left over.
const RECOVERY_PAUSE: Duration = Duration::from_millis(20);
/// A message at which the hub has died waits so long for the others.
pub const OTHERS_FIRST: Duration = Duration::from_secs(2);

/// The memory of deaths.
pub struct Deaths {
    file: PathBuf,
    state: Mutex<State>,
    is_careful: AtomicBool,
    /// Whether there is any message at which the hub has died.
    has_died: AtomicBool,
    /// How many messages have been worked on with care.
    cared_for: AtomicU32,
    /// Who is being worked on while the hub is careful: one at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    /// So many starts in a row have not come to the end of what was left over, this one included.
    starts: u32,
    /// The message that is being worked on.
    at: Option<MessageId>,
    /// How often the hub has died at a message.
    died: BTreeMap<MessageId, u32>,
    /// Those of them that have let the others go first; not in the file.
    waited: HashSet<MessageId>,
    /// Those of them that are not worked on any more; not in the file.
    condemned: HashSet<MessageId>,
}

/// A message that is being worked on while the hub is careful.
pub struct Watched {
    deaths: Arc<Deaths>,
    _turn: OwnedMutexGuard<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.deaths.change(|state| state.at = None);
    }
}

impl Deaths {
    /// Reads the file, and notes this start. A file that is not there, or cannot be understood, is an empty memory.
    pub fn open(file: PathBuf) -> std::io::Result<Arc<Self>> {
        let mut state = match std::fs::read_to_string(&file) {
            Ok(text) => State::read(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error),
        };
        state.starts = state.starts.saturating_add(1);
        if let Some(id) = state.at.take() {
            let times = state.died.entry(id).or_default();
            *times += 1;
            tracing::warn!(message_id = %id, times = *times, "The hub died while it worked on this message.");
        }
        let is_careful = state.starts > CAREFUL_FROM;
        if is_careful {
            tracing::warn!(
                "The hub has died again and again before it was well; it works on the first messages that were left over one at a time."
            );
        }
        write(&file, &state)?;
        Ok(Arc::new(Self {
            file,
            is_careful: AtomicBool::new(is_careful),
            has_died: AtomicBool::new(!state.died.is_empty()),
            state: Mutex::new(state),
            cared_for: AtomicU32::new(0),
            turn: Arc::default(),
        }))
    }

    /// Whether messages are to be worked on one at a time.
    pub fn is_careful(&self) -> bool {
        self.is_careful.load(Ordering::Relaxed)
    }

    /// Begins to work on a message while the hub is careful, one that was left over or at which it has died; waits until no other
    /// is worked on.
    pub async fn watch(self: &Arc<Self>, id: MessageId, is_left_over: bool) -> Option<Watched> {
        let is_among_the_first = is_left_over && self.cared_for.load(Ordering::Relaxed) < CAREFUL_WITH;
        if !self.is_careful() || !(is_among_the_first || self.state().died.contains_key(&id)) {
            return None;
        }
        let turn = self.turn.clone().lock_owned().await;
        self.change(|state| state.at = Some(id));
        self.cared_for.fetch_add(1, Ordering::Relaxed);
        Some(Watched { deaths: self.clone(), _turn: turn })
    }

    /// Why a message is not to be worked on again, after so many tries at the least.
    pub fn fault(&self, id: MessageId, tries: u32) -> Option<Fault> {
        if !self.has_died.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.state();
        let times = state.died.get(&id).copied().filter(|times| *times >= tries.max(LEAST_DEATHS))?;
        state.condemned.insert(id);
        let reason = format!(
            "the hub has died {times} times while it worked on this message; this is a fault of the program"
        );
        Some(Fault { step: FaultStep::Map, place: None, rule: None, reason })
    }

    /// Why a message is to let the others go first; once.
    pub fn others_first(&self, id: MessageId) -> Option<Fault> {
        if !self.has_died.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.state();
        let is_suspect = state.died.contains_key(&id) && !state.condemned.contains(&id);
        if !is_suspect || !state.waited.insert(id) {
            return None;
        }
        let reason =
            "the hub has died while it worked on this message; it is tried after all others".to_owned();
        Some(Fault { step: FaultStep::Map, place: None, rule: None, reason })
    }

    /// The messages at which the hub has died and that are still to be tried.
    pub fn suspects(&self) -> Vec<MessageId> {
        let state = self.state();
        state.died.keys().filter(|id| !state.condemned.contains(id)).copied().collect()
    }

    /// Messages that have ended, or are to be tried as if nothing had happened.
    pub fn forget(&self, ids: &[MessageId]) {
        if !self.has_died.load(Ordering::Relaxed) {
            return;
        }
        let is_known = ids.iter().any(|id| self.state().died.contains_key(id));
        if is_known {
            self.change(|state| {
                state.died.retain(|id, _| !ids.contains(id));
                state.condemned.retain(|id| !ids.contains(id));
            });
        }
    }

    /// The hub has not started after all, for a reason that has nothing to do with messages.
    pub fn not_started(&self) {
        self.change(|state| state.starts = state.starts.saturating_sub(1));
    }

    /// Waits until these channels have done what was left over, and what the hub has died at has been tried.
    pub async fn recover(self: Arc<Self>, backlogs: Vec<Arc<Backlog>>, journal: Arc<dyn Journal>) {
        while !backlogs.iter().all(|backlog| backlog.has_recovered()) {
            tokio::time::sleep(RECOVERY_PAUSE).await;
        }
        loop {
            let suspects = self.suspects();
            if suspects.is_empty() {
                return self.recovered();
            }
            for id in suspects {
                // It may have ended just before the hub died.
                if let Ok(found) = journal.message(id).await
                    && found.is_none_or(|message| message.row.state != MessageState::Received)
                {
                    self.forget(&[id]);
                }
            }
            tokio::time::sleep(OTHERS_FIRST / 4).await;
        }
    }

    /// What was left over is done, or the hub stops as it should.
    pub fn recovered(&self) {
        self.is_careful.store(false, Ordering::Relaxed);
        self.change(|state| state.starts = 0);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file need not outlive the machine, only the process: it is not synced.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        self.has_died.store(!state.died.is_empty(), Ordering::Relaxed);
        if let Err(error) = write(&self.file, &state) {
            tracing::warn!(error = &error as &dyn std::error::Error, file = %self.file.display(), "What the hub works on cannot be noted.");
        }
    }
}

/// In its place at once, so that a death in the middle leaves the old one.
fn write(file: &Path, state: &State) -> std::io::Result<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    std::fs::write(&new, state.text())?;
    std::fs::rename(new, file)
}

impl State {
    fn text(&self) -> String {
        let mut text = format!("starts {}\n", self.starts);
        if let Some(id) = self.at {
            let _ = writeln!(text, "at {id}");
        }
        for (id, times) in &self.died {
            let _ = writeln!(text, "died {id} {times}");
        }
        text
    }

    fn read(text: &str) -> Self {
        let mut state = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("starts"), Some(starts), None) => state.starts = starts.parse().unwrap_or(0),
                (Some("at"), Some(id), None) => state.at = id.parse().ok(),
                (Some("died"), Some(id), Some(times)) => {
                    if let (Ok(id), Ok(times)) = (id.parse(), times.parse()) {
                        state.died.insert(id, times);
                    }
                }
                _ => {}
            }
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> MessageId {
        MessageId(uuid::Uuid::from_u128(number))
    }

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("huitong-deaths-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn open(&self) -> Arc<Deaths> {
            Deaths::open(self.0.join("hub.starts")).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn a_message_at_which_the_hub_dies_again_and_again_is_found_out() {
        let folder = Folder::new("found-out");
        for _ in 0..2 {
            assert!(folder.open().watch(id(1), true).await.is_none(), "two starts may fail by chance");
        }
        for death in 0..3 {
            let deaths = folder.open();
            assert!(deaths.fault(id(1), 1).is_none());
            assert!(deaths.watch(id(3), false).await.is_none(), "what is new is not watched");
            drop(deaths.watch(id(2), true).await.unwrap());
            assert_eq!(deaths.others_first(id(1)).is_some(), death > 0);
            assert!(deaths.others_first(id(1)).is_none(), "it lets the others go first once");
            assert_eq!(deaths.suspects().len(), usize::from(death > 0));
            std::mem::forget(deaths.watch(id(1), death == 0).await.unwrap());
        }
        let deaths = folder.open();
        assert_eq!(deaths.suspects(), [id(1)]);
        assert!(deaths.fault(id(1), 1).unwrap().reason.contains("died 3 times"));
        assert!(deaths.suspects().is_empty(), "it is not tried any more");
        assert!(deaths.fault(id(1), 5).is_none(), "the channel says more tries");
        assert!(deaths.fault(id(2), 1).is_none(), "it came to its end each time");
        deaths.forget(&[id(1)]);
        assert!(folder.open().fault(id(1), 1).is_none());
    }

    #[tokio::test]
    async fn a_start_is_careful_with_the_first_that_were_left_over_and_with_what_it_has_died_at() {
        let folder = Folder::new("the-first");
        for _ in 0..2 {
            folder.open();
        }
        std::mem::forget(folder.open().watch(id(1), true).await.unwrap());
        let deaths = folder.open();
        for number in 2..2 + u128::from(CAREFUL_WITH) {
            assert!(deaths.watch(id(number), true).await.is_some());
        }
        assert!(deaths.watch(id(9_999), true).await.is_none(), "what comes later goes as always");
        assert!(deaths.watch(id(1), true).await.is_some(), "a suspect is watched however late it comes");
        assert!(folder.open().watch(id(9_999), true).await.is_some(), "the next start is careful again");
    }

    #[tokio::test]
    async fn a_hub_that_was_well_once_is_not_careful() {
        let folder = Folder::new("well");
        for _ in 0..10 {
            let deaths = folder.open();
            assert!(!deaths.is_careful());
            deaths.recovered();
        }
        for careful in [false, false, true] {
            assert_eq!(folder.open().is_careful(), careful);
        }
        let deaths = folder.open();
        deaths.recovered();
        assert!(deaths.watch(id(1), true).await.is_none());
        for _ in 0..10 {
            let deaths = folder.open();
            assert!(!deaths.is_careful(), "a port that is taken is no death");
            deaths.not_started();
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_nonsense_is_nothing() {
        let died = BTreeMap::from([(id(7), 2), (id(9), 1)]);
        let state = State { starts: 4, at: Some(id(7)), died, ..State::default() };
        assert_eq!(State::read(&state.text()), state);
        assert_eq!(State::read("starts many\ndied x 1\nat\n\u{0}"), State::default());
    }
}

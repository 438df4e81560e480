//! A journal and a FHIR store in memory: one writer behind a short queue, as in the real one, with failures on demand.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use hub_core::commit::{Commit, Key};
use hub_core::envelope::{Envelope, Raw};
use hub_core::id::{ChannelId, MessageId};
use hub_core::store::{
    AnswerName, Answered, Cause, ChangesQuery, Committed, Counts, End, Journal, MessageDetail, MessageQuery,
    MessageRow, MessageState, Received, Resources, Searches, StoreError, Tally, VersionPlace,
};
use hub_fhir::Reference;
use hub_fhir::search::{Page, Search, Stored};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};

/// What the writer answers to one work instead of doing it.
#[derive(Clone, Copy, Debug)]
pub enum Fail {
    Unavailable,
    Conflict,
    /// It is done, and the caller is told that it is not.
    DoneAllTheSame,
    /// It is not done, and the caller is told so only after the next one has been told that it is.
    Late,
}

enum Work {
    Commit(MessageId, Commit),
    End(MessageId, End, Vec<Key>),
    Expand(MessageId, Vec<Envelope<Raw>>),
}

const A_WHILE: std::time::Duration = std::time::Duration::from_secs(1);

type Asked = (Work, oneshot::Sender<Result<Committed, StoreError>>);

pub struct Row {
    pub message: Envelope<Raw>,
    pub state: MessageState,
    pub keys: Vec<Key>,
}

#[derive(Default)]
pub struct State {
    pub rows: Vec<Row>,
    /// Every commit that was applied, in order.
    pub applied: Vec<MessageId>,
    /// The last content written for each resource.
    pub latest: HashMap<String, String>,
    /// What the next works meet.
    pub fails: VecDeque<Option<Fail>>,
    /// So many looks into the journal fail.
    pub blind: u32,
    /// What every search finds; `None`: the store does not answer.
    pub finds: Option<Page>,
    /// How many each search wanted at the most.
    pub searched: Vec<u32>,
    /// The writer stands still.
    pub is_stuck: bool,
    /// The bytes of the messages that wait for the writer, and the most there ever were.
    pub waiting: usize,
    pub most_waiting: usize,
    /// What senders were answered.
    pub answered: Vec<(MessageId, AnswerName)>,
    seed: u64,
}

impl State {
    fn row(&mut self, id: MessageId) -> &mut Row {
        self.rows
            .iter_mut()
            .find(|row| row.message.head.id == id)
            .expect("only stored messages are worked on")
    }

    fn apply(&mut self, work: Work) -> Committed {
        let (id, state, keys) = match work {
            Work::Commit(id, commit) => {
                if self.row(id).state != MessageState::Received {
                    return Committed::default();
                }
                self.applied.push(id);
                for resource in commit.changes.iter().filter_map(|change| change.resource()) {
                    let text = hub_fhir::Json::Object(resource.tree().clone()).to_text();
                    self.latest.insert(resource.reference().to_string(), text);
                }
                (id, MessageState::Committed, commit.keys)
            }
            Work::Expand(id, pieces) => {
                if self.row(id).state != MessageState::Received {
                    return Committed::default();
                }
                let count = pieces.len() as u64;
                for message in pieces {
                    let there = self.rows.iter_mut().find(|row| row.message.head.id == message.head.id);
                    match there {
                        Some(row) => row.state = MessageState::Received,
                        None => {
                            let (state, keys) = (MessageState::Received, Vec::new());
                            self.rows.push(Row { message, state, keys });
                        }
                    }
                }
                (id, MessageState::Split { pieces: count }, Vec::new())
            }
            Work::End(id, End::Filtered { rule }, keys) => (id, MessageState::Filtered { rule }, keys),
            Work::End(id, End::Quarantined(fault), keys) => (id, MessageState::Quarantined(fault), keys),
        };
        let row = self.row(id);
        if row.state == MessageState::Received {
            (row.state, row.keys) = (state, keys);
        }
        Committed::default()
    }

    fn yields(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % 6
    }
}

pub struct Memory {
    state: Arc<Mutex<State>>,
    works: mpsc::Sender<Asked>,
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("the test says so".into())
}

impl Memory {
    /// A store whose tasks take turns in an order that `seed` decides.
    pub fn new(seed: u64) -> Arc<Self> {
        let state = Arc::new(Mutex::new(State { seed, ..State::default() }));
        let (works, mut asked) = mpsc::channel::<Asked>(4_096);
        let writer = state.clone();
        tokio::spawn(async move {
            let mut late: Option<oneshot::Sender<_>> = None;
            let mut stuck: VecDeque<Asked> = VecDeque::new();
            loop {
                // Should no other come, the one that is to be told late is told.
                // While it is stuck it splits what comes, and no more.
                if !writer.lock().unwrap().is_stuck
                    && let Some((work, reply)) = stuck.pop_front()
                {
                    let result = Ok(writer.lock().unwrap().apply(work));
                    reply.send(result).ok();
                    continue;
                }
                if !stuck.is_empty() && asked.is_empty() {
                    tokio::time::sleep(A_WHILE).await;
                    continue;
                }
                let next = match late.take() {
                    None => asked.recv().await,
                    Some(waiting) => match tokio::time::timeout(A_WHILE, asked.recv()).await {
                        Ok(next) => {
                            late = Some(waiting);
                            next
                        }
                        Err(_) => {
                            waiting.send(Err(unavailable())).ok();
                            continue;
                        }
                    },
                };
                let Some((work, reply)) = next else { return };
                if writer.lock().unwrap().is_stuck && !matches!(work, Work::Expand(..)) {
                    stuck.push_back((work, reply));
                    continue;
                }
                let fail = writer.lock().unwrap().fails.pop_front().flatten();
                if let Some(Fail::Late) = fail {
                    late = Some(reply);
                    continue;
                }
                let result = {
                    let mut state = writer.lock().unwrap();
                    match fail {
                        None => Ok(state.apply(work)),
                        Some(Fail::Unavailable | Fail::Late) => Err(unavailable()),
                        Some(Fail::Conflict) => {
                            Err(StoreError::Conflict { reference: "Patient/1".into(), expected: 1, found: 2 })
                        }
                        Some(Fail::DoneAllTheSame) => {
                            state.apply(work);
                            Err(unavailable())
                        }
                    }
                };
                reply.send(result).ok();
                if let Some(late) = late.take() {
                    late.send(Err(unavailable())).ok();
                }
                let turns = writer.lock().unwrap().yields();
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
            }
        });
        Arc::new(Self { state, works })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How many messages have not ended.
    pub fn open(&self) -> usize {
        self.state().rows.iter().filter(|row| row.state == MessageState::Received).count()
    }

    pub fn state_of(&self, id: MessageId) -> MessageState {
        self.state().row(id).state.clone()
    }

    /// Waits until every message has ended.
    pub async fn settled(&self) {
        for _ in 0..20_000 {
            if self.open() == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        panic!("{} messages have been forgotten", self.open());
    }

    async fn wander(&self) {
        let turns = self.state().yields();
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    async fn ask(&self, work: Work) -> Result<Committed, StoreError> {
        let (reply, answer) = oneshot::channel();
        let (Work::Commit(id, _) | Work::End(id, ..) | Work::Expand(id, _)) = &work;
        let bytes = {
            let mut state = self.state();
            let bytes = state.row(*id).message.body.0.len();
            state.waiting += bytes;
            state.most_waiting = state.most_waiting.max(state.waiting);
            bytes
        };
        let asked = self.works.send((work, reply)).await;
        let answered = match asked {
            Ok(()) => answer.await.map_err(|_| unavailable()),
            Err(_) => Err(unavailable()),
        };
        self.state().waiting -= bytes;
        answered?
    }
}

#[async_trait]
impl Journal for Memory {
    async fn receive(&self, message: &Envelope<Raw>) -> Result<Received, StoreError> {
        self.wander().await;
        let received = {
            let mut state = self.state();
            let head = &message.head;
            let same = state
                .rows
                .iter()
                .find(|row| row.message.head.dedupe == head.dedupe && row.message.head.digest == head.digest);
            match same.map(|row| row.message.head.id) {
                Some(same) => Received::Duplicate(same),
                None => {
                    state.rows.push(Row {
                        message: message.clone(),
                        state: MessageState::Received,
                        keys: Vec::new(),
                    });
                    Received::New
                }
            }
        };
        self.wander().await;
        Ok(received)
    }

    async fn end(&self, id: MessageId, end: End, keys: Vec<Key>) -> Result<(), StoreError> {
        self.ask(Work::End(id, end, keys)).await.map(|_| ())
    }

    async fn expand(&self, id: MessageId, pieces: Vec<Envelope<Raw>>) -> Result<Vec<MessageId>, StoreError> {
        let ids: Vec<MessageId> = pieces.iter().map(|piece| piece.head.id).collect();
        self.ask(Work::Expand(id, pieces)).await?;
        let mut state = self.state();
        Ok(ids.into_iter().filter(|id| state.row(*id).state == MessageState::Received).collect())
    }

    async fn family(&self, parent: MessageId) -> Result<Counts, StoreError> {
        self.wander().await;
        let mut counts = Counts::default();
        let state = self.state();
        let of = |row: &&Row| row.message.head.parent.is_some_and(|found| found.id == parent);
        for row in state.rows.iter().filter(of) {
            counts[match row.state {
                MessageState::Received => 0,
                MessageState::Committed => 1,
                MessageState::Filtered { .. } => 2,
                MessageState::Quarantined(_) => 3,
                MessageState::Split { .. } => 4,
            }] += 1;
        }
        Ok(counts)
    }

    async fn answered(&self, id: MessageId, answered: Answered) -> Result<(), StoreError> {
        self.state().answered.push((id, answered.kind));
        Ok(())
    }

    async fn unfinished(
        &self,
        channel: &ChannelId,
        skip: &(dyn Fn(MessageId) -> bool + Sync),
        limit: usize,
    ) -> Result<Vec<Envelope<Raw>>, StoreError> {
        self.wander().await;
        let page = {
            let mut state = self.state();
            if state.blind > 0 {
                state.blind -= 1;
                return Err(unavailable());
            }
            let place = |at: usize, row: &Row| match row.message.head.parent {
                None => (at, 0),
                Some(parent) => {
                    let whole = state.rows.iter().position(|row| row.message.head.id == parent.id);
                    (whole.unwrap(), parent.nth)
                }
            };
            let mut open: Vec<((usize, u32), &Row)> = state
                .rows
                .iter()
                .enumerate()
                .filter(|(_, row)| {
                    row.state == MessageState::Received && row.message.head.channel == *channel
                })
                .map(|(at, row)| (place(at, row), row))
                .collect();
            open.sort_by_key(|(place, _)| *place);
            let open = open.into_iter().map(|(_, row)| row);
            let chosen = open.filter(|row| !skip(row.message.head.id)).take(limit);
            chosen.map(|row| row.message.clone()).collect()
        };
        self.wander().await;
        Ok(page)
    }

    async fn reopen(&self, id: MessageId) -> Result<bool, StoreError> {
        let mut state = self.state();
        let row = state.row(id);
        let ended = row.state != MessageState::Received;
        row.state = MessageState::Received;
        Ok(ended)
    }

    async fn find(&self, _query: &MessageQuery) -> Result<Vec<MessageRow>, StoreError> {
        Err(unavailable())
    }

    async fn message(&self, _id: MessageId) -> Result<Option<MessageDetail>, StoreError> {
        Err(unavailable())
    }

    async fn state(&self, id: MessageId) -> Result<Option<MessageState>, StoreError> {
        self.wander().await;
        Ok(Some(self.state_of(id)).filter(|state| *state != MessageState::Received))
    }

    async fn tally(&self) -> Result<Vec<Tally>, StoreError> {
        Ok(Vec::new())
    }

    async fn prune(&self, _before: OffsetDateTime, _limit: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl Searches for Memory {
    async fn search_across(&self, searches: &[Search]) -> Result<Page, StoreError> {
        let mut state = self.state();
        state.searched.extend(searches.iter().map(|search| search.count));
        state.finds.clone().ok_or_else(unavailable)
    }
}

#[async_trait]
impl Resources for Memory {
    async fn read(&self, _reference: &Reference) -> Result<Option<Stored>, StoreError> {
        Err(unavailable())
    }

    async fn vread(&self, _reference: &Reference, _version: u64) -> Result<Option<Stored>, StoreError> {
        Err(unavailable())
    }

    async fn history(
        &self,
        _reference: &Reference,
        _before: Option<u64>,
        _count: u32,
    ) -> Result<Vec<Stored>, StoreError> {
        Err(unavailable())
    }

    async fn changes(&self, _query: &ChangesQuery) -> Result<Vec<(Stored, VersionPlace)>, StoreError> {
        Err(unavailable())
    }

    async fn commit(&self, cause: Cause, commit: Commit) -> Result<Committed, StoreError> {
        let Cause::Message(id) = cause else { return Err(unavailable()) };
        self.ask(Work::Commit(id, commit)).await
    }
}

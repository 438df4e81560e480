//! The writer's queues and its loop, on a thread of its own.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hub_core::store::StoreError;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tracing::{info, warn};

use crate::cluster::LastCompany;
use crate::database::{Connection, DatabaseError, run};
use crate::error::closed;
use crate::leases::{Begun, Dues};
use crate::words::Words;
use crate::writer::batch::{self, Memory};
use crate::writer::checkpoint::{Checkpoints, checkpoint_last};
use crate::writer::connect::Way;
use crate::writer::failure::Failure;
use crate::writer::guards::can_share;
use crate::writer::numbers::Numbers;
use crate::writer::prune::Looked;
use crate::writer::rare;
use crate::writer::recent::Recent;
use crate::writer::work::{Answer, Work};

/// How many receives may wait. A full queue makes callers wait, which makes senders wait.
const WAITING: usize = 4_096;
/// How much goes into one transaction. Receives are cheap and their senders wait for them; commits are not, so what they
/// change together is bounded, and more so while somebody waits for a receipt.
const MOST_RECEIVES: usize = 512;
const MOST_EFFORT: usize = 768;
const MOST_EFFORT_BESIDE_RECEIVES: usize = 256;
const MOST_BYTES: usize = 8 << 20;
/// So many guards are asked in one transaction: each is a statement of its own.
const MOST_GUARDS: usize = 64;
/// How long works wait for a receive to share their transaction, while receives come one after the other: a sender that waits for its
/// receipt sends the next message right after it, and would otherwise wait for a transaction that began in between.
const COMPANY_WAIT: Duration = Duration::from_millis(1);
/// Receives come one after the other when this is the average time between them.
const STREAM_GAP: Duration = Duration::from_millis(2);
/// How long a mark that a delivery has begun may wait for a transaction to ride on.
const BEGUN_WAIT: Duration = Duration::from_millis(100);

/// What has been written since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Durable transactions.
    pub transactions: AtomicU64,
    /// Works done in them.
    pub works: AtomicU64,
    /// Transactions that failed and were rolled back.
    pub rolled_back: AtomicU64,
}

struct Asked {
    work: Work,
    weight: usize,
    reply: oneshot::Sender<Reply>,
}

/// The work goes back with its answer: whoever asked frees it, on the thread that made it, and not the writer.
struct Reply {
    answer: Result<Answer, StoreError>,
    _work: Work,
}

impl Asked {
    fn answer(self, answer: Result<Answer, StoreError>) {
        // Whoever asked may have gone; the work is done all the same.
        self.reply.send(Reply { answer, _work: self.work }).ok();
    }
}

enum Asks {
    Work(Box<Asked>),
    Close(oneshot::Sender<()>),
}

/// The way to the writer.
pub(crate) struct Writer {
    receives: mpsc::Sender<Asked>,
    /// Unbounded, so that works stand in the order in which they were handed over: a caller made to wait for room could be
    /// overtaken by its own next work while it is woken. Each caller waits for its answers, which bounds how many there are.
    works: mpsc::UnboundedSender<Asks>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer is started with.
pub(crate) struct WriterSetup {
    /// To connect, also again after the database was gone.
    pub way: Way,
    /// How much of the resources may be remembered.
    pub recent_bytes: usize,
    pub words: Arc<Words>,
    pub counters: Arc<Counters>,
    pub begun: Arc<Begun>,
    pub dues: Arc<Dues>,
    /// Told when events have been stored.
    pub raised: Arc<Notify>,
    /// This node's number among those that share the database.
    pub node: i64,
    /// Who else there is.
    pub company: Arc<LastCompany>,
    /// The folder's lock, where the database is in a folder.
    pub lock: Option<File>,
}

impl Writer {
    /// Starts the writer's thread.
    pub fn start(setup: WriterSetup) -> std::io::Result<Self> {
        let (receives, receives_in) = mpsc::channel(WAITING);
        let (works, works_in) = mpsc::unbounded_channel();
        let checkpoints = setup.way.checkpoints()?;
        // For waiting at several queues at once and for PostgreSQL's answers, and apart from the caller's: a statement never holds
        // up its tasks.
        let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            let running = Running {
                connection: None,
                waiting: Rc::new(waiting),
                way: setup.way,
                memory: Memory {
                    numbers: Numbers::none(),
                    recent: Recent::new(setup.recent_bytes),
                    node: setup.node,
                    company: setup.company,
                    looked: Looked::default(),
                },
                words: setup.words,
                counters: setup.counters,
                begun: setup.begun,
                dues: setup.dues,
                raised: setup.raised,
                _lock: setup.lock,
                checkpoints,
                receives: receives_in,
                works: works_in,
                held: None,
                pace: Pace::default(),
            };
            running.run();
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(run)?;
        Ok(Self { receives, works, thread: Mutex::new(Some(thread)) })
    }

    /// Hands a work over and waits until it is durable.
    pub async fn ask(&self, work: Work) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let is_receive = matches!(work, Work::Receive(_));
        let asked = Asked { weight: work.weight(), work, reply };
        if is_receive {
            self.receives.send(asked).await.map_err(|_| closed())?;
        } else {
            self.works.send(Asks::Work(Box::new(asked))).map_err(|_| closed())?;
        }
        answer.await.map_err(|_| closed())?.answer
    }

    /// Writes what is waiting, checkpoints and ends. Afterwards every work is refused.
    pub async fn close(&self) {
        let (reply, ended) = oneshot::channel();
        if self.works.send(Asks::Close(reply)).is_ok() {
            // An error means that the thread has ended, which is what is wanted.
            ended.await.ok();
        }
        let Some(thread) = self.thread.lock().await.take() else { return };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            warn!("The store's writer did not end well.");
        }
    }
}

struct Running {
    connection: Option<Connection>,
    waiting: Rc<Runtime>,
    way: Way,
    memory: Memory,
    words: Arc<Words>,
    counters: Arc<Counters>,
    begun: Arc<Begun>,
    dues: Arc<Dues>,
    raised: Arc<Notify>,
    checkpoints: Option<Checkpoints>,
    receives: mpsc::Receiver<Asked>,
    works: mpsc::UnboundedReceiver<Asks>,
    /// A work taken from the queue that did not fit into the batch before.
    held: Option<Asked>,
    pace: Pace,
    /// Nobody else opens the folder before the last transaction is written: the thread lets go of it when it ends, or the
    /// system when the process ends, however it ends.
    _lock: Option<File>,
}

/// How quickly receives come.
struct Pace {
    last: Instant,
    /// The average time between two, of late.
    gap: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { last: Instant::now(), gap: Duration::from_secs(1) }
    }
}

impl Pace {
    /// So many came in a round.
    fn came(&mut self, receives: usize) {
        let Ok(receives @ 1..) = u32::try_from(receives) else { return };
        let gap = self.last.elapsed() / receives;
        self.gap = (self.gap * 7 + gap.min(Duration::from_secs(1))) / 8;
        self.last = Instant::now();
    }

    /// The next is likely to come at once.
    fn is_stream(&self) -> bool {
        self.gap < STREAM_GAP && self.last.elapsed() < STREAM_GAP * 2
    }
}

/// What a round found to do.
#[derive(Default)]
struct Round {
    asked: Vec<Asked>,
    bytes: usize,
    guards: usize,
    close: Option<oneshot::Sender<()>>,
    is_over: bool,
}

impl Round {
    fn add(&mut self, asked: Asked) {
        self.bytes += asked.weight;
        self.guards += asked.work.guards();
        self.asked.push(asked);
    }

    fn has_room(&self) -> bool {
        self.bytes < MOST_BYTES
    }

    /// Whether a work can be done in the same transaction as those that are there.
    fn suits(&self, work: &Work) -> bool {
        if self.asked.is_empty() {
            return true;
        }
        let guards = self.guards + work.guards();
        // Works that guard nothing mind nothing.
        !work.is_alone()
            && guards <= MOST_GUARDS
            && (guards == 0 || self.asked.iter().all(|asked| can_share(&asked.work, work)))
    }
}

impl Running {
    fn run(mut self) {
        let waiting = Rc::clone(&self.waiting);
        let closing = loop {
            let mut round = waiting.block_on(self.wait());
            if round.close.is_some() {
                self.receives.close();
                self.works.close();
            }
            self.gather(&mut round);
            let (is_over, close) = (round.is_over, round.close.take());
            self.write(round.asked);
            if close.is_some() || is_over {
                break close;
            }
        };
        // Both queues are closed: what is in them is written, and nothing comes after it.
        loop {
            let mut rest = Round::default();
            self.gather(&mut rest);
            if rest.asked.is_empty() {
                break;
            }
            self.write(rest.asked);
        }
        if let Some(checkpoints) = self.checkpoints.take() {
            checkpoints.stop();
        }
        match self.connection.take() {
            Some(Connection::Sqlite(connection)) => checkpoint_last(connection),
            Some(Connection::Postgres(link)) => link.close(),
            None => {}
        }
        if let Some(reply) = closing {
            // Whoever closed may have gone.
            reply.send(()).ok();
        }
    }

    /// Waits for the first thing to do.
    async fn wait(&mut self) -> Round {
        let mut round = Round::default();
        if let Some(held) = self.held.take() {
            round.add(held);
            return round;
        }
        tokio::select! {
            biased;
            asked = self.receives.recv() => match asked {
                Some(asked) => round.add(asked),
                None => round.is_over = true,
            },
            asks = self.works.recv() => match asks {
                Some(Asks::Work(asked)) => {
                    let is_alone = asked.work.is_alone();
                    round.add(*asked);
                    if !is_alone && self.pace.is_stream()
                        && let Ok(Some(asked)) = tokio::time::timeout(COMPANY_WAIT, self.receives.recv()).await
                    {
                        round.add(asked);
                    }
                }
                Some(Asks::Close(reply)) => round.close = Some(reply),
                None => round.is_over = true,
            },
            () = self.begun.wait(BEGUN_WAIT) => {}
        }
        round
    }

    /// Adds what else is waiting: receives first, then the other works in their order.
    fn gather(&mut self, round: &mut Round) {
        // Which search parameters are in force changes between rounds, in this thread; who minds what is told by their rows.
        for asked in &mut round.asked {
            asked.work.renew(&self.words);
        }
        let is_alone = |asked: &Asked| asked.work.is_alone();
        if round.asked.iter().any(is_alone) {
            return;
        }
        let mut receives = round.asked.iter().filter(|asked| matches!(asked.work, Work::Receive(_))).count();
        while receives < MOST_RECEIVES && round.has_room() {
            let Ok(asked) = self.receives.try_recv() else { break };
            round.add(asked);
            receives += 1;
        }
        self.pace.came(receives);
        let most = if receives > 0 { MOST_EFFORT_BESIDE_RECEIVES } else { MOST_EFFORT };
        let effort_of = |asked: &Asked| asked.work.effort();
        let mut effort: usize = round.asked.iter().map(effort_of).sum();
        while effort < most && round.has_room() && round.close.is_none() && self.held.is_none() {
            match self.works.try_recv() {
                Ok(Asks::Work(mut asked)) => {
                    asked.work.renew(&self.words);
                    if !round.suits(&asked.work) {
                        self.held = Some(*asked);
                        break;
                    }
                    let alone = is_alone(&asked);
                    effort += effort_of(&asked);
                    round.add(*asked);
                    if alone {
                        return;
                    }
                }
                Ok(Asks::Close(reply)) => {
                    self.receives.close();
                    self.works.close();
                    round.close = Some(reply);
                }
                Err(_) => break,
            }
        }
        if self.held.is_some() && round.asked.is_empty() {
            round.asked.extend(self.held.take());
        }
    }

    /// Writes a batch and answers. A batch that the database refuses, or at which the program fails, is tried work by work,
    /// so that one bad work does not harm its neighbours.
    fn write(&mut self, asked: Vec<Asked>) {
        if asked.is_empty() && !self.begun.is_waiting() {
            return;
        }
        let works: Vec<&Work> = asked.iter().map(|asked| &asked.work).collect();
        match self.transaction(&works) {
            Ok(answers) => {
                for (asked, answer) in asked.into_iter().zip(answers) {
                    asked.answer(answer);
                }
            }
            Err(failure) if failure.may_be_of_one() && asked.len() > 1 => {
                for asked in asked {
                    let answered = match self.transaction(&[&asked.work]) {
                        Ok(mut answers) => answers.pop().unwrap_or_else(|| Err(closed())),
                        Err(failure) => Err(failure.told()),
                    };
                    asked.answer(answered);
                }
            }
            Err(failure) => {
                warn!(error = %failure, works = asked.len(), "The database cannot be written to; nothing of this batch was stored.");
                for asked in asked {
                    asked.answer(Err(failure.told()));
                }
            }
        }
        // Nobody waits for it any more.
        if let (Some(Connection::Sqlite(connection)), Some(checkpoints)) =
            (&self.connection, &mut self.checkpoints)
        {
            checkpoints.after_transaction(connection);
        }
    }

    fn transaction(&mut self, works: &[&Work]) -> Result<Vec<Result<Answer, StoreError>>, Failure> {
        let connection = self.connected()?;
        let begun = if works.iter().any(|work| work.is_rare()) { Vec::new() } else { self.begun.take() };
        let (words, memory) = (&*self.words, &mut self.memory);
        let done = catch_unwind(AssertUnwindSafe(|| match works {
            [work] if work.is_rare() => {
                let done = rare::apply(&connection, words, memory, work);
                if !matches!(work, Work::Accounts(_)) {
                    self.dues.add_everywhere();
                }
                done.map(|answer| vec![Ok(answer)])
            }
            works => batch::apply(&connection, words, memory, works, &begun).map(|done| {
                self.dues.add(done.due);
                done.answers
            }),
        }));
        let done = done.map_err(|_| Failure::Program).and_then(|done| done.map_err(Failure::Database));
        match &done {
            Ok(answers) => {
                self.counters.transactions.fetch_add(1, Ordering::Relaxed);
                self.counters.works.fetch_add(answers.len() as u64, Ordering::Relaxed);
                if works.iter().any(|work| work.draft().is_some_and(|draft| !draft.wakes.is_empty())) {
                    self.raised.notify_one();
                }
            }
            Err(_) => {
                // Whether it was written is not always known.
                self.dues.add_everywhere();
                // These deliveries are under way all the same; their settlements come after this.
                self.begun.mark(begun);
                self.counters.rolled_back.fetch_add(1, Ordering::Relaxed);
            }
        }
        // After other errors a new connection is the one state that is known to be sound.
        let is_sound = done.as_ref().err().is_none_or(Failure::leaves_the_connection_sound);
        self.connection = is_sound.then_some(connection);
        done
    }

    /// The connection; a new one when the last was lost.
    fn connected(&mut self) -> Result<Connection, DatabaseError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let connection = self.way.connect(&self.waiting)?;
        if connection.dialect().is_postgres() {
            // So that whoever takes this node for dead can cut it off.
            let backend = "UPDATE node SET backend = pg_backend_pid() WHERE number = ?1";
            if run(&connection, backend, &[self.memory.node.into()])? == 0 {
                return Err(DatabaseError::Fenced);
            }
        }
        // Another numbering may have been half-way when the connection was lost.
        self.memory.numbers = Numbers::load(&connection)?;
        self.memory.recent.forget();
        info!("The store's writer is connected to its database.");
        Ok(connection)
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;

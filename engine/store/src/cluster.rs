//! Several nodes on one PostgreSQL database: each beats, all look whether the others do, and every share has one owner.
//!
//! A node is one start of a hub; its row in `node` is its right to write (see `writer::numbers`). When it has not beaten for
//! [`MISSED`] beats of somebody's own clock, that node cuts its connection and deletes the row: from then on nothing it still wants
//! to write can be written, and its shares are free. Clocks are never compared.
//!
//! Of the nodes that offer a share, one is preferred by a hash of both, so that shares spread and few move when a node comes or
//! goes. An owner that is no longer preferred lets go when nothing is under way.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use compact_str::CompactString;
use hub_core::cluster::{Cluster, News, Node, Share, Stand};
use hub_core::store::StoreError;
use hub_fhir::json::{self, Json};
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::clock;
use crate::error::unavailable;
use crate::leases::Dues;

/// A node that has not beaten for so many beats is taken for dead.
const MISSED: u32 = 5;
/// A share that nobody has is taken by one that is not preferred after so many beats.
const PATIENCE: u32 = 3;
/// How long news is gathered before it is told, so that many become few.
const GATHER: Duration = Duration::from_millis(2);
/// The name under which nodes tell each other.
const NEWS: &str = "huitong";
/// Only one node at a time takes another for dead.
const LOCK: i64 = 0x6875_6974_6f6e_6702;
/// How much news may wait for whoever listens; who falls behind is told so and looks everywhere.
const WAITING: usize = 1_024;

/// This node among the others.
pub struct Nodes {
    number: i64,
    beat: Duration,
    pool: PgPool,
    dues: Arc<Dues>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    news: broadcast::Sender<News>,
    to_tell: Mutex<HashSet<Share>>,
    told: Notify,
    lost: watch::Sender<bool>,
    look: Notify,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct State {
    offers: Vec<Share>,
    stands: HashMap<Share, Stand>,
    /// What each node's beat was, and when it was first seen so.
    beats: HashMap<i64, (i64, Instant)>,
    /// Since when a share has nobody.
    free: HashMap<Share, Instant>,
}

/// A node as the database has it.
struct Seen {
    number: i64,
    name: String,
    joined_us: i64,
    beat: i64,
    offers: HashSet<Share>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Nodes {
    /// Begins to beat for a node whose row has been made.
    pub(crate) async fn begin(
        number: i64,
        beat: Duration,
        connecting: PgConnectOptions,
        dues: Arc<Dues>,
    ) -> Result<Arc<Self>, sqlx::Error> {
        // Apart from those that read: a beat never waits for a search.
        let pool = PgPoolOptions::new()
            .max_connections(3)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(connecting)
            .await?;
        let nodes = Arc::new(Self {
            number,
            beat,
            pool,
            dues,
            state: Mutex::default(),
            changes: watch::Sender::new(0),
            news: broadcast::Sender::new(WAITING),
            to_tell: Mutex::default(),
            told: Notify::new(),
            lost: watch::Sender::new(false),
            look: Notify::new(),
            tasks: Mutex::new(JoinSet::new()),
        });
        let (beating, listening, telling) = (nodes.clone(), nodes.clone(), nodes.clone());
        let mut tasks = lock(&nodes.tasks);
        tasks.spawn(async move { beating.beat_on().await });
        tasks.spawn(async move { listening.listen().await });
        tasks.spawn(async move { telling.tell_on().await });
        drop(tasks);
        Ok(nodes)
    }

    /// Ends what it does in the background, as the end of the process would.
    pub(crate) fn fall_silent(&self) {
        lock(&self.tasks).abort_all();
    }

    /// Leaves the others: what it did is free at once.
    pub(crate) async fn leave(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.shutdown().await;
        if let Err(error) = bury(&self.pool, self.number).await {
            warn!(%error, "This node could not say goodbye to the others; they will miss it in a while.");
        }
        self.pool.close().await;
    }

    async fn beat_on(&self) {
        loop {
            match self.beat_once().await {
                Ok(true) => {}
                Ok(false) => {
                    warn!("This node was taken for dead, and others do its work; it must begin anew.");
                    lock(&self.state).stands.clear();
                    self.lost.send_replace(true);
                    self.changes.send_modify(|count| *count += 1);
                    return;
                }
                Err(error) => warn!(%error, "The other nodes cannot be seen: the database does not answer."),
            }
            tokio::select! {
                () = tokio::time::sleep(self.beat) => {}
                () = self.look.notified() => {}
            }
        }
    }

    /// Beats, looks at the others, takes and prepares to let go. `false`: this node is no longer one of them.
    async fn beat_once(&self) -> Result<bool, sqlx::Error> {
        let offers = lock(&self.state).offers.clone();
        let beaten = sqlx::query("UPDATE node SET beat = beat + 1, offers = $2 WHERE number = $1")
            .bind(self.number)
            .bind(to_text(&offers))
            .execute(&self.pool)
            .await?;
        if beaten.rows_affected() == 0 {
            return Ok(false);
        }
        let mut nodes = self.seen().await?;
        let dead = self.dead(&nodes);
        for number in &dead {
            if take_for_dead(&self.pool, *number).await? {
                warn!(node = number, "A node has not been heard of; its work is taken over.");
            }
        }
        nodes.retain(|node| !dead.contains(&node.number));
        let owners = self.owners().await?;
        let wanted = self.judge(&nodes, &owners, &offers);
        for share in wanted {
            let taken = sqlx::query(
                "INSERT INTO share (name, node, since_us)
                 SELECT $1, n.number, $3 FROM node n WHERE n.number = $2
                 ON CONFLICT (name) DO UPDATE SET node = excluded.node, since_us = excluded.since_us
                 WHERE share.node IS NULL",
            )
            .bind(share.0.as_str())
            .bind(self.number)
            .bind(clock::now())
            .execute(&self.pool)
            .await?;
            if taken.rows_affected() > 0 {
                info!(share = %share.0, "This node takes it over.");
                // What another node has left may be due.
                self.dues.add_everywhere();
                self.stands(share, Stand::Mine);
            }
        }
        Ok(true)
    }

    async fn seen(&self) -> Result<Vec<Seen>, sqlx::Error> {
        let rows = sqlx::query("SELECT number, name, joined_us, beat, offers FROM node ORDER BY number")
            .fetch_all(&self.pool)
            .await?;
        let seen = |row: sqlx::postgres::PgRow| {
            Ok(Seen {
                number: row.try_get(0)?,
                name: row.try_get(1)?,
                joined_us: row.try_get(2)?,
                beat: row.try_get(3)?,
                offers: of_text(row.try_get(4)?),
            })
        };
        rows.into_iter().map(seen).collect()
    }

    async fn owners(&self) -> Result<HashMap<Share, Option<i64>>, sqlx::Error> {
        let rows = sqlx::query("SELECT name, node FROM share").fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| Ok((Share(CompactString::from(row.try_get::<&str, _>(0)?)), row.try_get(1)?)))
            .collect()
    }

    /// The nodes that have not beaten for too long, by this node's clock.
    fn dead(&self, nodes: &[Seen]) -> Vec<i64> {
        let mut state = lock(&self.state);
        let now = Instant::now();
        state.beats.retain(|number, _| nodes.iter().any(|node| node.number == *number));
        let mut dead = Vec::new();
        for node in nodes.iter().filter(|node| node.number != self.number) {
            let known = state.beats.entry(node.number).or_insert((node.beat, now));
            if known.0 != node.beat {
                *known = (node.beat, now);
            } else if now.duration_since(known.1) > self.beat * MISSED {
                dead.push(node.number);
            }
        }
        dead
    }

    /// Which free shares this node should take; those that it should let go of are marked.
    fn judge(&self, nodes: &[Seen], owners: &HashMap<Share, Option<i64>>, offers: &[Share]) -> Vec<Share> {
        let now = Instant::now();
        let mut wanted = Vec::new();
        let mut is_changed = false;
        let mut state = lock(&self.state);
        let offered: HashSet<&Share> = offers.iter().collect();
        for share in owners.keys().chain(offers).collect::<HashSet<_>>() {
            let owner = owners.get(share).copied().flatten();
            let is_preferred = preferred(share, nodes) == Some(self.number);
            let stand = match owner {
                Some(owner) if owner == self.number => {
                    state.free.remove(share);
                    let stays = is_preferred && offered.contains(share);
                    if stays { Stand::Mine } else { Stand::Leaving }
                }
                Some(_) => {
                    state.free.remove(share);
                    Stand::Others
                }
                None => {
                    let since = *state.free.entry(share.clone()).or_insert(now);
                    let is_left = now.duration_since(since) > self.beat * PATIENCE;
                    if offered.contains(share) && (is_preferred || is_left) {
                        wanted.push(share.clone());
                    }
                    Stand::Others
                }
            };
            // One that is preferred again while it is leaving stays.
            if state.stands.insert(share.clone(), stand) != Some(stand) {
                is_changed = true;
            }
        }
        drop(state);
        if is_changed {
            self.changes.send_modify(|count| *count += 1);
        }
        wanted
    }

    fn stands(&self, share: Share, stand: Stand) {
        lock(&self.state).stands.insert(share, stand);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Hears what others tell. A connection that was lost may have missed some.
    async fn listen(&self) {
        loop {
            if let Err(error) = self.listen_until_lost().await {
                warn!(%error, "What other nodes tell cannot be heard; it will be tried again.");
            }
            tokio::time::sleep(self.beat).await;
        }
    }

    async fn listen_until_lost(&self) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(NEWS).await?;
        self.hear(None);
        // `None`: the connection was lost and made anew.
        loop {
            let told = listener.try_recv().await?;
            self.hear(told.as_ref().map(sqlx::postgres::PgNotification::payload));
        }
    }

    /// News, or that some may have been missed.
    fn hear(&self, told: Option<&str>) {
        match told {
            Some("shares") => self.look.notify_one(),
            Some(name) => {
                let share = Share(name.into());
                if share.as_destination().is_some() {
                    self.dues.add_everywhere();
                }
                // Nobody may be listening yet.
                self.news.send(News::Of(share)).ok();
            }
            None => {
                self.dues.add_everywhere();
                self.news.send(News::OfAny).ok();
            }
        }
    }

    async fn tell_on(&self) {
        loop {
            self.told.notified().await;
            tokio::time::sleep(GATHER).await;
            let shares: Vec<String> =
                lock(&self.to_tell).drain().map(|share| share.0.into_string()).collect();
            let told = sqlx::query("SELECT pg_notify($1, name) FROM unnest($2::text[]) AS name")
                .bind(NEWS)
                .bind(&shares)
                .execute(&self.pool)
                .await;
            if let Err(error) = told {
                warn!(%error, "Other nodes could not be told of what there is to do.");
                tokio::time::sleep(self.beat).await;
                lock(&self.to_tell).extend(shares.into_iter().map(|name| Share(name.into())));
                self.told.notify_one();
            }
        }
    }
}

#[async_trait]
impl Cluster for Nodes {
    fn offer(&self, shares: Vec<Share>) {
        lock(&self.state).offers = shares;
        self.look.notify_one();
    }

    fn stand(&self, share: &Share) -> Stand {
        lock(&self.state).stands.get(share).copied().unwrap_or(Stand::Others)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn let_go(&self, share: &Share) -> Result<(), StoreError> {
        lock(&self.state).stands.insert(share.clone(), Stand::Others);
        sqlx::query("UPDATE share SET node = NULL, since_us = $3 WHERE name = $1 AND node = $2")
            .bind(share.0.as_str())
            .bind(self.number)
            .bind(clock::now())
            .execute(&self.pool)
            .await
            .map_err(unavailable)?;
        info!(share = %share.0, "This node lets it go.");
        let told = sqlx::query("SELECT pg_notify($1, 'shares')").bind(NEWS).execute(&self.pool).await;
        told.map_err(unavailable).map(|_| ())
    }

    fn tell(&self, share: &Share) {
        lock(&self.to_tell).insert(share.clone());
        self.told.notify_one();
    }

    fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    async fn lost(&self) {
        // An error means that the node is gone, which nobody is left to notice.
        self.lost.subscribe().wait_for(|lost| *lost).await.ok();
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let seen = self.seen().await.map_err(unavailable)?;
        let owners = self.owners().await.map_err(unavailable)?;
        let node = |node: Seen| {
            let mut shares: Vec<Share> = owners
                .iter()
                .filter(|(_, owner)| **owner == Some(node.number))
                .map(|(share, _)| share.clone())
                .collect();
            shares.sort_unstable();
            Node {
                number: node.number.unsigned_abs(),
                name: node.name,
                joined_at: clock::moment(node.joined_us),
                is_this: node.number == self.number,
                shares,
            }
        };
        Ok(seen.into_iter().map(node).collect())
    }
}

/// The node that should do a share, of those that offer it.
fn preferred(share: &Share, nodes: &[Seen]) -> Option<i64> {
    let weight = |node: &&Seen| {
        let mut hash = Sha256::new();
        hash.update(share.0.as_bytes());
        hash.update(node.number.to_be_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        hash
    };
    nodes.iter().filter(|node| node.offers.contains(share)).max_by_key(weight).map(|node| node.number)
}

/// Takes a node for dead: cuts its connection, so that what it holds is given back, and ends its right to write.
async fn take_for_dead(pool: &PgPool, number: i64) -> Result<bool, sqlx::Error> {
    let backend =
        sqlx::query("SELECT backend FROM node WHERE number = $1").bind(number).fetch_optional(pool).await?;
    let Some(backend) = backend else { return Ok(false) };
    if let Some(backend) = backend.try_get::<Option<i64>, _>(0)? {
        sqlx::query("SELECT pg_terminate_backend($1::int)").bind(backend).execute(pool).await?;
    }
    bury(pool, number).await
}

/// Deletes a node, frees its shares and adds its counts to those of all that are gone.
async fn bury(pool: &PgPool, number: i64) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    // Waits for what it is writing just now.
    let gone =
        sqlx::query("DELETE FROM node WHERE number = $1").bind(number).execute(&mut *transaction).await?;
    if gone.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("UPDATE share SET node = NULL, since_us = $2 WHERE node = $1")
        .bind(number)
        .bind(clock::now())
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "WITH gone AS (DELETE FROM tally_part WHERE node = $1 RETURNING kind, word, state, count)
         INSERT INTO tally_part (kind, word, state, node, count)
         SELECT kind, word, state, 0, count FROM gone ORDER BY kind, word, state
         ON CONFLICT (kind, word, state, node) DO UPDATE SET count = tally_part.count + excluded.count",
    )
    .bind(number)
    .execute(&mut *transaction)
    .await?;
    sqlx::query("SELECT pg_notify($1, 'shares')").bind(NEWS).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(true)
}

fn to_text(shares: &[Share]) -> String {
    Json::Array(shares.iter().map(|share| Json::string(share.0.as_str())).collect()).to_text()
}

fn of_text(text: &str) -> HashSet<Share> {
    let Ok(tree) = json::parse(text) else { return HashSet::new() };
    let names = tree.as_array().unwrap_or_default().iter();
    names.filter_map(|name| Some(Share(name.as_str()?.into()))).collect()
}

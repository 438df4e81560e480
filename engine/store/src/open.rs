//! Opens the store of a data folder, and closes it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection as _, SqlStr};

use hub_core::cluster::{Alone, Cluster};
use hub_fhir::ResourceType;
use hub_fhir::language::Language;
use tokio::sync::{Mutex, Notify};

use crate::archiving::ArchiveOptions;
use crate::cluster::{LastCompany, Nodes};
use crate::database::{Connection, Readers};
use crate::error::OpenError;
use crate::leases::{Begun, Dues, Queues};
use crate::moving;
use crate::parameters;
use crate::postgres;
use crate::retire::Archiving;
use crate::words::Words;
use crate::writer::{Counters, Way, Writer, WriterOptions, WriterSetup};

/// Where the store is and how much it may use.
#[derive(Clone)]
pub struct StoreOptions {
    /// The folder of `hub.db`. Made when it is not there.
    pub data_dir: PathBuf,
    /// The PostgreSQL server to stand on instead: `postgres://user@host/database`.
    pub postgres: Option<String>,
    /// The password, where it does not stand in the address.
    pub password: Option<String>,
    /// How this node calls itself among those that share a PostgreSQL database.
    pub node: String,
    /// How often this node says that it lives; the others take it for dead after five times that.
    pub beat: Duration,
    /// How long messages on PostgreSQL go into the same stretch of tables, before the next is begun: what retention drops at once.
    pub stretch: Duration,
    /// Where messages are written to before they are deleted. `None`: they are not.
    pub archive: Option<ArchiveOptions>,
    /// How many connections read at the same time.
    pub readers: u32,
    /// The writer's page cache; the readers together have as much again, and so has the writer for the resources it has
    /// lately touched.
    pub cache_bytes: u64,
    /// The types whose texts are searched, by `_text` and `_content`. The nodes of a database have the same.
    pub full_text: HashSet<ResourceType>,
    /// How large the database may become; then the store is unavailable until something is pruned. `None`: as the disk.
    pub max_bytes: Option<u64>,
    /// What reads expressions of search parameters of its own that the small language of R4B's does not take; `None`: they are refused.
    pub language: Option<Arc<dyn Language>>,
}

impl std::fmt::Debug for StoreOptions {
    /// Never the password, nor an address that may hold one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let database = if self.postgres.is_some() { "PostgreSQL" } else { "SQLite" };
        write!(f, "StoreOptions({database}, node {}, {} readers)", self.node, self.readers)
    }
}

impl StoreOptions {
    /// The usual settings for a folder.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            postgres: None,
            password: None,
            node: "hub".to_owned(),
            beat: Duration::from_secs(1),
            stretch: STRETCH,
            archive: None,
            readers: 4,
            cache_bytes: 32 << 20,
            full_text: HashSet::new(),
            max_bytes: None,
            language: None,
        }
    }

    /// The usual settings for a PostgreSQL database.
    pub fn postgres(url: impl Into<String>, data_dir: impl Into<PathBuf>) -> Self {
        Self { postgres: Some(url.into()), readers: 8, ..Self::new(data_dir) }
    }
}

/// What the store has written since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Durable transactions: each is one `fsync`.
    pub transactions: u64,
    /// Receives, ends, commits and settlements done in them.
    pub works: u64,
    /// Transactions that failed and were rolled back.
    pub rolled_back: u64,
}

/// The store. Cloning it gives another handle on the same one.
///
/// Invariant on SQLite: one process owns the data folder; see [`OpenError::InUse`]. PostgreSQL is shared by several nodes.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    nodes: Option<Arc<Nodes>>,
    pub(crate) words: Arc<Words>,
    pub(crate) queues: Queues,
    pub(crate) begun: Arc<Begun>,
    pub(crate) dues: Arc<Dues>,
    /// Told when events have been stored.
    pub(crate) raised: Arc<Notify>,
    pub(crate) tokens: AtomicU64,
    pub(crate) stretch_us: i64,
    pub(crate) archiving: Option<Archiving>,
    pub(crate) language: Option<Arc<dyn Language>>,
    /// One looks at a time which search parameters are in force.
    pub(crate) refreshing: Mutex<()>,
    counters: Arc<Counters>,
}

/// How long messages on PostgreSQL go into the same stretch of tables, usually.
pub(crate) const STRETCH: Duration = Duration::from_secs(24 * 60 * 60);
/// Of a new database. A message touches some 70 pages, most of them for one search row each, and all of them go through the
/// log: pages half as large halve what is written, for a twentieth more on disk.
const PAGE_BYTES: u32 = 4_096;
pub(crate) const MIGRATIONS: [(i64, &str, &str); 12] = [
    (1, "store", include_str!("../migrations/sqlite/0001_store.sql")),
    (2, "pieces", include_str!("../migrations/sqlite/0002_pieces.sql")),
    (3, "deployments", include_str!("../migrations/sqlite/0003_deployments.sql")),
    (4, "imported", include_str!("../migrations/sqlite/0004_imported.sql")),
    (10, "replay", include_str!("../migrations/sqlite/0010_replay.sql")),
    (20, "attachments", include_str!("../migrations/sqlite/0020_attachments.sql")),
    (25, "history", include_str!("../migrations/sqlite/0025_history.sql")),
    (30, "numbers", include_str!("../migrations/sqlite/0030_numbers.sql")),
    (35, "aspects", include_str!("../migrations/sqlite/0035_aspects.sql")),
    (36, "contained", include_str!("../migrations/sqlite/0036_contained.sql")),
    (40, "parameters", include_str!("../migrations/sqlite/0040_parameters.sql")),
    (50, "accounts", include_str!("../migrations/sqlite/0050_accounts.sql")),
];

impl Store {
    /// Opens the store, bringing its database to this program's version.
    pub async fn open(options: StoreOptions) -> Result<Self, OpenError> {
        let dues = Arc::new(Dues::default());
        let raised = Arc::new(Notify::new());
        let company = Arc::new(LastCompany::default());
        let opened = match &options.postgres {
            None => open_sqlite(&options).await?,
            Some(url) => postgres::open(url, &options, &dues, &company).await?,
        };
        let words = Arc::new(opened.words);
        let (counters, begun) = (Arc::new(Counters::default()), Arc::new(Begun::default()));
        let writer = Writer::start(WriterSetup {
            way: opened.way,
            recent_bytes: usize::try_from(options.cache_bytes).unwrap_or(usize::MAX),
            words: Arc::clone(&words),
            counters: Arc::clone(&counters),
            begun: Arc::clone(&begun),
            dues: Arc::clone(&dues),
            raised: Arc::clone(&raised),
            node: opened.node,
            company,
            lock: opened.lock,
        })
        .map_err(OpenError::Start)?;
        let inner = Inner {
            writer,
            readers: opened.readers,
            nodes: opened.nodes,
            words,
            queues: Queues::default(),
            begun,
            dues,
            raised,
            tokens: AtomicU64::new(1),
            stretch_us: i64::try_from(options.stretch.as_micros()).unwrap_or(i64::MAX),
            archiving: options.archive.map(Archiving::new),
            language: options.language,
            refreshing: Mutex::new(()),
            counters,
        };
        let store = Self { inner: Arc::new(inner) };
        // Before anything is written: the others may have begun to rely on it.
        let known = store.refresh_parameters().await;
        known.map_err(|error| OpenError::Start(std::io::Error::other(error)))?;
        tokio::spawn(parameters::look_on(Arc::downgrade(&store.inner)));
        Ok(store)
    }

    /// Writes what is waiting, empties the log and closes. Every later call is refused as unavailable.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
        if let Some(nodes) = &self.inner.nodes {
            nodes.leave().await;
        }
    }

    /// Who does what, where several nodes share the database.
    pub fn cluster(&self) -> Arc<dyn Cluster> {
        match &self.inner.nodes {
            Some(nodes) => nodes.clone(),
            None => Arc::new(Alone::default()),
        }
    }

    /// What has been written since the store was opened.
    pub fn stats(&self) -> Stats {
        let counters = &self.inner.counters;
        Stats {
            transactions: counters.transactions.load(Ordering::Relaxed),
            works: counters.works.load(Ordering::Relaxed),
            rolled_back: counters.rolled_back.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Inner {
    /// A store that is gone without being closed says nothing more: the others miss it.
    fn drop(&mut self) {
        if let Some(nodes) = &self.nodes {
            nodes.fall_silent();
        }
    }
}

/// What a database is opened to.
pub(crate) struct Opened {
    pub way: Way,
    pub readers: Readers,
    pub words: Words,
    pub node: i64,
    pub nodes: Option<Arc<Nodes>>,
    pub lock: Option<File>,
}

async fn open_sqlite(options: &StoreOptions) -> Result<Opened, OpenError> {
    let path = options.data_dir.clone();
    let database = |source: sqlx::Error| OpenError::Database { path: path.clone(), source: source.into() };
    let lock = lock_folder(&options.data_dir)?;
    let folder = |source| OpenError::Folder { path: path.clone(), source };
    if let Some(to) = moving::moved_to(&options.data_dir).map_err(folder)? {
        return Err(OpenError::Moved { path, to });
    }
    let file = options.data_dir.join("hub.db");
    let common = SqliteConnectOptions::new()
        .filename(&file)
        .statement_cache_capacity(512)
        .busy_timeout(Duration::from_millis(250))
        .foreign_keys(false);
    let migrating = common
        .clone()
        .create_if_missing(true)
        .page_size(PAGE_BYTES)
        // Of a new database: one that is there keeps its mode until `vacuum`.
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = migrating.connect().await.map_err(database)?;
    migrations(&MIGRATIONS)
        .run(&mut connection)
        .await
        .map_err(|source| OpenError::Migrate { path: path.clone(), source })?;
    connection.close().await.map_err(database)?;
    let writing =
        WriterOptions { file, cache_kib: cache_kib(options.cache_bytes), max_bytes: options.max_bytes };
    let (for_words, full_text) = (writing.clone(), options.full_text.clone());
    let words = tokio::task::spawn_blocking(move || {
        let connection = Connection::Sqlite(for_words.connect()?);
        Words::load(&connection)?.with_full_text(&connection, &full_text)
    });
    let words = words
        .await
        .map_err(|error| OpenError::Start(error.into()))?
        .map_err(|source| OpenError::Database { path: path.clone(), source: Box::new(source) })?;
    let readers = u64::from(options.readers.max(1));
    let reading = common
        .read_only(true)
        .pragma("temp_store", "MEMORY")
        // SQLite takes a size in KiB as a negative number.
        .pragma("cache_size", format!("-{}", cache_kib(options.cache_bytes / readers)));
    let readers = SqlitePoolOptions::new()
        .max_connections(options.readers.max(1))
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        // A connection to a file does not go stale, and asking each time costs as much as the question.
        .test_before_acquire(false)
        .connect_with(reading)
        .await
        .map_err(database)?;
    let (way, readers) = (Way::Sqlite(writing), Readers::Sqlite(readers));
    Ok(Opened { way, readers, words, node: 0, nodes: None, lock: Some(lock) })
}

/// Takes a folder for this process; makes it when it is not there.
pub(crate) fn lock_folder(data_dir: &Path) -> Result<File, OpenError> {
    let folder = |source| OpenError::Folder { path: data_dir.to_owned(), source };
    std::fs::create_dir_all(data_dir).map_err(folder)?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(data_dir.join("hub.lock"))
        .map_err(folder)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse { path: data_dir.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(folder(source)),
    }
}

fn cache_kib(bytes: u64) -> u64 {
    (bytes / 1_024).max(1_024)
}

/// The migrations of a database, as sqlx runs them.
pub(crate) fn migrations(all: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |(version, description, sql): &(i64, &'static str, &'static str)| {
        let sql = SqlStr::from_static(sql);
        Migration::new(*version, Cow::Borrowed(*description), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(all.iter().map(migration).collect())
}

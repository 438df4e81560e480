//! Opens the store on a PostgreSQL server, which several nodes may share.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hub_fhir::ResourceType;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection as _};

use crate::clock;
use crate::cluster::{self, LastCompany, Nodes};
use crate::database::{DatabaseError, LOOKING_UP, Readers};
use crate::error::OpenError;
use crate::leases::Dues;
use crate::moving;
use crate::open::{Opened, StoreOptions, migrations};
use crate::partitions;
use crate::words::Words;
use crate::writer::Way;

pub(crate) const MIGRATIONS: [(i64, &str, &str); 11] = [
    (1, "store", include_str!("../migrations/postgres/0001_store.sql")),
    (2, "deployments", include_str!("../migrations/postgres/0002_deployments.sql")),
    (3, "imported", include_str!("../migrations/postgres/0003_imported.sql")),
    (10, "replay", include_str!("../migrations/postgres/0010_replay.sql")),
    (20, "attachments", include_str!("../migrations/postgres/0020_attachments.sql")),
    (25, "history", include_str!("../migrations/postgres/0025_history.sql")),
    (30, "numbers", include_str!("../migrations/postgres/0030_numbers.sql")),
    (35, "aspects", include_str!("../migrations/postgres/0035_aspects.sql")),
    (36, "contained", include_str!("../migrations/postgres/0036_contained.sql")),
    (40, "parameters", include_str!("../migrations/postgres/0040_parameters.sql")),
    (50, "accounts", include_str!("../migrations/postgres/0050_accounts.sql")),
];

/// How many bytes a database takes, its indexes included.
pub async fn size_of(url: &str) -> Result<u64, OpenError> {
    let size = async {
        let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
        let row: (i64,) =
            sqlx::query_as("SELECT pg_database_size(current_database())").fetch_one(&mut connection).await?;
        Ok(row.0.unsigned_abs())
    };
    size.await.map_err(|source: sqlx::Error| OpenError::Server { source: source.into() })
}

/// Opens the store, and joins those that work on it.
pub(crate) async fn open(
    url: &str,
    options: &StoreOptions,
    dues: &Arc<Dues>,
    company: &Arc<LastCompany>,
) -> Result<Opened, OpenError> {
    let server = |source: sqlx::Error| OpenError::Server { source: source.into() };
    let connecting = PgConnectOptions::from_str(url)
        .map_err(server)?
        .application_name("huitong")
        .statement_cache_capacity(512);
    let connecting = match &options.password {
        Some(password) => connecting.password(password),
        None => connecting,
    };
    let mut connection = connecting.clone().connect().await.map_err(server)?;
    if moving::is_half_moved(&mut connection).await.map_err(server)? {
        return Err(OpenError::HalfMoved);
    }
    // sqlx sees to it that of several nodes that start at once only one migrates.
    let migrated = migrations(&MIGRATIONS).run(&mut connection).await;
    migrated.map_err(|source| OpenError::Server { source: source.into() })?;
    partitions::make(&mut connection).await.map_err(server)?;
    connection.close().await.map_err(server)?;
    let way = Way::Postgres(Box::new(connecting.clone()));
    let words = words(way.clone(), options.full_text.clone()).await?;
    let readers: PgPool = PgPoolOptions::new()
        .max_connections(options.readers.max(2))
        .min_connections(1)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(connecting.clone().options(LOOKING_UP))
        .await
        .map_err(server)?;
    cluster::bury_predecessors(&readers, &options.node).await.map_err(server)?;
    let node = cluster::join(&readers, &options.node, clock::now()).await.map_err(server)?;
    let nodes = Nodes::begin(node, options.beat, connecting, Arc::clone(dues), Arc::clone(company))
        .await
        .map_err(server)?;
    let readers = Readers::Postgres(readers);
    Ok(Opened { way, readers, words, node, nodes: Some(nodes), lock: None })
}

async fn words(way: Way, full_text: HashSet<ResourceType>) -> Result<Words, OpenError> {
    let loading = tokio::task::spawn_blocking(move || -> Result<Words, DatabaseError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = std::rc::Rc::new(runtime.map_err(sqlx::Error::Io)?);
        let connection = way.connect(&runtime)?;
        Words::load(&connection)?.with_full_text(&connection, &full_text)
    });
    let words = loading.await.map_err(|error| OpenError::Start(error.into()))?;
    words.map_err(|source| OpenError::Server { source: source.into() })
}

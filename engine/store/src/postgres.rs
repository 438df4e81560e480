//! Opens the store on a PostgreSQL server, which several nodes may share.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection as _};

use crate::clock;
use crate::database::{DatabaseError, Readers};
use crate::error::OpenError;
use crate::open::{Opened, StoreOptions, migrations};
use crate::partitions;
use crate::words::Words;
use crate::writer::Way;

const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "store", include_str!("../migrations/postgres/0001_store.sql")),
    (10, "replay", include_str!("../migrations/postgres/0010_replay.sql")),
];

/// Opens the store, and joins those that work on it.
pub(crate) async fn open(url: &str, options: &StoreOptions) -> Result<Opened, OpenError> {
    let server = |source: sqlx::Error| OpenError::Server { source: source.into() };
    let connecting = PgConnectOptions::from_str(url)
        .map_err(server)?
        .application_name("huitong")
        .statement_cache_capacity(512);
    let mut connection = connecting.clone().connect().await.map_err(server)?;
    // sqlx sees to it that of several nodes that start at once only one migrates.
    let migrated = migrations(&MIGRATIONS).run(&mut connection).await;
    migrated.map_err(|source| OpenError::Server { source: source.into() })?;
    partitions::make(&mut connection).await.map_err(server)?;
    let row: (i64,) =
        sqlx::query_as("INSERT INTO node (name, joined_us, beat_us) VALUES ($1, $2, $2) RETURNING number")
            .bind(&options.node)
            .bind(clock::now())
            .fetch_one(&mut connection)
            .await
            .map_err(server)?;
    connection.close().await.map_err(server)?;
    let way = Way::Postgres(Box::new(connecting.clone()));
    let for_words = way.clone();
    let words = tokio::task::spawn_blocking(move || -> Result<Words, DatabaseError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = std::rc::Rc::new(runtime.map_err(sqlx::Error::Io)?);
        Words::load(&for_words.connect(&runtime)?)
    });
    let words = words.await.map_err(|error| OpenError::Start(error.into()))?;
    let words = words.map_err(|source| OpenError::Server { source: source.into() })?;
    let readers: PgPool = PgPoolOptions::new()
        .max_connections(options.readers.max(2))
        .min_connections(1)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(connecting)
        .await
        .map_err(server)?;
    Ok(Opened { way, readers: Readers::Postgres(readers), words, node: row.0, lock: None })
}

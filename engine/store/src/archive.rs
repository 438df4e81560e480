//! Reads the journal and the resources of a data folder without owning it: beside the hub that does, or without any.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::{CompactString, ToCompactString};
use hub_core::id::{ChannelId, MessageId};
use hub_core::store::{Searches, StateName, StoreError};
use hub_fhir::search::{Page, Search};
use hub_fhir::{Object, Reference};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use time::OffsetDateTime;

use crate::clock;
use crate::database::{Readers, Record};
use crate::error::{OpenError, damaged, unavailable};
use crate::journal::{state_name, state_number};
use crate::resources::stored;
use crate::search::Searcher;
use crate::words::{WordKind, Words};

/// The store of a data folder, to be read only.
///
/// Invariant: nothing is written, no lock of the hub is taken, and no statement runs for long: a hub that runs is not held up.
pub struct Archive {
    readers: Readers,
    /// As far as they were known when it was opened.
    words: Words,
}

/// Which messages of the journal are read.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    /// Of these channels; none: of all.
    pub channels: Vec<ChannelId>,
    /// Received at or after.
    pub from: Option<OffsetDateTime>,
    /// Received before.
    pub to: Option<OffsetDateTime>,
}

/// A message of the journal.
pub struct Past {
    /// Its place in the order of arrival: what the next page begins after.
    pub place: i64,
    /// Its id.
    pub id: MessageId,
    /// The channel it came by.
    pub channel: ChannelId,
    /// When it was received.
    pub received_at: OffsetDateTime,
    /// How far it has come.
    pub state: StateName,
    /// Its bytes.
    pub bytes: Bytes,
}

impl std::fmt::Debug for Past {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Past({} of {}, {} bytes)", self.id.0, self.channel, self.bytes.len())
    }
}

#[async_trait]
impl Searches for Archive {
    async fn search_across(&self, searches: &[Search]) -> Result<Page, StoreError> {
        Searcher { words: &self.words, readers: &self.readers }.run(searches).await
    }
}

impl Archive {
    /// Opens the store of a folder. It must be there.
    pub async fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let file = data_dir.join("hub.db");
        let folder = |source| OpenError::Folder { path: data_dir.to_owned(), source };
        std::fs::metadata(&file).map_err(folder)?;
        let database =
            |source: sqlx::Error| OpenError::Database { path: data_dir.to_owned(), source: source.into() };
        let reading = SqliteConnectOptions::new()
            .filename(&file)
            .read_only(true)
            .busy_timeout(Duration::from_secs(5))
            .pragma("temp_store", "MEMORY");
        let pool =
            SqlitePoolOptions::new().max_connections(2).connect_with(reading).await.map_err(database)?;
        Self::of(Readers::Sqlite(pool)).await.map_err(database)
    }

    /// Opens the store on a PostgreSQL server: `postgres://user@host/database`.
    pub async fn open_postgres(url: &str, password: Option<&str>) -> Result<Self, OpenError> {
        let pool = async {
            let options = PgConnectOptions::from_str(url)?.options([("default_transaction_read_only", "on")]);
            let options = match password {
                Some(password) => options.password(password),
                None => options,
            };
            let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await?;
            Self::of(Readers::Postgres(pool)).await
        };
        pool.await.map_err(|source| OpenError::Server { source: source.into() })
    }

    async fn of(readers: Readers) -> Result<Self, sqlx::Error> {
        let rows = readers.fetch_all(readers.sql("SELECT text, number FROM word")).await?;
        let words = rows.iter().map(|row| Ok((row.get(1)?, row.get::<&str>(0)?.to_compact_string())));
        let words: Vec<(i64, CompactString)> = words.collect::<Result<_, sqlx::Error>>()?;
        // A database of an earlier version has no such table.
        let types =
            readers.fetch_all(readers.sql("SELECT type FROM full_text_type")).await.unwrap_or_default();
        let types: Vec<i64> = types.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
        Ok(Self { readers, words: Words::read_only(words, &types) })
    }

    /// The next messages after a place, in the order of arrival; the first page is after [`Archive::begin`].
    pub async fn after(&self, stretch: &Stretch, place: i64, limit: u32) -> Result<Vec<Past>, StoreError> {
        let channels = self.channels(stretch);
        if channels.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = self.readers.sql(
            "SELECT m.seq, m.id, m.channel, m.received_us, m.state, b.body
             FROM message m JOIN message_body b ON b.seq = m.seq WHERE m.seq > ",
        );
        sql.push_bind(place).push(" AND m.channel IN (");
        sql.push_list(channels.iter().map(|(number, _)| *number));
        sql.push(")");
        if let Some(from) = stretch.from {
            sql.push(" AND m.received_us >= ").push_bind(clock::micros(from));
        }
        if let Some(to) = stretch.to {
            sql.push(" AND m.received_us < ").push_bind(clock::micros(to));
        }
        sql.push(" ORDER BY m.seq").push_limit(limit);
        let rows = self.readers.fetch_all(sql).await.map_err(unavailable)?;
        let past = |row: &Record| {
            let number: i64 = row.get(2).map_err(unavailable)?;
            let channel = channels.iter().find(|(known, _)| *known == number).map(|(_, name)| name.clone());
            Ok(Past {
                place: row.get(0).map_err(unavailable)?,
                id: MessageId(row.id(1).map_err(unavailable)?),
                channel: channel.unwrap_or_else(|| ChannelId::from("")),
                received_at: clock::moment(row.get(3).map_err(unavailable)?),
                state: state_name(row.get(4).map_err(unavailable)?)?,
                bytes: Bytes::from(row.get::<Vec<u8>>(5).map_err(unavailable)?),
            })
        };
        rows.iter().map(past).collect()
    }

    /// The place before the first message of a stretch, so that reading need not walk over all that came before.
    pub async fn begin(&self, stretch: &Stretch) -> Result<i64, StoreError> {
        let Some(from) = stretch.from else { return Ok(0) };
        let mut first: Option<i64> = None;
        for (channel, _) in self.channels(stretch) {
            for state in StateName::ALL {
                let sql = self.readers.sql(
                "SELECT MIN(seq) FROM message WHERE channel = $1 AND state = $2 AND received_us >= $3",
)
                .bind(channel)
                .bind(state_number(state))
                .bind(clock::micros(from));
                let row = self.readers.fetch_one(sql).await.map_err(unavailable)?;
                let found: Option<i64> = row.get(0).map_err(unavailable)?;
                first = [first, found].into_iter().flatten().min();
            }
        }
        // Nothing in the stretch: after the end of all places.
        Ok(first.map_or(i64::MAX, |first| first - 1))
    }

    /// The bytes of one message.
    pub async fn message(&self, id: MessageId) -> Result<Option<Bytes>, StoreError> {
        let sql = self
            .readers
            .sql("SELECT b.body FROM message m JOIN message_body b ON b.seq = m.seq WHERE m.id = $1")
            .bind(id.0);
        let row = self.readers.fetch_optional(sql).await.map_err(unavailable)?;
        row.map(|row| row.get::<Vec<u8>>(0).map(Bytes::from).map_err(unavailable)).transpose()
    }

    /// When a message was received.
    pub async fn received_at(&self, id: MessageId) -> Result<Option<OffsetDateTime>, StoreError> {
        let sql = self.readers.sql("SELECT received_us FROM message WHERE id = $1").bind(id.0);
        let row = self.readers.fetch_optional(sql).await.map_err(unavailable)?;
        row.map(|row| row.get(0).map(clock::moment).map_err(unavailable)).transpose()
    }

    /// The current version of a resource; `None` when it is not there or deleted.
    pub async fn resource(&self, reference: &Reference) -> Result<Option<Object>, StoreError> {
        let sql = self
            .readers
            .sql("SELECT version, updated_us, deleted, body FROM resource WHERE type = $1 AND id = $2")
            .bind(self.words.kind(reference.kind))
            .bind(reference.id.as_str());
        let row = self.readers.fetch_optional(sql).await.map_err(unavailable)?;
        let found = row.map(|row| stored(reference.clone(), &row)).transpose().map_err(unavailable)?;
        let Some(stored) = found.filter(|stored| !stored.deleted) else { return Ok(None) };
        let text = std::str::from_utf8(&stored.body).map_err(|_| damaged("resource"))?;
        let tree = hub_fhir::json::parse(text).map_err(|_| damaged("resource"))?;
        tree.as_object().cloned().map(Some).ok_or_else(|| damaged("resource"))
    }

    /// The numbers and names of the channels of a stretch that have ever had a message.
    fn channels(&self, stretch: &Stretch) -> Vec<(i64, ChannelId)> {
        let all = self.words.names(WordKind::Channel).into_iter();
        let all = all.map(|(number, name)| (number, ChannelId::from(name.as_str())));
        all.filter(|(_, name)| stretch.channels.is_empty() || stretch.channels.contains(name)).collect()
    }
}

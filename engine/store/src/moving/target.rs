//! Writes the PostgreSQL side, and reads it again to be compared.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use compact_str::CompactString;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Connection as _, Row as _};

use super::MoveError;
use super::places::Places;
use super::row::{Key, Row, RowDigest, digest_of, key_of};
use super::tables::{Holds, TABLES, Table};
use crate::database::{Value, for_postgres};
use crate::open::migrations;
use crate::partitions;
use crate::postgres::MIGRATIONS;

/// Only one move goes to a database at a time.
const LOCK: i64 = 0x6875_6974_6f6e_6703;
/// The server sees only after its last statement that a move was cut short.
const LAST_ONE_ENDS: Duration = Duration::from_secs(5);
/// What says that a database is not whole yet. No hub starts on one that has it.
const MARK: &str = "CREATE TABLE moving (name TEXT PRIMARY KEY, value TEXT NOT NULL)";

/// The database that is moved to.
pub(super) struct Target {
    connection: PgConnection,
}

/// Rows that were written and deleted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changed {
    pub written: u64,
    pub deleted: u64,
}

/// Whether a database is one that a move has begun and not ended.
pub(crate) async fn is_half_moved(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let found: (bool,) =
        sqlx::query_as("SELECT to_regclass('moving') IS NOT NULL").fetch_one(connection).await?;
    Ok(found.0)
}

impl Target {
    /// Connects, alone among those that move.
    pub async fn connect(url: &str, password: Option<&str>) -> Result<Self, MoveError> {
        let options = PgConnectOptions::from_str(url)?.application_name("huitong migrate");
        let options = match password {
            Some(password) => options.password(password),
            None => options,
        };
        // The last transaction waits for the disk, and with it everything before it is there.
        let mut connection = options.options([("synchronous_commit", "off")]).connect().await?;
        let asked = Instant::now();
        loop {
            let is_alone: (bool,) = sqlx::query_as("SELECT pg_try_advisory_lock($1)")
                .bind(LOCK)
                .fetch_one(&mut connection)
                .await?;
            if is_alone.0 {
                break;
            }
            if asked.elapsed() > LAST_ONE_ENDS {
                return Err(MoveError::TwoMoves);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { connection })
    }

    /// Begins on an empty database, or goes on with what was begun from the same source. `plan`: how messages are to be dealt out,
    /// where nothing was begun yet.
    pub async fn begin(
        &mut self,
        source: &str,
        plan: impl FnOnce() -> Result<Places, MoveError>,
    ) -> Result<Places, MoveError> {
        if is_half_moved(&mut self.connection).await? {
            let kept = self.mark("source").await?;
            if kept.as_deref() != Some(source) {
                return Err(MoveError::OtherSource);
            }
        } else {
            let tables: (i64,) = sqlx::query_as(
                "SELECT count(*) FROM pg_class
                 WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')",
            )
            .fetch_one(&mut self.connection)
            .await?;
            if tables.0 > 0 {
                return Err(MoveError::NotEmpty);
            }
            let mut transaction = self.connection.begin().await?;
            sqlx::query(MARK).execute(&mut *transaction).await?;
            sqlx::query("INSERT INTO moving VALUES ('source', $1)")
                .bind(source)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
        }
        migrations(&MIGRATIONS).run(&mut self.connection).await?;
        let places = match self.mark("places").await? {
            Some(text) => Places::from_text(&text).ok_or(MoveError::Damaged { table: "moving" })?,
            None => {
                let places = plan()?;
                sqlx::query("INSERT INTO moving VALUES ('places', $1)")
                    .bind(places.to_text())
                    .execute(&mut self.connection)
                    .await?;
                places
            }
        };
        let mut transaction = self.connection.begin().await?;
        for number in 0..places.stretches() {
            for table in partitions::TABLES {
                partitions::make_one(&mut transaction, table, number).await?;
            }
        }
        transaction.commit().await?;
        Ok(places)
    }

    /// Whether it is one that a move has begun and not ended.
    pub async fn is_half_moved(&mut self) -> Result<bool, MoveError> {
        Ok(is_half_moved(&mut self.connection).await?)
    }

    async fn mark(&mut self, name: &str) -> Result<Option<String>, MoveError> {
        let found: Option<(String,)> = sqlx::query_as("SELECT value FROM moving WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(found.map(|(value,)| value))
    }

    /// The columns of a table.
    pub async fn columns(&mut self, table: &Table) -> Result<Vec<String>, MoveError> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT column_name::text FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position",
        )
        .bind(table.name)
        .fetch_all(&mut self.connection)
        .await?;
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// Makes the rows between two keys those that are given, in one transaction.
    pub async fn make_same(
        &mut self,
        table: &Table,
        low: Option<&Key>,
        high: Option<&Key>,
        rows: Vec<Row>,
    ) -> Result<Changed, MoveError> {
        let mut here: BTreeMap<Key, [u8; 32]> = BTreeMap::new();
        for row in self.rows(table, low, high).await? {
            let (key, digest) = key_of(table, &row).zip(digest_of(table, &row)).ok_or(damaged(table))?;
            here.insert(key, digest);
        }
        let mut new = Vec::new();
        if here.is_empty() {
            new = rows;
        } else {
            for row in rows {
                let (key, digest) = key_of(table, &row).zip(digest_of(table, &row)).ok_or(damaged(table))?;
                if here.remove(&key) != Some(digest) {
                    new.push(row);
                }
            }
        }
        let gone: Vec<Row> =
            here.into_keys().map(|key| key.iter().map(|part| part.value()).collect()).collect();
        let changed = Changed { written: new.len() as u64, deleted: gone.len() as u64 };
        if new.is_empty() && gone.is_empty() {
            return Ok(changed);
        }
        let mut transaction = self.connection.begin().await?;
        if !gone.is_empty() {
            let key = &table.columns[..table.key];
            let sql = format!(
                "DELETE FROM {} WHERE ({}) IN (SELECT * FROM unnest({}))",
                table.name,
                table.key_list(),
                arrays(key)
            );
            let arguments = bound(key, &gone)?;
            sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *transaction).await?;
        }
        if !new.is_empty() {
            if let Some(sql) = without_those_in_the_way(table) {
                let arguments = bound(table.columns, &new)?;
                sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *transaction).await?;
            }
            let arguments = bound(table.columns, &new)?;
            sqlx::query_with(AssertSqlSafe(upsert(table)), arguments).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(changed)
    }

    /// How many rows stand between two keys, and their digest.
    pub async fn digest(
        &mut self,
        table: &Table,
        low: Option<&Key>,
        high: Option<&Key>,
    ) -> Result<(u64, [u8; 32]), MoveError> {
        let rows = self.rows(table, low, high).await?;
        let mut digest = RowDigest::default();
        for row in &rows {
            digest.add(table, row).ok_or(damaged(table))?;
        }
        Ok((rows.len() as u64, digest.end()))
    }

    async fn rows(
        &mut self,
        table: &Table,
        low: Option<&Key>,
        high: Option<&Key>,
    ) -> Result<Vec<Row>, MoveError> {
        let mut values: Vec<Value> = Vec::new();
        let mut conditions = Vec::new();
        for (sign, key) in [(">", low), ("<=", high)] {
            let Some(key) = key else { continue };
            conditions.push(format!("({}) {sign} {}", table.key_list(), table.key_places(values.len() + 1)));
            values.extend(key.iter().map(|part| part.value()));
        }
        let condition = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        let columns = table.columns.iter().map(|(name, holds)| match holds {
            Holds::SearchRows => format!("{name}::text"),
            _ => (*name).to_owned(),
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT {columns} FROM {}{condition} ORDER BY {}", table.name, table.key_list());
        let found = sqlx::query_with(AssertSqlSafe(sql), for_postgres(&values)?)
            .fetch_all(&mut self.connection)
            .await?;
        found.iter().map(|row| read(table, row)).collect()
    }

    /// How many rows a table has.
    pub async fn count(&mut self, table: &Table) -> Result<u64, MoveError> {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let count: (i64,) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut self.connection).await?;
        Ok(count.0.unsigned_abs())
    }

    /// How many messages of each channel, and parcels of each destination, are in each state: `(kind, word, state)`.
    pub async fn counted(&mut self) -> Result<BTreeMap<(i64, i64, i64), i64>, MoveError> {
        let rows: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT 0::bigint, channel, state, count(*) FROM message GROUP BY channel, state
             UNION ALL SELECT 1::bigint, dest, state, count(*) FROM parcel GROUP BY dest, state",
        )
        .fetch_all(&mut self.connection)
        .await?;
        Ok(rows.into_iter().map(|(kind, word, state, count)| ((kind, word, state), count)).collect())
    }

    /// The counters a hub goes by.
    pub async fn tallies(&mut self) -> Result<BTreeMap<(i64, i64, i64), i64>, MoveError> {
        let rows: Vec<(i64, i64, i64, i64)> =
            sqlx::query_as("SELECT kind, word, state, count FROM tally WHERE count <> 0")
                .fetch_all(&mut self.connection)
                .await?;
        Ok(rows.into_iter().map(|(kind, word, state, count)| ((kind, word, state), count)).collect())
    }

    /// Makes the counters what was counted, and lets every sequence go on after what is there.
    pub async fn set_counters(&mut self) -> Result<(), MoveError> {
        let mut transaction = self.connection.begin().await?;
        for sql in [
            "DELETE FROM tally_part",
            "INSERT INTO tally_part (kind, word, state, node, count)
             SELECT 0, channel, state, 0, count(*) FROM message GROUP BY channel, state",
            "INSERT INTO tally_part (kind, word, state, node, count)
             SELECT 1, dest, state, 0, count(*) FROM parcel GROUP BY dest, state",
            // Not the number of a message that is gone but that something still names.
            "SELECT setval('message_seq', greatest(1, (SELECT max(seq) FROM message), (SELECT max(message) FROM parcel),
                (SELECT max(message) FROM audit)))",
            "SELECT setval('resource_rid', greatest(1, (SELECT max(rid) FROM resource)))",
            "SELECT setval('parcel_seq', greatest(1, (SELECT max(seq) FROM parcel)))",
        ] {
            sqlx::query(sql).execute(&mut *transaction).await?;
        }
        for table in &TABLES {
            let column = table.columns[0].0;
            let sequence: (Option<String>,) = sqlx::query_as("SELECT pg_get_serial_sequence($1, $2)")
                .bind(table.name)
                .bind(column)
                .fetch_one(&mut *transaction)
                .await?;
            let Some(sequence) = sequence.0 else { continue };
            let sql = format!(
                "SELECT setval($1::regclass, greatest(1, (SELECT max({column}) FROM {})))",
                table.name
            );
            sqlx::query(AssertSqlSafe(sql)).bind(sequence).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        partitions::make(&mut self.connection).await?;
        Ok(())
    }

    /// Whether a hub has joined the database: none may before it is whole.
    pub async fn has_nodes(&mut self) -> Result<bool, MoveError> {
        let found: (bool,) =
            sqlx::query_as("SELECT EXISTS (SELECT 1 FROM node)").fetch_one(&mut self.connection).await?;
        Ok(found.0)
    }

    /// Sees to it that everything written so far is on the server's disk.
    pub async fn make_durable(&mut self) -> Result<(), MoveError> {
        sqlx::query("SET synchronous_commit = on").execute(&mut self.connection).await?;
        sqlx::query("INSERT INTO moving VALUES ('verified', 'yes') ON CONFLICT (name) DO NOTHING")
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Lets the planner know what is there.
    pub async fn analyze(&mut self) -> Result<(), MoveError> {
        sqlx::query("ANALYZE").execute(&mut self.connection).await?;
        Ok(())
    }

    /// Takes the mark away: from now on a hub may start on it.
    pub async fn end(mut self) -> Result<(), MoveError> {
        sqlx::query("DROP TABLE moving").execute(&mut self.connection).await?;
        self.connection.close().await?;
        Ok(())
    }
}

fn damaged(table: &Table) -> MoveError {
    MoveError::Damaged { table: table.name }
}

/// `$1::int8[], $2::text[]`
fn arrays(columns: &[(&str, Holds)]) -> String {
    let array = |(at, (_, holds)): (usize, &(&str, Holds))| {
        let kind = match holds {
            Holds::Int | Holds::Place | Holds::ReplayPlace => "int8[]",
            Holds::Text => "text[]",
            Holds::SearchRows => "text[]::jsonb[]",
            Holds::Blob => "bytea[]",
        };
        format!("${}::{kind}", at + 1)
    };
    columns.iter().enumerate().map(array).collect::<Vec<_>>().join(", ")
}

/// The rows as one array a column.
fn bound(columns: &[(&str, Holds)], rows: &[Row]) -> Result<PgArguments, MoveError> {
    let mut arguments = PgArguments::default();
    for (at, (_, holds)) in columns.iter().enumerate() {
        let column = rows.iter().filter_map(|row| row.get(at));
        match holds {
            Holds::Int | Holds::Place | Holds::ReplayPlace => {
                arguments.add(column.map(Value::as_int).collect::<Vec<_>>())
            }
            Holds::Text | Holds::SearchRows => arguments.add(column.map(Value::as_text).collect::<Vec<_>>()),
            Holds::Blob => arguments.add(column.map(Value::as_bytes).collect::<Vec<_>>()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn upsert(table: &Table) -> String {
    let sets: Vec<String> =
        table.columns[table.key..].iter().map(|(name, _)| format!("{name} = excluded.{name}")).collect();
    let sets = match sets.is_empty() {
        true => "NOTHING".to_owned(),
        false => format!("UPDATE SET {}", sets.join(", ")),
    };
    format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT * FROM unnest({}) ON CONFLICT ({}) DO {sets}",
        table.name,
        table.column_list(),
        arrays(table.columns),
        table.key_list()
    )
}

/// Deletes rows that have what must be unique of one of the new rows under another key: on the other side they are gone, which the
/// walk has not come to yet.
fn without_those_in_the_way(table: &Table) -> Option<String> {
    if table.unique.is_empty() {
        return None;
    }
    let same = |names: &[&str]| {
        names.iter().map(|name| format!("t.{name} = w.{name}")).collect::<Vec<_>>().join(" AND ")
    };
    let key: Vec<&str> = table.columns[..table.key].iter().map(|(name, _)| *name).collect();
    Some(format!(
        "DELETE FROM {} t USING unnest({}) AS w({}) WHERE {} AND NOT ({})",
        table.name,
        arrays(table.columns),
        table.column_list(),
        same(table.unique),
        same(&key)
    ))
}

/// The values of a row as PostgreSQL has them.
fn read(table: &Table, row: &PgRow) -> Result<Row, MoveError> {
    let value = |(at, (_, holds)): (usize, &(&str, Holds))| {
        Ok(match holds {
            Holds::Int | Holds::Place | Holds::ReplayPlace => row.try_get::<Option<i64>, _>(at)?.into(),
            Holds::Text | Holds::SearchRows => {
                row.try_get::<Option<&str>, _>(at)?.map(CompactString::new).into()
            }
            Holds::Blob => row.try_get::<Option<&[u8]>, _>(at)?.map(Bytes::copy_from_slice).into(),
        })
    };
    table.columns.iter().enumerate().map(value).collect()
}

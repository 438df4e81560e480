//! Words that another node has interned since this one has read them.

use hub_core::store::StoreError;

use crate::database::{Readers, Record};
use crate::error::unavailable;
use crate::open::Store;
use crate::words::WordKind;

impl Store {
    /// The number of a name, also of one that another node has brought.
    pub(crate) async fn number(&self, kind: WordKind, name: &str) -> Result<Option<i64>, StoreError> {
        if let Some(number) = self.inner.words.number(kind, name) {
            return Ok(Some(number));
        }
        self.read_words().await?;
        Ok(self.inner.words.number(kind, name))
    }

    /// Sees to it that the names of the numbers in a column are known.
    pub(crate) async fn know(&self, rows: &[Record], column: usize) -> Result<(), StoreError> {
        let is_known =
            |row: &Record| row.get::<i64>(column).is_ok_and(|number| self.inner.words.name(number).is_some());
        if rows.iter().all(is_known) { Ok(()) } else { self.read_words().await }
    }

    /// On SQLite nobody else brings any.
    async fn read_words(&self) -> Result<(), StoreError> {
        let readers = &self.inner.readers;
        if !matches!(readers, Readers::Postgres(_)) {
            return Ok(());
        }
        let rows =
            readers.fetch_all(readers.sql("SELECT number, text FROM word")).await.map_err(unavailable)?;
        let words =
            rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<Vec<_>, sqlx::Error>>();
        self.inner.words.absorb(words.map_err(unavailable)?);
        Ok(())
    }
}

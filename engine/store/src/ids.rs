//! Ids as the database has them: 16 bytes.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

/// The id in a column, where there is one.
pub(crate) fn id_or_none(row: &SqliteRow, column: usize) -> Result<Option<Uuid>, sqlx::Error> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    bytes.map(Uuid::from_slice).transpose().map_err(|error| sqlx::Error::Decode(error.into()))
}

/// The id in a column.
pub(crate) fn id(row: &SqliteRow, column: usize) -> Result<Uuid, sqlx::Error> {
    id_or_none(row, column)?.ok_or_else(|| sqlx::Error::Decode("an id is missing".into()))
}

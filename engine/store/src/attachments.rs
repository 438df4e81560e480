//! The book of attachments, as the archive asks it.

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use hub_core::attachment::{AttachmentBook, ContentId, Kept, PlaceId};
use hub_core::store::StoreError;
use time::OffsetDateTime;

use crate::clock;
use crate::database::Record;
use crate::error::{closed, damaged, unavailable};
use crate::open::Store;
use crate::writer::{ATTACHMENT_GIVEN_UP, Answer, BookWork, Upkeep, Work, place_text};

#[async_trait]
impl AttachmentBook for Store {
    async fn kept(&self, content: ContentId) -> Result<Option<Kept>, StoreError> {
        let sql = self
            .inner
            .readers
            .sql("SELECT place, size, media_type, stored_us FROM attachment WHERE sha256 = $1")
            .bind(Bytes::copy_from_slice(&content.0));
        let Some(row) = self.inner.readers.fetch_optional(sql).await.map_err(unavailable)? else {
            return Ok(None);
        };
        Ok(Some(Kept {
            place: place(&row)?,
            content,
            size: row.get::<i64>(1).map_err(unavailable)?.unsigned_abs(),
            media_type: CompactString::new(row.get::<&str>(2).map_err(unavailable)?),
            stored_at: clock::moment(row.get(3).map_err(unavailable)?),
        }))
    }

    async fn release(&self, now: OffsetDateTime, limit: u32) -> Result<u64, StoreError> {
        self.booked(BookWork::Release { now_us: clock::micros(now), limit }).await
    }

    async fn disown(&self, places: Vec<PlaceId>) -> Result<(), StoreError> {
        self.booked(BookWork::Disown { places, now_us: clock::now() }).await.map(|_| ())
    }

    async fn known(&self, places: &[PlaceId]) -> Result<Vec<PlaceId>, StoreError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = self.inner.readers.sql("SELECT place FROM attachment WHERE place IN (");
        sql.push_list(places.iter().map(|place| place_text(*place))).push(")");
        self.places(sql).await
    }

    async fn given_up(&self, limit: u32) -> Result<Vec<PlaceId>, StoreError> {
        let sql = self
            .inner
            .readers
            .sql("SELECT place FROM attachment WHERE state = $1 ORDER BY place LIMIT $2 + 0")
            .bind(ATTACHMENT_GIVEN_UP)
            .bind(limit);
        self.places(sql).await
    }

    async fn deleted(&self, places: Vec<PlaceId>) -> Result<(), StoreError> {
        self.booked(BookWork::Deleted { places, now_us: clock::now() }).await.map(|_| ())
    }
}

impl Store {
    async fn booked(&self, work: BookWork) -> Result<u64, StoreError> {
        match self.inner.writer.ask(Work::Upkeep(Upkeep::Book(work))).await? {
            Answer::Count(count) => Ok(count),
            _ => Err(closed()),
        }
    }

    async fn places(&self, sql: crate::database::Sql) -> Result<Vec<PlaceId>, StoreError> {
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        rows.iter().map(place).collect()
    }
}

/// The place in the first column.
fn place(row: &Record) -> Result<PlaceId, StoreError> {
    let text: &str = row.get(0).map_err(unavailable)?;
    text.parse().map(PlaceId).map_err(|_| damaged("place of an attachment"))
}

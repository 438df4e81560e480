//! Forgets messages whose time is up: written to an archive before, where the store has one; on PostgreSQL by whole stretches.

use hub_core::store::StoreError;
use tokio::sync::Mutex;

use crate::archiving::{ArchiveError, ArchiveOptions, Draft, Which, gather};
use crate::database::Readers;
use crate::error::{closed, unavailable};
use crate::open::Store;
use crate::partitions::Alone;
use crate::writer::{Answer, TALLY_MESSAGES, Upkeep, Work};

/// So much goes into one archive, about: so many messages, so many bytes of their bodies.
const MOST_MESSAGES: usize = 100_000;
const MOST_BYTES: i64 = 256 << 20;
/// So much is read at once: so many messages, so many bytes of their bodies.
const PAGE_MESSAGES: usize = 250;
const PAGE_BYTES: i64 = 8 << 20;
/// How many messages are named in one statement.
const NAMED: usize = 500;

/// The store's archive, and what is in it and may be deleted.
pub(crate) struct Archiving {
    options: ArchiveOptions,
    ready: Mutex<Ready>,
}

/// Messages that are archived and not yet deleted. When the program is killed they are archived once more.
#[derive(Default)]
struct Ready {
    before_us: i64,
    /// The last is deleted first: pieces come after what they are pieces of.
    seqs: Vec<i64>,
}

impl Archiving {
    /// Into this folder, with this key.
    pub fn new(options: ArchiveOptions) -> Self {
        Self { options, ready: Mutex::default() }
    }
}

impl Store {
    /// Forgets some of the messages that ended before; 0: there are none now.
    pub(crate) async fn retire(&self, before_us: i64, limit: u32) -> Result<u64, StoreError> {
        let Readers::Postgres(pool) = &self.inner.readers else {
            return self.retire_rows(before_us, limit).await;
        };
        let Some(mut alone) = Alone::take(pool).await.map_err(unavailable)? else { return Ok(0) };
        let retired = self.retire_stretches(&mut alone, before_us, limit).await?;
        alone.give_back().await.map_err(unavailable)?;
        Ok(retired)
    }

    async fn retire_stretches(
        &self,
        alone: &mut Alone,
        before_us: i64,
        limit: u32,
    ) -> Result<u64, StoreError> {
        alone.turn(self.inner.stretch_us).await.map_err(unavailable)?;
        for number in alone.old(before_us, self.inner.stretch_us).await.map_err(unavailable)? {
            if let Some(archiving) = &self.inner.archiving {
                self.archive_stretch(alone, number, &archiving.options).await?;
            }
            let dropped = alone.drop_one(number, before_us).await.map_err(unavailable)?;
            alone.forget_parcels().await.map_err(unavailable)?;
            if let Some(dropped) = dropped.filter(|dropped| *dropped > 0) {
                return Ok(dropped);
            }
        }
        // What a killed node has left.
        alone.forget_parcels().await.map_err(unavailable)?;
        // One by one only where a stretch is held up: otherwise all would go this way, just before their stretch does.
        let held_up = self.inner.stretch_us.saturating_add(self.inner.stretch_us / 4);
        let retired = self.retire_rows(before_us.saturating_sub(held_up), limit).await?;
        if retired == 0 {
            alone.shrink(self.inner.stretch_us).await.map_err(unavailable)?;
        }
        Ok(retired)
    }

    async fn retire_rows(&self, before_us: i64, limit: u32) -> Result<u64, StoreError> {
        let Some(archiving) = &self.inner.archiving else {
            return self.forgotten(Upkeep::Prune { before_us, limit }).await;
        };
        let mut ready = archiving.ready.lock().await;
        if ready.seqs.is_empty() {
            let old = self.old(before_us).await?;
            if old.is_empty() {
                return Ok(0);
            }
            self.archive(&archiving.options, &old, false).await?;
            *ready = Ready { before_us, seqs: old.into_iter().map(|(seq, _)| seq).collect() };
        }
        while !ready.seqs.is_empty() {
            let from = ready.seqs.len().saturating_sub(limit.max(1) as usize);
            let seqs = ready.seqs.split_off(from);
            // What was opened again meanwhile stays.
            match self.forgotten(Upkeep::Forget { before_us: ready.before_us, seqs }).await? {
                0 => {}
                forgotten => return Ok(forgotten),
            }
        }
        Ok(0)
    }

    async fn forgotten(&self, upkeep: Upkeep) -> Result<u64, StoreError> {
        match self.inner.writer.ask(Work::Upkeep(upkeep)).await? {
            Answer::Count(count) => Ok(count),
            _ => Err(closed()),
        }
    }

    /// Archives a stretch, file by file; one that was begun before goes on where it stopped.
    async fn archive_stretch(
        &self,
        alone: &mut Alone,
        number: i64,
        options: &ArchiveOptions,
    ) -> Result<(), StoreError> {
        let mut archived = alone.archived(number).await.map_err(unavailable)?;
        loop {
            let found =
                alone.page(number, archived.through, MOST_MESSAGES as i64).await.map_err(unavailable)?;
            let mut bytes = 0;
            let fits = found.iter().take_while(|(_, size)| {
                let fits = bytes < MOST_BYTES;
                bytes += size;
                fits
            });
            let found = &found[..fits.count()];
            let Some((last, _)) = found.last() else { return Ok(()) };
            self.archive(options, found, true).await?;
            archived.through = *last;
            alone.note_archived(number, &archived).await.map_err(unavailable)?;
        }
    }

    /// Writes messages to an archive. When it is answered they are durable there. `are_all`: there are no others between them.
    async fn archive(
        &self,
        options: &ArchiveOptions,
        messages: &[(i64, i64)],
        are_all: bool,
    ) -> Result<(), StoreError> {
        let options = options.clone();
        let mut draft = blocking(move || Draft::begin(options)).await?;
        for page in pages(messages) {
            let seqs: Vec<i64> = page.iter().map(|(seq, _)| *seq).collect();
            let which = match seqs[..] {
                [from, .., to] if are_all => Which::Between(from, to),
                _ => Which::These(&seqs),
            };
            let entries = gather(&self.inner.readers, &self.inner.words, which).await?;
            let added = move || entries.iter().try_for_each(|entry| draft.add(entry)).map(|()| draft);
            draft = blocking(added).await?;
        }
        blocking(move || draft.finish()).await
    }

    /// Messages that ended before and owe nothing, with their sizes and all their pieces, in the order of arrival.
    async fn old(&self, before_us: i64) -> Result<Vec<(i64, i64)>, StoreError> {
        let readers = &self.inner.readers;
        let groups = readers
            .sql("SELECT word, state FROM tally WHERE kind = $1 AND state > 0 AND count > 0")
            .bind(TALLY_MESSAGES);
        let mut old: Vec<(i64, i64)> = Vec::new();
        let mut bytes = 0;
        for group in readers.fetch_all(groups).await.map_err(unavailable)? {
            if old.len() >= MOST_MESSAGES || bytes >= MOST_BYTES {
                break;
            }
            let (channel, state): (i64, i64) =
                (group.get(0).map_err(unavailable)?, group.get(1).map_err(unavailable)?);
            let mut sql = readers.sql("SELECT m.seq, m.size FROM message m WHERE m.channel = ");
            sql.push_bind(channel).push(" AND m.state = ").push_bind(state);
            sql.push(" AND m.received_us < ")
                .push_bind(before_us)
                .push(" AND m.ended_us < ")
                .push_bind(before_us);
            sql.push(" AND coalesce(m.imported_us, 0) < ").push_bind(before_us);
            sql.push(
                " AND NOT EXISTS (SELECT 1 FROM message r WHERE r.seq = m.parent)
                  AND NOT EXISTS (SELECT 1 FROM parcel p WHERE p.message = m.seq AND p.state <> 1)
                  AND NOT EXISTS (SELECT 1 FROM message c WHERE c.parent = m.seq AND (c.state = 0 OR c.ended_us >= ",
            );
            sql.push_bind(before_us);
            sql.push(
                " OR EXISTS (SELECT 1 FROM parcel p WHERE p.message = c.seq AND p.state <> 1)))
                  ORDER BY m.received_us",
            );
            sql.push_limit(MOST_MESSAGES as i64);
            for row in readers.fetch_all(sql).await.map_err(unavailable)? {
                if bytes >= MOST_BYTES {
                    break;
                }
                let size: i64 = row.get(1).map_err(unavailable)?;
                bytes += size;
                old.push((row.get(0).map_err(unavailable)?, size));
            }
        }
        let mut pieces = Vec::new();
        for roots in old.chunks(NAMED) {
            let mut sql = readers.sql("SELECT seq, size FROM message WHERE parent IN (");
            sql.push_list(roots.iter().map(|(seq, _)| *seq)).push(")");
            for row in readers.fetch_all(sql).await.map_err(unavailable)? {
                pieces.push((row.get(0).map_err(unavailable)?, row.get(1).map_err(unavailable)?));
            }
        }
        old.extend(pieces);
        old.sort_unstable();
        old.dedup();
        Ok(old)
    }
}

/// Cuts messages into what is read at once.
fn pages(all: &[(i64, i64)]) -> Vec<&[(i64, i64)]> {
    let (mut pages, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, (_, size)) in all.iter().enumerate() {
        if at > from && (at - from >= PAGE_MESSAGES || bytes + size > PAGE_BYTES) {
            pages.push(&all[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += size;
    }
    if from < all.len() {
        pages.push(&all[from..]);
    }
    pages
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::Unavailable(error.into()))?
        .map_err(|error| StoreError::Unavailable(error.into()))
}

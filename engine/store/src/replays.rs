//! Replays: what is remembered of them, and which versions came later than a message.

use async_trait::async_trait;
use hub_core::commit::Key;
use hub_core::id::MessageId;
use hub_core::operations::ReplayWhat;
use hub_core::replay::{
    Newer, Owing, Place, ReplayNumber, ReplayOrder, ReplayPage, ReplayRow, ReplayState, ReplaySum,
    ReplayTurn, Replays, Than,
};
use hub_core::store::{End, StoreError};
use hub_fhir::Reference;

use crate::clock;
use crate::database::Record;
use crate::error::{closed, damaged, unavailable};
use crate::open::Store;
use crate::orders::{read_numbers, read_what, what_text, write_numbers};
use crate::writer::{Answer, ReplayWork, Work, replay_state_number};

const ROW: &str =
    "SELECT number, ordered_us, ended_us, state, what, newer, owing, rate, at, nth, last, sum FROM replay";

#[async_trait]
impl Replays for Store {
    async fn order(&self, order: &ReplayOrder) -> Result<ReplayNumber, StoreError> {
        let (what, last) = self.resolve(order.what.clone()).await?;
        let (newer, owing) = (order.newer.name(), order.owing.name());
        let work = ReplayWork::Order { what: what_text(&what), newer, owing, rate: order.rate, last };
        self.replay_work(work).await
    }

    async fn list(&self, limit: u32) -> Result<Vec<ReplayRow>, StoreError> {
        let mut sql = self.inner.readers.sql(ROW);
        sql.push(" ORDER BY number DESC").push_limit(limit);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        rows.iter().map(read_row).collect()
    }

    async fn look(&self, number: ReplayNumber) -> Result<Option<ReplayRow>, StoreError> {
        let mut sql = self.inner.readers.sql(ROW);
        sql.push(" WHERE number = ").push_bind(number);
        let row = self.inner.readers.fetch_optional(sql).await.map_err(unavailable)?;
        row.as_ref().map(read_row).transpose()
    }

    async fn running(&self) -> Result<Vec<ReplayNumber>, StoreError> {
        let sql = self.inner.readers.sql("SELECT number FROM replay WHERE state = 0 ORDER BY number");
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        rows.iter().map(|row| Ok(row.get::<i64>(0).map_err(unavailable)?.unsigned_abs())).collect()
    }

    async fn claim(&self, number: ReplayNumber) -> Result<bool, StoreError> {
        Ok(self.replay_work(ReplayWork::Claim { number }).await? > 0)
    }

    async fn step(
        &self,
        number: ReplayNumber,
        from: Place,
        to: Place,
        sum: &ReplaySum,
        ends: bool,
    ) -> Result<Option<ReplayState>, StoreError> {
        let sum = write_numbers(&sum.numbers());
        match self.replay_work(ReplayWork::Step { number, from, to, sum, ends }).await? {
            0 => Ok(None),
            state => replay_state(i64::try_from(state).unwrap_or(0) - 1).map(Some),
        }
    }

    async fn turn(&self, number: ReplayNumber, turn: ReplayTurn) -> Result<bool, StoreError> {
        Ok(self.replay_work(ReplayWork::Turn { number, turn }).await? > 0)
    }

    async fn page(
        &self,
        what: &ReplayWhat,
        after: Place,
        last: i64,
        limit: u32,
    ) -> Result<ReplayPage, StoreError> {
        match what {
            ReplayWhat::Messages(ids) => self.page_of_ids(ids, after, limit).await,
            ReplayWhat::Matching(query) => self.page_of_filter(query, after, last, limit).await,
        }
    }

    async fn resolve(&self, what: ReplayWhat) -> Result<(ReplayWhat, i64), StoreError> {
        match what {
            ReplayWhat::Messages(ids) => {
                let ids = self.in_order(ids).await?;
                let last = i64::try_from(ids.len()).unwrap_or(i64::MAX);
                Ok((ReplayWhat::Messages(ids), last))
            }
            ReplayWhat::Matching(query) => {
                let sql = self.inner.readers.sql("SELECT coalesce(max(seq), 0) FROM message");
                let row = self.inner.readers.fetch_one(sql).await.map_err(unavailable)?;
                Ok((ReplayWhat::Matching(query), row.get(0).map_err(unavailable)?))
            }
        }
    }

    async fn later(&self, reference: &Reference, than: Than, limit: u32) -> Result<Vec<u64>, StoreError> {
        let mut sql = self.inner.readers.sql(
            "SELECT version FROM
               (SELECT r.version, r.updated_us, r.by_at, r.by_nth FROM resource r WHERE r.type = $1 AND r.id = $2
                UNION ALL
                SELECT h.version, h.updated_us, h.by_at, h.by_nth FROM history h
                WHERE h.rid = (SELECT r.rid FROM resource r WHERE r.type = $1 AND r.id = $2)) versions
             WHERE by_at > $3 OR (by_at = $3 AND by_nth > $4) OR (by_at IS NULL AND ",
        );
        sql = sql
            .bind(self.inner.words.kind(reference.kind))
            .bind(reference.id.as_str())
            .bind(than.place.at)
            .bind(than.place.nth);
        match than.own {
            Some(own) => sql.push("version > ").push_bind(own),
            None => sql.push("updated_us > ").push_bind(clock::micros(than.received_at)),
        };
        sql.push(") ORDER BY version DESC").push_limit(limit);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        rows.iter().map(|row| Ok(row.get::<i64>(0).map_err(unavailable)?.unsigned_abs())).collect()
    }

    async fn end_again(&self, id: MessageId, end: End, keys: Vec<Key>) -> Result<bool, StoreError> {
        match self.inner.writer.ask(Work::EndAgain { id, end, keys }).await? {
            Answer::Flag(is_done) => Ok(is_done),
            _ => Err(closed()),
        }
    }
}

impl Store {
    async fn replay_work(&self, work: ReplayWork) -> Result<u64, StoreError> {
        match self.inner.writer.ask(Work::Replay(work)).await? {
            Answer::Count(count) => Ok(count),
            _ => Err(closed()),
        }
    }
}

fn replay_state(number: i64) -> Result<ReplayState, StoreError> {
    let state = ReplayState::ALL.iter().copied().find(|state| replay_state_number(*state) == number);
    state.ok_or_else(|| damaged("state of a replay"))
}

fn read_row(row: &Record) -> Result<ReplayRow, StoreError> {
    let number = |column| row.get::<i64>(column).map_err(unavailable);
    let text = |column| row.get::<String>(column).map_err(unavailable);
    let order = ReplayOrder {
        what: read_what(&text(4)?).ok_or_else(|| damaged("order of a replay"))?,
        newer: Newer::from_name(&text(5)?).ok_or_else(|| damaged("order of a replay"))?,
        owing: Owing::from_name(&text(6)?).ok_or_else(|| damaged("order of a replay"))?,
        rate: u32::try_from(number(7)?).unwrap_or(1),
    };
    Ok(ReplayRow {
        number: number(0)?.unsigned_abs(),
        ordered_at: clock::moment(number(1)?),
        ended_at: row.get::<Option<i64>>(2).map_err(unavailable)?.map(clock::moment),
        state: replay_state(number(3)?)?,
        order,
        place: Place { at: number(8)?, nth: number(9)? },
        last: number(10)?,
        sum: ReplaySum::of_numbers(&read_numbers(&text(11)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_number() {
        for state in ReplayState::ALL {
            assert_eq!(replay_state(replay_state_number(*state)).unwrap(), *state);
        }
        assert!(replay_state(9).is_err());
    }
}

//! The history of a resource, a type or the whole server: versions, newest first.
//!
//! The places of the versions are found first, by indexes of time alone, and cut; then their texts are read. The current versions of a
//! type stand in two indexes, those that live and those that are gone; so a history of all types asks for each type.

use hub_core::store::{ChangesOf, ChangesQuery, StoreError, VersionPlace};
use hub_fhir::search::Stored;
use hub_fhir::{Id, Reference, ResourceType};

use crate::clock;
use crate::database::{Record, Sql};
use crate::error::{damaged, unavailable};
use crate::open::Store;
use crate::resources::stored;
use crate::settled;

const ORDER: &str = " ORDER BY updated_us DESC, rid DESC, version DESC";

impl Store {
    pub(crate) async fn find_changes(
        &self,
        query: &ChangesQuery,
    ) -> Result<Vec<(Stored, VersionPlace)>, StoreError> {
        // The versions of one resource come one after the other, and what is older than a page that was told is settled.
        let is_settled = query.after.is_some() || matches!(query.of, ChangesOf::Resource(_));
        let until = if is_settled { None } else { settled::moment(&self.inner.readers).await? };
        let mut sql = self.inner.readers.sql("");
        self.push_changes(&mut sql, query, until);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        rows.iter().map(|row| self.read_change(row)).collect()
    }

    fn push_changes(&self, sql: &mut Sql, query: &ChangesQuery, until: Option<i64>) {
        sql.push(
            "SELECT k.version, k.updated_us, CASE WHEN r.version = k.version THEN r.deleted ELSE h.deleted END,
                    CASE WHEN r.version = k.version THEN r.body ELSE h.body END, r.type, r.id, k.rid
             FROM (SELECT updated_us, rid, version FROM (",
        );
        self.push_places(sql, query, until);
        sql.push(") places").push(ORDER).push_limit(i64::from(query.count));
        let join = sql.dialect.join();
        sql.push(format_args!(
            ") k {join} resource r ON r.rid = k.rid
             LEFT JOIN history h ON h.rid = k.rid AND h.version = k.version
             ORDER BY k.updated_us DESC, k.rid DESC, k.version DESC"
        ));
    }

    fn read_change(&self, row: &Record) -> Result<(Stored, VersionPlace), StoreError> {
        let kind = self.inner.words.kind_back(row.get(4).map_err(unavailable)?);
        let kind = kind.ok_or_else(|| damaged("type of a resource"))?;
        let id = Id::new(row.get(5).map_err(unavailable)?).map_err(|_| damaged("id of a resource"))?;
        let place = VersionPlace {
            updated_us: row.get(1).map_err(unavailable)?,
            row: row.get(6).map_err(unavailable)?,
            version: row.get(0).map_err(unavailable)?,
        };
        Ok((stored(Reference { kind, id }, row).map_err(unavailable)?, place))
    }

    /// Pushes the places of the versions asked for, each part cut by itself.
    fn push_places(&self, sql: &mut Sql, query: &ChangesQuery, until: Option<i64>) {
        let words = &self.inner.words;
        let (kinds, id): (Vec<ResourceType>, Option<&Id>) = match &query.of {
            ChangesOf::Resource(reference) => (vec![reference.kind], Some(&reference.id)),
            ChangesOf::Type(kind) => (vec![*kind], None),
            ChangesOf::All => (ResourceType::all().collect(), None),
        };
        for kind in &kinds {
            for deleted in [0, 1] {
                sql.push("SELECT * FROM (SELECT updated_us, rid, version FROM resource r WHERE r.type = ");
                sql.push_bind(words.kind(*kind)).push(format_args!(" AND r.deleted = {deleted}"));
                push_id(sql, id);
                push_times(sql, "r", None, query, until);
                sql.push(" ORDER BY updated_us DESC, rid DESC").push_limit(i64::from(query.count));
                sql.push(") c UNION ALL ");
            }
        }
        // SQLite takes the tables in this order: of one resource its versions, otherwise all versions by their time.
        let (first, second) =
            if id.is_some() { ("resource r", "history h") } else { ("history h", "resource r") };
        let join = sql.dialect.join();
        sql.push(format_args!(
            "SELECT * FROM (SELECT h.updated_us, h.rid, h.version FROM {first} {join} {second} ON r.rid = h.rid WHERE "
        ));
        if let [kind] = kinds[..] {
            sql.push("r.type = ").push_bind(words.kind(kind));
            push_id(sql, id);
        } else {
            sql.push("TRUE");
        }
        push_times(sql, "h", Some("r"), query, until);
        sql.push(" ORDER BY h.updated_us DESC, h.rid DESC, h.version DESC");
        sql.push_limit(i64::from(query.count)).push(") o");
    }
}

fn push_id(sql: &mut Sql, id: Option<&Id>) {
    if let Some(id) = id {
        sql.push(" AND r.id = ").push_bind(id.as_str());
    }
}

/// Pushes the times of versions in `of`. `current`: the table of what superseded the last of them. `until`: none later is told yet.
fn push_times(sql: &mut Sql, of: &str, current: Option<&str>, query: &ChangesQuery, until: Option<i64>) {
    if let Some(until) = until {
        sql.push(format_args!(" AND {of}.updated_us <= ")).push_bind(until);
    }
    if let Some(since) = query.since {
        sql.push(format_args!(" AND {of}.updated_us >= ")).push_bind(clock::micros(since));
    }
    if let Some((from, until)) = query.at {
        sql.push(format_args!(" AND {of}.updated_us < ")).push_bind(clock::micros(until));
        if let Some(current) = current {
            // A version was current until the next was written.
            sql.push(format_args!(
                " AND coalesce((SELECT n.updated_us FROM history n WHERE n.rid = {of}.rid AND n.version = {of}.version + 1),
                               {current}.updated_us) > "
            ));
            sql.push_bind(clock::micros(from));
        }
    }
    if let Some(VersionPlace { updated_us, row, version }) = query.after {
        sql.push(format_args!(" AND ({of}.updated_us, {of}.rid, {of}.version) < ("));
        sql.push_list([updated_us, row, version]).push(")");
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::open::StoreOptions;

    async fn plan(of: ChangesOf) -> String {
        let folder = TempDir::new().unwrap();
        let store = Store::open(StoreOptions::new(folder.path())).await.unwrap();
        let mut sql = store.inner.readers.sql("EXPLAIN QUERY PLAN ");
        store.push_changes(
            &mut sql,
            &ChangesQuery { of, since: None, at: None, after: None, count: 51 },
            None,
        );
        let rows = store.inner.readers.fetch_all(sql).await.unwrap();
        rows.iter().map(|row| row.get::<String>(3).unwrap()).collect::<Vec<_>>().join("\n")
    }

    #[tokio::test]
    async fn no_history_looks_at_more_versions_than_it_tells() {
        let patient = ResourceType::from_name("Patient").unwrap();
        let one = Reference { kind: patient, id: Id::new("1").unwrap() };
        for of in [ChangesOf::Resource(one), ChangesOf::Type(patient), ChangesOf::All] {
            let plan = plan(of.clone()).await;
            assert!(!plan.lines().any(|step| step.starts_with("SCAN r") || step == "SCAN h"), "{plan}");
            if matches!(of, ChangesOf::Resource(_)) {
                assert!(plan.contains("USING INDEX resource_id (type=? AND id=?)"), "{plan}");
                continue;
            }
            for index in ["resource_updated", "resource_gone", "history_updated"] {
                assert!(plan.contains(index), "{index} in {plan}");
            }
        }
    }
}

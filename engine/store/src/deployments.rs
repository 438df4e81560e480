//! What the hub was told to run: every set of files, each text once.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::deployments::{
    Deployment, DeploymentEnd, DeploymentKind, DeploymentResult, DeploymentRow, Deployments, Files,
    NewDeployment, TextDigest,
};
use hub_core::store::StoreError;

use crate::clock;
use crate::database::{Record, Sql};
use crate::error::{closed, damaged, unavailable};
use crate::open::Store;
use crate::writer::{Answer, Work};

/// The columns of a deployment without its files.
const ROW: &str =
    "SELECT d.number, d.at_us, d.who, d.why, d.kind, d.goes_to, d.ended_us, d.result, d.reason, d.node,
    (SELECT count(*) FROM deployed_file f WHERE f.deployment = d.number) FROM deployment d";
/// How many texts are read in one statement.
const TEXTS: usize = 64;

#[async_trait]
impl Deployments for Store {
    async fn record(&self, deployment: NewDeployment) -> Result<u64, StoreError> {
        match self.inner.writer.ask(Work::Record(Box::new(deployment))).await? {
            Answer::Count(number) => Ok(number),
            _ => Err(closed()),
        }
    }

    async fn finish(&self, number: u64, end: DeploymentEnd) -> Result<bool, StoreError> {
        match self.inner.writer.ask(Work::Finish { number, end }).await? {
            Answer::Count(changed) => Ok(changed > 0),
            _ => Err(closed()),
        }
    }

    async fn list(&self, before: Option<u64>, limit: u32) -> Result<Vec<DeploymentRow>, StoreError> {
        let mut query = self.inner.readers.sql(ROW);
        if let Some(before) = before {
            query.push(" WHERE d.number < ").push_bind(before);
        }
        query.push(" ORDER BY d.number DESC").push_limit(limit);
        let rows = self.inner.readers.fetch_all(query).await.map_err(unavailable)?;
        rows.iter().map(row).collect()
    }

    async fn read(&self, number: u64) -> Result<Option<Deployment>, StoreError> {
        let mut query = self.inner.readers.sql(ROW);
        query.push(" WHERE d.number = ").push_bind(number);
        self.whole(query).await
    }

    async fn applied(&self) -> Result<Option<Deployment>, StoreError> {
        let mut query = self.inner.readers.sql(ROW);
        query.push(" WHERE d.result = ").push_bind(DeploymentResult::Applied.name());
        query.push(" ORDER BY d.number DESC LIMIT 1");
        self.whole(query).await
    }

    async fn texts(
        &self,
        digests: &BTreeSet<TextDigest>,
    ) -> Result<BTreeMap<TextDigest, String>, StoreError> {
        let mut texts = BTreeMap::new();
        let wanted: Vec<&TextDigest> = digests.iter().collect();
        for chunk in wanted.chunks(TEXTS) {
            let mut query =
                self.inner.readers.sql("SELECT sha256, body FROM deployed_text WHERE sha256 IN (");
            query.push_list(chunk.iter().map(|digest| Bytes::copy_from_slice(&digest.0)));
            query.push(")");
            for row in self.inner.readers.fetch_all(query).await.map_err(unavailable)? {
                let text = String::from_utf8(row.get(1).map_err(unavailable)?);
                texts.insert(digest(&row, 0)?, text.map_err(|_| damaged("text of a file"))?);
            }
        }
        Ok(texts)
    }
}

impl Store {
    async fn whole(&self, query: Sql) -> Result<Option<Deployment>, StoreError> {
        let found = self.inner.readers.fetch_optional(query).await.map_err(unavailable)?;
        let Some(found) = found else { return Ok(None) };
        let row = row(&found)?;
        let query = self.inner.readers.sql(
            "SELECT f.path, t.sha256 FROM deployed_file f JOIN deployed_text t ON t.id = f.text WHERE f.deployment = $1",
        );
        let rows = self.inner.readers.fetch_all(query.bind(row.number)).await.map_err(unavailable)?;
        let mut files = Files::new();
        for row in &rows {
            files.insert(row.get(0).map_err(unavailable)?, digest(row, 1)?);
        }
        Ok(Some(Deployment { row, files }))
    }
}

fn row(row: &Record) -> Result<DeploymentRow, StoreError> {
    let number = |column: usize| row.get::<i64>(column).map_err(unavailable);
    let number_or_none = |column: usize| row.get::<Option<i64>>(column).map_err(unavailable);
    let text = |column: usize| row.get::<String>(column).map_err(unavailable);
    let text_or_none = |column: usize| row.get::<Option<String>>(column).map_err(unavailable);
    let to = number_or_none(5)?.map(i64::unsigned_abs);
    let kind = DeploymentKind::from_name(&text(4)?, to).ok_or_else(|| damaged("sort of a deployment"))?;
    let end = match (number_or_none(6)?, text_or_none(7)?) {
        (Some(at), Some(result)) => {
            let result = DeploymentResult::from_name(&result, text_or_none(8)?);
            let result = result.ok_or_else(|| damaged("result of a deployment"))?;
            Some(DeploymentEnd { at: clock::moment(at), result })
        }
        _ => None,
    };
    Ok(DeploymentRow {
        number: number(0)?.unsigned_abs(),
        at: clock::moment(number(1)?),
        who: text(2)?,
        why: text(3)?,
        node: text(9)?,
        kind,
        end,
        files: number(10)?.unsigned_abs(),
    })
}

fn digest(row: &Record, column: usize) -> Result<TextDigest, StoreError> {
    let bytes: &[u8] = row.get(column).map_err(unavailable)?;
    bytes.try_into().map(TextDigest).map_err(|_| damaged("digest of a file"))
}

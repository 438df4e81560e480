//! Deployments: what was run when, by whom and why; and running other files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hub_core::deployments::{Deployment, DeploymentRow, TextDigest};
use hub_core::finding::nearest;
use hub_core::operations::{DeployOrder, DeployReport};
use serde::Serialize;
use time::OffsetDateTime;
use time::serde::rfc3339;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::doors::Doors;
use crate::ops::commands::{self, MAX_WHO};
use crate::ops::diff::{FileDiff, differing, file_diff};
use crate::ops::error::OpsError;
use crate::ops::{Answer, json_body};
use crate::query;

/// So long an order waits for its end: less than clients and the door itself wait for an answer.
const PATIENCE: Duration = Duration::from_secs(50);
/// Deployments on one page, when nothing is said, and at the most.
const PAGE: u32 = 20;
const MAX_PAGE: u32 = 500;

/// `POST /ops/deploy`
pub(crate) async fn deploy(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<DeployAnswer> {
    let order = commands::deploy(&json_body(&headers, body)?, user(&doors, &headers)?)?;
    perform(&doors, order).await
}

/// `POST /ops/rollback`
pub(crate) async fn rollback(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<DeployAnswer> {
    let order = commands::rollback(&json_body(&headers, body)?, user(&doors, &headers)?)?;
    perform(&doors, order).await
}

/// Whoever asks is answered in good time; the deployment comes to its end all the same.
async fn perform(doors: &Doors, order: DeployOrder) -> Answer<DeployAnswer> {
    match timeout(PATIENCE, doors.deploying.deploy(order)).await {
        Ok(deployed) => Ok(Json(deployed?.into())),
        Err(_) => {
            let what = "the deployment takes long and goes on; `huitong deployments` tells how it ends";
            Err(OpsError::plain(StatusCode::GATEWAY_TIMEOUT, what))
        }
    }
}

/// Who the proxy before the hub says it is. `None`: there is none.
fn user(doors: &Doors, headers: &HeaderMap) -> Result<Option<String>, OpsError> {
    let Some(name) = &doors.user_header else { return Ok(None) };
    let user = headers.get(name).and_then(|user| user.to_str().ok()).map(str::trim);
    let user = user.filter(|user| !user.is_empty() && user.chars().count() <= MAX_WHO);
    let nobody = || {
        let what = format!("the proxy before the hub names no user in `{name}` (setting `http.user_header`)");
        OpsError::plain(StatusCode::FORBIDDEN, what)
    };
    user.map(|user| Some(user.to_owned())).ok_or_else(nobody)
}

/// What a deployment changed, or would change.
#[derive(Serialize)]
pub(crate) struct DeployAnswer {
    /// Its number; null: it was a dry run, or everything runs already as it is to run.
    deployment: Option<u64>,
    files: BTreeMap<String, &'static str>,
    channels: BTreeMap<String, &'static str>,
    destinations: BTreeMap<String, &'static str>,
    untouched_channels: usize,
    /// The number under which what stood in the folder was kept.
    kept: Option<u64>,
    notices: Vec<String>,
}

impl From<DeployReport> for DeployAnswer {
    fn from(report: DeployReport) -> Self {
        let channels = report.channels.iter().map(|(id, change)| (id.to_string(), change.name()));
        let destinations = report.destinations.iter().map(|(id, change)| (id.to_string(), change.name()));
        Self {
            deployment: report.number,
            channels: channels.collect(),
            destinations: destinations.collect(),
            files: report.files.into_iter().map(|(path, change)| (path, change.name())).collect(),
            untouched_channels: report.untouched,
            kept: report.kept,
            notices: report.notices,
        }
    }
}

/// A page of deployments.
#[derive(Serialize)]
pub(crate) struct DeploymentsAnswer {
    /// The number of the one that runs.
    running: Option<u64>,
    deployments: Vec<RowAnswer>,
    /// What to hand over as `before` for the next page; null on the last one.
    next: Option<u64>,
}

#[derive(Serialize)]
struct RowAnswer {
    number: u64,
    running: bool,
    #[serde(with = "rfc3339")]
    at: OffsetDateTime,
    who: String,
    why: String,
    /// The node that it was made on.
    node: String,
    kind: &'static str,
    /// The earlier deployment that a roll-back went to.
    to: Option<u64>,
    /// `applied`, `failed`, `kept`, or `under-way`.
    result: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(with = "rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
    files: u64,
}

fn row(row: DeploymentRow, running: Option<u64>) -> RowAnswer {
    let result = row.end.as_ref().map(|end| &end.result);
    RowAnswer {
        number: row.number,
        running: running == Some(row.number),
        at: row.at,
        kind: row.kind.name(),
        to: row.kind.to(),
        result: result.map_or("under-way", |result| result.name()),
        reason: result.and_then(|result| result.reason()).map(str::to_owned),
        ended_at: row.end.as_ref().map(|end| end.at),
        files: row.files,
        node: row.node,
        who: row.who,
        why: row.why,
    }
}

/// `GET /ops/deployments?before=7&limit=20`
pub(crate) async fn list(
    State(doors): State<Arc<Doors>>,
    RawQuery(text): RawQuery,
) -> Answer<DeploymentsAnswer> {
    let (mut before, mut limit) = (None, PAGE);
    for (name, value) in parameters(text, &["before", "limit"])? {
        let number = value.parse::<u32>().ok().filter(|number| *number > 0);
        match name.as_str() {
            "before" => {
                let number = number.ok_or_else(|| OpsError::field("before", "the number of a deployment"))?;
                before = Some(u64::from(number));
            }
            _ => {
                let number = number.filter(|limit| *limit <= MAX_PAGE);
                limit = number.ok_or_else(|| OpsError::field("limit", format!("1 to {MAX_PAGE}")))?;
            }
        }
    }
    let rows = doors.deployments.list(before, limit).await?;
    let running = doors.deploying.running();
    let is_full = rows.len() >= limit as usize;
    let next = rows.last().map(|row| row.number).filter(|number| is_full && *number > 1);
    let deployments = rows.into_iter().map(|one| row(one, running)).collect();
    Ok(Json(DeploymentsAnswer { running, deployments, next }))
}

/// One deployment, with its files.
#[derive(Serialize)]
pub(crate) struct DeploymentAnswer {
    #[serde(flatten)]
    row: RowAnswer,
    /// The SHA-256 of each file's text.
    sha256: BTreeMap<String, String>,
}

/// `GET /ops/deployments/7`
pub(crate) async fn one(
    State(doors): State<Arc<Doors>>,
    Path(number): Path<String>,
) -> Answer<DeploymentAnswer> {
    let found = find(&doors, &number).await?;
    let sha256 = found.files.iter().map(|(path, digest)| (path.clone(), digest.to_string())).collect();
    Ok(Json(DeploymentAnswer { row: row(found.row, doors.deploying.running()), sha256 }))
}

/// `GET /ops/deployments/7/file?path=channels/his/adt.toml`: its exact text.
pub(crate) async fn file(
    State(doors): State<Arc<Doors>>,
    Path(number): Path<String>,
    RawQuery(text): RawQuery,
) -> Result<Response, OpsError> {
    let path = parameters(text, &["path"])?.pop().map(|(_, path)| path);
    let path = path.ok_or_else(|| OpsError::field("path", "the path of a file"))?;
    let found = find(&doors, &number).await?;
    let digest = *found.files.get(&path).ok_or_else(|| no_file(&[&found], &path))?;
    let mut texts = doors.deployments.texts(&BTreeSet::from([digest])).await?;
    let text = texts.remove(&digest).ok_or_else(OpsError::broken)?;
    let mut answer = text.into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(answer)
}

/// What differs between two deployments.
#[derive(Serialize)]
pub(crate) struct DifferenceAnswer {
    old: u64,
    new: u64,
    files: Vec<FileDiff>,
}

/// `GET /ops/deployments/6/diff/7?file=channels/his/adt.toml`
pub(crate) async fn difference(
    State(doors): State<Arc<Doors>>,
    Path((old, new)): Path<(String, String)>,
    RawQuery(text): RawQuery,
) -> Answer<DifferenceAnswer> {
    let only = parameters(text, &["file"])?.pop().map(|(_, path)| path);
    let (old, new) = (find(&doors, &old).await?, find(&doors, &new).await?);
    if let Some(path) = &only
        && !old.files.contains_key(path)
        && !new.files.contains_key(path)
    {
        return Err(no_file(&[&old, &new], path));
    }
    let differing: Vec<_> = differing(&old.files, &new.files)
        .into_iter()
        .filter(|(path, ..)| only.as_ref().is_none_or(|only| only == path))
        .collect();
    let wanted: BTreeSet<TextDigest> =
        differing.iter().flat_map(|(.., sides)| sides.iter().flatten()).copied().collect();
    let texts = doors.deployments.texts(&wanted).await?;
    if wanted.iter().any(|digest| !texts.contains_key(digest)) {
        return Err(OpsError::broken());
    }
    let (old, new) = (old.row.number, new.row.number);
    let files = spawn_blocking(move || {
        let text =
            |side: Option<TextDigest>| side.and_then(|digest| texts.get(&digest)).map_or("", String::as_str);
        let told = differing.into_iter();
        told.map(|(path, change, [old, new])| file_diff(path, change, text(old), text(new))).collect()
    });
    Ok(Json(DifferenceAnswer { old, new, files: files.await.map_err(|_| OpsError::broken())? }))
}

async fn find(doors: &Doors, number: &str) -> Result<Deployment, OpsError> {
    let parsed = number.parse::<u32>().ok().filter(|number| *number > 0).map(u64::from);
    let number = parsed.ok_or_else(|| OpsError::field("number", "the number of a deployment"))?;
    let found = doors.deployments.read(number).await?;
    found.ok_or_else(|| OpsError::plain(StatusCode::NOT_FOUND, format!("there is no deployment {number}")))
}

fn no_file(of: &[&Deployment], path: &str) -> OpsError {
    let known: BTreeSet<&str> = of.iter().flat_map(|one| one.files.keys()).map(String::as_str).collect();
    let near = nearest(path, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    OpsError::plain(StatusCode::NOT_FOUND, format!("there is no such file in it{near}"))
}

fn parameters(text: Option<String>, known: &[&str]) -> Result<Vec<(String, String)>, OpsError> {
    let pairs = query::pairs(text.unwrap_or_default().as_bytes())
        .map_err(|problem| OpsError::plain(StatusCode::BAD_REQUEST, problem.text()))?;
    match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((unknown, _)) => Err(OpsError::unknown_field(unknown, known)),
        None => Ok(pairs),
    }
}

//! Replays at the operators' door: begun, watched, paused, stopped; and the dry run, a line of JSON for each message.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hub_core::replay::{Foresight, ReplayRow, ReplayTurn};
use hyper::body::Frame;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tracing::info;

use crate::doors::Doors;
use crate::ops::error::OpsError;
use crate::ops::replay_answers::{ForeseenShape, ForeseenSumShape, ReplayShape, ReplaysShape};
use crate::ops::replay_order::asked;
use crate::ops::{Answer, json_body};

/// How many replays are listed.
const LISTED: u32 = 20;

/// `POST /ops/replays`
pub(super) async fn begin(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, OpsError> {
    let asked = asked(&json_body(&headers, body)?, OffsetDateTime::now_utc())?;
    if asked.dry_run {
        if asked.show {
            info!("An operator looks at what a replay would change, with its content.");
        }
        let lines = doors.replays.foresee(asked.order, asked.show).await?;
        let mut answer = Body::new(Lines(lines)).into_response();
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        return Ok(answer);
    }
    let row = doors.replays.begin(asked.order).await?;
    info!(replay = row.number, "An operator has begun a replay.");
    Ok((StatusCode::ACCEPTED, Json(ReplayShape::from(row))).into_response())
}

/// `GET /ops/replays`
pub(super) async fn list(State(doors): State<Arc<Doors>>) -> Answer<ReplaysShape> {
    let rows = doors.replays.list(LISTED).await?;
    Ok(Json(ReplaysShape { replays: rows.into_iter().map(ReplayShape::from).collect() }))
}

/// `GET /ops/replays/{number}`
pub(super) async fn look(State(doors): State<Arc<Doors>>, Path(number): Path<String>) -> Answer<ReplayShape> {
    Ok(Json(found(&doors, number_of(&number)?).await?.into()))
}

/// `POST /ops/replays/{number}/{turn}`
pub(super) async fn turn(
    State(doors): State<Arc<Doors>>,
    Path((number, turn)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<ReplayShape> {
    // Nothing is in it; that it is JSON keeps pages of other sites out.
    json_body(&headers, body)?;
    let number = number_of(&number)?;
    let turn = ReplayTurn::from_name(&turn).ok_or_else(|| {
        let names: Vec<&str> = ReplayTurn::ALL.iter().map(|turn| turn.name()).collect();
        OpsError::plain(
            StatusCode::NOT_FOUND,
            format!("expected one of {} after the number", names.join(", ")),
        )
    })?;
    found(&doors, number).await?;
    let is_done = doors.replays.turn(number, turn).await?;
    let row = found(&doors, number).await?;
    if !is_done {
        let from: Vec<&str> = turn.way().0.iter().map(|state| state.name()).collect();
        let what = format!(
            "replay {number} is {}; `{}` is for one that is {}",
            row.state.name(),
            turn.name(),
            from.join(" or ")
        );
        return Err(OpsError::plain(StatusCode::CONFLICT, what));
    }
    info!(replay = number, turn = turn.name(), "An operator has told a replay what to do.");
    Ok(Json(row.into()))
}

async fn found(doors: &Doors, number: u64) -> Result<ReplayRow, OpsError> {
    let row = doors.replays.look(number).await?;
    row.ok_or_else(|| OpsError::plain(StatusCode::NOT_FOUND, format!("there is no replay {number}")))
}

fn number_of(text: &str) -> Result<u64, OpsError> {
    // The database's numbers have 63 bits.
    let number = text.parse().ok().filter(|number| i64::try_from(*number).is_ok());
    number.ok_or_else(|| OpsError::field("number", "the number of a replay"))
}

/// The lines of a dry run, as they come.
struct Lines(mpsc::Receiver<Foresight>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line_of(line)))))
    }
}

#[derive(Serialize)]
struct BrokenShape {
    error: OpsError,
}

fn line_of(foresight: Foresight) -> Bytes {
    let line = match foresight {
        Foresight::Message(foreseen) => serde_json::to_vec(&ForeseenShape::from(*foreseen)),
        Foresight::Sum(sum) => serde_json::to_vec(&ForeseenSumShape::from(*sum)),
        Foresight::Broken => {
            let what = "the store is unavailable; what came so far is not all";
            serde_json::to_vec(&BrokenShape { error: OpsError::plain(StatusCode::SERVICE_UNAVAILABLE, what) })
        }
    };
    let mut line = line.expect("shapes of texts and numbers are JSON");
    line.push(b'\n');
    line.into()
}

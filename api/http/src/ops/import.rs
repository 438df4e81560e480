//! Takes archived messages back in: the messages themselves, as archives hold them, unsealed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use bytes::Bytes;
use hub_core::store::StoreError;
use serde::Serialize;
use tracing::info;

use crate::doors::Doors;
use crate::ops::error::OpsError;

/// Many messages, or one with a large document.
pub(crate) const MAX_BODY: usize = 256 << 20;

/// What came of it.
#[derive(Serialize)]
pub(crate) struct ImportAnswer {
    /// How many messages were stored.
    added: u64,
    /// How many were there already.
    known: u64,
}

/// `POST /ops/import`: archived messages, one behind the other.
pub(crate) async fn import(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ImportAnswer>, OpsError> {
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    // A page of another site cannot send that without asking first.
    if !media.eq_ignore_ascii_case("application/octet-stream") {
        let what = "the body must be `application/octet-stream`";
        return Err(OpsError::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    }
    let body = body.map_err(|problem| match problem.status() {
        StatusCode::PAYLOAD_TOO_LARGE => OpsError::plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {MAX_BODY} bytes"),
        ),
        status => OpsError::plain(status, "the body could not be received"),
    })?;
    let imported = match doors.upkeep.import(body).await {
        Err(StoreError::Invalid { what }) => return Err(OpsError::plain(StatusCode::BAD_REQUEST, what)),
        imported => imported?,
    };
    info!(added = imported.added, known = imported.known, "An operator imported archived messages.");
    Ok(Json(ImportAnswer { added: imported.added, known: imported.known }))
}

//! The HTTP doors of the hub: FHIR for applications, operations for those who run it, health and metrics for machines.
//!
//! Nothing here decides or remembers: a request is read, one of the hub's traits is asked, the answer is written.

mod access;
mod business;
mod doors;
mod fhir;
mod health;
mod landing;
mod language;
mod observe;
mod ops;
mod query;
mod serve;

use std::sync::Arc;

use axum::Router;
use axum::http::{Extensions, HeaderMap, StatusCode, Version};
use axum::middleware;
use axum::routing::get;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

pub use crate::access::{Access, Clerk};
pub use crate::business::Business;
pub use crate::doors::Doors;
pub use crate::fhir::{Checks, FhirSettings, Validation};
pub use crate::serve::{ServeLimits, serve};

/// Answers below this size are not worth compressing.
const WORTH_COMPRESSING: u64 = 1_024;

/// Everything the hub offers over HTTP; `beside` are the pages of whoever lets people in.
pub fn router(doors: Doors, beside: Router) -> Router {
    observe::describe();
    let doors = Arc::new(doors);
    // Raw messages go out as they came in.
    let worth_it =
        SizeAbove::new(WORTH_COMPRESSING).and(NotForContentType::const_new("application/octet-stream"));
    let worth_it = worth_it.and(|_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions| {
        extensions.get::<fhir::AsItIs>().is_none()
    });
    let compression =
        CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest).compress_when(worth_it);
    Router::new()
        .merge(fhir::router(doors.clone()))
        .merge(business::router(&doors))
        .merge(ops::router(doors.clone()))
        .merge(health::router(doors))
        .merge(beside)
        .route("/", get(landing::page))
        .fallback(landing::nothing_here)
        .layer(compression)
        .layer(middleware::from_fn(observe::observe))
}

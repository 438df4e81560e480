//! The endpoints: what comes in is read, the server is asked, a page or an answer goes out.

mod authorize;
mod invitation;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use compact_str::{CompactString, ToCompactString};
use hub_core::caller;
use hub_core::language::Language;

use crate::client::{Refused, reason};
use crate::pages::{Page, STYLE, texts};
use crate::parameters::Parameters;
use crate::server::{Failure, Server};

/// A form is never longer; the longest thing in one is an assertion.
const MOST_BYTES: usize = 16 * 1_024;
/// Nor is a query.
const MOST_QUERY: usize = 8 * 1_024;

/// The endpoints of the authorization server, to be merged with the other doors. Whoever serves them adds the address of the other end
/// ([`ConnectInfo`]) to each request: without it only phones are counted, not who asks for their codes.
pub fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/oauth/authorize", get(authorize::show).post(authorize::act))
        .route("/oauth/invitation", get(invitation::show).post(invitation::act))
        .route("/oauth/token", post(token))
        .route("/oauth/revoke", post(revoke))
        .route("/oauth/jwks", get(jwks))
        .route("/oauth/style.css", get(style))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/.well-known/smart-configuration", get(smart_configuration))
        // Where SMART apps look for it: below the FHIR server's address.
        .route("/fhir/.well-known/smart-configuration", get(smart_configuration))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(server)
}

/// Apps in browsers may read these from elsewhere; nothing of them depends on a cookie.
const OPEN: (header::HeaderName, &str) = (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");

async fn token(State(server): State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Response {
    let given = match form(&headers, &body) {
        Ok(form) => server.exchange(&headers, &form).await,
        Err(refused) => Err(refused),
    };
    ([OPEN], given.map_err(IntoResponse::into_response)).into_response()
}

async fn revoke(State(server): State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Response {
    let done = match form(&headers, &body) {
        Ok(form) => server.revoke(&headers, &form).await,
        Err(refused) => Err(refused),
    };
    ([OPEN], done.map(|()| StatusCode::OK).map_err(IntoResponse::into_response)).into_response()
}

/// The form of a request that no browser's page makes.
fn form(headers: &HeaderMap, body: &[u8]) -> Result<Parameters, Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Refused::because(
            "invalid_request",
            "it must be a form, `application/x-www-form-urlencoded`",
        ));
    }
    Parameters::read(body)
        .map_err(|_| Refused::because("invalid_request", "a parameter stands more than once"))
}

async fn jwks(State(server): State<Arc<Server>>) -> Response {
    match server.keys.public(&*server.accounts, server.now()).await {
        Ok(keys) => {
            let kept = [(header::CACHE_CONTROL, "public, max-age=600"), OPEN];
            (kept, axum::Json(keys)).into_response()
        }
        Err(error) => Refused::from(error).into_response(),
    }
}

async fn metadata(State(server): State<Arc<Server>>) -> Response {
    ([(header::CACHE_CONTROL, "public, max-age=600"), OPEN], axum::Json(server.metadata())).into_response()
}

async fn smart_configuration(State(server): State<Arc<Server>>) -> Response {
    let kept = [(header::CACHE_CONTROL, "public, max-age=600"), OPEN];
    (kept, axum::Json(server.smart_configuration())).into_response()
}

async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=600"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, STYLE).into_response()
}

/// The language of a person: the one chosen on the page, that the app asks for, that the browser likes, or English.
fn language_of(chosen: Option<&str>, query: Option<&Parameters>, headers: &HeaderMap) -> Language {
    let of_query = |name| query.and_then(|query| query.get(name));
    let of_tags = |tags: &str| tags.split(' ').find_map(Language::of_tag);
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|accepted| accepted.to_str().ok());
    chosen
        .and_then(Language::of_tag)
        .or_else(|| of_query("lang").and_then(Language::of_tag))
        .or_else(|| of_query("ui_locales").and_then(of_tags))
        .or_else(|| accepted.and_then(Language::best_of))
        .unwrap_or_default()
}

/// Where a request comes from, for counting. Whoever has a network of IPv6 has 2⁶⁴ addresses in it, which count as one.
fn address_of(server: &Server, headers: &HeaderMap, extensions: &Extensions) -> Option<CompactString> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let told = headers.get_all("x-forwarded-for").into_iter().filter_map(|line| line.to_str().ok());
    match caller::address(peer, told, server.settings.proxies)? {
        IpAddr::V4(address) => Some(address.to_compact_string()),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(compact_str::format_compact!("{a:x}:{b:x}:{c:x}:{d:x}::/64"))
        }
    }
}

/// The page of a failure, which is told once, here.
fn sorry(language: Language, query: &Parameters, failure: &Failure) -> Page {
    tracing::error!(reason = reason(failure), "The authorization server could not answer.");
    let texts = texts(language);
    Page::message(language, StatusCode::SERVICE_UNAVAILABLE, texts.later_title, texts.later, query)
}

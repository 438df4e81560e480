//! A small S3: objects in memory, uploads in parts by the rules of the real one; written apart from the client's code.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

/// The smallest part that is not the last.
const LEAST_PART: usize = 5 << 20;

/// What the server holds.
#[derive(Default)]
pub struct Held {
    pub objects: BTreeMap<String, Vec<u8>>,
    pub uploads: HashMap<String, BTreeMap<usize, Vec<u8>>>,
    /// How many uploads in parts were completed.
    pub completed: usize,
    next: usize,
}

pub type Shared = Arc<Mutex<Held>>;

/// Starts it; its address.
pub async fn start(held: Shared) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(held);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn pairs(query: &str) -> HashMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.replace("%2F", "/")))
        .collect()
}

async fn answer(State(held): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=id/") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let query = pairs(parts.uri.query().unwrap_or_default());
    let key = parts.uri.path().trim_start_matches("/bucket").trim_start_matches('/').to_owned();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let range = header("range").to_owned();
    let mut held = held.lock().unwrap();
    match (&parts.method, query.get("uploadId")) {
        (&Method::POST, None) if query.contains_key("uploads") => {
            held.next += 1;
            let id = format!("u{}", held.next);
            held.uploads.insert(id.clone(), BTreeMap::new());
            xml(format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ))
        }
        (&Method::PUT, Some(id)) => {
            let number = query["partNumber"].parse().unwrap();
            held.uploads.get_mut(id).unwrap().insert(number, body.to_vec());
            tagged(format!("\"p{number}\""))
        }
        (&Method::POST, Some(id)) => complete(&mut held, id, &key, std::str::from_utf8(&body).unwrap()),
        (&Method::DELETE, Some(id)) => {
            held.uploads.remove(id);
            StatusCode::NO_CONTENT.into_response()
        }
        (&Method::PUT, None) => {
            held.objects.insert(key, body.to_vec());
            tagged("\"o\"".to_owned())
        }
        (&Method::DELETE, None) => {
            held.objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        (&Method::GET, None) if query.contains_key("list-type") => listed(&held, query.get("prefix")),
        (&Method::GET | &Method::HEAD, None) => match held.objects.get(&key) {
            Some(object) => given(object, &range, parts.method == Method::HEAD),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        _ => StatusCode::NOT_IMPLEMENTED.into_response(),
    }
}

/// Only parts that are there, each named once and in order, and none but the last too small.
fn complete(held: &mut Held, id: &str, key: &str, named: &str) -> Response {
    let Some(parts) = held.uploads.remove(id) else { return StatusCode::NOT_FOUND.into_response() };
    let numbers: Vec<usize> = named
        .split("<PartNumber>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().parse().unwrap())
        .collect();
    let are_all = numbers == parts.keys().copied().collect::<Vec<_>>();
    let too_small = parts.values().rev().skip(1).any(|part| part.len() < LEAST_PART);
    if !are_all || too_small || parts.is_empty() {
        return StatusCode::BAD_REQUEST.into_response();
    }
    held.objects.insert(key.to_owned(), parts.into_values().flatten().collect());
    held.completed += 1;
    xml("<CompleteMultipartUploadResult><ETag>\"m\"</ETag></CompleteMultipartUploadResult>".to_owned())
}

fn listed(held: &Held, prefix: Option<&String>) -> Response {
    let prefix = prefix.map(String::as_str).unwrap_or_default();
    let objects: String = held
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(prefix))
        .map(|(key, object)| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>\"o\"</ETag><Size>{}</Size></Contents>",
                object.len()
            )
        })
        .collect();
    xml(format!("<ListBucketResult><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>"))
}

fn given(object: &[u8], range: &str, is_head: bool) -> Response {
    let (status, from, to) = match range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) {
        None => (200, 0, object.len()),
        Some((from, to)) => (206, from.parse().unwrap(), object.len().min(to.parse::<usize>().unwrap() + 1)),
    };
    let mut answer = Response::builder()
        .status(status)
        .header("etag", "\"o\"")
        .header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        .header("content-length", to - from);
    if status == 206 {
        answer = answer.header("content-range", format!("bytes {from}-{}/{}", to - 1, object.len()));
    }
    let body = if is_head { Body::empty() } else { Body::from(object[from..to].to_vec()) };
    answer.body(body).unwrap()
}

fn xml(text: String) -> Response {
    ([("content-type", "application/xml")], text).into_response()
}

fn tagged(tag: String) -> Response {
    ([("etag", tag)], "").into_response()
}

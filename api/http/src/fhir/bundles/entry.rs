//! One entry of a batch or transaction, read as the request it stands for (R4B §3.1.0.11.1).

use axum::http::header::{
    ACCEPT_LANGUAGE, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
};
use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use httpdate::fmt_http_date;
use hub_fhir::{Json, Object, ResourceType};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::fhir::address::{self, Ask};
use crate::fhir::body::of_kind;
use crate::fhir::conditional::Expected;
use crate::fhir::operations::Operation;
use crate::fhir::problem::Problem;
use crate::fhir::wants::{is_about_looks, wants};
use crate::fhir::write::order::{Order, Said, What};
use crate::fhir::write::patch::Patch;
use crate::fhir::{Question, pairs};

/// An entry.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its place in the Bundle.
    pub at: usize,
    /// What the other entries call its resource.
    pub full_url: Option<String>,
    pub asked: Asked,
}

/// What it asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    Write(Order),
    /// `GET` and `HEAD`
    Read(Ask, Box<Question>),
}

impl Entry {
    /// Reads an entry.
    pub fn read(at: usize, entry: Json, question: &Question) -> Result<Self, Problem> {
        let Json::Object(mut entry) = entry else { return Err(wrong("structure", "expected an object")) };
        let Some(Json::Object(request)) = entry.remove("request") else {
            return Err(wrong("required", "the entry has no `request`"));
        };
        let text = |name: &str| request.get(name).and_then(Json::as_str);
        let method = text("method").and_then(|method| method.parse::<Method>().ok());
        let method = method.filter(|method| METHODS.contains(&method.as_str()));
        let method = method.ok_or_else(|| {
            wrong("value", "`request.method` must be GET, HEAD, POST, PUT, PATCH or DELETE")
        })?;
        let url = text("url").ok_or_else(|| wrong("required", "the entry has no `request.url`"))?;
        let (path, query) = relative(url, &question.base)?;
        let ask = address::ask(&method, &format!("/{path}"), true)?;
        if matches!(ask, Ask::Operation(Operation::Export(_))) {
            // Neither its status nor its files are resources.
            return Err(wrong("not-supported", "an export is asked for by itself, not within a Bundle"));
        }
        let all = pairs(query.as_bytes())?;
        let full_url = entry.get("fullUrl").and_then(Json::as_str).map(str::to_owned);
        if matches!(method.as_str(), "GET" | "HEAD") {
            let question = reading(question, &request, all)?;
            return Ok(Self { at, full_url, asked: Asked::Read(ask, Box::new(question)) });
        }
        let said = Said {
            pairs: &all,
            base: &question.base,
            parameters: &question.parameters,
            if_none_exist: text("ifNoneExist"),
            expected: expected(text("ifMatch"), text("ifNoneMatch"))?,
        };
        let resource = entry.remove("resource");
        Ok(Self { at, full_url, asked: Asked::Write(order(ask, resource, &said)?) })
    }
}

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

fn wrong(code: &'static str, text: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, text)
}

/// The path and query of an address below the base.
fn relative<'u>(url: &'u str, base: &str) -> Result<(&'u str, &'u str), Problem> {
    let below = url.strip_prefix(base).unwrap_or(url);
    if below.contains("://") {
        return Err(wrong(
            "value",
            "`request.url` must be below the base of this server, such as `Patient/1`",
        ));
    }
    let below = below.strip_prefix('/').unwrap_or(below);
    Ok(below.split_once('?').unwrap_or((below, "")))
}

/// The question that a reading entry asks. Its preferences are those of the whole request.
fn reading(whole: &Question, request: &Object, all: Vec<(String, String)>) -> Result<Question, Problem> {
    let mut headers = HeaderMap::new();
    for copied in [HeaderName::from_static("prefer"), ACCEPT_LANGUAGE] {
        if let Some(value) = whole.headers.get(&copied) {
            headers.insert(copied, value.clone());
        }
    }
    let text = |name: &str| request.get(name).and_then(Json::as_str);
    let since = text("ifModifiedSince").and_then(|since| OffsetDateTime::parse(since, &Rfc3339).ok());
    // Years before 1970 cannot be written as an HTTP date.
    let since = since.filter(|since| (0..=253_402_300_799).contains(&since.unix_timestamp()));
    let since = since.map(|since| fmt_http_date(since.into()));
    for (name, value) in [(IF_NONE_MATCH, text("ifNoneMatch")), (IF_MODIFIED_SINCE, since.as_deref())] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    let wants = wants(&headers, &all)?;
    let (looks, pairs) = all.into_iter().partition(|(name, value)| is_about_looks(name, value));
    let (base, request_id) = (whole.base.clone(), whole.request_id.clone());
    let parameters = whole.parameters.clone();
    Ok(Question { headers, base, pairs, looks, wants, body: bytes::Bytes::new(), request_id, parameters })
}

fn expected(if_match: Option<&str>, if_none_match: Option<&str>) -> Result<Expected, Problem> {
    match (if_match, if_none_match) {
        (Some(tag), _) => Expected::matching(tag),
        (None, None) => Ok(Expected::Any),
        (None, Some(tag)) if tag.trim() == "*" => Ok(Expected::NotThere),
        (None, Some(_)) => Err(wrong("value", "an entry that writes may say `*` alone in `ifNoneMatch`")),
    }
}

fn order(ask: Ask, resource: Option<Json>, said: &Said<'_>) -> Result<Order, Problem> {
    let given = || resource.ok_or_else(|| wrong("required", "the entry has no `resource`"));
    match ask {
        Ask::Create(kind) => Order::create(kind, of_kind(kind, given()?)?, said),
        Ask::Update(kind, id) => Order::update(kind, id, of_kind(kind, given()?)?, said),
        Ask::Patch(kind, id) => Order::existing(kind, id, What::Patch(patch(given()?)?), said),
        Ask::Delete(kind, id) => Order::existing(kind, id, What::Delete, said),
        _ => Err(wrong("not-supported", "this interaction is not taken in a Bundle")),
    }
}

/// A patch in a Bundle: a Binary with a patch of any form, or a Parameters resource.
fn patch(resource: Json) -> Result<Patch, Problem> {
    let is = |name: &str| resource.get("resourceType").and_then(Json::as_str) == Some(name);
    if is("Binary") {
        let text = |name: &str| resource.get(name).and_then(Json::as_str).unwrap_or_default();
        let spaceless: String = text("data").split_ascii_whitespace().collect();
        let body = BASE64_STANDARD.decode(spaceless);
        let body = body.map_err(|_| wrong("value", "`Binary.data` is no base64"))?;
        return Patch::read(text("contentType"), &body);
    }
    let parameters = ResourceType::from_name("Parameters").ok_or_else(Problem::broken)?;
    match is("Parameters") {
        true => Patch::of_parameters(&of_kind(parameters, resource)?),
        false => {
            Err(wrong("value", "a patch in a Bundle is a `Binary` with its `contentType`, or `Parameters`"))
        }
    }
}

//! Bulk export (FHIR Bulk Data Access 2.0: `$export` of the system, of all patients, and of a group), as files of one resource a line.
//!
//! Nothing is made ready beforehand, so there is nothing to wait for or to clear away: what was asked for stands in the address of the
//! answer, and a file is read from the store while it is fetched, in the order of the ids. A resource that is written after the export was
//! asked for comes in the version it has when it is read.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use hub_core::store::{Resources, StoreError};
use hub_fhir::outcome::{Outcome, Severity};
use hub_fhir::search::{self, Cursor, Search, Stored};
use hub_fhir::{Id, Json, Object, Reference, ResourceType, compartments};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::error;

use crate::access::seen::tree_of;
use crate::fhir::address::resource_type;
use crate::fhir::operations::Given;
use crate::fhir::problem::Problem;
use crate::fhir::reply::{Reply, refuse_parameters};
use crate::fhir::{Fhir, Question, texts};

/// So many resources are read at a time.
const AT_A_TIME: u32 = 500;
/// A file of one resource a line.
const LINES: &str = "application/fhir+ndjson";
const KNOWN: [&str; 3] = ["_outputFormat", "_since", "_type"];

/// What is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// All there is.
    System,
    /// What is in the compartment of any patient.
    Patients,
    /// What is in the compartments of the patients of a group.
    Group(Id),
}

/// A request of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Export {
    /// `GET` or `POST` of `/$export`, `/Patient/$export` or `/Group/1/$export`
    Start(Whose),
    /// `GET /$export-status/..`: what files there are.
    Status(Order),
    /// `DELETE /$export-status/..`
    Cancel(Order),
    /// `GET /$export-file/../Patient`
    File(Order, ResourceType),
}

/// An export as its address tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    whose: Whose,
    /// Only these; of none all.
    types: Vec<ResourceType>,
    /// Only what was written since, in microseconds.
    since: Option<i64>,
    /// When it was asked for, in microseconds.
    at: i64,
}

impl Export {
    /// The request of an address of operations.
    pub(crate) fn of(parts: &[&str]) -> Option<Self> {
        Some(match *parts {
            ["$export"] => Self::Start(Whose::System),
            ["Patient", "$export"] => Self::Start(Whose::Patients),
            ["Group", id, "$export"] => Self::Start(Whose::Group(Id::new(id).ok()?)),
            ["$export-status", order] => Self::Status(Order::read(order)?),
            ["$export-file", order, kind] => Self::File(Order::read(order)?, ResourceType::from_name(kind)?),
            _ => return None,
        })
    }
}

/// Where the operations are defined, by the type they are asked of; none of other types.
pub(crate) fn definition(kind: Option<ResourceType>) -> Option<&'static str> {
    match kind.map(ResourceType::name) {
        None => Some("http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"),
        Some("Patient") => Some("http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export"),
        Some("Group") => Some("http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export"),
        Some(_) => None,
    }
}

impl Order {
    /// As one part of an address: moment, since, whose and types, with `_` between them, which ids do not have.
    fn written(&self) -> String {
        let since = self.since.map_or("-".to_owned(), |since| since.to_string());
        let whose = match &self.whose {
            Whose::System => "system".to_owned(),
            Whose::Patients => "patients".to_owned(),
            Whose::Group(id) => format!("group.{id}"),
        };
        let types: Vec<&str> = self.types.iter().map(|kind| kind.name()).collect();
        format!("{}_{since}_{whose}_{}", self.at, types.join("."))
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('_');
        let (at, since, whose, types) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let whose = match whose.split_once('.') {
            Some(("group", id)) => Whose::Group(Id::new(id).ok()?),
            None if whose == "system" => Whose::System,
            None if whose == "patients" => Whose::Patients,
            _ => return None,
        };
        let since = if since == "-" { None } else { Some(since.parse().ok()?) };
        let types = types.split('.').filter(|name| !name.is_empty()).map(ResourceType::from_name);
        let order = Self { whose, types: types.collect::<Option<_>>()?, since, at: at.parse().ok()? };
        (parts.next().is_none() && moment(order.at).is_some()).then_some(order)
    }

    /// The types that are exported.
    fn kinds(&self) -> Vec<ResourceType> {
        let mut kinds: Vec<ResourceType> = match (&self.whose, ResourceType::from_name("Patient")) {
            (Whose::Patients | Whose::Group(_), Some(patient)) => compartments::types_in(patient),
            _ => ResourceType::all().collect(),
        };
        kinds.retain(|kind| self.types.is_empty() || self.types.contains(kind));
        kinds
    }

    fn path(&self) -> String {
        match &self.whose {
            Whose::System => "$export".to_owned(),
            Whose::Patients => "Patient/$export".to_owned(),
            Whose::Group(id) => format!("Group/{id}/$export"),
        }
    }

    /// A page of a type, by ids.
    fn search(&self, kind: ResourceType, count: u32, after: Option<Cursor>) -> Result<Search, Problem> {
        let mut pairs =
            vec![("_sort".to_owned(), "_id".to_owned()), ("_count".to_owned(), count.to_string())];
        if let Some(since) = self.since.and_then(moment) {
            let since = since.format(&Rfc3339).map_err(|_| Problem::broken())?;
            pairs.push(("_lastUpdated".to_owned(), format!("ge{since}")));
        }
        Ok(Search { after, ..search::parse(kind, &pairs)? })
    }
}

fn moment(micros: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()
}

fn micros(moment: OffsetDateTime) -> i64 {
    i64::try_from(moment.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

/// Answers a request that is not for a file.
pub(crate) async fn perform(fhir: &Fhir, question: &Question, asked: Export) -> Result<Reply, Problem> {
    match asked {
        Export::Start(whose) => start(fhir, question, whose).await,
        Export::Status(order) => status(fhir, question, &order).await,
        Export::Cancel(_) => Ok(accepted(question, "nothing of this export is kept")),
        Export::File(..) => {
            let text = "a file of an export is fetched by itself, not within a Bundle";
            Err(Problem::new(StatusCode::BAD_REQUEST, "not-supported", text))
        }
    }
}

async fn start(fhir: &Fhir, question: &Question, whose: Whose) -> Result<Reply, Problem> {
    refuse_parameters(question, &KNOWN)?;
    if !question.wants.is_async {
        let text = "an export is answered later: expected the header `Prefer: respond-async`";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid", text));
    }
    let given = Given::read(question, &[])?;
    given.refuse_others(question, &KNOWN)?;
    let format = given.value("_outputFormat").unwrap_or(LINES).replace(' ', "+");
    if !matches!(format.as_str(), LINES | "application/ndjson" | "ndjson") {
        let text = format!("only `{LINES}` is offered");
        return Err(Problem::bad_parameter("_outputFormat", text));
    }
    let since = given.value("_since").map(|since| {
        let wrong = || Problem::bad_parameter("_since", "`_since` must be a moment with its time zone");
        // A `+` that was not escaped arrives as a space.
        OffsetDateTime::parse(&since.replace(' ', "+"), &Rfc3339).map(micros).map_err(|_| wrong())
    });
    let mut types = Vec::new();
    for name in given.values("_type").flat_map(|names| names.split(',')) {
        let wrong = |problem: Problem| Problem { status: StatusCode::BAD_REQUEST, ..problem };
        types.push(resource_type(name.trim()).map_err(wrong)?);
    }
    let order = Order { whose, types, since: since.transpose()?, at: micros(OffsetDateTime::now_utc()) };
    members(&*fhir.resources, &order).await?;
    let address = format!("{}/$export-status/{}", question.base, order.written());
    Ok(accepted(question, "the export is made; `Content-Location` tells of it").located(&address, false))
}

/// 202, in FHIR's words.
fn accepted(question: &Question, text: &str) -> Reply {
    let outcome = Outcome::new(Severity::Information, "informational", text.to_owned());
    let told = outcome.explained(|code, english| texts::text(code, english, question.wants.language));
    Reply::fresh(told.text().into()).with_status(StatusCode::ACCEPTED)
}

/// What files there are: those of types that have resources.
async fn status(fhir: &Fhir, question: &Question, order: &Order) -> Result<Reply, Problem> {
    members(&*fhir.resources, order).await?;
    let mut output = Vec::new();
    for kind in order.kinds() {
        let found = fhir.resources.search(&order.search(kind, 0, None)?).await?;
        let Some(total) = found.total.filter(|total| *total > 0) else { continue };
        let mut file = Object::new();
        file.set("type", kind.name());
        let url = format!("{}/$export-file/{}/{kind}", question.base, order.written());
        file.set("url", url.as_str());
        // How many of them are in a compartment is known when they are read.
        if order.whose == Whose::System {
            file.set("count", Json::Number(total.to_string().into()));
        }
        output.push(Json::Object(file));
    }
    let at = moment(order.at).and_then(|at| at.format(&Rfc3339).ok()).ok_or_else(Problem::broken)?;
    let types: Vec<&str> = order.types.iter().map(|kind| kind.name()).collect();
    let since = order.since.and_then(moment).and_then(|since| since.format(&Rfc3339).ok());
    let mut asked: Vec<(String, String)> = Vec::new();
    asked.extend((!types.is_empty()).then(|| ("_type".to_owned(), types.join(","))));
    asked.extend(since.map(|since| ("_since".to_owned(), since)));
    let mut manifest = Object::new();
    manifest.set("transactionTime", at.as_str());
    manifest.set("request", crate::fhir::links::address(&question.base, &order.path(), &asked).as_str());
    manifest.set("requiresAccessToken", Json::Bool(fhir.seen.is_some()));
    manifest.set("output", output);
    manifest.set("error", Vec::<Json>::new());
    Ok(Reply::fresh(Json::Object(manifest).to_text().into()).of_type("application/json"))
}

/// The patients who are in the group now; none where it is no export of one.
async fn members(resources: &dyn Resources, order: &Order) -> Result<Vec<Reference>, Problem> {
    let (Whose::Group(id), Some(kind)) = (&order.whose, ResourceType::from_name("Group")) else {
        return Ok(Vec::new());
    };
    let stored = resources.read(&Reference { kind, id: id.clone() }).await?;
    let stored = stored.filter(|stored| !stored.deleted);
    let stored = stored.ok_or_else(|| Problem::not_found("there is no such Group"))?;
    let tree = tree_of(&stored).ok_or_else(Problem::broken)?;
    let is_active = |member: &&Json| member.get("inactive") != Some(&Json::Bool(true));
    let entity = |member: &Json| Reference::parse(member.at(&["entity", "reference"])?.as_str()?).ok();
    let listed =
        tree.get("member").map(Json::items).unwrap_or_default().iter().filter(is_active).filter_map(entity);
    Ok(listed.filter(|member| member.kind.name() == "Patient").collect())
}

/// A file while it is read.
struct Reading {
    resources: Arc<dyn Resources>,
    order: Order,
    kind: ResourceType,
    /// The patients whose compartments are left; none where it is no export of a group.
    members: Option<std::vec::IntoIter<Reference>>,
    focus: Option<Reference>,
    after: Option<Cursor>,
    /// What was given already of what may be in several compartments.
    given: HashSet<Id>,
    is_over: bool,
}

/// Answers with a file.
pub(crate) async fn file(
    fhir: &Fhir,
    order: Order,
    kind: ResourceType,
    method: &Method,
) -> Result<Response, Problem> {
    if !order.kinds().contains(&kind) {
        return Err(Problem::not_found("there is no such file"));
    }
    let members = members(&*fhir.resources, &order).await?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(LINES));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    let members = matches!(order.whose, Whose::Group(_)).then(|| members.into_iter());
    let resources = Arc::clone(&fhir.resources);
    let (focus, after, given) = (None, None, HashSet::new());
    let reading = Reading { resources, order, kind, members, focus, after, given, is_over: false };
    let body = if *method == Method::HEAD { Body::empty() } else { streamed(reading) };
    Ok((headers, body).into_response())
}

/// The lines as a body. A reading that fails breaks off, so that nobody takes it for whole.
fn streamed(reading: Reading) -> Body {
    Body::from_stream(unfold(reading, |mut reading| async move {
        loop {
            if reading.is_over {
                return None;
            }
            match reading.some().await {
                Ok(lines) if lines.is_empty() => {}
                Ok(lines) => return Some((Ok(lines), reading)),
                Err(failed) => {
                    error!(
                        error = &failed as &dyn std::error::Error,
                        "An export could not be read to its end."
                    );
                    reading.is_over = true;
                    return Some((Err(failed), reading));
                }
            }
        }
    }))
}

impl Reading {
    /// Some more lines; there may be none yet.
    async fn some(&mut self) -> Result<Bytes, StoreError> {
        if let (Some(members), None) = (&mut self.members, &self.after) {
            self.focus = members.next();
            if self.focus.is_none() {
                self.is_over = true;
                return Ok(Bytes::new());
            }
        }
        let broken = |_| StoreError::Unavailable("the search of an export could not be made".into());
        let mut search = self.order.search(self.kind, AT_A_TIME, self.after.take()).map_err(broken)?;
        if let Some(focus) = &self.focus {
            // Without a filter everybody's would be found.
            let Some(filter) = compartments::filter(focus, self.kind) else {
                self.is_over = true;
                return Ok(Bytes::new());
            };
            search.filters.push(filter);
        }
        let page = self.resources.search(&search).await?;
        self.after = page.next;
        self.is_over = self.after.is_none() && self.members.is_none();
        let mut lines = BytesMut::new();
        for stored in page.matches {
            if self.is_asked_for(&stored) {
                write_line(&mut lines, &stored);
            }
        }
        Ok(lines.freeze())
    }

    fn is_asked_for(&mut self, stored: &Stored) -> bool {
        match &self.order.whose {
            Whose::System => true,
            Whose::Group(_) => self.given.insert(stored.reference.id.clone()),
            Whose::Patients => {
                let patient = ResourceType::from_name("Patient");
                let tree = tree_of(stored);
                patient
                    .zip(tree)
                    .is_some_and(|(patient, tree)| compartments::is_in_one(patient, self.kind, &tree))
            }
        }
    }
}

fn write_line(lines: &mut BytesMut, stored: &Stored) {
    match tree_of(stored).filter(|_| stored.body.contains(&b'\n')) {
        Some(tree) => lines.extend_from_slice(Json::Object(tree).to_text().as_bytes()),
        None => lines.extend_from_slice(&stored.body),
    }
    lines.extend_from_slice(b"\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let kind = |name| ResourceType::from_name(name).unwrap();
        for (whose, types, since) in [
            (Whose::System, vec![], None),
            (Whose::Patients, vec![kind("Patient"), kind("Observation")], Some(-5)),
            (Whose::Group(Id::new("a.b-1").unwrap()), vec![], Some(1_700_000_000_000_000)),
        ] {
            let order = Order { whose, types, since, at: 1_732_000_000_000_001 };
            assert_eq!(Order::read(&order.written()), Some(order));
        }
        for wrong in [
            "",
            "1_2",
            "1_-_system_",
            "x_-_system_",
            "1_-_group_",
            "1_-_system_Nothing",
            "1_-_system__",
            "9999999999999999999_-_system_",
        ] {
            let read = Order::read(wrong);
            assert_eq!(read.is_some(), wrong == "1_-_system_", "{wrong}");
        }
    }
}

//! An access as an AuditEvent.

use std::net::IpAddr;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_core::who::{Role, Who};
use hub_fhir::{Json, Object, Reference, tree};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::access::seen::Touched;

const TYPES: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const INTERACTIONS: &str = "http://hl7.org/fhir/restful-interaction";
const ENTITIES: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ENTITY_ROLES: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
/// The roles of accounts.
const ROLES: &str = "urn:impf:cs:role";
/// The operations of the hub, its own among them.
const OPERATIONS: &str = "urn:impf:cs:interaction";

/// What somebody has done at a door.
pub(crate) struct Done<'d> {
    pub who: &'d Who,
    pub address: Option<IpAddr>,
    pub at: OffsetDateTime,
    /// `fhir`, `business`, `ops`
    pub door: &'static str,
    /// The interaction: `read`, `search-type`, `hold` ..
    pub name: &'d str,
    /// What was asked for, below the base.
    pub path: &'d str,
    pub query: Option<&'d str>,
    pub status: StatusCode,
    pub request: &'d str,
    pub touched: Touched,
}

/// The AuditEvent, without its id and its place in a chain.
pub(crate) fn event(done: &Done<'_>) -> Object {
    let is_interaction = done.door == "fhir" && !matches!(done.name, "content" | "bundle" | "none");
    let subtype_system = if is_interaction { INTERACTIONS } else { OPERATIONS };
    let status = done.status.as_u16();
    let outcome = match status {
        ..400 => "0",
        400..500 => "4",
        500.. => "8",
    };
    tree! {
        "resourceType" => "AuditEvent",
        "type" => coding(TYPES, "rest"),
        "subtype" => [coding(subtype_system, done.name)],
        "action" => action(done),
        "recorded" => done.at.format(&Rfc3339).ok(),
        "outcome" => outcome,
        "outcomeDesc" => status.to_string(),
        "agent" => agents(done),
        "source" => tree! { "site" => done.door, "observer" => tree! { "display" => "Huitong" } },
        "entity" => entities(done),
    }
}

/// Create, read, update, delete or execute (R4B `audit-event-action`).
fn action(done: &Done<'_>) -> &'static str {
    match (done.door, done.name) {
        ("fhir", "create") => "C",
        ("fhir", "update" | "patch") => "U",
        ("fhir", "delete") => "D",
        ("business", _) | ("fhir", "bundle") => "E",
        ("ops", "replay" | "skip" | "replays" | "retry" | "import" | "deploy" | "rollback" | "accounts") => {
            "E"
        }
        _ => "R",
    }
}

fn agents(done: &Done<'_>) -> Vec<Json> {
    let Done { who, .. } = done;
    let account = tree! { "system" => "urn:impf:id:account", "value" => who.account.as_str() };
    // R4B lets no Person be an agent: such a one is named by the account alone.
    let reference = who.is.as_ref().filter(|is| is.kind.name() != "Person").map(Reference::to_string);
    let roles: Vec<Json> = who.roles.iter().map(|role| codeable(ROLES, Role::name(*role)).into()).collect();
    let network = done.address.map(|address| tree! { "address" => address.to_string(), "type" => "2" });
    let person = tree! {
        "role" => roles,
        "who" => tree! { "reference" => reference, "identifier" => account },
        "requestor" => Json::Bool(true),
        "network" => network,
    };
    let client = tree! { "system" => "urn:impf:id:client", "value" => who.client.as_str() };
    let app = tree! {
        "type" => codeable(DICOM, "110150"),
        "who" => tree! { "identifier" => client },
        "requestor" => Json::Bool(false),
    };
    vec![person.into(), app.into()]
}

fn entities(done: &Done<'_>) -> Vec<Json> {
    let Touched { patients, resources, count } = &done.touched;
    let mut entities: Vec<Json> = Vec::new();
    for patient in patients {
        entities.push(entity(tree! { "reference" => patient.to_string() }, "1", "1"));
    }
    for resource in resources.iter().filter(|resource| !patients.contains(*resource)) {
        entities.push(entity(tree! { "reference" => resource.to_string() }, "2", "4"));
    }
    let detail =
        |name: &str, value: &str| -> Json { tree! { "type" => name, "valueString" => value }.into() };
    let mut details = vec![detail("path", done.path), detail("request", done.request)];
    details.extend((*count > 0).then(|| detail("resources", &count.to_string())));
    details.retain(|detail| detail.get("valueString").and_then(Json::as_str) != Some(""));
    // A query stands in base 64: it may be long, and is not to be found by its words.
    let query = done.query.filter(|query| !query.is_empty()).map(|query| STANDARD.encode(query));
    let asked = tree! {
        "type" => coding(ENTITIES, "2"),
        "role" => coding(ENTITY_ROLES, "24"),
        "query" => query,
        "detail" => details,
    };
    entities.push(asked.into());
    entities
}

fn entity(what: Object, kind: &str, role: &str) -> Json {
    tree! { "what" => what, "type" => coding(ENTITIES, kind), "role" => coding(ENTITY_ROLES, role) }.into()
}

fn coding(system: &str, code: &str) -> Object {
    tree! { "system" => system, "code" => code }
}

fn codeable(system: &str, code: &str) -> Object {
    tree! { "coding" => [coding(system, code)] }
}

//! What an address below `/fhir` and a method ask for (R4B §3.1.0).

use axum::http::{Method, StatusCode};
use hub_core::attachment::ContentId;
use hub_core::finding::nearest;
use hub_core::store::ChangesOf;
use hub_fhir::compartments;
use hub_fhir::{Id, Reference, ResourceType};
use percent_encoding::percent_decode_str;

use crate::access::is_public;
use crate::fhir::export::Export;
use crate::fhir::operations::Operation;
use crate::fhir::problem::Problem;
use crate::fhir::terminology::Terminology;

/// A thing that can be asked of the FHIR door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// `GET /metadata`
    Capabilities,
    /// `GET /Patient/1`
    Read(Reference),
    /// `GET /Binary/{sha256}`: an attachment.
    Content(ContentId),
    /// `GET /Patient/1/_history/2`
    Vread(Reference, u64),
    /// `GET /Patient/1/_history`, `GET /Patient/_history`, `GET /_history`
    History(ChangesOf),
    /// `GET /Patient?..`
    Search(Scope),
    /// `POST /Patient/_search`
    SearchForm(Scope),
    /// `POST` at the base: a batch or a transaction.
    Bundle,
    /// `POST /Patient`
    Create(ResourceType),
    /// `PUT /Patient/1`; without an id `PUT /Patient?..`
    Update(ResourceType, Option<Id>),
    /// `PATCH /Patient/1`; without an id `PATCH /Patient?..`
    Patch(ResourceType, Option<Id>),
    /// `DELETE /Patient/1`; without an id `DELETE /Patient?..`
    Delete(ResourceType, Option<Id>),
    /// `POST /Patient/$validate`, ..
    Operation(Operation),
    /// `OPTIONS`: which methods there are.
    Options(&'static str),
}

/// Where a search looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In one type: `Patient`.
    Type(ResourceType),
    /// In all types.
    All,
    /// In the compartment of a resource, in one type or in all: `Patient/1/Observation`, `Patient/1/*`.
    Compartment(Reference, Option<ResourceType>),
}

impl Scope {
    /// Its address below the base.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Type(kind) => kind.name().to_owned(),
            Self::All => String::new(),
            Self::Compartment(focus, Some(kind)) => format!("{focus}/{kind}"),
            Self::Compartment(focus, None) => format!("{focus}/*"),
        }
    }
}

impl Ask {
    /// Its name in metrics: the interaction of the CapabilityStatement.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Capabilities => "capabilities",
            Self::Read(_) => "read",
            Self::Content(_) => "content",
            Self::Vread(..) => "vread",
            Self::History(ChangesOf::Resource(_)) => "history-instance",
            Self::History(ChangesOf::Type(_)) => "history-type",
            Self::History(ChangesOf::All) => "history-system",
            Self::Search(Scope::Type(_)) | Self::SearchForm(Scope::Type(_)) => "search-type",
            Self::Search(Scope::All) | Self::SearchForm(Scope::All) => "search-system",
            Self::Search(Scope::Compartment(..)) | Self::SearchForm(Scope::Compartment(..)) => {
                "search-compartment"
            }
            Self::Bundle => "bundle",
            Self::Create(_) => "create",
            Self::Update(..) => "update",
            Self::Patch(..) => "patch",
            Self::Delete(..) => "delete",
            Self::Operation(operation) => operation.name(),
            Self::Options(_) => "options",
        }
    }

    /// Whether it is answered to who has not signed in: doctors and what of theirs can be booked (DIR-4).
    pub(crate) fn is_public(&self) -> bool {
        match self {
            Self::Read(Reference { kind, .. }) => is_public(*kind),
            Self::Search(Scope::Type(kind)) | Self::SearchForm(Scope::Type(kind)) => is_public(*kind),
            Self::Operation(operation) => *operation == Operation::Find,
            _ => false,
        }
    }
}

const READ_ONLY: &str = "GET, HEAD, OPTIONS";
const TYPE: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const INSTANCE: &str = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
const FORM_ONLY: &str = "POST, OPTIONS";
const EXPORTED: &str = "GET, HEAD, DELETE, OPTIONS";
const BASE: &str = "GET, HEAD, POST, OPTIONS";

/// A place in the tree of addresses.
enum Place {
    Base,
    Capabilities,
    Type(ResourceType),
    SearchForm(Scope),
    /// All that is in a compartment, or one type of it.
    Compartment(Reference, Option<ResourceType>),
    Instance(Reference),
    Content(ContentId),
    History(ChangesOf),
    Version(Reference, u64),
    Operation(Operation),
}

/// Reads the path after `/fhir` and the method. `writes`: whether resources may be written here.
pub(crate) fn ask(method: &Method, path: &str, writes: bool) -> Result<Ask, Problem> {
    let place = place(path)?;
    let allow = match &place {
        Place::Base if writes => BASE,
        Place::SearchForm(_) => FORM_ONLY,
        Place::Operation(Operation::Validate(_, None)) => FORM_ONLY,
        Place::Operation(Operation::Export(Export::Status(_))) => EXPORTED,
        Place::Operation(Operation::Export(Export::File(..))) => READ_ONLY,
        Place::Operation(_) => BASE,
        Place::Type(_) if writes => TYPE,
        Place::Instance(_) if writes => INSTANCE,
        _ => READ_ONLY,
    };
    if method == Method::OPTIONS {
        return Ok(Ask::Options(allow));
    }
    let asked = match (method.as_str(), place) {
        ("GET" | "HEAD", place) => reading(place),
        ("POST", Place::SearchForm(scope)) => Ok(Ask::SearchForm(scope)),
        ("DELETE", Place::Operation(Operation::Export(Export::Status(order)))) => {
            Ok(Ask::Operation(Operation::Export(Export::Cancel(order))))
        }
        ("POST", Place::Operation(Operation::Export(asked @ (Export::Status(_) | Export::File(..))))) => {
            Err(Place::Operation(Operation::Export(asked)))
        }
        ("POST", Place::Operation(operation)) => Ok(Ask::Operation(operation)),
        (_, place) if writes => writing(method, place),
        (_, place) => Err(place),
    };
    asked.map_err(|place| Problem::not_offered(allow, not_offered(method, &place, writes)))
}

fn reading(place: Place) -> Result<Ask, Place> {
    Ok(match place {
        Place::Capabilities => Ask::Capabilities,
        Place::Base => Ask::Search(Scope::All),
        Place::Type(kind) => Ask::Search(Scope::Type(kind)),
        Place::Compartment(focus, kind) => Ask::Search(Scope::Compartment(focus, kind)),
        Place::Instance(reference) => Ask::Read(reference),
        Place::Content(content) => Ask::Content(content),
        Place::History(of) => Ask::History(of),
        Place::Version(reference, version) => Ask::Vread(reference, version),
        Place::Operation(Operation::Validate(_, None)) | Place::SearchForm(_) => return Err(place),
        Place::Operation(operation) => Ask::Operation(operation),
    })
}

fn writing(method: &Method, place: Place) -> Result<Ask, Place> {
    Ok(match (method.as_str(), place) {
        ("POST", Place::Base) => Ask::Bundle,
        ("POST", Place::Type(kind)) => Ask::Create(kind),
        ("PUT", Place::Type(kind)) => Ask::Update(kind, None),
        ("PUT", Place::Instance(reference)) => Ask::Update(reference.kind, Some(reference.id)),
        ("PATCH", Place::Type(kind)) => Ask::Patch(kind, None),
        ("PATCH", Place::Instance(reference)) => Ask::Patch(reference.kind, Some(reference.id)),
        ("DELETE", Place::Type(kind)) => Ask::Delete(kind, None),
        ("DELETE", Place::Instance(reference)) => Ask::Delete(reference.kind, Some(reference.id)),
        (_, place) => return Err(place),
    })
}

/// Why an interaction is not offered.
fn not_offered(method: &Method, place: &Place, writes: bool) -> &'static str {
    let is_write = matches!(method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE");
    match (place, method.as_str()) {
        (Place::SearchForm(_), _) => {
            "`_search` takes a form by POST; by GET the parameters stand in the query"
        }
        (Place::Base | Place::Type(_) | Place::Instance(_), _) if is_write && !writes => {
            "writing is not offered here; resources are written by the hub's channels"
        }
        _ => "this method is not offered at this address",
    }
}

fn place(path: &str) -> Result<Place, Problem> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let decoded: Vec<_> = path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy()).collect();
    let parts: Vec<&str> = decoded.iter().map(AsRef::as_ref).collect();
    if let Some(name) = parts.iter().find(|part| part.starts_with('$')) {
        return operation(&parts).transpose()?.map(Place::Operation).ok_or_else(|| no_operation(name));
    }
    match parts[..] {
        [""] => Ok(Place::Base),
        ["metadata"] => Ok(Place::Capabilities),
        ["_history"] => Ok(Place::History(ChangesOf::All)),
        ["_search"] => Ok(Place::SearchForm(Scope::All)),
        [kind] => Ok(Place::Type(resource_type(kind)?)),
        [kind, "_search"] => Ok(Place::SearchForm(Scope::Type(resource_type(kind)?))),
        [kind, "_history"] => Ok(Place::History(ChangesOf::Type(resource_type(kind)?))),
        [kind, id] => {
            let reference = reference(kind, id)?;
            Ok(match id.parse() {
                Ok(content) if kind == "Binary" => Place::Content(content),
                _ => Place::Instance(reference),
            })
        }
        [kind, id, "_history"] => Ok(Place::History(ChangesOf::Resource(reference(kind, id)?))),
        [kind, id, "_history", version] => {
            let reference = reference(kind, id)?;
            let version = version.parse().ok().filter(|version| *version > 0);
            let version = version
                .ok_or_else(|| Problem::not_found("there is no such version; versions are numbers from 1"))?;
            Ok(Place::Version(reference, version))
        }
        [kind, id, inner] => {
            let (focus, inner) = compartment(kind, id, inner)?;
            Ok(Place::Compartment(focus, inner))
        }
        [kind, id, inner, "_search"] => {
            let (focus, inner) = compartment(kind, id, inner)?;
            Ok(Place::SearchForm(Scope::Compartment(focus, inner)))
        }
        _ => Err(Problem::not_found(
            "there is no such address; expected `[type]`, `[type]/[id]` or one of their `_history`",
        )),
    }
}

/// The operation of an address; `None` where there is no such.
fn operation(parts: &[&str]) -> Option<Result<Operation, Problem>> {
    if let Some(asked) = Export::of(parts) {
        return Some(Ok(Operation::Export(asked)));
    }
    match *parts {
        [kind, "$validate"] => Some(resource_type(kind).map(|kind| Operation::Validate(kind, None))),
        [kind, id, "$validate"] => {
            Some(reference(kind, id).map(|reference| Operation::Validate(reference.kind, Some(reference.id))))
        }
        ["PractitionerRole", "$find"] => Some(Ok(Operation::Find)),
        ["Patient" | "Encounter", id, "$everything"] => {
            Some(reference(parts[0], id).map(Operation::Everything))
        }
        [kind, name] => Terminology::of(kind, None, name).map(|asked| Ok(Operation::Terms(asked))),
        [kind, id, name] => {
            Terminology::of(kind, None, name)?;
            let of = |reference: Reference| Terminology::of(kind, Some(reference.id), name);
            reference(kind, id).map(|reference| of(reference).map(Operation::Terms)).transpose()
        }
        _ => None,
    }
}

/// The resource that a compartment is named by, and the type that is looked for in it; `*` is every type.
fn compartment(kind: &str, id: &str, inner: &str) -> Result<(Reference, Option<ResourceType>), Problem> {
    let focus = reference(kind, id)?;
    if !compartments::compartments().any(|known| known == focus.kind) {
        let known: Vec<&str> = compartments::compartments().map(ResourceType::name).collect();
        let text = format!("`{}` has no compartment; {} have", focus.kind, known.join(", "));
        return Err(Problem::not_found(text));
    }
    let inner = if inner == "*" { None } else { Some(resource_type(inner)?) };
    Ok((focus, inner))
}

/// The type of this name.
pub(crate) fn resource_type(name: &str) -> Result<ResourceType, Problem> {
    if let Some(kind) = ResourceType::from_name(name) {
        return Ok(kind);
    }
    // Only a word that could be a type is repeated: anything else in its place may be a patient's number.
    let is_word = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_word {
        return Err(unknown_type("the first part of the address is no resource type".to_owned()));
    }
    let hint = nearest(name, ResourceType::all().map(ResourceType::name));
    let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(unknown_type(format!("`{name}` is no resource type of FHIR R4B{hint}")))
}

fn unknown_type(text: String) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-supported", text)
}

fn no_operation(name: &str) -> Problem {
    let is_name =
        name.len() <= 64 && name[1..].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let text = match is_name {
        true => format!("the operation `{name}` is not offered"),
        false => "the operation is not offered".to_owned(),
    };
    unknown_type(text)
}

fn reference(kind: &str, id: &str) -> Result<Reference, Problem> {
    let kind = resource_type(kind)?;
    let id =
        Id::new(id).map_err(|wrong| Problem::new(StatusCode::BAD_REQUEST, "value", wrong.to_string()))?;
    Ok(Reference { kind, id })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(path: &str) -> Result<Ask, Problem> {
        ask(&Method::GET, path, true)
    }

    #[test]
    fn every_offered_address_is_understood() {
        let patient = Reference::parse("Patient/1").unwrap();
        assert_eq!(get("/metadata"), Ok(Ask::Capabilities));
        assert_eq!(get("/Patient"), Ok(Ask::Search(Scope::Type(patient.kind))));
        assert_eq!(get("/Patient/"), Ok(Ask::Search(Scope::Type(patient.kind))));
        assert_eq!(get(""), Ok(Ask::Search(Scope::All)));
        assert_eq!(get("/Patient/1/*"), Ok(Ask::Search(Scope::Compartment(patient.clone(), None))));
        let observations = Scope::Compartment(patient.clone(), ResourceType::from_name("Observation"));
        assert_eq!(get("/Patient/1/Observation"), Ok(Ask::Search(observations.clone())));
        assert!(get("/Organization/1/Patient").is_err());
        assert_eq!(get("/Patient/1"), Ok(Ask::Read(patient.clone())));
        assert_eq!(get("/Patient/1/_history"), Ok(Ask::History(ChangesOf::Resource(patient.clone()))));
        assert_eq!(get("/Patient/_history"), Ok(Ask::History(ChangesOf::Type(patient.kind))));
        assert_eq!(get("/_history"), Ok(Ask::History(ChangesOf::All)));
        assert_eq!(get("/Patient/1/_history/2"), Ok(Ask::Vread(patient.clone(), 2)));
        for (method, path, asked) in [
            (Method::POST, "/Patient/_search", Ask::SearchForm(Scope::Type(patient.kind))),
            (Method::POST, "/_search", Ask::SearchForm(Scope::All)),
            (Method::POST, "/Patient/1/Observation/_search", Ask::SearchForm(observations)),
            (Method::POST, "/Patient", Ask::Create(patient.kind)),
            (Method::POST, "", Ask::Bundle),
            (Method::PUT, "/Patient/1", Ask::Update(patient.kind, Some(patient.id.clone()))),
            (Method::PUT, "/Patient", Ask::Update(patient.kind, None)),
            (Method::DELETE, "/Patient/1", Ask::Delete(patient.kind, Some(patient.id.clone()))),
            (Method::DELETE, "/Patient", Ask::Delete(patient.kind, None)),
            (Method::PATCH, "/Patient/1", Ask::Patch(patient.kind, Some(patient.id.clone()))),
            (Method::PATCH, "/Patient", Ask::Patch(patient.kind, None)),
        ] {
            assert_eq!(ask(&method, path, true), Ok(asked));
        }
    }

    #[test]
    fn a_mistyped_type_is_answered_with_the_nearest_one() {
        let problem = get("/Pateint/1").unwrap_err();
        assert!(problem.text.contains("did you mean `Patient`?"), "{}", problem.text);
    }

    #[test]
    fn what_may_be_a_patients_number_is_not_repeated() {
        assert!(!get("/13912345678").unwrap_err().text.contains("139"));
        assert!(!get("/Patient/$张三").unwrap_err().text.contains("张"));
        assert!(!get("/Patient/1_2_3").unwrap_err().text.contains("1_2"));
    }

    proptest! {
        #[test]
        fn no_address_panics(path in ".{0,60}", method in "GET|PUT|POST|OPTIONS|DELETE|PATCH|X") {
            let _ = ask(&method.parse().unwrap(), &path, true);
        }

        #[test]
        fn no_address_that_looks_right_panics(
            path in "(/(Patient|_history|_search|metadata|\\$x|[0-9]{0,30}|%[0-9A-F]{2}|))*",
        ) {
            let _ = get(&path);
        }
    }
}

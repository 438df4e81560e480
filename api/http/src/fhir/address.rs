//! What an address below `/fhir` and a method ask for (R4B §3.1.0).

use axum::http::{Method, StatusCode};
use hub_core::attachment::ContentId;
use hub_core::finding::nearest;
use hub_fhir::{Id, Reference, ResourceType};
use percent_encoding::percent_decode_str;

use crate::fhir::problem::Problem;

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
    /// `GET /Patient/1/_history`
    History(Reference),
    /// `GET /Patient?..`
    Search(ResourceType),
    /// `POST /Patient/_search`
    SearchForm(ResourceType),
    /// `OPTIONS`: which methods there are.
    Options(&'static str),
}

impl Ask {
    /// Its name in metrics: the interaction of the CapabilityStatement.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Capabilities => "capabilities",
            Self::Read(_) => "read",
            Self::Content(_) => "content",
            Self::Vread(..) => "vread",
            Self::History(_) => "history-instance",
            Self::Search(_) | Self::SearchForm(_) => "search-type",
            Self::Options(_) => "options",
        }
    }
}

const READ_ONLY: &str = "GET, HEAD, OPTIONS";
const FORM_ONLY: &str = "POST, OPTIONS";
const NOTHING: &str = "OPTIONS";

/// A place in the tree of addresses.
enum Place {
    Base,
    Capabilities,
    Type(ResourceType),
    SearchForm(ResourceType),
    Instance(Reference),
    Content(ContentId),
    History(Reference),
    Version(Reference, u64),
    /// A place the standard knows and this server has nothing at.
    Closed(&'static str),
}

/// Reads the path after `/fhir` and the method.
pub(crate) fn ask(method: &Method, path: &str, served: &[ResourceType]) -> Result<Ask, Problem> {
    let place = place(path, served)?;
    let allow = match &place {
        Place::Base | Place::Closed(_) => NOTHING,
        Place::SearchForm(_) => FORM_ONLY,
        _ => READ_ONLY,
    };
    if method == Method::OPTIONS {
        return Ok(Ask::Options(allow));
    }
    let reads = method == Method::GET || method == Method::HEAD;
    match place {
        Place::Capabilities if reads => Ok(Ask::Capabilities),
        Place::Type(kind) if reads => Ok(Ask::Search(kind)),
        Place::Instance(reference) if reads => Ok(Ask::Read(reference)),
        Place::Content(content) if reads => Ok(Ask::Content(content)),
        Place::History(reference) if reads => Ok(Ask::History(reference)),
        Place::Version(reference, version) if reads => Ok(Ask::Vread(reference, version)),
        Place::SearchForm(kind) if method == Method::POST => Ok(Ask::SearchForm(kind)),
        place => Err(Problem::not_offered(allow, not_offered(method, &place))),
    }
}

/// Why an interaction is not offered.
fn not_offered(method: &Method, place: &Place) -> &'static str {
    match (place, method.as_str()) {
        (Place::Closed(why), _) => why,
        (Place::Base, "POST") => {
            "batch and transaction are not offered; resources are written by the hub's channels"
        }
        (Place::Base, _) => "searching across all types is not offered; search one type",
        (Place::Type(_), "POST") => "create is not offered; resources are written by the hub's channels",
        (Place::Type(_) | Place::Instance(_) | Place::Content(_), "PUT") => {
            "update is not offered; resources are written by the hub's channels"
        }
        (Place::Type(_) | Place::Instance(_) | Place::Content(_), "PATCH") => {
            "patch is not offered; resources are written by the hub's channels"
        }
        (Place::Type(_) | Place::Instance(_) | Place::Content(_), "DELETE") => {
            "delete is not offered; resources are written by the hub's channels"
        }
        (Place::SearchForm(_), _) => {
            "`_search` takes a form by POST; by GET the parameters stand in the query"
        }
        _ => "this method is not offered at this address",
    }
}

fn place(path: &str, served: &[ResourceType]) -> Result<Place, Problem> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let decoded: Vec<_> = path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy()).collect();
    let parts: Vec<&str> = decoded.iter().map(AsRef::as_ref).collect();
    if let Some(operation) = parts.iter().find(|part| part.starts_with('$')) {
        return Err(no_operation(operation));
    }
    match parts[..] {
        [""] => Ok(Place::Base),
        ["metadata"] => Ok(Place::Capabilities),
        ["_history"] => {
            Ok(Place::Closed("the history of the whole server is not offered; ask for one resource's"))
        }
        ["_search"] => Ok(Place::Closed("searching across all types is not offered; search one type")),
        [kind] => Ok(Place::Type(served_type(kind, served)?)),
        [kind, "_search"] => Ok(Place::SearchForm(served_type(kind, served)?)),
        [kind, "_history"] => {
            served_type(kind, served)?;
            Ok(Place::Closed("the history of a whole type is not offered; ask for one resource's"))
        }
        [kind, id] => {
            let reference = reference(kind, id, served)?;
            Ok(match id.parse() {
                Ok(content) if kind == "Binary" => Place::Content(content),
                _ => Place::Instance(reference),
            })
        }
        [kind, id, "_history"] => Ok(Place::History(reference(kind, id, served)?)),
        [kind, id, "_history", version] => {
            let reference = reference(kind, id, served)?;
            let version = version.parse().ok().filter(|version| *version > 0);
            let version = version
                .ok_or_else(|| Problem::not_found("there is no such version; versions are numbers from 1"))?;
            Ok(Place::Version(reference, version))
        }
        _ => Err(Problem::not_found(
            "there is no such address; expected `[type]`, `[type]/[id]` or one of their `_history`",
        )),
    }
}

fn served_type(name: &str, served: &[ResourceType]) -> Result<ResourceType, Problem> {
    let known = ResourceType::from_name(name);
    if let Some(kind) = known.filter(|kind| served.contains(kind)) {
        return Ok(kind);
    }
    if known.is_some() {
        return Err(unknown_type(format!("`{name}` is not served here; `/fhir/metadata` lists what is")));
    }
    // Only a word that could be a type is repeated: anything else in its place may be a patient's number.
    let is_word = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_word {
        return Err(unknown_type("the first part of the address is no resource type".to_owned()));
    }
    let hint = nearest(name, served.iter().map(|kind| kind.name()));
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

fn reference(kind: &str, id: &str, served: &[ResourceType]) -> Result<Reference, Problem> {
    let kind = served_type(kind, served)?;
    let id =
        Id::new(id).map_err(|wrong| Problem::new(StatusCode::BAD_REQUEST, "value", wrong.to_string()))?;
    Ok(Reference { kind, id })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn served() -> Vec<ResourceType> {
        ["Patient", "Observation"].into_iter().filter_map(ResourceType::from_name).collect()
    }

    fn get(path: &str) -> Result<Ask, Problem> {
        ask(&Method::GET, path, &served())
    }

    #[test]
    fn every_offered_address_is_understood() {
        let patient = Reference::parse("Patient/1").unwrap();
        assert_eq!(get("/metadata"), Ok(Ask::Capabilities));
        assert_eq!(get("/Patient"), Ok(Ask::Search(patient.kind)));
        assert_eq!(get("/Patient/"), Ok(Ask::Search(patient.kind)));
        assert_eq!(get("/Patient/1"), Ok(Ask::Read(patient.clone())));
        assert_eq!(get("/Patient/1/_history"), Ok(Ask::History(patient.clone())));
        assert_eq!(get("/Patient/1/_history/2"), Ok(Ask::Vread(patient.clone(), 2)));
        let form = ask(&Method::POST, "/Patient/_search", &served());
        assert_eq!(form, Ok(Ask::SearchForm(patient.kind)));
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
            let _ = ask(&method.parse().unwrap(), &path, &served());
        }

        #[test]
        fn no_address_that_looks_right_panics(
            path in "(/(Patient|_history|_search|metadata|\\$x|[0-9]{0,30}|%[0-9A-F]{2}|))*",
        ) {
            let _ = get(&path);
        }
    }
}

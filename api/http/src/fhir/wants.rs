//! How a client wants its answer: format, looks, parts, and how strict (R4B §3.1.0.1.9 to §3.1.0.1.12, §3.1.1.1).

use axum::http::StatusCode;
use axum::http::header::{ACCEPT, HeaderMap};

use crate::fhir::problem::Problem;
use crate::language::{self, Language};

/// The version of FHIR that is spoken here, as the `fhirVersion` of a media type names it.
const FHIR_VERSION: &str = "4.3";

/// What a client wants of the looks of its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// For people's eyes.
    pub pretty: bool,
    /// Only parts of each resource.
    pub part: Option<Part>,
    /// Parameters that are not known are left out instead of refused.
    pub lenient: bool,
    /// The answer may come later (`Prefer: respond-async`).
    pub is_async: bool,
    /// What a write is answered with, where it is said.
    pub returns: Option<Returns>,
    /// The language people read.
    pub language: Language,
}

/// What a write is answered with (R4B §3.1.0.1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returns {
    /// The resource as it is stored now.
    Representation,
    /// Nothing.
    Minimal,
    /// An OperationOutcome.
    Outcome,
}

/// A part of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `_elements`: these, and what must be there.
    Elements(Vec<String>),
    /// `_summary=data`: all but the narrative.
    Data,
    /// `_summary=text`: the narrative, and what must be there.
    Text,
    /// `_summary=true`: what the definitions mark so, and what must be there.
    Summary,
}

/// The parameters this file reads.
const NAMES: [&str; 4] = ["_format", "_pretty", "_elements", "_summary"];

/// Whether a parameter is about the looks of the answer and no search parameter. `_summary=count` is the search's.
pub(crate) fn is_about_looks(name: &str, value: &str) -> bool {
    NAMES.contains(&name) && (name, value) != ("_summary", "count")
}

/// Reads the headers and parameters. The parameters go before the headers.
pub(crate) fn wants(headers: &HeaderMap, pairs: &[(String, String)]) -> Result<Wants, Problem> {
    let mut wants = Wants { lenient: prefers(headers, "handling=lenient"), ..Wants::default() };
    wants.is_async = prefers(headers, "respond-async");
    wants.returns = returns(headers);
    wants.language = language::accepted(headers);
    let mut format = None;
    for (name, value) in pairs.iter().filter(|(name, value)| is_about_looks(name, value)) {
        match name.as_str() {
            "_format" => format = Some(value.as_str()),
            "_pretty" => wants.pretty = is_true(value)?,
            "_elements" => wants.part = elements(value)?,
            _ => {
                wants.part = match value.as_str() {
                    "false" => None,
                    "data" => Some(Part::Data),
                    "text" => Some(Part::Text),
                    "true" => Some(Part::Summary),
                    _ => {
                        let text = "`_summary` must be `true`, `count`, `data`, `text` or `false`";
                        return Err(Problem::bad_parameter("_summary", text));
                    }
                }
            }
        }
    }
    let is_json = match format {
        Some(format) => format.split(',').any(is_json),
        None => accepts_json(headers),
    };
    if is_json { Ok(wants) } else { Err(not_acceptable()) }
}

fn not_acceptable() -> Problem {
    let text = "only JSON of FHIR 4.3 is offered: `application/fhir+json`, or `_format=json`";
    Problem::new(StatusCode::NOT_ACCEPTABLE, "not-supported", text)
}

fn is_true(value: &str) -> Result<bool, Problem> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Problem::bad_parameter("_pretty", "`_pretty` must be `true` or `false`")),
    }
}

fn elements(value: &str) -> Result<Option<Part>, Problem> {
    let names: Vec<String> =
        value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    let are_names = names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if names.is_empty() || !are_names {
        let text = "`_elements` must be names of elements of the resource itself, separated by commas";
        return Err(Problem::bad_parameter("_elements", text));
    }
    Ok(Some(Part::Elements(names)))
}

/// What is not known counts as if it were not said (RFC 7240 §2).
fn returns(headers: &HeaderMap) -> Option<Returns> {
    let known = [
        ("return=minimal", Returns::Minimal),
        ("return=operationoutcome", Returns::Outcome),
        ("return=representation", Returns::Representation),
    ];
    known.into_iter().find(|(wanted, _)| prefers(headers, wanted)).map(|(_, returns)| returns)
}

/// Whether `Prefer` holds this: `handling=lenient` (R4B §3.1.1.1.2), `return=minimal` (R4B §3.1.0.1.8).
fn prefers(headers: &HeaderMap, wanted: &str) -> bool {
    let prefers = headers.get_all("prefer").iter().filter_map(|prefer| prefer.to_str().ok());
    let mut preferences = prefers.flat_map(|prefer| prefer.split([',', ';'])).map(str::trim);
    preferences.any(|preference| preference.replace('"', "").eq_ignore_ascii_case(wanted))
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let mut ranges =
        headers.get_all(ACCEPT).iter().map(|range| range.to_str().unwrap_or_default()).peekable();
    if ranges.peek().is_none() {
        return true;
    }
    ranges.flat_map(|ranges| ranges.split(',')).any(is_json)
}

/// Whether a media range, or a short name of `_format`, stands for JSON of this version with a weight above zero.
pub(crate) fn is_json(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    // A `+` that was not escaped in `_format` arrives as a space.
    let media = parts.next().unwrap_or_default().to_ascii_lowercase().replace(' ', "+");
    let known = ["application/fhir+json", "application/json", "text/json", "json", "application/*", "*/*"];
    if !known.contains(&media.as_str()) {
        return false;
    }
    parts.all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        if name.eq_ignore_ascii_case("q") {
            return value.parse::<f32>().is_ok_and(|weight| weight > 0.0);
        }
        if name.eq_ignore_ascii_case("fhirversion") {
            return value == FHIR_VERSION
                || value.strip_prefix(FHIR_VERSION).is_some_and(|rest| rest.starts_with('.'));
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        wants(&headers, &[]).is_ok()
    }

    fn format(value: &str) -> bool {
        wants(&HeaderMap::new(), &[("_format".into(), value.into())]).is_ok()
    }

    #[test]
    fn json_is_given_to_whoever_takes_it() {
        assert!(accepts("application/fhir+json; fhirVersion=4.3"));
        assert!(accepts("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(accepts("application/json"));
        assert!(!accepts("application/fhir+xml"));
        assert!(!accepts("application/fhir+json;q=0, application/xml"));
        assert!(!accepts("application/fhir+json; fhirVersion=5.0"));
        assert!(!accepts("application/fhir+json; fhirVersion=4.30"));
    }

    #[test]
    fn the_format_parameter_goes_before_the_header() {
        assert!(format("json") && format("application/fhir+json") && format("application/fhir json"));
        assert!(!format("xml") && !format("application/fhir+xml") && !format("ttl") && !format(""));
    }
}

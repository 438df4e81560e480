//! The CapabilityStatement: written of the tables the server runs on, so that it says what is true and nothing else.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use hub_core::id::Digest;
use hub_fhir::compartments;
use hub_fhir::parameters::Parameters;
use hub_fhir::params::{DEFINITIONS, Param, ParamKind, find, params_of, supported};
use hub_fhir::prepare::instant;
use hub_fhir::{Json, Object, ResourceType};
use hub_workflows::Act;
use time::OffsetDateTime;

use crate::fhir::conditional::Validators;
use crate::fhir::problem::Problem;
use crate::fhir::reply::{Reply, refuse_parameters};
use crate::fhir::write::patch::FORMATS;
use crate::fhir::{FhirSettings, Question, shape};
use crate::fhir::{export, operations};

/// What can be asked of every type.
const READING: [&str; 5] = ["read", "vread", "history-instance", "history-type", "search-type"];
/// What can be done to every type where writes are granted.
const WRITING: [&str; 4] = ["create", "update", "patch", "delete"];

/// The statement as it goes out.
pub(crate) struct Capabilities {
    body: Bytes,
    tag: String,
    since: OffsetDateTime,
    parameters: Arc<Parameters>,
}

impl Capabilities {
    /// The statement of what is granted, true since `since`.
    pub(crate) fn of(
        settings: &FhirSettings,
        since: OffsetDateTime,
        parameters: Arc<Parameters>,
        acts: &[&'static Act],
    ) -> Self {
        let body = Bytes::from(Json::Object(statement(settings, since, &parameters, acts)).to_text());
        let tag = format!("W/\"{:?}\"", Digest::of(&body));
        Self { body, tag, since, parameters }
    }

    /// Whether it is written of these search parameters.
    pub(crate) fn is_of(&self, parameters: &Arc<Parameters>) -> bool {
        Arc::ptr_eq(&self.parameters, parameters)
    }

    /// `GET /metadata`
    pub(crate) fn reply(&self, question: &Question) -> Result<Reply, Problem> {
        refuse_parameters(question, &["mode"])?;
        let is_full = question.pairs.iter().all(|(name, value)| name != "mode" || value == "full");
        if !is_full {
            return Err(Problem::bad_parameter("mode", "only `mode=full` is offered"));
        }
        let validators = Validators { tag: &self.tag, updated: self.since };
        if validators.still_good(&question.headers) {
            return Ok(Reply::not_modified(&validators));
        }
        let body = match &question.wants.part {
            Some(part) => shape::cut_body(capability_type(), self.body.clone(), part)?,
            None => self.body.clone(),
        };
        Ok(Reply::fresh(body).validated(&validators))
    }
}

fn capability_type() -> ResourceType {
    ResourceType::from_name("CapabilityStatement").expect("R4B has this type")
}

fn statement(
    settings: &FhirSettings,
    since: OffsetDateTime,
    parameters: &Parameters,
    acts: &[&'static Act],
) -> Object {
    let resource = |kind| resource(kind, settings, parameters, acts).into();
    let resources: Vec<Json> = ResourceType::all().map(resource).collect();
    let mut rest = object([("mode", Json::string("server"))]);
    let (documentation, security) = match settings.writes {
        true => (
            "Resources are written by the hub's channels and by this API.",
            "There are no accounts yet: whoever reaches this address may read and write. It is not to be opened to a network.",
        ),
        false => (
            "Resources are written by the hub's channels; this API reads them.",
            "There are no accounts yet: whoever reaches this address may read. It is not to be opened to a network.",
        ),
    };
    rest.set("documentation", documentation);
    rest.set("security", object([("description", Json::string(security))]));
    rest.set("resource", resources);
    let codes: &[&str] = match settings.writes {
        true => &["transaction", "batch", "history-system", "search-system"],
        false => &["history-system", "search-system"],
    };
    let codes = codes.iter().map(|code| object([("code", Json::string(code))]).into());
    rest.set("interaction", codes.collect::<Vec<Json>>());
    rest.set("searchParam", params(of_all_types()));
    let export = export::definition(None).map(|definition| operation("export", definition));
    rest.set("operation", export.into_iter().collect::<Vec<Json>>());
    let compartments = compartments::compartments().map(|kind| {
        format!("http://hl7.org/fhir/CompartmentDefinition/{}", kind.name().to_ascii_lowercase())
    });
    rest.set("compartment", strings(compartments.collect()));
    let mut statement = object([
        ("resourceType", Json::string("CapabilityStatement")),
        ("name", Json::string("Huitong")),
        ("title", Json::string("The FHIR API of Huitong, the integration hub for international medicine")),
        ("status", Json::string("active")),
        ("date", Json::string(instant(since))),
        ("kind", Json::string("instance")),
        ("software", named("Huitong", env!("CARGO_PKG_VERSION"))),
        ("implementation", object([("description", Json::string("Huitong integration hub"))]).into()),
        ("fhirVersion", Json::string("4.3.0")),
        ("format", strings(["application/fhir+json", "json"].map(str::to_owned).to_vec())),
        ("rest", vec![Json::Object(rest)].into()),
    ]);
    if settings.writes {
        statement.set("patchFormat", strings(FORMATS.map(str::to_owned).to_vec()));
    }
    statement
}

fn named(name: &str, version: &str) -> Json {
    object([("name", Json::string(name)), ("version", Json::string(version))]).into()
}

fn resource(
    kind: ResourceType,
    settings: &FhirSettings,
    parameters: &Parameters,
    acts: &[&'static Act],
) -> Object {
    let writing: &[&str] = if settings.writes { &WRITING } else { &[] };
    let codes = READING.iter().chain(writing);
    let interactions = codes.map(|code| object([("code", Json::string(code))]).into()).collect();
    let mut resource = object([
        ("type", Json::string(kind.name())),
        ("interaction", Json::Array(interactions)),
        ("versioning", Json::string("versioned")),
        ("readHistory", true.into()),
        ("updateCreate", settings.writes.into()),
        ("conditionalCreate", settings.writes.into()),
        ("conditionalRead", Json::string("full-support")),
        ("conditionalUpdate", settings.writes.into()),
        ("conditionalDelete", Json::string(conditional_delete(settings))),
    ]);
    if kind.name() == "Binary" {
        let attachments = "Attachments are here as well, as they came in and to be read only: their ids are the SHA-256 of their bytes. Ranges are given.";
        resource.set("documentation", Json::string(attachments));
    }
    let includes = with_wildcards(references(kind, parameters));
    let points_here = |param: &&Param| param.targets.is_empty() || param.targets.contains(&kind);
    let revincludes =
        with_wildcards(ResourceType::all().flat_map(|kind| references(kind, parameters)).filter(points_here));
    for (member, values) in [("searchInclude", includes), ("searchRevInclude", revincludes)] {
        if !values.is_empty() {
            resource.set(member, strings(values));
        }
    }
    let of_type = parameters.of(kind).filter(|param| supported(param));
    let of_type = of_type.map(|param| (param.code, param.kind.name(), param.url()));
    let texts = ["_text", "_content"].into_iter().filter(|_| settings.full_text.contains(&kind));
    let texts = texts.filter_map(|name| listed(kind, name));
    resource.set("searchParam", params(texts.chain(of_type)));
    let operations = operations::of(kind).map(|(name, definition)| operation(name, &definition));
    let acts = acts.iter().filter(|act| act.kind == kind.name());
    let acts = acts.map(|act| operation(act.name, &act.definition_url()));
    resource.set("operation", operations.chain(acts).collect::<Vec<Json>>());
    resource
}

fn operation(name: &str, definition: &str) -> Json {
    object([("name", Json::string(name)), ("definition", Json::string(definition))]).into()
}

/// A search parameter as it is listed: name, type and definition.
type Listed = (&'static str, &'static str, CompactString);

/// Search parameters with those before them that every type has.
fn params(own: impl Iterator<Item = Listed>) -> Vec<Json> {
    let ours = [("_id", "token", "Resource-id"), ("_lastUpdated", "date", "Resource-lastUpdated")];
    let ours = ours.map(|(name, kind, id)| (name, kind, format_compact!("{DEFINITIONS}{id}")));
    let any = ResourceType::all().next().into_iter();
    let ways =
        any.flat_map(|kind| ["_list", "_filter"].into_iter().filter_map(move |name| listed(kind, name)));
    let all = ours.into_iter().chain(ways).chain(own).map(|(name, kind, url)| {
        let definition = ("definition", Json::string(url.as_str()));
        object([("name", Json::string(name)), definition, ("type", Json::string(kind))]).into()
    });
    all.collect()
}

/// A parameter of R4B, whether it is one of those that resources are indexed by or not.
fn listed(kind: ResourceType, name: &str) -> Option<Listed> {
    find(kind, name).map(|param| (param.code, param.kind.name(), param.url()))
}

/// The parameters by which all types together can be searched.
fn of_all_types() -> impl Iterator<Item = Listed> {
    let mut kinds = ResourceType::all();
    let first = kinds.next();
    let others: Vec<ResourceType> = kinds.collect();
    let has = move |code| others.iter().all(|kind| find(*kind, code).is_some_and(supported));
    let shared = first.map(params_of).unwrap_or_default().iter();
    let shared = shared.filter(move |param| supported(param) && has(param.code));
    let shared = shared.map(|param| (param.code, param.kind.name(), param.url()));
    shared.chain(first.and_then(|kind| listed(kind, "_type")))
}

fn conditional_delete(settings: &FhirSettings) -> &'static str {
    match (settings.writes, settings.delete_several) {
        (false, _) => "not-supported",
        (true, false) => "single",
        (true, true) => "multiple",
    }
}

/// The references of a type that can be followed.
fn references(kind: ResourceType, parameters: &Parameters) -> impl Iterator<Item = &'static Param> {
    parameters.of(kind).filter(|param| supported(param) && param.kind == ParamKind::Reference)
}

/// `Encounter:*`, `Encounter:patient`, ..: each source's wildcard goes before its parameters.
fn with_wildcards(references: impl Iterator<Item = &'static Param>) -> Vec<String> {
    let mut names = Vec::new();
    let mut source = None;
    for param in references {
        if source != Some(param.base) {
            source = Some(param.base);
            names.push(format!("{}:*", param.base));
        }
        names.push(format!("{}:{}", param.base, param.code));
    }
    names
}

fn object<const N: usize>(members: [(&str, Json); N]) -> Object {
    members.into_iter().collect()
}

fn strings(texts: Vec<String>) -> Json {
    Json::Array(texts.into_iter().map(Json::from).collect())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_texts_that_are_searched_are_told() {
        let kind = |name| ResourceType::from_name(name).unwrap();
        let full_text = [kind("DiagnosticReport"), kind("Binary")].into();
        let settings = FhirSettings { full_text, ..FhirSettings::default() };
        let texts = |name| {
            let resource = resource(kind(name), &settings, Parameters::of_r4b(), &[]);
            let params = resource.get("searchParam").map(Json::items).unwrap_or_default().to_vec();
            let names = params.iter().filter_map(|param| param.get("name")?.as_str().map(str::to_owned));
            names.filter(|name| matches!(name.as_str(), "_text" | "_content")).collect::<Vec<_>>()
        };
        assert_eq!(texts("DiagnosticReport"), ["_text", "_content"]);
        assert_eq!(texts("Patient"), [""; 0]);
    }

    #[test]
    fn the_statement_is_valid_r4b() {
        for writes in [true, false] {
            let settings = FhirSettings { writes, ..FhirSettings::default() };
            assert_eq!(
                hub_fhir::validate(&statement(
                    &settings,
                    datetime!(2026-11-23 0:00 UTC),
                    Parameters::of_r4b(),
                    &[]
                )),
                []
            );
        }
    }
}

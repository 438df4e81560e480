//! `PractitionerRole/$find`: doctors, while somebody types. It tells nobody more than everybody may know (DIR-4).

use std::collections::BTreeSet;

use axum::http::StatusCode;
use bytes::Bytes;
use hub_core::language::Language;
use hub_directory::{Found, Listed, Query, Text, parameters, system};
use hub_fhir::prepare::instant;
use hub_fhir::{Json, Object, tree};

use crate::fhir::links::address;
use crate::fhir::operations::Given;
use crate::fhir::problem::Problem;
use crate::fhir::reply::Reply;
use crate::fhir::{Fhir, Question};

/// So many doctors are told at once, unless more are asked for.
const COUNT: usize = 20;
/// No more than these.
const MOST: usize = 100;
/// What somebody types is not longer than this, in characters.
const LONGEST: usize = 100;
const PATH: &str = "PractitionerRole/$find";

/// Finds doctors.
pub(crate) fn find(fhir: &Fhir, question: &Question) -> Result<Reply, Problem> {
    let given = Given::read(question, &[])?;
    let known: Vec<&str> = parameters().collect();
    given.refuse_others(question, &known)?;
    let language = match given.value("language") {
        Some(tag) => Language::of_tag(tag).ok_or_else(|| {
            Problem::bad_parameter("language", "`language` must be `en`, `zh-Hans` or `zh-Hant`")
        })?,
        None => question.wants.language,
    };
    let query = Query {
        text: text(&given, "text")?.unwrap_or_default(),
        department: text(&given, "department")?,
        hospital: text(&given, "hospital")?,
        count: number(&given, "_count")?.unwrap_or(COUNT).min(MOST),
        offset: number(&given, "_offset")?.unwrap_or(0),
    };
    let directory = fhir.doors.directory.as_ref();
    let found = directory.and_then(|directory| directory.find(&query)).ok_or_else(|| {
        let text = "the directory of doctors has not been read yet; ask again in a moment";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
    })?;
    let bundle = searchset(question, &given, &query, &found, language);
    Ok(Reply::fresh(Bytes::from(Json::Object(bundle).to_text())))
}

/// A text that is not empty and not too long.
fn text(given: &Given, name: &str) -> Result<Option<String>, Problem> {
    let Some(text) = given.value(name).map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.chars().count() > LONGEST {
        return Err(Problem::bad_parameter(name, format!("`{name}` may have {LONGEST} characters")));
    }
    Ok(Some(text.to_owned()))
}

fn number(given: &Given, name: &str) -> Result<Option<usize>, Problem> {
    let wrong = |_| Problem::bad_parameter(name, format!("`{name}` must be a whole number"));
    given.value(name).map(|value| value.parse().map_err(wrong)).transpose()
}

fn searchset(question: &Question, given: &Given, query: &Query, found: &Found, language: Language) -> Object {
    let mut asked: Vec<(String, String)> = Vec::new();
    for name in parameters().filter(|name| *name != "_offset") {
        asked.extend(given.values(name).map(|value| (name.to_owned(), value.to_owned())));
    }
    let link = |relation: &str, offset: usize| {
        let offset = ("_offset".to_owned(), offset.to_string());
        let pairs = [&asked[..], &[offset], &question.looks].concat();
        tree! { "relation" => relation, "url" => address(&question.base, PATH, &pairs) }
    };
    let mut links = vec![link("self", query.offset)];
    let next = query.offset.saturating_add(found.listed.len());
    if next < found.total && !found.listed.is_empty() {
        links.push(link("next", next));
    }
    let matches = found.listed.iter().map(|listed| {
        let mut entry = entry(question, &listed.doctor.role, "match");
        entry.set("extension", told(listed, language));
        entry
    });
    let mut entries: Vec<Object> = matches.collect();
    let mut included = BTreeSet::new();
    for listed in &found.listed {
        let doctor = &listed.doctor;
        for resource in [Some(&doctor.practitioner), doctor.organization.as_ref()].into_iter().flatten() {
            if included.insert(place(resource)) {
                entries.push(entry(question, resource, "include"));
            }
        }
    }
    tree! {
        "resourceType" => "Bundle",
        "type" => "searchset",
        "total" => i64::try_from(found.total).unwrap_or(i64::MAX),
        "link" => links,
        "entry" => entries,
    }
}

fn entry(question: &Question, resource: &Object, mode: &str) -> Object {
    tree! {
        "fullUrl" => format!("{}/{}", question.base, place(resource)),
        "resource" => resource.clone(),
        "search" => tree! { "mode" => mode },
    }
}

/// `Organization/1`
fn place(resource: &Object) -> String {
    let text = |name: &str| resource.get(name).and_then(Json::as_str).unwrap_or_default();
    format!("{}/{}", text("resourceType"), text("id"))
}

/// Whether a visit can be booked and when (DIR-3), and the texts to show (DIR-5).
fn told(listed: &Listed, language: Language) -> Vec<Object> {
    let mut told = vec![tree! { "url" => system::BOOKABLE, "valueBoolean" => listed.next_free.is_some() }];
    told.extend(
        listed.next_free.map(|start| tree! { "url" => system::NEXT_FREE, "valueInstant" => instant(start) }),
    );
    let doctor = &listed.doctor;
    let texts = [
        ("name", Some(&doctor.name)),
        ("department", doctor.department.as_ref()),
        ("title", doctor.title.as_ref()),
    ];
    let texts = texts.into_iter().filter_map(|(of, text)| Some((of, text?)));
    let texts = texts.chain(doctor.specialties.iter().map(|text| ("specialty", text)));
    told.extend(texts.map(|(of, text)| shown(of, text, language)));
    told
}

/// A text as it is to be shown; who shows it marks it where it is in another language than asked for.
fn shown(of: &str, text: &Text, language: Language) -> Object {
    let (text, language) = text.shown(language);
    let parts = [
        tree! { "url" => "of", "valueCode" => of },
        tree! { "url" => "text", "valueString" => text },
        tree! { "url" => "language", "valueCode" => language.tag() },
    ];
    tree! { "url" => system::SHOWN, "extension" => parts }
}

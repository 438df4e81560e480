//! Writes of SearchParameter resources: what cannot be in force is refused, and so is what would change the definitions of R4B, which this
//! server writes itself.

use axum::http::StatusCode;
use hub_core::commit::Guard;
use hub_fhir::definition::{Definition, is_active, issue};
use hub_fhir::described;
use hub_fhir::json::parse;
use hub_fhir::params::find;
use hub_fhir::search::{Search, Stored, parse as parse_search};
use hub_fhir::{Id, Json, Object, Reference, ResourceType};
use hub_fhirpath::SearchLanguage;

use crate::fhir::problem::Problem;
use crate::fhir::{Fhir, Question};

/// So many definitions may share what has to be told apart; there is one at most.
const MOST: u32 = 10;

/// Refuses a SearchParameter that cannot be in force. The guards see to it that no other defines the same meanwhile.
pub(crate) async fn define(
    fhir: &Fhir,
    question: &Question,
    kind: ResourceType,
    ids: &[Id],
    becomes: Option<&Object>,
) -> Result<Vec<Guard>, Problem> {
    if kind.name() != "SearchParameter" {
        return Ok(Vec::new());
    }
    if fhir.doors.fhir.definitions && ids.iter().any(|id| described::is_known(id.as_str())) {
        let text = "this is the definition of a search parameter of R4B, which this server writes itself; give your own another id";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "business-rule", text));
    }
    let Some(tree) = becomes else { return Ok(Vec::new()) };
    let url = tree.get("url").and_then(Json::as_str).unwrap_or_default();
    if described::is_url(url) {
        let what = "this is the URL of one of R4B's own definitions; give your own another";
        return Err(Problem::of_issues(vec![issue("url", what)]));
    }
    if !is_active(tree) {
        return Ok(Vec::new());
    }
    let definition = Definition::read(tree).map_err(Problem::of_issues)?;
    let refused = |element: &str, what: &str| Problem::of_issues(vec![issue(element, what)]);
    let mut guards = Vec::new();
    let same_url = asked(&[("url", &definition.url)])?;
    if !alone(fhir, same_url, ids, &mut guards).await? {
        return Err(refused("url", "another SearchParameter has this URL already"));
    }
    for base in &definition.bases {
        let same_code = asked(&[("base", base.name()), ("code", &definition.code), ("status", "active")])?;
        // What is R4B's own is looked for below.
        let is_theirs = find(*base, &definition.code).is_some();
        if !is_theirs && !alone(fhir, same_code, ids, &mut guards).await? {
            let what = format!("another SearchParameter defines `{}` of `{base}` already", definition.code);
            return Err(refused("code", &what));
        }
    }
    let mut others = question.parameters.without(&definition.url);
    if let Some(before) = url_before(fhir, kind, ids).await? {
        others = others.without(&before);
    }
    match others.add(&definition, Some(&SearchLanguage)) {
        Ok(()) => Ok(guards),
        Err(clash) => Err(refused(clash.element, &clash.what)),
    }
}

fn asked(pairs: &[(&str, &str)]) -> Result<Search, Problem> {
    // Commas and the like are part of what is looked for.
    let escaped = |value: &str| value.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|");
    let pairs: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), escaped(value))).collect();
    let kind = ResourceType::from_name("SearchParameter").ok_or_else(Problem::broken)?;
    Ok(Search { count: MOST, ..parse_search(kind, &pairs)? })
}

/// Whether a search finds nothing but what is written now; adds the guard that says so.
async fn alone(fhir: &Fhir, search: Search, ids: &[Id], guards: &mut Vec<Guard>) -> Result<bool, Problem> {
    let found = fhir.resources.search(&search).await?.matches;
    let finds: Vec<Id> = found.into_iter().map(|stored: Stored| stored.reference.id).collect();
    let is_alone = finds.iter().all(|id| ids.contains(id));
    guards.push(Guard { search, finds });
    Ok(is_alone)
}

/// The URL that what is written over has now.
async fn url_before(fhir: &Fhir, kind: ResourceType, ids: &[Id]) -> Result<Option<String>, Problem> {
    let [id] = ids else { return Ok(None) };
    let stored = fhir.resources.read(&Reference { kind, id: id.clone() }).await?;
    let text = stored.as_ref().and_then(|stored| std::str::from_utf8(&stored.body).ok());
    let tree = text.and_then(|text| parse(text).ok());
    Ok(tree.and_then(|tree| Some(tree.get("url")?.as_str()?.to_owned())))
}

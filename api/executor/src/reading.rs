//! Reads what a workflow asks for, until it has decided.

use hub_core::store::{Resources, StoreError};
use hub_fhir::search::{Search, Stored, parse_by};
use hub_fhir::{Json, Reference, Resource, ResourceType, json};
use hub_workflows::{Decided, Decision, Fact, Facts, Need, Stop};

use crate::CommandError;

/// A workflow that asks more often asks for ever.
const MOST_ROUNDS: u32 = 500;
/// So many resources a search of a workflow may find.
const MOST_FOUND: &str = "1000";

/// Decides, and reads what that needs.
pub(crate) async fn decide(
    resources: &dyn Resources,
    decided: &(dyn Fn(&Facts) -> Decided + Sync),
    facts: &mut Facts,
) -> Result<Decision, CommandError> {
    for _ in 0..MOST_ROUNDS {
        match decided(facts) {
            Ok(decision) => return Ok(decision),
            Err(Stop::Refused(refused)) => return Err(CommandError::Refused(refused)),
            Err(Stop::Unfit(what)) => return Err(CommandError::Unfit(what)),
            Err(Stop::Ask(need)) => answer(resources, need, facts).await?,
        }
    }
    Err(CommandError::Unfit("a workflow does not come to an end".to_owned()))
}

async fn answer(resources: &dyn Resources, need: Need, facts: &mut Facts) -> Result<(), CommandError> {
    match &need {
        Need::Read(references) => {
            for reference in references {
                let fact = read(resources, reference).await?;
                facts.tell(reference.clone(), fact);
            }
        }
        Need::Search { kind, query, .. } => {
            let search = search(resources, *kind, query)?;
            let page = resources.search(&search).await.map_err(CommandError::Store)?;
            if page.next.is_some() {
                return Err(CommandError::Unfit(format!(
                    "a search of `{kind}` finds more than {MOST_FOUND}"
                )));
            }
            let found = page.matches.iter().filter_map(|stored| fact(stored).transpose());
            facts.tell_found(need.clone(), found.collect::<Result<_, _>>()?);
        }
    }
    Ok(())
}

/// A search in the words of FHIR.
pub(crate) fn search(
    resources: &dyn Resources,
    kind: ResourceType,
    query: &[(String, String)],
) -> Result<Search, CommandError> {
    let mut pairs = query.to_vec();
    if !pairs.iter().any(|(name, _)| name == "_count") {
        pairs.push(("_count".to_owned(), MOST_FOUND.to_owned()));
    }
    let parsed = parse_by(kind, &pairs, None, &resources.parameters());
    parsed.map_err(|error| CommandError::Unfit(format!("a search of a workflow is wrong: {error}")))
}

/// A resource as it is stored; `None`: it is not there.
pub(crate) async fn read(
    resources: &dyn Resources,
    reference: &Reference,
) -> Result<Option<Fact>, CommandError> {
    match resources.read(reference).await.map_err(CommandError::Store)? {
        Some(stored) => fact(&stored),
        None => Ok(None),
    }
}

fn fact(stored: &Stored) -> Result<Option<Fact>, CommandError> {
    if stored.deleted {
        return Ok(None);
    }
    let text = std::str::from_utf8(&stored.body).ok().map(json::parse);
    let Some(Ok(Json::Object(mut tree))) = text else {
        let what = format!("the stored text of `{}` cannot be read", stored.reference);
        return Err(CommandError::Store(StoreError::Invalid { what }));
    };
    // The store sets them anew.
    if let Some(meta) = tree.get_mut("meta").and_then(Json::as_object_mut) {
        meta.remove("versionId");
        meta.remove("lastUpdated");
        if meta.is_empty() {
            tree.remove("meta");
        }
    }
    let resource = Resource::new(stored.reference.kind, stored.reference.id.clone(), tree);
    Ok(Some(Fact { resource, version: stored.version }))
}

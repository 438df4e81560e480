//! Looks whether a resource may be written: its structure, the rules of R4B, and what it points at, each as the settings say for its
//! type.

use std::collections::HashMap;

use axum::http::StatusCode;
use hub_fhir::links::{LinkKind, change_links};
use hub_fhir::outcome::Severity;
use hub_fhir::validate::{Issue, IssueCode};
use hub_fhir::{Json, Object, Reference, ResourceType, validate};
use hub_fhirpath::{Environment, check_invariants};
use time::OffsetDateTime;

use crate::fhir::Fhir;
use crate::fhir::problem::Problem;

/// What else the same commit does: whether a resource is there after it.
pub(crate) type Beside = HashMap<Reference, bool>;

/// Refuses a resource that does not conform.
pub(crate) async fn conform(
    fhir: &Fhir,
    base: &str,
    tree: &mut Object,
    beside: &Beside,
) -> Result<(), Problem> {
    let kind = tree.get("resourceType").and_then(Json::as_str).and_then(ResourceType::from_name);
    let kind = kind.ok_or_else(Problem::broken)?;
    let checks = fhir.doors.fhir.validate.of(kind);
    if checks.structure {
        refuse(validate(tree))?;
    }
    if checks.invariants {
        let checked = check_invariants(tree, &Environment::of(tree, OffsetDateTime::now_utc()));
        // A warning is no reason to refuse.
        let errors = checked.issues.into_iter().filter(|issue| issue.severity == Severity::Error);
        refuse(errors.collect())?;
    }
    if checks.references {
        refuse(dangling(fhir, base, kind, tree, beside).await?)?;
    }
    Ok(())
}

/// All that is to be said about a resource, whatever is looked at before it is written: what would be refused then is an error.
pub(crate) async fn issues(
    fhir: &Fhir,
    base: &str,
    kind: ResourceType,
    tree: &mut Object,
) -> Result<Vec<Issue>, Problem> {
    let mut issues = hub_fhirpath::validate(tree, &Environment::of(tree, OffsetDateTime::now_utc()));
    let checks = fhir.doors.fhir.validate.of(kind);
    for issue in dangling(fhir, base, kind, tree, &Beside::new()).await? {
        let severity = if checks.references { Severity::Error } else { Severity::Warning };
        issues.push(Issue { severity, ..issue });
    }
    Ok(issues)
}

fn refuse(issues: Vec<Issue>) -> Result<(), Problem> {
    if issues.is_empty() { Ok(()) } else { Err(Problem::of_issues(issues)) }
}

/// The references to resources of this server that are not there.
async fn dangling(
    fhir: &Fhir,
    base: &str,
    kind: ResourceType,
    tree: &mut Object,
    beside: &Beside,
) -> Result<Vec<Issue>, Problem> {
    let mut targets = Vec::new();
    change_links(tree, &mut |sort, link| {
        if let (LinkKind::Reference, Some(target)) = (sort, own(link, base))
            && !targets.contains(&target)
        {
            targets.push(target);
        }
        None
    });
    if targets.len() > fhir.doors.fhir.bundle_entries {
        let text = "the resource points at too many others to look for each";
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-costly", text));
    }
    let mut issues = Vec::new();
    for target in targets {
        let is_there = match beside.get(&target) {
            Some(is_there) => *is_there,
            None => fhir.resources.read(&target).await?.is_some_and(|stored| !stored.deleted),
        };
        if !is_there {
            // Its id may be a patient's number.
            let what = format!("a reference leads to no `{}` of this server", target.kind);
            let (path, code) = (kind.name().to_owned(), IssueCode::Value);
            issues.push(Issue { path, what, code, severity: Severity::Error });
        }
    }
    Ok(issues)
}

/// The resource of this server that a reference leads to.
fn own(link: &str, base: &str) -> Option<Reference> {
    let below = link.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(link);
    let below = below.split_once("/_history/").map_or(below, |(before, _)| before);
    Reference::parse(below).ok()
}

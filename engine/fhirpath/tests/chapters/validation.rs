//! Structure first, then the invariants of R4B, as issues with key, place and severity.

use hub_fhir::outcome::{Outcome, Severity};
use hub_fhir::validate::{Issue, IssueCode};
use hub_fhirpath::{Environment, check_invariants, validate};
use time::macros::datetime;

use super::tree;

fn issues(text: &str) -> Vec<Issue> {
    let resource = tree(text);
    validate(&resource, &Environment::of(&resource, datetime!(2026-11-26 08:30 +08:00)))
}

/// Place, key and severity of each issue, those about narrative left out.
fn found(text: &str) -> Vec<String> {
    let of_rules = issues(text).into_iter().filter(|issue| !issue.what.starts_with("dom-6"));
    let shown = |issue: Issue| {
        let key = issue.what.split(':').next().unwrap().to_owned();
        format!("{} {key} {}", issue.path, issue.severity.name())
    };
    of_rules.map(shown).collect()
}

#[test]
fn a_rule_of_a_backbone_element_names_its_place() {
    let patient = r#"{"resourceType":"Patient","contact":[{"name":{"family":"x"}},{"relationship":[{"text":"wife"}]}]}"#;
    assert_eq!(found(patient), ["Patient.contact[1] pat-1 error"]);
    let issue = issues(patient).into_iter().find(|issue| issue.what.starts_with("pat-1")).unwrap();
    assert_eq!(issue.code, IssueCode::Invariant);
    assert_eq!(
        issue.what,
        "pat-1: SHALL at least contain a contact's details or a reference to an organization"
    );
}

#[test]
fn rules_of_data_types_hold_wherever_they_stand() {
    let period = |start: &str, end: &str| {
        found(&format!(
            r#"{{"resourceType":"Patient","name":[{{"period":{{"start":"{start}","end":"{end}"}}}}]}}"#
        ))
    };
    assert_eq!(period("2026-12-01", "2026-11-01"), ["Patient.name[0].period per-1 error"]);
    assert_eq!(period("2026-11-01", "2026-12-01"), [] as [&str; 0]);
    // It is not known which is earlier: not broken.
    assert_eq!(period("2026-11", "2026-11-01"), [] as [&str; 0]);
    let telecom = r#"{"resourceType":"Patient","telecom":[{"value":"1"}]}"#;
    assert_eq!(found(telecom), ["Patient.telecom[0] cpt-2 error"]);
    let quantity = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1,"code":"mg"}}"#;
    assert_eq!(found(quantity), ["Observation.valueQuantity qty-3 error"]);
}

#[test]
fn rules_of_one_element_are_not_those_of_its_type() {
    let organization = r#"{"resourceType":"Organization","name":"x","telecom":[{"system":"phone","value":"1","use":"home"}]}"#;
    assert_eq!(found(organization), ["Organization.telecom[0] org-3 error"]);
    let patient = r#"{"resourceType":"Patient","telecom":[{"system":"phone","value":"1","use":"home"}]}"#;
    assert_eq!(found(patient), [] as [&str; 0]);
    let range = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueRange":{"low":{"value":1,"comparator":"<"}}}"#;
    assert_eq!(found(range), ["Observation.valueRange.low sqty-1 error"]);
}

#[test]
fn references_to_contained_resources_go_both_ways() {
    let organization = r##"{"resourceType":"Organization","id":"o","name":"x"}"##;
    let unused = format!(r#"{{"resourceType":"Patient","contained":[{organization}]}}"#);
    assert_eq!(found(&unused), ["Patient dom-3 error"]);
    let used = format!(
        r##"{{"resourceType":"Patient","contained":[{organization}],"managingOrganization":{{"reference":"#o"}}}}"##
    );
    assert_eq!(found(&used), [] as [&str; 0]);
    let missing = r##"{"resourceType":"Patient","managingOrganization":{"reference":"#o"}}"##;
    assert_eq!(found(missing), ["Patient.managingOrganization ref-1 error"]);
}

#[test]
fn resources_of_a_bundle_are_their_own_root() {
    let bundle = r##"{"resourceType":"Bundle","type":"collection","entry":[
        {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"x"}],
         "managingOrganization":{"reference":"#o"}}},
        {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Organization"}}]}"##;
    assert_eq!(found(bundle), ["Bundle bdl-7 error", "Bundle.entry[1].resource org-1 error"]);
}

#[test]
fn a_warning_stays_a_warning() {
    let bare = issues(r#"{"resourceType":"Patient","active":true}"#);
    assert_eq!(bare.len(), 1);
    assert_eq!((bare[0].severity, bare[0].path.as_str()), (Severity::Warning, "Patient"));
    let outcome = Outcome::of_issues(&bare).text();
    assert!(
        outcome
            .contains(r#""severity":"warning","code":"invariant","diagnostics":"dom-6: A resource should"#)
    );
    assert!(outcome.contains(r#""expression":["Patient"]"#));
}

#[test]
fn rules_are_looked_at_only_where_the_structure_is_right() {
    let wrong =
        r#"{"resourceType":"Patient","birthdate":"1980","contact":[{"relationship":[{"text":"wife"}]}]}"#;
    assert_eq!(found(wrong).len(), 1);
    let resource = tree(wrong);
    let checked =
        check_invariants(&resource, &Environment::of(&resource, datetime!(2026-11-26 08:30 +08:00)));
    assert_eq!(checked.issues.len(), 2);
    assert!(checked.looked_at > 5);
}

#[test]
fn an_element_has_a_value_or_children() {
    let only_an_id = r#"{"resourceType":"Patient","name":[{"id":"x"},{"id":"y","family":"z"}]}"#;
    assert_eq!(found(only_an_id), ["Patient.name[0] ele-1 error"]);
    let extended =
        r#"{"resourceType":"Patient","_birthDate":{"extension":[{"url":"urn:x","valueCode":"a"}]}}"#;
    assert_eq!(found(extended), [] as [&str; 0]);
    let beside = r#"{"resourceType":"Patient","_birthDate":{"id":"x"}}"#;
    assert_eq!(found(beside), ["Patient.birthDate ele-1 error"]);
}

#[test]
fn rules_that_take_too_long_are_given_up_and_that_is_said() {
    let resource = tree(super::PATIENT);
    let mut environment = Environment::of(&resource, datetime!(2026-11-26 08:30 +08:00));
    environment.limits.steps = 3;
    let issues = check_invariants(&resource, &environment).issues;
    assert!(
        issues
            .iter()
            .any(|issue| issue.code == IssueCode::Processing && issue.what.contains("more than 3 steps"))
    );
    let last = issues.last().unwrap();
    assert_eq!((last.code, last.severity), (IssueCode::TooLong, Severity::Warning));
}

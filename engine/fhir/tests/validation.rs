//! What the validator finds, one rule a test.
#![expect(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

use hub_fhir::{json, validate};

/// `path: what` of every issue.
fn issues(text: &str) -> Vec<String> {
    let tree = json::parse(text).unwrap();
    validate(tree.as_object().unwrap())
        .iter()
        .map(|issue| format!("{} {}", issue.path, issue.code.name()))
        .collect()
}

fn patient(members: &str) -> Vec<String> {
    issues(&format!(r#"{{"resourceType":"Patient",{members}}}"#))
}

fn observation(members: &str) -> Vec<String> {
    issues(&format!(r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{members}}}"#))
}

#[test]
fn an_unknown_element_is_found_and_a_name_that_is_content_is_not_shown() {
    assert_eq!(patient(r#""birthdate":"1980""#), ["Patient.birthdate structure"]);
    assert_eq!(patient(r#""name":[{"famly":"x"}]"#), ["Patient.name[0].famly structure"]);
    assert_eq!(patient(r#""王小明 1980":1"#), ["Patient.? structure"]);
    assert_eq!(observation(r#""value":"x""#), ["Observation.value structure"]);
    assert_eq!(observation(r#""value[x]":"x""#), ["Observation.? structure"]);
    assert_eq!(observation(r#""valueMoney":{"value":1}"#), ["Observation.valueMoney structure"]);
}

#[test]
fn the_type_of_the_resource_must_be_known() {
    assert_eq!(issues("{}"), ["Resource.resourceType required"]);
    assert_eq!(issues(r#"{"resourceType":"Patiant"}"#), ["Resource.resourceType value"]);
    assert_eq!(issues(r#"{"resourceType":1}"#), ["Resource.resourceType value"]);
}

#[test]
fn what_must_be_there_is_missed() {
    assert_eq!(
        issues(r#"{"resourceType":"Observation"}"#),
        ["Observation.status required", "Observation.code required"]
    );
    assert_eq!(
        patient(r#""communication":[{"preferred":true}]"#),
        ["Patient.communication[0].language required"]
    );
    assert_eq!(observation(r#""_status":{"id":"x"},"component":[{"code":{"text":"y"}}]"#), [] as [&str; 0]);
}

#[test]
fn lists_are_arrays_and_single_values_are_not() {
    assert_eq!(patient(r#""name":{"family":"x"}"#), ["Patient.name structure"]);
    assert_eq!(patient(r#""gender":["male"]"#), ["Patient.gender structure"]);
    assert_eq!(patient(r#""name":["x"]"#), ["Patient.name[0] structure"]);
    assert_eq!(patient(r#""maritalStatus":"x""#), ["Patient.maritalStatus structure"]);
}

#[test]
fn nothing_is_empty() {
    assert_eq!(patient(r#""name":[]"#), ["Patient.name structure"]);
    assert_eq!(patient(r#""name":[{}]"#), ["Patient.name[0] structure"]);
    assert_eq!(patient(r#""name":[{"family":""}]"#), ["Patient.name[0].family value"]);
    assert_eq!(patient(r#""active":null"#), ["Patient.active structure"]);
    assert_eq!(patient(r#""name":[null]"#), ["Patient.name[0] structure"]);
}

#[test]
fn values_have_the_form_of_their_type() {
    assert_eq!(patient(r#""birthDate":"1980-02-30""#), ["Patient.birthDate value"]);
    assert_eq!(
        observation(r#""effectiveDateTime":"2026-11-22T08:30:00""#),
        ["Observation.effectiveDateTime value"]
    );
    assert_eq!(observation(r#""valueQuantity":{"value":"6.1"}"#), ["Observation.valueQuantity.value value"]);
    assert_eq!(observation(r#""valueQuantity":{"value":6.10}"#), [] as [&str; 0]);
}

#[test]
fn codes_are_of_the_value_set_they_are_bound_to() {
    assert_eq!(patient(r#""gender":"m""#), ["Patient.gender code-invalid"]);
    let allergy = |status: &str| {
        issues(&format!(
            r#"{{"resourceType":"AllergyIntolerance","patient":{{"reference":"Patient/1"}},"clinicalStatus":{status}}}"#
        ))
    };
    let system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
    assert_eq!(
        allergy(&format!(r#"{{"coding":[{{"system":"{system}","code":"active"}}]}}"#)),
        [] as [&str; 0]
    );
    assert_eq!(allergy(&format!(r#"{{"coding":[{{"system":"{system}","code":"x"}}]}}"#)).len(), 1);
    assert_eq!(
        allergy(r#"{"coding":[{"system":"urn:x","code":"active"}]}"#),
        ["AllergyIntolerance.clinicalStatus code-invalid"]
    );
    assert_eq!(allergy(r#"{"text":"active"}"#), ["AllergyIntolerance.clinicalStatus code-invalid"]);
}

#[test]
fn a_choice_is_made_once() {
    assert_eq!(observation(r#""valueString":"x","valueInteger":1"#), ["Observation.valueInteger structure"]);
    assert_eq!(observation(r#""valueString":"x","_valueString":{"id":"a"}"#), [] as [&str; 0]);
    assert_eq!(
        observation(r#""valueString":"x","_valueInteger":{"id":"a"}"#),
        ["Observation._valueInteger structure"]
    );
}

#[test]
fn the_sibling_of_a_primitive_holds_its_extensions() {
    let extension = r#"{"extension":[{"url":"urn:x","valueCode":"y"}]}"#;
    assert_eq!(patient(&format!(r#""_birthDate":{extension}"#)), [] as [&str; 0]);
    assert_eq!(patient(&format!(r#""_name":[{extension}]"#)), ["Patient._name structure"]);
    assert_eq!(patient(&format!(r#""_birthDate":[{extension}]"#)), ["Patient._birthDate structure"]);
    let given =
        |given: &str, beside: &str| patient(&format!(r#""name":[{{"given":{given},"_given":{beside}}}]"#));
    assert_eq!(given(r#"["a",null]"#, &format!("[null,{extension}]")), [] as [&str; 0]);
    assert_eq!(given(r#"["a",null]"#, &format!("[{extension},null]")).len(), 2);
    assert_eq!(given(r#"["a"]"#, &format!("[null,{extension}]")), ["Patient.name[0]._given structure"]);
    assert_eq!(patient(r#""_birthDate":{"value":"1980"}"#), ["Patient._birthDate.value structure"]);
}

#[test]
fn an_extension_has_a_value_or_extensions() {
    assert_eq!(patient(r#""extension":[{"url":"urn:x"}]"#), ["Patient.extension[0] invariant"]);
    assert_eq!(patient(r#""extension":[{"valueCode":"x"}]"#), ["Patient.extension[0].url required"]);
    let both = r#""extension":[{"url":"urn:x","valueCode":"x","extension":[{"url":"y","valueCode":"x"}]}]"#;
    assert_eq!(patient(both), ["Patient.extension[0] invariant"]);
}

#[test]
fn contained_resources_are_checked_and_contain_nothing() {
    assert_eq!(
        patient(r#""contained":[{"resourceType":"Organization","id":"o","active":"yes"}]"#),
        ["Patient.contained[0].active value"]
    );
    assert_eq!(
        patient(r#""contained":[{"resourceType":"Organization","name":"x"}]"#),
        ["Patient.contained[0].id required"]
    );
    assert_eq!(patient(r#""contained":["x"]"#), ["Patient.contained[0] structure"]);
    let nested = r#""contained":[{"resourceType":"Organization","id":"o","contained":[{"resourceType":"Basic","id":"b","code":{"text":"x"}}]}]"#;
    assert_eq!(patient(nested), ["Patient.contained[0].contained invariant"]);
}

#[test]
fn a_reference_points_at_a_type_that_is_allowed() {
    assert_eq!(
        patient(r#""managingOrganization":{"reference":"Patient/1"}"#),
        ["Patient.managingOrganization value"]
    );
    assert_eq!(patient(r#""managingOrganization":{"reference":"Organization/1"}"#), [] as [&str; 0]);
    assert_eq!(
        patient(r#""managingOrganization":{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}"#),
        [] as [&str; 0]
    );
}

#[test]
fn the_list_of_issues_is_bounded() {
    let names = vec!["1"; 1000].join(",");
    assert_eq!(patient(&format!(r#""name":[{names}]"#)).len(), 100);
}

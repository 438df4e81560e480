//! The additions of R4B: what the resource says itself, and what a resolver answers.

use hub_fhir::{Json, Object};
use hub_fhirpath::{Coded, Environment, Expression, Node, On, Resolver};
use time::macros::datetime;

use super::{OBSERVATION, check, observation, patient, shown, tree};

#[test]
fn extension_has_value_and_get_value() {
    patient(&[
        ("extension('urn:x').value", "'a'"),
        ("extension('urn:none')", "{}"),
        ("extension({})", "{}"),
        ("gender.extension('urn:why').value", "'said'"),
        ("birthDate.hasValue()", "true"),
        ("contact.name.family.hasValue()", "false"),
        ("name.first().hasValue()", "false"),
        ("name.given.hasValue()", "false"),
        ("photo.hasValue()", "false"),
        ("birthDate.getValue() is System.Date", "true"),
        ("contact.name.family.getValue()", "{}"),
        ("name.first().getValue()", "{}"),
    ]);
}

#[test]
fn a_contained_resource_is_resolved_without_asking() {
    patient(&[
        ("managingOrganization.resolve().ofType(Organization).name", "'Ward 7'"),
        ("managingOrganization.resolve() is Organization", "true"),
        ("managingOrganization.reference.resolve().id", "'o1'"),
        ("generalPractitioner.resolve()", "{}"),
        // The type that the reference names decides where the resource is not at hand.
        ("generalPractitioner.where(resolve() is Practitioner).count()", "1"),
        ("generalPractitioner.where(resolve() is Patient).count()", "0"),
        ("generalPractitioner.first().resolve().is(Practitioner)", "true"),
        ("'#'.resolve().id", "'p1'"),
        ("'#none'.resolve()", "{}"),
    ]);
}

#[test]
fn an_entry_of_the_bundle_is_resolved_by_its_url() {
    let bundle = r#"{"resourceType":"Bundle","type":"collection","entry":[
        {"fullUrl":"http://h.example/fhir/Patient/1","resource":{"resourceType":"Patient","id":"1","gender":"male"}},
        {"fullUrl":"urn:uuid:7","resource":{"resourceType":"Observation","id":"2","subject":{"reference":"Patient/1"}}}]}"#;
    check(
        bundle,
        &[
            ("entry.resource.ofType(Observation).subject.resolve().ofType(Patient).gender", "'male'"),
            ("'urn:uuid:7'.resolve().id", "'2'"),
            ("'Patient/1/_history/3'.resolve().id", "'1'"),
            ("'atient/1'.resolve()", "{}"),
            ("'Patient/9'.resolve()", "{}"),
        ],
    );
}

#[test]
fn value_sets_that_are_bound_as_required_are_known() {
    patient(&[
        ("gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')", "true"),
        ("gender.memberOf(%`vs-name-use`)", "false"),
        ("gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender|4.3.0')", "true"),
        ("gender.memberOf('urn:unknown')", "{}"),
        ("'male'.memberOf(%`vs-administrative-gender`)", "true"),
        (
            "name.first().memberOf('urn:x')",
            "error at character 14: expected a code, Coding or CodeableConcept, not a `FHIR.HumanName`",
        ),
    ]);
    observation(&[
        ("code.memberOf('urn:unknown')", "{}"),
        ("code.coding.first().subsumes(code.coding.first())", "true"),
        ("code.subsumedBy(code)", "true"),
        ("code.coding.first().subsumes(code.coding.last())", "{}"),
    ]);
}

#[test]
fn types_of_r4b_are_profiles_that_are_known() {
    patient(&[
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", "true"),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Observation')", "false"),
        ("conformsTo('urn:unknown')", "{}"),
        ("active.conformsTo('urn:unknown')", "error at character 8: expected a resource"),
    ]);
}

#[test]
fn modifiers_narratives_definitions_and_slices() {
    let with_modifier = r#"{"resourceType":"Basic","code":{"text":"x"},"modifierExtension":[{"url":"urn:m","valueBoolean":true}]}"#;
    check(
        with_modifier,
        &[
            ("checkModifiers('urn:m').code.text", "'x'"),
            (
                "checkModifiers('urn:other')",
                "error at character 1: a modifier extension stands here that is not known",
            ),
            ("checkModifiers()", "error at character 1: a modifier extension stands here that is not known"),
        ],
    );
    observation(&[
        ("text.`div`.htmlChecks()", "true"),
        ("status.htmlChecks()", "{}"),
        ("code.elementDefinition()", "{}"),
        ("component.slice('urn:profile', 'systolic')", "{}"),
    ]);
}

/// Knows one patient, one value set, one profile, one definition and one slice.
struct Known {
    patient: Object,
    definition: Object,
}

impl Resolver for Known {
    fn resolve(&self, reference: &str) -> Option<&Object> {
        (reference == "Patient/p1").then_some(&self.patient)
    }

    fn member_of(&self, value_set: &str, coded: &Coded<'_>) -> Option<bool> {
        (value_set == "urn:weights")
            .then(|| coded.system == Some("http://loinc.org") && coded.code == "29463-7")
    }

    fn subsumes(&self, general: &Coded<'_>, special: &Coded<'_>) -> Option<bool> {
        Some(general.code == "w" && special.code == "29463-7")
    }

    fn conforms_to(&self, profile: &str, resource: &Object) -> Option<bool> {
        (profile == "urn:profile").then(|| resource.get("status").and_then(Json::as_str) == Some("final"))
    }

    fn element_definition(&self, path: &str) -> Option<&Object> {
        (path == "Observation.code").then_some(&self.definition)
    }

    fn in_slice(&self, _: &str, slice: &str, element: &Node<'_>) -> Option<bool> {
        Some(slice == "strings" && element.object()?.get("valueString").is_some())
    }
}

#[test]
fn a_resolver_answers_what_the_resource_does_not() {
    let known = Known {
        patient: tree(r#"{"resourceType":"Patient","id":"p1","gender":"female"}"#),
        definition: tree(r#"{"path":"Observation.code","min":1,"max":"1"}"#),
    };
    let resource = tree(OBSERVATION);
    let mut environment = Environment::of(&resource, datetime!(2026-11-26 08:30 +08:00));
    environment.resolver = Some(&known);
    for (source, expected) in [
        ("subject.resolve().ofType(Patient).gender", "'female'"),
        ("subject.resolve() is Patient", "true"),
        ("code.memberOf('urn:weights')", "true"),
        ("code.coding.last().memberOf('urn:weights')", "false"),
        ("code.coding.last().subsumes(code.coding.first())", "true"),
        ("code.coding.last().subsumedBy(code.coding.first())", "false"),
        ("conformsTo('urn:profile')", "true"),
        ("code.elementDefinition().min", "1"),
        ("component.slice('urn:profile', 'strings').value", "'x'"),
    ] {
        let expression = Expression::compile(source, &On::the("Observation").unwrap()).unwrap();
        assert_eq!(
            shown(&expression.evaluate_resource(&resource, &environment).unwrap()),
            expected,
            "{source}"
        );
    }
}

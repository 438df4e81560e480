//! What resources can be found by.
#![expect(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

use hub_fhir::index::{Aspect, IndexValue, rows};
use hub_fhir::params::find;
use hub_fhir::{ResourceType, json};

/// The rows of one parameter, written short.
fn found(code: &str, resource: &str) -> Vec<String> {
    found_of(Aspect::Value, code, resource)
}

/// The rows of an aspect of one parameter.
fn found_of(aspect: Aspect, code: &str, resource: &str) -> Vec<String> {
    let tree = json::parse(resource).unwrap();
    let tree = tree.as_object().unwrap();
    let kind = ResourceType::from_name(tree.get("resourceType").unwrap().as_str().unwrap()).unwrap();
    let param = find(kind, code).unwrap().id;
    let rows = rows(kind, tree).into_iter().filter(|row| row.param == param && row.aspect == aspect);
    rows.map(|row| match row.value {
        IndexValue::Token { system, code } => format!("{system}|{code}"),
        IndexValue::String { normal, exact } => format!("{normal}/{exact}"),
        IndexValue::Reference { kind, id } => format!("{}:{id}", kind.map_or("?", ResourceType::name)),
        IndexValue::Date { low, high } | IndexValue::Number { low, high } => format!("{low}..{high}"),
        IndexValue::Group(group) => format!("{} components", group.len()),
        IndexValue::Measure { unit: name, low, high } | IndexValue::Named { name, low, high } => {
            format!("{name} {low}..{high}")
        }
    })
    .collect()
}

const NONE: [&str; 0] = [];

#[test]
fn tokens_are_codes_with_their_systems() {
    let patient = r#"{"resourceType":"Patient","gender":"male","active":true,
        "identifier":[{"system":"urn:mrn","value":"1"},{"value":"2"},{"system":"urn:empty"},{"system":"urn:mrn","value":"1","use":"old"}],
        "telecom":[{"system":"phone","value":"138"},{"system":"email","value":"a@b"}],"deceasedDateTime":"2026"}"#;
    assert_eq!(found("gender", patient), ["http://hl7.org/fhir/administrative-gender|male"]);
    assert_eq!(found("active", patient), ["|true"]);
    assert_eq!(found("identifier", patient), ["|2", "urn:mrn|1"]);
    assert_eq!(found("telecom", patient), ["|138", "|a@b"]);
    assert_eq!(found("phone", patient), ["|138"]);
    assert_eq!(found("deceased", patient), ["|true"]);
}

#[test]
fn the_text_of_a_concept_is_no_token() {
    let observation = r#"{"resourceType":"Observation","status":"final","meta":{"tag":[{"code":"t"}]},
        "code":{"coding":[{"system":"http://loinc.org","code":"2823-3"},{"code":"K"},{"display":"x"}],"text":"钾"},
        "valueCodeableConcept":{"coding":[{"code":"pos"}],"text":"Positive"}}"#;
    assert_eq!(
        found("code", observation),
        ["http://loinc.org|2823-3", "|K"].map(str::to_owned).into_iter().rev().collect::<Vec<_>>()
    );
    assert_eq!(found("status", observation), ["http://hl7.org/fhir/observation-status|final"]);
    assert_eq!(found("value-concept", observation), ["|pos"]);
    assert_eq!(found("value-string", observation), ["positive/Positive"]);
    assert_eq!(found("_tag", observation), ["|t"]);
}

#[test]
fn a_whole_name_is_found_as_it_is_spoken() {
    let chinese = r#"{"resourceType":"Patient","name":[{"family":"王","given":["小明"]}]}"#;
    assert_eq!(found("name", chinese), ["小明/小明", "王/王", "王小明/王小明"]);
    let latin = r#"{"resourceType":"Patient","name":[{"family":"Lüdenscheidt","given":["Jörg","X"],"text":"Herr J. L."}]}"#;
    let names = found("name", latin);
    assert!(names.contains(&"ludenscheidt jorg x/Lüdenscheidt Jörg X".to_owned()), "{names:?}");
    assert!(names.contains(&"herr j. l./Herr J. L.".to_owned()), "{names:?}");
    assert_eq!(found("family", latin), ["ludenscheidt/Lüdenscheidt"]);
    let address =
        r#"{"resourceType":"Patient","address":[{"line":["1 Main St"],"city":"北京","use":"home"}]}"#;
    assert_eq!(found("address", address), ["1 main st/1 Main St", "北京/北京"]);
    assert_eq!(found("address-city", address), ["北京/北京"]);
}

#[test]
fn references_keep_what_they_point_at() {
    let subject = |reference: &str| {
        found("subject", &format!(r#"{{"resourceType":"Observation","subject":{reference}}}"#))
    };
    assert_eq!(subject(r#"{"reference":"Patient/1"}"#), ["Patient:1"]);
    assert_eq!(subject(r#"{"reference":"Patient/1/_history/2"}"#), ["Patient:1"]);
    assert_eq!(subject(r#"{"reference":"http://x/fhir/Patient/1"}"#), ["Patient:http://x/fhir/Patient/1"]);
    assert_eq!(subject(r#"{"reference":"urn:uuid:1","type":"Patient"}"#), ["Patient:urn:uuid:1"]);
    assert_eq!(subject(r##"{"reference":"#p"}"##), NONE);
    assert_eq!(subject(r#"{"identifier":{"value":"1"}}"#), NONE);
    let group = r#"{"resourceType":"Observation","subject":{"reference":"Group/1"}}"#;
    assert_eq!(found("patient", group), NONE);
}

#[test]
fn dates_are_spans() {
    let born = found("birthdate", r#"{"resourceType":"Patient","birthDate":"1970-01-01"}"#);
    assert_eq!(born, ["-28800000000..57600000000"]); // the day in Beijing
    let visit = |period: &str| found("date", &format!(r#"{{"resourceType":"Encounter","period":{period}}}"#));
    assert_eq!(visit(r#"{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:00:01Z"}"#), ["0..2000000"]);
    assert_eq!(visit(r#"{"start":"1970-01-01T00:00:00Z"}"#), [format!("0..{}", i64::MAX)]);
    assert_eq!(visit(r#"{"end":"1970-01-01T00:00:00Z"}"#), [format!("{}..1000000", i64::MIN)]);
    assert_eq!(visit(r#"{"start":"not a date"}"#), NONE);
    assert_eq!(visit(r#"{"id":"x"}"#), NONE);
    let timing = r#"{"resourceType":"ServiceRequest","occurrenceTiming":{"event":["1970-01-01T00:00:09Z","1970-01-01T00:00:00Z"]}}"#;
    assert_eq!(found("occurrence", timing), ["0..10000000"]);
}

#[test]
fn quantities_stand_as_written_and_in_base_units() {
    let observation = |value: &str| format!(r#"{{"resourceType":"Observation","valueQuantity":{value}}}"#);
    let rows = |value: &str| found("value-quantity", &observation(value));
    let milligrams =
        rows(r#"{"value":5400,"unit":"Milligramm","system":"http://unitsofmeasure.org","code":"mg"}"#);
    let grams = rows(r#"{"value":5.4,"system":"http://unitsofmeasure.org","code":"g"}"#);
    let in_base_units = |rows: &[String]| rows.iter().find(|row| row.starts_with("=.g1 ")).unwrap().clone();
    assert_eq!(in_base_units(&milligrams), in_base_units(&grams));
    // The number, its number in base units, its code and its unit.
    assert_eq!((milligrams.len(), grams.len()), (4, 3));
    assert_eq!(rows(r#"{"value":5}"#).len(), 1);
    assert_eq!(rows(r#"{"unit":"mg"}"#), NONE);
    let below = rows(r#"{"value":5,"comparator":"<"}"#);
    assert!(below[0].starts_with(&format!("{}..", i64::MIN)), "{below:?}");
    let sampled = r#"{"resourceType":"Observation","valueSampledData":{"origin":{"value":1},"period":1,"dimensions":1}}"#;
    assert_eq!(found("value-quantity", sampled), NONE);
}

#[test]
fn composites_have_groups_where_a_resource_has_several_elements() {
    let component = r#"{"code":{"coding":[{"code":"a"}]},"valueQuantity":{"value":1}}"#;
    let observation =
        |components: &str| format!(r#"{{"resourceType":"Observation","component":[{components}]}}"#);
    let two = observation(&format!("{component},{component}"));
    // Two that are the same are one row.
    assert_eq!(found("component-code-value-quantity", &two), ["2 components"]);
    assert_eq!(found("component-code-value-quantity", &observation(component)), NONE);
    // The observation itself is an element as well.
    assert_eq!(found("combo-code-value-quantity", &observation(component)).len(), 2);
    assert_eq!(found("code-value-quantity", &two), NONE);
}

#[test]
fn modifiers_look_at_what_stands_beside_the_value() {
    let observation = r#"{"resourceType":"Observation",
        "code":{"coding":[{"code":"718-7","display":"Hemoglobin"},{"code":"hb","display":"hemoglobin"}],"text":"血红蛋白"},
        "subject":{"reference":"Patient/1","identifier":{"system":"urn:mrn","value":"4711"}},
        "identifier":[{"system":"urn:a","value":"9","type":{"coding":[{"system":"urn:t","code":"MR"},{"code":"X"}],"text":"Record"}}]}"#;
    assert_eq!(found_of(Aspect::Text, "code", observation), ["hemoglobin/", "血红蛋白/"]);
    assert_eq!(found_of(Aspect::Identifier, "subject", observation), ["urn:mrn|4711"]);
    assert_eq!(found_of(Aspect::Identifier, "patient", observation), ["urn:mrn|4711"]);
    assert_eq!(found_of(Aspect::OfType, "identifier", observation), ["urn:t|MR|9"]);
    assert_eq!(found_of(Aspect::Text, "identifier", observation), ["record/"]);
}

#[test]
fn a_chinese_name_is_found_as_it_is_spelt() {
    let patient = r#"{"resourceType":"Patient","name":[{"family":"單","given":["小明"],"text":"單小明"}]}"#;
    let spelt = |code| found_of(Aspect::Spelling, code, patient);
    assert_eq!(spelt("family"), ["dan/", "shan/"]);
    assert_eq!(spelt("given"), ["xiaoming/", "xm/"]);
    assert_eq!(spelt("name"), ["danxiaoming/", "dxm/", "shanxiaoming/", "sxm/", "xiaoming/", "xm/"]);
    assert_eq!(found("family", patient), ["单/單"]);
    let hospital = r#"{"resourceType":"Organization","name":"协和医院","alias":["Union"]}"#;
    assert_eq!(found_of(Aspect::Spelling, "name", hospital), ["xhyy/", "xieheyiyuan/", "xiehuoyiyuan/"]);
}

//! What it costs to look at every invariant of a resource, beside its structure: `cargo bench -p hub-fhirpath`.
#![expect(clippy::print_stdout, reason = "a bench tells its numbers")]

use std::hint::black_box;
use std::time::Instant;

use hub_fhir::{Json, Object, json};
use hub_fhirpath::{Environment, Expression, On, check_invariants, invariants};
use time::macros::datetime;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/Patient"],"source":"urn:his"},
"identifier":[{"use":"usual","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"system":"urn:oid:1.2.36.146.595.217.0.1","value":"12345"},
{"system":"urn:oid:2.16.156.10011.1.3","value":"110101198001010010"}],"active":true,"name":[{"use":"official","text":"王小明","family":"王","given":["小明"]},
{"use":"usual","family":"Wang","given":["Xiaoming"]}],"telecom":[{"system":"phone","value":"13800138000","use":"mobile","rank":1},{"system":"email","value":"a@example.org"}],
"gender":"male","birthDate":"1980-01-01","deceasedBoolean":false,"address":[{"use":"home","text":"北京市","line":["朝阳区建国路 88 号"],"city":"北京","postalCode":"100022","country":"CHN"}],
"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]},"contact":[{"relationship":[{"text":"wife"}],"name":{"family":"Li"}}],
"managingOrganization":{"reference":"Organization/1"}}"#;

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o1","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],
"code":{"coding":[{"system":"http://loinc.org","code":"2823-3","display":"Potassium"}],"text":"钾"},"subject":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/e1"},
"effectiveDateTime":"2026-11-26T08:30:00+08:00","issued":"2026-11-26T09:00:00.000+08:00","valueQuantity":{"value":6.1,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"},
"interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"HH"}]}],
"referenceRange":[{"low":{"value":3.5,"unit":"mmol/L"},"high":{"value":5.3,"unit":"mmol/L"}}]}"#;

fn main() {
    let compile = Instant::now();
    let compiled = invariants::all().iter().filter(|rule| rule.compiled().is_ok()).count();
    println!("tables read, {compiled} rules compiled: {:.1} ms", compile.elapsed().as_secs_f64() * 1e3);
    let patient = tree(PATIENT);
    let observation = tree(OBSERVATION);
    let entries = (0..100).map(|at| {
        let resource = if at % 5 == 0 { &patient } else { &observation };
        let mut entry = Object::new();
        entry.set("fullUrl", format!("urn:uuid:{at:032}"));
        entry.set("resource", resource.clone());
        Json::Object(entry)
    });
    let mut bundle = Object::new();
    bundle.set("resourceType", "Bundle");
    bundle.set("type", "collection");
    bundle.set("entry", entries.collect::<Vec<_>>());
    for (name, tree) in [("Patient", &patient), ("Observation", &observation), ("Bundle of 100", &bundle)] {
        let environment = Environment::of(tree, datetime!(2026-11-26 08:30 +08:00));
        let rules = check_invariants(tree, &environment).looked_at;
        let bytes = Json::Object(tree.clone()).to_text().len();
        println!("{name}: {bytes} bytes, {rules} rules");
        many("  structure", || hub_fhir::validate(black_box(tree)));
        many("  invariants", || check_invariants(black_box(tree), &environment));
    }
    let environment = Environment::of(&patient, datetime!(2026-11-26 08:30 +08:00));
    let on = On::the("Patient").expect("`Patient` is a type of R4B");
    for source in
        ["name.where(use = 'official').given", "birthDate <= today() - 18 years", "descendants().count()"]
    {
        many(&format!("compile `{source}`"), || Expression::compile(black_box(source), &on));
        let expression = Expression::compile(source, &on).expect("the sample is FHIRPath");
        many(&format!("evaluate `{source}`"), || {
            expression.evaluate_resource(black_box(&patient), &environment).map(|items| items.len())
        });
    }
}

fn tree(text: &str) -> Object {
    json::parse(text).ok().and_then(|json| json.as_object().cloned()).expect("the sample is a resource")
}

/// The best of ten rounds: other work on the machine only ever adds.
fn many<T>(what: &str, work: impl Fn() -> T) {
    let round = |times: u32| {
        let start = Instant::now();
        for _ in 0..times {
            black_box(work());
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(times)
    };
    let once = round(1).max(0.1);
    let times = (20_000.0 / once).clamp(3.0, 2000.0) as u32;
    let best = (0..10).map(|_| round(times)).fold(f64::INFINITY, f64::min);
    println!("{what}: {best:.2} µs");
}

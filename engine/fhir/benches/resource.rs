//! What one resource costs on its way into the store: read, validated, prepared, written.
#![expect(clippy::print_stdout, reason = "a bench tells its numbers")]

use std::hint::black_box;
use std::time::Instant;

use hub_fhir::{Prepared, Resource, elements, index, json, params, validate};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/Patient"],"source":"urn:his"},
"identifier":[{"use":"usual","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"system":"urn:oid:1.2.36.146.595.217.0.1","value":"12345"},
{"system":"urn:oid:2.16.156.10011.1.3","value":"110101198001010010"}],"active":true,"name":[{"use":"official","text":"王小明","family":"王","given":["小明"]},
{"use":"usual","family":"Wang","given":["Xiaoming"]}],"telecom":[{"system":"phone","value":"13800138000","use":"mobile","rank":1},{"system":"email","value":"a@example.org"}],
"gender":"male","birthDate":"1980-01-01","deceasedBoolean":false,"address":[{"use":"home","text":"北京市","line":["朝阳区建国路 88 号"],"city":"北京","postalCode":"100022","country":"CHN"}],
"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]},"contact":[{"relationship":[{"text":"wife"}],"name":{"family":"Li"}}],
"managingOrganization":{"reference":"Organization/1"}}"#;

fn main() {
    once("elements and codes are read", || elements::type_of("Patient").is_some());
    once("search parameters are read", || index_params() > 0);
    let tree = json::parse(PATIENT).expect("the sample is JSON");
    let resource = Resource::from_tree(tree.clone()).expect("the sample is a resource");
    println!("a Patient of {} bytes, {} rows", PATIENT.len(), Prepared::of(&resource).rows.len());
    let prepared = Prepared::of(&resource);
    many("parse", || json::parse(black_box(PATIENT)));
    many("validate", || validate(black_box(resource.tree())));
    many("rows", || index::rows(resource.kind(), black_box(resource.tree())));
    many("prepare (text, digest, rows)", || Prepared::of(black_box(&resource)));
    many("body of a version", || prepared.body(black_box(7), time::OffsetDateTime::UNIX_EPOCH));
}

fn index_params() -> usize {
    hub_fhir::ResourceType::from_name("Patient").map_or(0, |kind| params::params_of(kind).len())
}

fn once(what: &str, work: impl FnOnce() -> bool) {
    let start = Instant::now();
    assert!(work(), "the tables are there");
    println!("{what}: {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
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
    let best = (0..10).map(|_| round(2000)).fold(f64::INFINITY, f64::min);
    println!("{what}: {best:.2} µs");
}

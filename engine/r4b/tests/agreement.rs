//! fhir-sdk's models and hub-fhir's validator agree on the official examples, and on the known traps.

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test says when it cannot run, and stops at what cannot be"
)]

use std::path::PathBuf;

use hub_fhir::{json, validate};

/// Where the example itself is wrong, or fhir-sdk writes the same thing otherwise: file, place, why.
const KNOWN: [(&str, &str, &str); 4] = [
    ("binary-example.json", "Binary.data", "spaces within base64 are dropped"),
    (
        "devicemetric-example.json",
        "DeviceMetric.parent",
        "takes a Device, the example points at a DeviceDefinition",
    ),
    (
        "diagnosticreport-example-gingival-mass.json",
        "DiagnosticReport.presentedForm[0].data",
        "spaces within base64",
    ),
    ("media-example.json", "Media.content.data", "spaces within base64 are dropped"),
];

fn problems(text: &str) -> Vec<String> {
    hub_r4b::check(text).err().unwrap_or_default()
}

fn issues(text: &str) -> usize {
    validate(json::parse(text).unwrap().as_object().unwrap()).len()
}

#[test]
fn official_examples_come_back_as_they_were() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let corpus = std::env::var("HUITONG_CORPUS").map_or_else(|_| root.join("../shared/data"), PathBuf::from);
    let Ok(folder) = std::fs::read_dir(corpus.join("fhir-examples/r4b")) else {
        eprintln!("not run: there is no corpus; set HUITONG_CORPUS");
        return;
    };
    let mut found = Vec::new();
    let mut checked = 0;
    for file in folder {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let Ok(tree) = json::parse(&text) else { continue };
        checked += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let issues = validate(tree.as_object().unwrap()).into_iter().map(|issue| issue.to_string());
        for problem in issues.chain(problems(&text)) {
            let is_known = KNOWN
                .iter()
                .any(|(file, path, _)| *file == name && problem.starts_with(&format!("{path}: ")));
            if !is_known {
                found.push(format!("{name}: {problem}"));
            }
        }
    }
    found.sort();
    assert!(checked > 300, "only {checked} examples were found");
    assert!(found.is_empty(), "{} problems:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_choice_in_a_wrong_form_is_dropped_by_the_model_and_found_by_both() {
    let naive = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"effectiveDateTime":"2026-11-22T08:30:00"}"#;
    assert_eq!(problems(naive), ["Observation.effectiveDateTime: lost"]);
    assert_eq!(issues(naive), 1);
}

#[test]
fn an_unknown_element_is_ignored_by_the_model_and_found_by_both() {
    let unknown = r#"{"resourceType":"Patient","nickname":"x"}"#;
    assert_eq!(problems(unknown), ["Patient.nickname: lost"]);
    assert_eq!(issues(unknown), 1);
}

#[test]
fn nothings_are_dropped_by_the_model_and_found_by_both() {
    for nothing in [r#""active":null"#, r#""name":[]"#] {
        let text = format!(r#"{{"resourceType":"Patient",{nothing}}}"#);
        assert_eq!(problems(&text).len(), 1, "{nothing}");
        assert_eq!(issues(&text), 1, "{nothing}");
    }
}

#[test]
fn errors_of_the_model_show_no_content() {
    let secret = r#"{"resourceType":"Patient","gender":"geheim","birthDate":"geheim"}"#;
    assert!(
        problems(secret).iter().all(|problem| !problem.contains("geheim")) && !problems(secret).is_empty()
    );
    let missing = problems(r#"{"resourceType":"Observation","code":{"text":"x"}}"#);
    assert!(missing.iter().any(|problem| problem.contains("missing")), "{missing:?}");
}

#[test]
fn numbers_may_be_written_otherwise_but_mean_the_same() {
    let text = |value: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"valueQuantity":{{"value":{value}}}}}"#
        )
    };
    for value in ["1.10", "0.120", "100", "-3.5", "1e2"] {
        assert_eq!(problems(&text(value)), [] as [&str; 0], "{value}");
    }
}

#[test]
fn a_moment_may_name_its_offset_otherwise() {
    let text = |moment: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"effectiveDateTime":"{moment}"}}"#
        )
    };
    for moment in
        ["2026-11-22T08:30:00+00:00", "2026-11-22T08:30:00.120+08:00", "2026-11-22", "2026-11", "2026"]
    {
        assert_eq!(problems(&text(moment)), [] as [&str; 0], "{moment}");
    }
}

#[test]
fn no_input_makes_it_panic() {
    let nested = |depth: usize| {
        let open = r#"{"linkId":"x","type":"group","item":["#.repeat(depth);
        let close = "]}".repeat(depth);
        format!(
            r#"{{"resourceType":"Questionnaire","status":"draft","item":[{open}{{"linkId":"x","type":"display"}}{close}]}}"#
        )
    };
    for text in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"resourceType":"Foo"}"#,
        &nested(20),
        &nested(1000),
        &"[".repeat(100_000),
    ] {
        let _ = problems(text);
    }
}

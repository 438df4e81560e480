//! FHIRPath Patch: every operation, on elements, lists, choices and primitives with something beside them.

use hub_fhir::json::parse;
use hub_fhir::{Json, Object};
use hub_fhirpath::FhirPatch;
use time::macros::datetime;

const TREE: &str = r#"{"resourceType":"Patient","id":"1","active":true,"name":[{"family":"A","given":["x","y"],"_given":[null,{"id":"g"}]},{"family":"B"}],"birthDate":"1970-01-01","deceasedBoolean":false}"#;

fn tree(text: &str) -> Object {
    parse(text).unwrap().as_object().unwrap().clone()
}

/// Operations, each its parts as `name=JSON of value[x]`.
fn patched(operations: &[&[&str]]) -> Result<String, String> {
    let part = |text: &str| {
        let (name, value) = text.split_once('=').unwrap();
        format!(r#"{{"name":"{name}",{value}}}"#)
    };
    let operation = |parts: &&[&str]| {
        let parts: Vec<String> = parts.iter().map(|text| part(text)).collect();
        format!(r#"{{"name":"operation","part":[{}]}}"#, parts.join(","))
    };
    let operations: Vec<String> = operations.iter().map(operation).collect();
    let text = format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, operations.join(","));
    let patch = FhirPatch::read(&tree(&text)).map_err(|wrong| wrong.to_string())?;
    let after =
        patch.apply(&tree(TREE), datetime!(2026-11-26 0:00 UTC)).map_err(|wrong| wrong.to_string())?;
    Ok(Json::Object(after).to_text())
}

const ADD: &str = r#"type="valueCode":"add""#;
const INSERT: &str = r#"type="valueCode":"insert""#;
const DELETE: &str = r#"type="valueCode":"delete""#;
const REPLACE: &str = r#"type="valueCode":"replace""#;
const MOVE: &str = r#"type="valueCode":"move""#;

#[test]
fn every_operation_changes_what_its_path_leads_to() {
    for (operation, old, new) in [
        (
            &[
                ADD,
                r#"path="valueString":"Patient""#,
                r#"name="valueString":"gender""#,
                r#"value="valueCode":"male""#,
            ][..],
            r#""deceasedBoolean":false}"#,
            r#""deceasedBoolean":false,"gender":"male"}"#,
        ),
        (
            &[
                ADD,
                r#"path="valueString":"Patient.name[0]""#,
                r#"name="valueString":"given""#,
                r#"value="valueString":"z""#,
            ],
            r#""given":["x","y"],"_given":[null,{"id":"g"}]"#,
            r#""given":["x","y","z"],"_given":[null,{"id":"g"},null]"#,
        ),
        (
            &[
                ADD,
                r#"path="valueString":"Patient.name[1]""#,
                r#"name="valueString":"period""#,
                r#"value="valuePeriod":{"start":"2026"}"#,
            ],
            r#"{"family":"B"}"#,
            r#"{"family":"B","period":{"start":"2026"}}"#,
        ),
        (
            &[
                ADD,
                r#"path="valueString":"Patient""#,
                r#"name="valueString":"contact""#,
                r#"value="part":[{"name":"gender","valueCode":"male"},{"name":"relationship","valueCodeableConcept":{"text":"a"}},{"name":"relationship","valueCodeableConcept":{"text":"b"}},{"name":"name","part":[{"name":"family","valueString":"C"}]}]"#,
            ],
            r#""deceasedBoolean":false}"#,
            r#""deceasedBoolean":false,"contact":[{"gender":"male","relationship":[{"text":"a"},{"text":"b"}],"name":{"family":"C"}}]}"#,
        ),
        (
            &[
                INSERT,
                r#"path="valueString":"Patient.name[0].given""#,
                r#"index="valueInteger":0"#,
                r#"value="valueString":"w""#,
            ],
            r#""given":["x","y"],"_given":[null,{"id":"g"}]"#,
            r#""given":["w","x","y"],"_given":[null,null,{"id":"g"}]"#,
        ),
        (
            &[
                INSERT,
                r#"path="valueString":"identifier""#,
                r#"index="valueInteger":0"#,
                r#"value="valueIdentifier":{"value":"1"}"#,
            ],
            r#""deceasedBoolean":false}"#,
            r#""deceasedBoolean":false,"identifier":[{"value":"1"}]}"#,
        ),
        (
            &[DELETE, r#"path="valueString":"Patient.name.where(family = 'A').given[1]""#],
            r#""given":["x","y"],"_given":[null,{"id":"g"}]"#,
            r#""given":["x"]"#,
        ),
        (&[DELETE, r#"path="valueString":"Patient.birthDate""#], r#""birthDate":"1970-01-01","#, ""),
        (&[DELETE, r#"path="valueString":"Patient.maritalStatus""#], "", ""),
        (
            &[REPLACE, r#"path="valueString":"Patient.birthDate""#, r#"value="valueDate":"1971""#],
            r#""birthDate":"1970-01-01""#,
            r#""birthDate":"1971""#,
        ),
        (
            &[REPLACE, r#"path="valueString":"Patient.deceased""#, r#"value="valueDateTime":"2026""#],
            r#""deceasedBoolean":false"#,
            r#""deceasedDateTime":"2026""#,
        ),
        (
            &[
                MOVE,
                r#"path="valueString":"Patient.name""#,
                r#"source="valueInteger":1"#,
                r#"destination="valueInteger":0"#,
            ],
            r#"[{"family":"A","given":["x","y"],"_given":[null,{"id":"g"}]},{"family":"B"}]"#,
            r#"[{"family":"B"},{"family":"A","given":["x","y"],"_given":[null,{"id":"g"}]}]"#,
        ),
    ] {
        assert!(TREE.contains(old));
        assert_eq!(patched(&[operation]).unwrap(), TREE.replacen(old, new, 1), "{operation:?}");
    }
}

#[test]
fn an_error_names_the_operation_and_what_was_expected() {
    for (operation, said) in [
        (
            &[
                ADD,
                r#"path="valueString":"Patient""#,
                r#"name="valueString":"active""#,
                r#"value="valueBoolean":true"#,
            ][..],
            "operation 1 (`add` at `Patient`): the element is there already",
        ),
        (
            &[
                ADD,
                r#"path="valueString":"Patient""#,
                r#"name="valueString":"deceased""#,
                r#"value="valueDateTime":"2026""#,
            ],
            "is there already",
        ),
        (
            &[
                ADD,
                r#"path="valueString":"Patient""#,
                r#"name="valueString":"multipleBirth""#,
                r#"value="valueDate":"2026""#,
            ],
            "expected boolean, integer",
        ),
        (
            &[
                ADD,
                r#"path="valueString":"Patient""#,
                r#"name="valueString":"gendre""#,
                r#"value="valueCode":"male""#,
            ],
            "no element of this name",
        ),
        (
            &[
                ADD,
                r#"path="valueString":"Patient.name""#,
                r#"name="valueString":"text""#,
                r#"value="valueString":"x""#,
            ],
            "leads to 2 elements",
        ),
        (
            &[REPLACE, r#"path="valueString":"Patient.gender""#, r#"value="valueCode":"male""#],
            "leads to nothing",
        ),
        (
            &[REPLACE, r#"path="valueString":"Patient.birthDate + 1 'day'""#, r#"value="valueCode":"male""#],
            "operation 1 (`replace`): ",
        ),
        (&[DELETE, r#"path="valueString":"Patient""#], "the resource itself"),
        (&[DELETE, r#"path="valueString":"Patient.nmae""#], "the path: character"),
        (
            &[
                INSERT,
                r#"path="valueString":"Patient.name""#,
                r#"index="valueInteger":3"#,
                r#"value="valueHumanName":{"text":"x"}"#,
            ],
            "the list has 2 elements",
        ),
        (
            &[
                INSERT,
                r#"path="valueString":"Patient.gender""#,
                r#"index="valueInteger":0"#,
                r#"value="valueCode":"male""#,
            ],
            "is no list",
        ),
        (
            &[
                MOVE,
                r#"path="valueString":"Patient.name""#,
                r#"source="valueInteger":2"#,
                r#"destination="valueInteger":0"#,
            ],
            "the list has 2 elements",
        ),
        (
            &[
                MOVE,
                r#"path="valueString":"Patient.name""#,
                r#"source="valueInteger":-1"#,
                r#"destination="valueInteger":0"#,
            ],
            "whole number from 0",
        ),
        (&[r#"type="valueCode":"put""#], "expected a part `type`"),
        (&[REPLACE, r#"path="valueString":"Patient.birthDate""#], "expected a part `value`"),
        (&[DELETE], "expected a part `path`"),
    ] {
        let told = patched(&[operation]).unwrap_err();
        assert!(told.contains(said), "{told}");
    }
    let second = patched(&[
        &[DELETE, r#"path="valueString":"Patient.name[0]""#],
        &[DELETE, r#"path="valueString":"Patient.name.family.given""#],
    ]);
    assert!(second.unwrap_err().starts_with("operation 2 "));
}

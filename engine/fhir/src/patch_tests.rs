//! JSON Patch by the examples of RFC 6902 (appendix A), merge patch by those of RFC 7396 (appendix A).

use proptest::prelude::*;

use super::*;
use crate::json::parse;

fn patched(tree: &str, patch: &str) -> Result<String, String> {
    let patch = JsonPatch::read(&parse(patch).unwrap()).map_err(|wrong| wrong.to_string())?;
    let tree = patch.apply(parse(tree).unwrap().as_object().unwrap()).map_err(|wrong| wrong.to_string())?;
    Ok(Json::Object(tree).to_text())
}

#[test]
fn the_examples_of_the_standard_hold() {
    for (tree, patch, result) in [
        (r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz","value":"qux"}]"#, r#"{"foo":"bar","baz":"qux"}"#), // A.1
        (
            r#"{"foo":["bar","baz"]}"#,
            r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
            r#"{"foo":["bar","qux","baz"]}"#,
        ), // A.2
        (r#"{"baz":"qux","foo":"bar"}"#, r#"[{"op":"remove","path":"/baz"}]"#, r#"{"foo":"bar"}"#), // A.3
        (
            r#"{"foo":["bar","qux","baz"]}"#,
            r#"[{"op":"remove","path":"/foo/1"}]"#,
            r#"{"foo":["bar","baz"]}"#,
        ), // A.4
        (
            r#"{"baz":"qux","foo":"bar"}"#,
            r#"[{"op":"replace","path":"/baz","value":"boo"}]"#,
            r#"{"baz":"boo","foo":"bar"}"#,
        ), // A.5
        (
            r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            r#"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
            r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#,
        ), // A.6
        (
            r#"{"foo":["all","grass","cows","eat"]}"#,
            r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
            r#"{"foo":["all","cows","eat","grass"]}"#,
        ), // A.7
        (
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
            r#"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]"#,
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
        ), // A.8
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
            r#"{"foo":"bar","child":{"grandchild":{}}}"#,
        ), // A.10
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/baz","value":"qux","xyz":123}]"#,
            r#"{"foo":"bar","baz":"qux"}"#,
        ), // A.11
        (r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":10}]"#, r#"{"/":9,"~1":10}"#), // A.14
        (
            r#"{"foo":["bar"]}"#,
            r#"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
            r#"{"foo":["bar",["abc","def"]]}"#,
        ), // A.16
    ] {
        assert_eq!(patched(tree, patch).unwrap(), result, "{patch}");
    }
}

#[test]
fn an_error_names_the_operation_and_its_path() {
    for (patch, said) in [
        (
            r#"[{"op":"test","path":"/a","value":"x"}]"#,
            "operation 1 (`test` at `/a`): the value is another one",
        ),
        (r#"[{"op":"add","path":"/b/c","value":1}]"#, "operation 1 (`add` at `/b/c`): there is nothing"),
        (
            r#"[{"op":"remove","path":"/l/1"},{"op":"remove","path":"/l/01"}]"#,
            "operation 2 (`remove` at `/l/01`): expected a place in an array, below 1",
        ),
        (r#"[{"op":"move","from":"/o","path":"/o/x"}]"#, "into itself"),
        (r#"[{"op":"remove","path":""}]"#, "the whole resource"),
        (r#"[{"op":"replace","path":"/z","value":1}]"#, "there is nothing"),
        (r#"[{"op":"add","path":"a","value":1}]"#, "JSON Pointer"),
        (r#"[{"op":"add","path":"/a~2","value":1}]"#, "JSON Pointer"),
        (r#"[{"op":"add","path":"/a"}]"#, "`value` is missing"),
        (r#"[{"op":"put","path":"/a"}]"#, "operation 1 (`?`): expected an object with `op`"),
        (r#"{}"#, "an array of operations"),
    ] {
        let told = patched(r#"{"a":"s","l":[1,2],"o":{"x":1}}"#, patch).unwrap_err();
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn what_may_be_a_patients_is_not_told() {
    for path in ["/name/张三", "/13912345678", "/a b"] {
        let patch = format!(r#"[{{"op":"remove","path":"{path}"}}]"#);
        let told = patched("{}", &patch).unwrap_err();
        assert_eq!(told, "operation 1 (`remove`): there is nothing at this path");
    }
}

#[test]
fn digits_stay_and_numbers_are_compared_by_value() {
    let patch = r#"[{"op":"test","path":"/a","value":1.50},{"op":"copy","from":"/a","path":"/b"}]"#;
    assert_eq!(patched(r#"{"a":1.5000}"#, patch).unwrap(), r#"{"a":1.5000,"b":1.5000}"#);
    for (one, other, are) in [
        ("15e-1", "1.5", true),
        ("0", "-0.00", true),
        ("100", "1e2", true),
        ("1.5", "1.51", false),
        ("1e99999999999", "1e2", false),
    ] {
        assert_eq!(same(&parse(one).unwrap(), &parse(other).unwrap()), are, "{one} {other}");
    }
}

#[test]
fn a_patch_makes_nothing_deeper_or_larger_than_is_read() {
    let grow = r#"{"op":"copy","from":"/a","path":"/a/a"}"#;
    let patch = format!("[{}]", vec![grow; 100].join(","));
    assert!(patched(r#"{"a":{"x":1}}"#, &patch).unwrap_err().contains("64 levels"));
    let widen = r#"{"op":"copy","from":"/a","path":"/a/-"}"#;
    let narrow = r#"{"op":"add","path":"/a","value":[1]}"#;
    let double = r#"{"op":"copy","from":"/a","path":"/b"},{"op":"add","path":"/a","value":[]},{"op":"copy","from":"/b","path":"/a/-"},{"op":"copy","from":"/b","path":"/a/-"}"#;
    assert!(patched(r#"{"a":[1]}"#, &format!("[{widen},{narrow}]")).is_ok());
    let patch = format!("[{}]", vec![double; 30].join(","));
    assert!(patched(r#"{"a":[1]}"#, &patch).unwrap_err().contains("too much is copied"));
    let many = format!("[{}]", vec![r#"{"op":"test","path":"","value":{}}"#; MAX_OPERATIONS + 1].join(","));
    assert!(patched("{}", &many).unwrap_err().contains("operations"));
}

#[test]
fn a_merge_patch_is_merged_as_the_standard_says() {
    for (tree, patch, result) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"{"e":null}"#, r#"{"a":1.50}"#, r#"{"e":null,"a":1.50}"#),
        (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ] {
        let read = |text| parse(text).unwrap().as_object().unwrap().clone();
        assert_eq!(Json::Object(merge_patch(&read(tree), &read(patch))).to_text(), result, "{patch}");
    }
}

proptest! {
    #[test]
    fn no_patch_panics(operations in proptest::collection::vec(("(add|remove|replace|move|copy|test)", "(/(a|b|0|1|-|~0))*", "(/(a|b|0|1|-))*"), 0..8)) {
        let operations: Vec<String> = operations
            .iter()
            .map(|(op, path, from)| format!(r#"{{"op":"{op}","path":"{path}","from":"{from}","value":[{{"a":1}}]}}"#))
            .collect();
        let _ = patched(r#"{"a":{"b":[1,{"a":2}]},"b":[[0]]}"#, &format!("[{}]", operations.join(",")));
    }
}

//! Limits: depth, steps, values, texts and patterns; and nothing that comes in makes anything panic.

use hub_fhirpath::{Environment, Expression, Limits, On, check_invariants};
use proptest::prelude::*;
use time::macros::datetime;

use super::{OBSERVATION, PATIENT, answer, patient, tree};

#[test]
fn an_expression_may_not_be_too_deep_or_too_long() {
    for source in [
        "(".repeat(100_000),
        "-".repeat(100_000),
        "name[".repeat(10_000),
        format!("true{}", " and true".repeat(10_000)),
        format!("$this{}", ".first()".repeat(10_000)),
        "iif(".repeat(10_000),
        " ".repeat(70_000),
    ] {
        assert!(answer(&source, &tree(PATIENT)).starts_with("refused at"), "{}", &source[..20]);
    }
    // What is just not too deep is evaluated on the stack of a thread of 2 MiB.
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    patient(&[
        (&format!("true{}", " and true".repeat(150)), "true"),
        (&format!("$this{}.id", ".where(true)".repeat(150)), "'p1'"),
        (&nested("(", "1", ")", 40), "1"),
        (&nested("iif(true, ", "1", ", 2)", 40), "1"),
        (&nested("descendants().where(", "true", ").exists()", 2), "true"),
        (&nested("iif(true, $this.", "id", ")", 40), "'p1'"),
    ]);
}

#[test]
fn what_grows_without_end_is_stopped() {
    let limits = [
        ("('a').repeat($this & $this)", "bytes"),
        ("(1).repeat($this + 1)", "values"),
        ("('a' | 'b').aggregate($total & $total & 'ab', 'x').length()", "10"),
        (
            "name.given.select(%resource.descendants().select(%resource.descendants().select(%resource.descendants().select(%resource.descendants()))))",
            "values",
        ),
        (
            "descendants().all(%resource.descendants().all(%resource.descendants().all(%resource.descendants().exists())))",
            "steps",
        ),
        (
            "'a'.replace('', 'aaaaaaaaaaaaaaaa').replace('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').replace('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').replace('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').replace('', 'aaaaaaaaaaaaaaaaaaaaaaa')",
            "bytes",
        ),
        ("'a'.matches('(((a{1,100}){1,100}){1,100}){1,100}')", "the pattern is too large"),
    ];
    let resource = tree(PATIENT);
    for (source, expected) in limits {
        let found = answer(source, &resource);
        assert!(found.contains(expected), "{source}: {found}");
    }
}

#[test]
fn the_limits_are_the_callers() {
    let resource = tree(PATIENT);
    let mut environment = Environment::of(&resource, datetime!(2026-11-26 08:30 +08:00));
    environment.limits = Limits { steps: 5, ..Limits::default() };
    let expression = Expression::compile("name.given.count() > 2", &On::the("Patient").unwrap()).unwrap();
    let error = expression.evaluate_resource(&resource, &environment).unwrap_err();
    assert!(error.is_limit);
    assert_eq!(error.what, "takes more than 5 steps");
}

/// Words of the language, in any order.
const WORDS: [&str; 72] = [
    "name",
    "given",
    "value",
    "extension",
    "contained",
    "Patient",
    "Observation",
    ".",
    ".",
    ".",
    "(",
    ")",
    "(",
    ")",
    "[",
    "]",
    "{}",
    ",",
    " and ",
    " or ",
    " xor ",
    " implies ",
    " = ",
    " ~ ",
    " != ",
    " < ",
    " >= ",
    " in ",
    " contains ",
    " is ",
    " as ",
    " | ",
    " + ",
    " - ",
    " * ",
    " / ",
    " div ",
    " mod ",
    " & ",
    "1",
    "0",
    "2.5",
    "'a'",
    "'('",
    "@2026-11",
    "@2026-11-26T08:30:00Z",
    "@T08",
    "4 days",
    "1 'mg'",
    "true",
    "$this",
    "$index",
    "$total",
    "%resource",
    "%context",
    "where(",
    "select(",
    "repeat(",
    "aggregate(",
    "all(",
    "iif(",
    "descendants()",
    "children()",
    "toString()",
    "matches(",
    "replaceMatches(",
    "substring(",
    "resolve()",
    "power(",
    "round(",
    "lowBoundary()",
    "convertsToQuantity()",
];

/// Calls that are made of the names of functions, so that most of them compile.
fn call() -> impl Strategy<Value = String> {
    let input = prop::sample::select(
        &[
            "name",
            "name.given",
            "value",
            "birthDate",
            "1",
            "2.5",
            "'a'",
            "@2026-11-26",
            "4 days",
            "{}",
            "descendants()",
            "true",
            "(1 | 'a' | @T08)",
        ][..],
    );
    let argument = prop::sample::select(
        &[
            "$this",
            "1",
            "-1",
            "'a'",
            "''",
            "{}",
            "true",
            "$this.children()",
            "@2026",
            "2 'mg'",
            "99",
            "0.5",
            "Integer",
        ][..],
    );
    let function = prop::sample::select(
        &[
            "empty",
            "exists",
            "all",
            "allTrue",
            "subsetOf",
            "count",
            "distinct",
            "isDistinct",
            "where",
            "select",
            "repeat",
            "ofType",
            "single",
            "first",
            "tail",
            "skip",
            "take",
            "intersect",
            "exclude",
            "union",
            "combine",
            "toBoolean",
            "toInteger",
            "toDate",
            "toDateTime",
            "toDecimal",
            "toQuantity",
            "toString",
            "toTime",
            "indexOf",
            "substring",
            "startsWith",
            "contains",
            "upper",
            "replace",
            "matches",
            "replaceMatches",
            "length",
            "toChars",
            "encode",
            "decode",
            "escape",
            "split",
            "join",
            "abs",
            "ceiling",
            "exp",
            "ln",
            "log",
            "power",
            "round",
            "sqrt",
            "truncate",
            "children",
            "descendants",
            "trace",
            "not",
            "is",
            "as",
            "type",
            "aggregate",
            "sum",
            "min",
            "avg",
            "lowBoundary",
            "highBoundary",
            "precision",
            "comparable",
            "yearOf",
            "extension",
            "hasValue",
            "resolve",
            "memberOf",
            "conformsTo",
            "htmlChecks",
            "checkModifiers",
            "subsumes",
        ][..],
    );
    let operator = prop::sample::select(
        &["=", "~", "<", ">=", "+", "-", "*", "/", "div", "mod", "&", "|", "in", "and", "implies"][..],
    );
    (
        input,
        prop::collection::vec((function, prop::collection::vec(argument.clone(), 0..3)), 1..4),
        operator,
        argument,
    )
        .prop_map(|(input, calls, operator, other)| {
            let calls: String =
                calls.iter().map(|(name, arguments)| format!(".{name}({})", arguments.join(", "))).collect();
            format!("{input}{calls} {operator} {other}")
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        let _ = answer(&text, &tree(PATIENT));
    }

    #[test]
    fn any_words_are_evaluated_or_refused(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..14)) {
        let _ = answer(&words.concat(), &tree(PATIENT));
    }

    #[test]
    fn any_call_is_evaluated_or_refused(source in call()) {
        let _ = (answer(&source, &tree(PATIENT)), answer(&source, &tree(OBSERVATION)));
    }

    #[test]
    fn any_tree_can_be_checked(at in 0usize..OBSERVATION.len(), junk in prop::sample::select(&["null", "[]", "{}", "1e99", "\"\"", "[{}]", "\"2026-13\""][..])) {
        // One value of the observation replaced by another.
        if let Some(colon) = OBSERVATION[at..].find(':') {
            let (front, back) = OBSERVATION.split_at(at + colon + 1);
            let end = back.find([',', '}']).unwrap_or(back.len());
            let text = format!("{front}{junk}{}", &back[end..]);
            if let Ok(json) = hub_fhir::json::parse(&text)
                && let Some(resource) = json.as_object()
            {
                let _ = check_invariants(resource, &Environment::of(resource, datetime!(2026-11-26 08:30 +08:00)));
            }
        }
    }
}

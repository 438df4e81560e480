//! JSON is read and written as it stands, and bad JSON is refused with its place.
#![expect(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

use hub_fhir::json::{Json, MAX_DEPTH, parse};
use proptest::prelude::*;

fn place(text: &str) -> (usize, usize) {
    let error = parse(text).unwrap_err();
    (error.line, error.column)
}

#[test]
fn numbers_keep_every_character() {
    for number in ["1.10", "0.120", "1e400", "-0", "0.0", "1E+2", "123456789012345678901234567890.10"] {
        assert_eq!(parse(number).unwrap().to_text(), number);
    }
    for bad in ["01", "1.", ".5", "+1", "1e", "-", "0x1", "NaN", "1_0"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_error_says_where() {
    assert_eq!(place("{\n  \"a\": tru\n}"), (2, 8));
    assert_eq!(place("[\"病\", x]"), (1, 7));
    assert_eq!(place("{\"a\":1,\"a\":2}"), (1, 8));
    assert_eq!(place(""), (1, 1));
    assert_eq!(place("1 2"), (1, 3));
    assert_eq!(place("\"\u{1}\""), (1, 2));
    assert_eq!(place("\"abc"), (1, 5));
}

#[test]
fn escapes_are_read_and_halves_of_characters_are_refused() {
    assert_eq!(
        parse(r#""\u0041\ud83d\ude00\/\b\f\n\r\t\"\\""#).unwrap().as_str(),
        Some("A😀/\u{8}\u{c}\n\r\t\"\\")
    );
    for bad in
        [r#""\ud83d""#, r#""\ud83d\u0041""#, r#""\ude00""#, r#""\u00""#, r#""\u00g0""#, r#""\x""#, r#""\"#]
    {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn nesting_ends_at_64_levels() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(&nested(MAX_DEPTH + 1)).is_ok());
    assert!(parse(&nested(MAX_DEPTH + 2)).is_err());
    assert!(parse(&"[".repeat(1_000_000)).is_err());
    assert!(parse(&"{\"a\":".repeat(1_000_000)).is_err());
}

#[test]
fn a_name_that_stands_twice_is_found_in_wide_objects_too() {
    let members = |count: usize| (0..count).map(|at| format!("\"n{at}\":0")).collect::<Vec<_>>().join(",");
    assert!(parse(&format!("{{{}}}", members(100_000))).is_ok());
    for count in [1, 31, 32, 33, 40] {
        assert!(parse(&format!("{{{},\"n0\":1}}", members(count))).is_err(), "{count}");
    }
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?"
            .prop_map(|digits| Json::Number(digits.into())),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Json::Array),
            prop::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in json()) {
        prop_assert_eq!(parse(&value.to_text()).unwrap(), value);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,32}|[\\[\\]{}\",:0-9eE.+\\\\u-]{0,32}") {
        if let Ok(value) = parse(&text) {
            prop_assert_eq!(parse(&value.to_text()).unwrap(), value);
        }
    }
}

//! Nothing that comes in makes anything panic, however little it has to do with FHIR.
#![expect(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

use hub_fhir::elements::{type_names, type_of};
use hub_fhir::fhirpath::Expression;
use hub_fhir::index::rows;
use hub_fhir::search::{Cursor, parse};
use hub_fhir::{Id, Json, Object, Prepared, Resource, ResourceType, merge, validate};
use proptest::prelude::*;

/// Names of real elements, their siblings, and nonsense.
fn name() -> impl Strategy<Value = String> {
    let mut names: Vec<String> = type_names()
        .filter(|name| {
            ["Patient", "Observation", "Extension", "HumanName", "Timing", "Reference"].contains(name)
        })
        .flat_map(|name| type_of(name).unwrap().names().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    names.extend(
        ["resourceType", "coding", "code", "system", "value", "reference", "start", "end"].map(str::to_owned),
    );
    let names = prop::sample::select(names);
    prop_oneof![names.clone(), names.prop_map(|name| format!("_{name}")), "\\PC{0,4}"]
}

const TEXTS: [&str; 10] = [
    "Patient",
    "Patient/1",
    "#x",
    "urn:x",
    "2026",
    "2026-11-22T08:30:00+08:00",
    "male",
    "",
    "final",
    "\u{130}",
];

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        prop::sample::select(&TEXTS[..]).prop_map(Json::from),
        "\\PC{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec((name(), inner), 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn tree() -> impl Strategy<Value = Object> {
    let kinds = prop::sample::select(&["Patient", "Observation", "Bundle", "Nonsense"][..]);
    (kinds, prop::collection::vec((name(), value()), 0..12)).prop_map(|(kind, members)| {
        let mut tree: Object = members.into_iter().collect();
        tree.set("resourceType", kind);
        tree
    })
}

proptest! {
    #[test]
    fn any_tree_can_be_checked_indexed_prepared_and_merged(tree in tree(), other in tree()) {
        let issues = validate(&tree);
        prop_assert!(issues.len() <= 100);
        for kind in ["Patient", "Observation", "Bundle"] {
            let kind = ResourceType::from_name(kind).unwrap();
            let rows = rows(kind, &tree);
            prop_assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
            let resource = Resource::new(kind, Id::new("1").unwrap(), tree.clone());
            let body = Prepared::of(&resource).body(1, time::OffsetDateTime::UNIX_EPOCH);
            prop_assert!(hub_fhir::json::parse(std::str::from_utf8(&body).unwrap()).is_ok());
        }
        let merged = merge(&tree, other, &["name".into(), "value[x]".into()]);
        prop_assert_eq!(merged.get("resourceType"), tree.get("resourceType"));
        prop_assert_eq!(merge(&tree, Object::new(), &[]), tree);
    }

    #[test]
    fn any_query_is_understood_or_refused(
        name in "_?[a-z_]{0,12}(:[a-z]{0,8})?|(name|birthdate|identifier|gender|link|_id|_sort|_include|_count|_cursor)(:(exact|not|missing|Patient))?",
        value in "\\PC{0,16}|[a-zA-Z0-9|,\\\\$:/-]{0,16}",
    ) {
        let query = [(name, value)];
        let _ = parse(ResourceType::from_name("Patient").unwrap(), &query).map_err(|error| error.to_string());
        let _ = Cursor::decode(&query[0].1);
    }

    #[test]
    fn any_expression_compiles_or_is_refused(text in "\\PC{0,24}|(Patient|name|given|where|as|exists|resolve|is|and|[.()\\[\\]'=!|$0-9 ]){0,16}") {
        let _ = Expression::compile(&text, ResourceType::from_name("Patient").unwrap());
    }
}

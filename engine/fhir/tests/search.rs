//! What searches are understood.
#![expect(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

use hub_fhir::ResourceType;
use hub_fhir::index::Aspect;
use hub_fhir::params::find;
use hub_fhir::search::{
    Counted, Cursor, Filter, FilterOn, Prefix, Search, SearchError, SortOn, StringTest, Test, Told, parse,
    parse_at,
};

fn kind(name: &str) -> ResourceType {
    ResourceType::from_name(name).unwrap()
}

fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn search(of: &str, pairs: &[(&str, &str)]) -> Result<Search, SearchError> {
    parse(kind(of), &query(pairs))
}

fn filter(of: &str, name: &str, value: &str) -> Filter {
    search(of, &[(name, value)]).unwrap().filters.remove(0)
}

fn message(of: &str, name: &str, value: &str) -> String {
    search(of, &[(name, value)]).unwrap_err().to_string()
}

fn token(system: Option<&str>, code: Option<&str>) -> Test {
    Test::Token { system: system.map(Into::into), code: code.map(Into::into) }
}

#[test]
fn nothing_asked_is_the_first_page_of_all() {
    let search = search("Patient", &[("_format", "json"), ("_pretty", "true")]).unwrap();
    assert_eq!((search.count, search.total, search.filters.len()), (20, false, 0));
}

#[test]
fn tokens_have_systems_alternatives_and_escapes() {
    assert_eq!(filter("Patient", "identifier", "urn:mrn|1").any, [token(Some("urn:mrn"), Some("1"))]);
    assert_eq!(filter("Patient", "identifier", "|1").any, [token(Some(""), Some("1"))]);
    assert_eq!(filter("Patient", "identifier", "urn:mrn|").any, [token(Some("urn:mrn"), None)]);
    assert_eq!(filter("Patient", "gender", "male,female").any.len(), 2);
    assert_eq!(filter("Patient", "identifier", r"a\,b\|c\$\\").any, [token(None, Some(r"a,b|c$\"))]);
    assert!(filter("Patient", "gender:not", "male").not);
    for bad in ["", "a,,b", "|", "a|b|c"] {
        assert!(search("Patient", &[("identifier", bad)]).is_err(), "{bad}");
    }
    assert!(message("Patient", "gender:exact", "male").contains("does not fit `gender`"));
}

#[test]
fn strings_are_normalised_unless_exact() {
    let address = |name, value| filter("Patient", name, value).any;
    assert_eq!(address("address", " José "), [Test::String(StringTest::Starts, "jose".into())]);
    assert_eq!(address("address:contains", "É"), [Test::String(StringTest::Contains, "e".into())]);
    assert_eq!(filter("Patient", "name:exact", "José").any, [Test::String(StringTest::Exact, "José".into())]);
    assert!(search("Patient", &[("name", " ")]).is_err());
}

#[test]
fn references_may_be_short_or_whole() {
    let reference = |of: Option<&str>, id: &str| Test::Reference { kind: of.map(kind), id: id.into() };
    assert_eq!(filter("Observation", "patient", "123").any, [reference(Some("Patient"), "123")]);
    assert_eq!(filter("Observation", "patient", "Patient/123").any, [reference(Some("Patient"), "123")]);
    assert_eq!(filter("Observation", "subject", "123").any, [reference(None, "123")]);
    assert_eq!(filter("Observation", "subject:Group", "123").any, [reference(Some("Group"), "123")]);
    assert_eq!(
        filter("Observation", "subject", "http://x/Patient/1").any,
        [reference(None, "http://x/Patient/1")]
    );
    assert_eq!(filter("Observation", "subject", "urn:uuid:1").any, [reference(None, "urn:uuid:1")]);
    let below = parse_at(
        kind("Observation"),
        &query(&[("subject", "http://hub/fhir/Patient/1")]),
        Some("http://hub/fhir"),
    );
    assert_eq!(below.unwrap().filters[0].any, [reference(Some("Patient"), "1")]);
    for (name, bad) in [
        ("subject", "a b"),
        ("subject:Slot", "1"),
        ("subject:Group", "Patient/1"),
        ("subject:identifier", "|"),
    ] {
        assert!(search("Observation", &[(name, bad)]).is_err(), "{name}={bad}");
    }
}

#[test]
fn dates_have_prefixes_and_are_spans_in_beijing_time() {
    assert_eq!(
        filter("Patient", "birthdate", "ge1970-01-01").any,
        [Test::Date { prefix: Prefix::Ge, low: -28_800_000_000, high: 57_600_000_000 }]
    );
    let updated = filter("Patient", "_lastUpdated", "1970-01-01T00:00:00Z");
    assert_eq!(updated.on, FilterOn::LastUpdated);
    assert_eq!(updated.any, [Test::Date { prefix: Prefix::Eq, low: 0, high: 1_000_000 }]);
    assert!(search("Patient", &[("birthdate", "xx1970")]).is_err());
    assert!(search("Patient", &[("birthdate", "日1970")]).is_err());
}

#[test]
fn missing_is_asked_of_any_parameter() {
    assert_eq!(filter("Patient", "birthdate:missing", "true").any, [Test::Missing(true)]);
    assert!(search("Patient", &[("birthdate:missing", "yes")]).is_err());
    assert!(search("Patient", &[("_id:missing", "true")]).is_err());
}

#[test]
fn repeated_parameters_all_stand() {
    let search =
        search("Patient", &[("birthdate", "ge1970"), ("birthdate", "lt1980"), ("_id", "1,2")]).unwrap();
    assert_eq!(search.filters.len(), 3);
    assert_eq!(search.filters[2].any, [Test::Id("1".into()), Test::Id("2".into())]);
}

#[test]
fn counts_are_limited() {
    let count =
        |value: &str| search("Patient", &[("_count", value)]).map(|search| (search.count, search.total));
    assert_eq!(count("5"), Ok((5, false)));
    assert_eq!(count("100000"), Ok((1000, false)));
    assert_eq!(count("0"), Ok((0, true)));
    assert!(count("-1").is_err());
    let summary = search("Patient", &[("_summary", "count"), ("_count", "5")]).unwrap();
    assert_eq!((summary.count, summary.total), (0, true));
    assert!(search("Patient", &[("_total", "accurate")]).unwrap().total);
}

#[test]
fn includes_name_reference_parameters() {
    let found = search(
        "Observation",
        &[
            ("_include", "Observation:subject:Patient"),
            ("_include:iterate", "Patient:general-practitioner"),
            ("_include", "*"),
            ("_revinclude", "Provenance:target"),
            ("_revinclude", "DiagnosticReport:*"),
        ],
    )
    .unwrap();
    assert_eq!(found.includes[0].param, find(kind("Observation"), "subject").map(|param| param.id));
    assert_eq!(found.includes[0].target, Some(kind("Patient")));
    assert!(found.includes[1].iterate);
    assert_eq!((found.includes[2].source, found.includes[2].param), (None, None));
    assert_eq!(found.revincludes[0].source, Some(kind("Provenance")));
    assert_eq!(found.revincludes[1].param, None);
    for bad in [
        "Observation",
        "Observation:code",
        "Foo:bar",
        "Observation:subject:Foo",
        "Observation:subject:Patient:x",
        "",
    ] {
        assert!(search("Observation", &[("_include", bad)]).is_err(), "{bad}");
    }
    let any = search("Observation", &[("_revinclude", "*")]).unwrap();
    assert_eq!((any.revincludes[0].source, any.revincludes[0].param), (None, None));
}

#[test]
fn a_sort_key_may_lie_behind_references() {
    let sorted = |of: &str, key: &str| search(of, &[("_sort", key)]).map(|found| found.sort[0].on.clone());
    let SortOn::Through(_, ways) = sorted("Observation", "patient.family").unwrap() else { panic!() };
    assert_eq!(ways.iter().map(|(to, _)| to.name()).collect::<Vec<_>>(), ["Patient"]);
    let SortOn::Through(_, ways) = sorted("Observation", "encounter.subject:Patient._id").unwrap() else {
        panic!()
    };
    assert!(matches!(ways[0].1, SortOn::Through(..)));
    for (key, why) in [
        ("code.family", "only references"),
        ("_id.family", "only references"),
        ("subject:Observation.code", "may point at"),
        ("patient.famly", "did you mean `family`?"),
        ("focus.identifier", "name one"),
        ("patient.link.link.link.link.link.link._id", "at most 6"),
        ("patient.", "no search parameter"),
    ] {
        let error = sorted("Observation", key).unwrap_err().to_string();
        assert!(error.contains(why), "{key}: {error}");
    }
}

#[test]
fn a_filter_expression_says_what_parameters_say() {
    let read = |text: &str| filter("Patient", "_filter", text);
    let family = filter("Patient", "family", "x").on;
    assert_eq!(read("family co \"a,b\""), filter("Patient", "family:contains", r"a\,b"));
    let named = read(r#"family eq "José \u0041""#);
    assert_eq!(
        (&named.on, named.any.first()),
        (&family, Some(&Test::String(StringTest::Is, "jose a".into())))
    );
    assert_eq!(read("family ne jose").any.len(), 1);
    assert_eq!(read("_content co \"a b\"").any, filter("Patient", "_content", "a b").any);
    assert_eq!(read("birthdate ge 1980"), filter("Patient", "birthdate", "ge1980"));
    assert_eq!(read("identifier eq urn:mrn|1"), filter("Patient", "identifier", "urn:mrn|1"));
    assert_eq!(read("gender pr false"), filter("Patient", "gender:missing", "true"));
    assert_eq!(read("general-practitioner:Practitioner.name co x").any.len(), 1);
    // `and` binds closer.
    let either = read("family eq a or gender eq male and active eq true");
    assert_eq!(either.on, FilterOn::Each);
    let [Test::All(one), Test::All(two)] = either.any.as_slice() else { panic!("{either:?}") };
    assert_eq!((one.len(), two.len()), (1, 1));
    assert!(matches!(&two[0].any[0], Test::All(both) if both.len() == 2));
    assert!(read("not (family eq a)").not);
    for (text, why) in [
        ("", "a search parameter"),
        ("family", "after an operator"),
        ("family eq", "after an operator"),
        ("family is x", "operator"),
        ("family gt x", "operator"),
        ("birthdate co 1980", "operator"),
        ("gender pr maybe", "operator"),
        ("family eq \"x", "closing quote"),
        ("family eq \"\\x\"", "as in JSON"),
        ("(family eq x", "closing parenthesis"),
        ("family eq x)", "the end"),
        ("family eq x gender", "the end"),
        ("famly eq x", "did you mean `family`?"),
        ("general-practitioner[name eq x", "closing bracket"),
        ("general-practitioner[name eq x] pr true", "a dot"),
        ("family.name eq x", "only references"),
        ("_id.name eq x", "reference before a dot"),
        ("birthdate eq tomorrow", "a date"),
    ] {
        let error = message("Patient", "_filter", text);
        assert!(error.contains(why), "{text}: {error}");
    }
    let deep = format!("{}family eq x{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(message("Patient", "_filter", &deep).contains("at most 12"));
    let long = vec!["family eq x"; 200].join(" or ");
    assert!(search("Patient", &[("_filter", &long)]).is_ok());
    let longer = vec!["family eq x"; 201].join(" or ");
    assert!(message("Patient", "_filter", &longer).contains("at most 200"));
}

#[test]
fn a_cursor_fits_the_sort_it_was_made_for() {
    let cursor = Cursor { values: vec![None, None], row: 7 }.encode();
    let page = search("Patient", &[("_sort", "-birthdate,_id"), ("_cursor", &cursor)]).unwrap();
    assert!(page.sort[0].descending && !page.sort[1].descending);
    assert_eq!(page.after.unwrap().row, 7);
    assert!(search("Patient", &[("_sort", "birthdate"), ("_cursor", &cursor)]).is_err());
    assert!(search("Patient", &[("_cursor", "00")]).is_err());
    assert!(search("Patient", &[("_sort", "phonetic")]).is_err());
}

#[test]
fn an_unknown_parameter_is_named_with_the_nearest_right_one() {
    assert_eq!(
        message("Patient", "birthDate", "1980"),
        "`Patient` has no search parameter `birthDate`; did you mean `birthdate`?"
    );
    assert_eq!(message("Patient", "zzzzzzzzzz", "1"), "`Patient` has no search parameter `zzzzzzzzzz`");
    assert!(message("Patient", &"z".repeat(1_000_000), "1").len() < 200);
}

#[test]
fn what_is_not_supported_says_so() {
    assert_eq!(
        message("Observation", "status.name", "x"),
        "the search parameter `status.name` is not supported: only references can be looked through"
    );
    for name in ["_elements", "_query"] {
        assert!(
            matches!(search("Observation", &[(name, "x")]), Err(SearchError::NotSupported { .. })),
            "{name}"
        );
    }
}

#[test]
fn a_search_is_bounded() {
    let many = vec![("gender", "male"); 100];
    assert!(search("Patient", &many).is_err());
    assert!(search("Patient", &[("gender", &"a,".repeat(10_000))]).is_err());
}

#[test]
fn numbers_and_quantities_say_what_was_wrong_with_them() {
    for bad in
        ["", "x", "5..4", "gt", "5|mg", "5|http://unitsofmeasure.org|", "5||", "1|2|3|4", "NaN", "1e999"]
    {
        assert!(
            matches!(search("Observation", &[("value-quantity", bad)]), Err(SearchError::Value { .. })),
            "{bad}"
        );
    }
    for bad in ["x", "5|a|b", "5,"] {
        assert!(search("RiskAssessment", &[("probability", bad)]).is_err(), "{bad}");
    }
    let filter = filter("RiskAssessment", "probability", "gt0.8");
    assert!(matches!(filter.any[0], Test::Number { prefix: Prefix::Gt, of: Counted::Anything, .. }));
    assert!(search("RiskAssessment", &[("probability:exact", "1")]).is_err());
}

#[test]
fn uris_are_found_below_and_above_in_the_steps_of_their_path() {
    let url = |url: &str| token(None, Some(url));
    assert_eq!(filter("ValueSet", "url", "http://a/b").any, [url("http://a/b")]);
    assert_eq!(filter("ValueSet", "url:below", "http://a/b/").any, [Test::Below("http://a/b".into())]);
    let above = filter("ValueSet", "url:above", "http://a/b/c").any;
    let expected = ["http://a", "http://a/", "http://a/b", "http://a/b/", "http://a/b/c", "http://a/b/c/"];
    assert_eq!(above, expected.map(url));
    assert_eq!(filter("ValueSet", "url:above", "urn:oid:1.2").any, [url("urn:oid:1.2"), url("urn:oid:1.2/")]);
    assert!(search("ValueSet", &[("url:exact", "urn:oid:1.2")]).is_err());
    assert!(search("ValueSet", &[("url:above", &format!("http://{}", "a/".repeat(600)))]).is_err());
}

#[test]
fn composites_have_a_value_for_each_component() {
    let found = filter("Observation", "code-value-quantity", "8480-6$gt150,x\\$y$5");
    assert_eq!(found.any.len(), 2);
    let Test::Together(tests) = &found.any[1] else { panic!("{found:?}") };
    assert_eq!(tests[0].1, token(None, Some("x$y")));
    for bad in ["8480-6", "8480-6$", "$5", "8480-6$5$6", "8480-6$x", ""] {
        assert!(search("Observation", &[("code-value-quantity", bad)]).is_err(), "{bad}");
    }
    let exact = search("Observation", &[("code-value-quantity:exact", "true")]);
    assert!(matches!(exact, Err(SearchError::Modifier { .. })), "{exact:?}");
    assert_eq!(filter("Observation", "code-value-quantity:missing", "true").any, [Test::Missing(true)]);
    assert!(search("Observation", &[("_sort", "code-value-quantity")]).is_err());
}

#[test]
fn references_are_looked_through_in_both_directions() {
    let through = |name: &str, value: &str| filter("Observation", name, value).any.remove(0);
    let Test::Through(kind, inner) = through("subject:Patient.name:exact", "A") else { panic!() };
    assert_eq!((kind.name(), &inner.any[0]), ("Patient", &Test::String(StringTest::Exact, "A".into())));
    // Only patients have a birth date among what `subject` may point at.
    assert_eq!(filter("Observation", "subject.birthdate", "1980").any.len(), 1);
    assert!(filter("Observation", "subject.identifier", "1").any.len() > 2);
    let Test::Through(_, inner) = through("encounter.service-provider.name", "A") else { panic!() };
    assert!(matches!(inner.any[0], Test::Through(..)));
    let found = filter("Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent", "1");
    assert!(matches!(found.any[0], Test::From(..)));
    for (name, why) in [
        ("_has", "Type:reference"),
        ("_has:Observation", "Type:reference"),
        ("_has:Observation:patient", "Type:reference"),
        ("_has:Obs:patient:code", "resource type"),
        ("_has:Observation:code:code", "reference parameter"),
        ("_has:Observation:patient:cod", "did you mean `code`?"),
        ("link:Observation.code", "may point at"),
        ("general-practitioner.birthdate", "no search parameter"),
        ("nothing.name", "no search parameter"),
        (
            "link:Patient.link:Patient.link:Patient.link:Patient.link:Patient.link:Patient.link:Patient.name",
            "at most 6",
        ),
    ] {
        assert!(message("Patient", name, "1").contains(why), "{name}: {}", message("Patient", name, "1"));
    }
}

#[test]
fn a_chain_through_anything_does_not_grow_without_bound() {
    for name in ["focus.focus.focus.focus.focus.status", "focus.subject.subject.subject.identifier"] {
        let message = message("Observation", name, "1");
        assert!(message.contains("name one"), "{name}: {message}");
    }
    let many = vec!["a"; 400].join(",");
    let pairs: Vec<(&str, &str)> = (0..6).map(|_| ("code", many.as_str())).collect();
    assert!(search("Observation", &pairs).is_err());
}

#[test]
fn modifiers_look_at_another_aspect_of_the_element() {
    let of = |aspect, test| Test::Of(aspect, Box::new(test));
    let typed = token(Some("urn:t|MR"), Some("17"));
    assert_eq!(filter("Patient", "identifier:of-type", "urn:t|MR|17").any, [of(Aspect::OfType, typed)]);
    let text = Test::String(StringTest::Starts, "hamo".into());
    assert_eq!(filter("Observation", "code:text", "HÄMO").any, [of(Aspect::Text, text)]);
    let logical = token(Some("urn:mrn"), Some("1"));
    assert_eq!(
        filter("Observation", "subject:identifier", "urn:mrn|1").any,
        [of(Aspect::Identifier, logical)]
    );
    for (kind, name, bad) in [
        ("Patient", "identifier:of-type", "urn:t|MR"),
        ("Patient", "identifier:of-type", "urn:t||17"),
        ("Patient", "gender:text", "male"),
        ("Observation", "code:of-type", "a|b|c"),
        ("Observation", "code:text", " "),
        ("Observation", "code:identifier", "1"),
    ] {
        assert!(search(kind, &[(name, bad)]).is_err(), "{name}={bad}");
    }
}

#[test]
fn what_a_list_names_is_what_its_entries_point_at() {
    let Test::From(kind, _, inner) = filter("Patient", "_list", "List/a,b").any.remove(0) else { panic!() };
    assert_eq!((kind.name(), inner.any.len()), ("List", 2));
    assert!(message("Patient", "_list", "$current-problems").contains("are not kept"));
    assert!(search("Patient", &[("_list", "")]).is_err());
}

#[test]
fn what_terminologies_tell_is_replaced_before_the_search() {
    let mut found =
        search("Observation", &[("code:below", "s|a"), ("patient.gender:not-in", "http://v")]).unwrap();
    assert_eq!(found.filters[0].any, [Test::Told(Told::Below("s".into(), "a".into()))]);
    for test in found.told() {
        *test = Test::OneOf(vec![("s".into(), "b".into())]);
    }
    assert_eq!(
        (found.told().len(), &found.filters[0].any[0]),
        (0, &Test::OneOf(vec![("s".into(), "b".into())]))
    );
    let Test::Through(_, inner) = &found.filters[1].any[0] else { panic!() };
    assert!(inner.not);
    assert!(search("Observation", &[("code:below", "a")]).is_err());
}

#[test]
fn a_name_is_also_asked_for_as_it_is_spelt() {
    let spelt = |how, letters: &str| Test::Of(Aspect::Spelling, Box::new(Test::String(how, letters.into())));
    let starts = |text: &str| Test::String(StringTest::Starts, text.into());
    let asked = |name, value| filter("Patient", name, value).any;
    assert_eq!(asked("name", "Wáng xm"), [starts("wang xm"), spelt(StringTest::Starts, "wangxm")]);
    assert_eq!(asked("name:contains", "ming")[1], spelt(StringTest::Contains, "ming"));
    assert_eq!(asked("name:exact", "wang"), [Test::String(StringTest::Exact, "wang".into())]);
    assert_eq!(asked("name", "王小明"), [starts("王小明")]);
    // In simplified characters; the second is for rows that an earlier version has made.
    assert_eq!(asked("name", "王小張"), [starts("王小张"), starts("王小張")]);
    assert_eq!(asked("address", "wang"), [starts("wang")]);
}

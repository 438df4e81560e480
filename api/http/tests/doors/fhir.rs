//! Every status and header of the FHIR door.

use std::sync::atomic::Ordering;

use crate::fake::*;
use proptest::prelude::*;
use serde_json::json;

#[tokio::test]
async fn a_read_gives_the_stored_bytes_untouched_with_version_and_time() {
    let fake = Fake::new();
    let answer = get(&fake, "/fhir/Observation/k").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, fake.versions.last().unwrap().body);
    assert_eq!(answer.header("content-type"), "application/fhir+json; charset=utf-8");
    assert_eq!(answer.header("etag"), "W/\"1\"");
    assert_eq!(answer.header("last-modified"), "Mon, 23 Nov 2026 08:00:00 GMT");
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn head_gives_the_headers_of_get_and_no_body() {
    let fake = Fake::new();
    let answer = send(&fake, "HEAD /fhir/Patient/1", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    assert_eq!(answer.header("etag"), "W/\"3\"");
    assert_eq!(answer.header("content-length"), fake.versions[2].body.len().to_string());
}

#[tokio::test]
async fn a_copy_that_is_still_good_is_answered_with_304() {
    let fake = Fake::new();
    for header in [("if-none-match", "W/\"3\""), ("if-modified-since", "Mon, 23 Nov 2026 08:00:00 GMT")] {
        let answer = send(&fake, "GET /fhir/Patient/1", &[header], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0), "{header:?}");
        assert_eq!(answer.header("etag"), "W/\"3\"");
    }
    let answer = send(&fake, "GET /fhir/Patient/1", &[("if-none-match", "W/\"2\"")], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_was_deleted_is_410() {
    let fake = Fake::new();
    for (target, status, code) in [
        ("/fhir/Patient/9", 404, "not-found"),
        ("/fhir/Patient/2", 410, "deleted"),
        ("/fhir/Patient/2/_history/2", 410, "deleted"),
        ("/fhir/Patient/1/_history/4", 404, "not-found"),
        ("/fhir/Patient/1/_history/x", 404, "not-found"),
        ("/fhir/Patient/9/_history", 404, "not-found"),
        ("/fhir/Claim/1", 404, "not-found"),
        ("/fhir/Pateint", 404, "not-supported"),
        ("/fhir/Patient/1/$nothing", 404, "not-supported"),
        ("/fhir/Patient/1/2/3/4/5", 404, "not-found"),
        ("/fhir/Patient/a_b", 400, "value"),
    ] {
        let answer = get(&fake, target).await;
        assert_eq!(answer.status, status, "{target}");
        assert!(!answer.diagnostics().is_empty());
        assert_eq!(answer.json()["issue"][0]["code"], code, "{target}");
    }
}

#[tokio::test]
async fn an_old_version_is_read_by_its_number() {
    let answer = get(&Fake::new(), "/fhir/Patient/1/_history/2").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("etag"), "W/\"2\"");
    assert_eq!(answer.json()["birthDate"], "1970-01-01");
}

#[tokio::test]
async fn a_history_is_paged_from_the_newest_version() {
    let fake = Fake::new();
    let first = get(&fake, "/fhir/Patient/1/_history?_count=2").await.json();
    assert_eq!(first["type"], "history");
    assert_eq!(first["entry"][0]["resource"]["meta"]["versionId"], "3");
    assert_eq!(first["entry"][0]["response"]["etag"], "W/\"3\"");
    assert_eq!(first["link"][0]["url"], "http://hub/fhir/Patient/1/_history?_count=2");
    assert!(first.get("total").is_none());
    let next = first["link"][1]["url"].as_str().unwrap().strip_prefix("http://hub").unwrap().to_owned();
    let second = get(&fake, &next).await.json();
    assert_eq!(second["entry"].as_array().unwrap().len(), 1);
    assert_eq!(second["entry"][0]["request"]["method"], "PUT");
    assert!(second["link"].as_array().unwrap().iter().all(|link| link["relation"] != "next"));
    let whole = get(&fake, "/fhir/Patient/2/_history").await.json();
    assert_eq!(whole["total"], 2);
    assert_eq!(whole["entry"][0]["request"]["method"], "DELETE");
    let none = get(&fake, "/fhir/Patient/1/_history?_since=2027-01-01T00:00:00%2B08:00").await.json();
    assert!(none.get("entry").is_none());
}

#[tokio::test]
async fn a_search_is_paged_by_a_cursor_until_every_match_was_seen() {
    let fake = Fake::new();
    let mut target = "/fhir/Patient?_count=1&birthdate=ge1900".to_owned();
    let mut seen = Vec::new();
    loop {
        let bundle = get(&fake, &target).await.json();
        assert_eq!(bundle["type"], "searchset");
        assert_eq!(bundle["entry"][0]["search"]["mode"], "match");
        seen.push(bundle["entry"][0]["fullUrl"].as_str().unwrap().to_owned());
        let links = bundle["link"].as_array().unwrap();
        assert_eq!(links[0]["relation"], "self");
        let Some(next) = links.iter().find(|link| link["relation"] == "next") else { break };
        target = next["url"].as_str().unwrap().strip_prefix("http://hub").unwrap().to_owned();
        assert!(target.contains("birthdate=ge1900"), "{target}");
    }
    assert_eq!(seen, ["http://hub/fhir/Patient/1", "http://hub/fhir/Patient/3"]);
}

#[tokio::test]
async fn the_total_is_told_when_it_is_known() {
    let fake = Fake::new();
    assert_eq!(get(&fake, "/fhir/Patient").await.json()["total"], 2); // all on the first page
    assert!(get(&fake, "/fhir/Patient?_count=1").await.json().get("total").is_none());
    assert_eq!(get(&fake, "/fhir/Patient?_count=1&_total=accurate").await.json()["total"], 2);
    let count = get(&fake, "/fhir/Patient?_summary=count").await.json();
    assert_eq!((&count["total"], count.get("entry")), (&json!(2), None));
}

#[tokio::test]
async fn what_comes_along_is_marked() {
    let bundle = get(&Fake::new(), "/fhir/Observation?_include=Observation:patient").await.json();
    let modes: Vec<_> = bundle["entry"].as_array().unwrap().iter().map(|e| &e["search"]["mode"]).collect();
    assert_eq!(modes, ["match", "include", "include"]);
}

#[tokio::test]
async fn a_search_by_form_is_the_same_search() {
    let fake = Fake::new();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let posted = send(&fake, "POST /fhir/Patient/_search?_count=1", &form, "gender=female").await;
    assert_eq!(posted.status, 200);
    let self_link = posted.json()["link"][0]["url"].clone();
    assert_eq!(self_link, "http://hub/fhir/Patient?_count=1&gender=female");
    get(&fake, "/fhir/Patient?_count=1&gender=female").await;
    let searches = fake.searches.lock().unwrap().clone();
    assert_eq!(searches[0], searches[1]);
    let json = [("content-type", "application/json")];
    assert_eq!(send(&fake, "POST /fhir/Patient/_search", &json, "{}").await.status, 415);
    let large = "a".repeat(300_000);
    let answer = send(&fake, "POST /fhir/Patient/_search", &form, &large).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["issue"][0]["code"], "too-long");
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_with_the_nearest_word() {
    let fake = Fake::new();
    let answer = get(&fake, "/fhir/Patient?birthdat=1970-01-01").await;
    assert_eq!(answer.status, 400);
    assert!(answer.diagnostics().contains("did you mean `birthdate`?"), "{}", answer.diagnostics());
    assert_eq!(answer.json()["issue"][0]["expression"], json!(["http.birthdat"]));
    for target in
        ["/fhir/Patient/1?_cuont=1", "/fhir/Patient/1/_history?_cuont=1", "/fhir/metadata?moed=full"]
    {
        let answer = get(&fake, target).await;
        assert_eq!(answer.status, 400, "{target}");
        assert!(answer.diagnostics().contains("is not known here"));
    }
    assert!(fake.searches.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_lenient_client_sees_in_the_self_link_what_was_used() {
    let fake = Fake::new();
    let lenient = [("prefer", "return=representation; handling=lenient")];
    let line = "GET /fhir/Patient?birthdat:x=1970&gender=male&link:Patient.nam=x&_has:Encounter:patient:foo=1&_pretty=true";
    let answer = send(&fake, line, &lenient, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["link"][0]["url"], "http://hub/fhir/Patient?gender=male&_pretty=true");
    let entries = answer.json()["entry"].as_array().unwrap().clone();
    let told = entries.last().unwrap();
    assert_eq!(told["search"]["mode"], "outcome");
    let issues = told["resource"]["issue"].as_array().unwrap();
    let texts: Vec<&str> = issues.iter().map(|issue| issue["diagnostics"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].contains("`birthdat`") && texts[1].contains("`link:Patient.nam`"), "{texts:?}");
    let answer = send(&fake, "GET /fhir/Patient?_sort=shoesize", &lenient, "").await;
    assert_eq!(answer.status, 400);
    let answer = send(&fake, "GET /fhir/Patient/1?shoesize=44", &lenient, "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn texts_never_repeat_values() {
    let fake = Fake::new();
    for target in [
        "/fhir/Patient?birthdate=SECRET",
        "/fhir/Patient?_count=SECRET",
        "/fhir/Patient?_cursor=SECRET",
        "/fhir/Patient?_include=SECRET",
        "/fhir/Patient?_format=SECRET",
        "/fhir/Patient/1/_history?_since=SECRET",
        "/fhir/Patient/1/_history?_cursor=SECRET",
        "/fhir/Patient?_elements=SE-CRET",
        "/fhir/Patient/SEC_RET",
        "/fhir/1SECRET",
    ] {
        let answer = get(&fake, target).await;
        assert!(answer.status.is_client_error(), "{target}");
        assert!(!answer.diagnostics().contains("SEC"), "{}", answer.diagnostics());
    }
}

#[tokio::test]
async fn only_json_is_offered() {
    let fake = Fake::new();
    for target in [
        "/fhir/Patient/1?_format=xml",
        "/fhir/Patient?_format=application/fhir%2Bxml",
        "/fhir/metadata?_format=ttl",
    ] {
        assert_eq!(get(&fake, target).await.status, 406, "{target}");
    }
    let answer = send(&fake, "GET /fhir/Patient/1", &[("accept", "application/fhir+xml")], "").await;
    assert_eq!(answer.status, 406);
    assert!(answer.diagnostics().contains("application/fhir+json"));
    let browser = [("accept", "text/html,application/xml;q=0.9,*/*;q=0.8")];
    assert_eq!(send(&fake, "GET /fhir/Patient/1", &browser, "").await.status, 200);
    assert_eq!(get(&fake, "/fhir/Patient/1?_format=json").await.status, 200);
}

#[tokio::test]
async fn people_may_ask_for_pretty_text_and_for_parts() {
    let fake = Fake::new();
    let pretty = get(&fake, "/fhir/Observation/k?_pretty=true").await;
    assert!(pretty.text().contains("\n  \"status\": \"final\""));
    assert!(pretty.text().contains("6.10"));
    let part = get(&fake, "/fhir/Patient/1?_elements=birthDate").await.json();
    assert_eq!((&part["birthDate"], part.get("name")), (&json!("1970-01-02"), None));
    assert_eq!(part["meta"]["tag"][0]["code"], "SUBSETTED");
    let entry = get(&fake, "/fhir/Patient?_elements=birthDate").await.json();
    assert!(entry["entry"][0]["resource"].get("name").is_none());
    let summary = get(&fake, "/fhir/Patient/1?_summary=true").await.json();
    assert_eq!(
        (&summary["birthDate"], &summary["meta"]["tag"][0]["code"]),
        (&json!("1970-01-02"), &json!("SUBSETTED"))
    );
    assert_eq!(get(&fake, "/fhir/Patient/1?_summary=yes").await.status, 400);
}

#[tokio::test]
async fn what_is_not_offered_is_405_with_what_is() {
    let fake = Fake::new();
    for (line, allow) in [
        ("POST /fhir/Patient", "GET, HEAD, OPTIONS"),
        ("PUT /fhir/Patient/1", "GET, HEAD, OPTIONS"),
        ("PATCH /fhir/Patient/1", "GET, HEAD, OPTIONS"),
        ("DELETE /fhir/Patient/1", "GET, HEAD, OPTIONS"),
        ("GET /fhir/Patient/_search", "POST, OPTIONS"),
        ("GET /fhir/_search", "POST, OPTIONS"),
        ("POST /fhir", "GET, HEAD, OPTIONS"),
        ("POST /fhir/", "GET, HEAD, OPTIONS"),
        ("PUT /fhir/Patient?identifier=1", "GET, HEAD, OPTIONS"),
        ("DELETE /fhir/Patient?identifier=1", "GET, HEAD, OPTIONS"),
    ] {
        let answer = send(&fake, line, &[], "").await;
        assert_eq!(answer.status, 405, "{line}");
        assert_eq!(answer.header("allow"), allow, "{line}");
        assert!(answer.diagnostics().contains("offered") || answer.diagnostics().contains("POST"), "{line}");
    }
    let options = send(&fake, "OPTIONS /fhir/Patient/1", &[], "").await;
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, "GET, HEAD, OPTIONS"));
}

#[tokio::test]
async fn a_store_that_is_down_is_503_and_a_panic_500_without_content() {
    let fake = Fake::new();
    fake.down.store(true, Ordering::Relaxed);
    for target in
        ["/fhir/Patient/1", "/fhir/Patient/1/_history", "/fhir/Patient", "/fhir/Patient/1/_history/1"]
    {
        let answer = get(&fake, target).await;
        assert_eq!(answer.status, 503, "{target}");
        assert_eq!(answer.header("retry-after"), "5");
        assert!(!answer.diagnostics().contains("secret"));
    }
    fake.panics.store(true, Ordering::Relaxed);
    let answer = get(&fake, "/fhir/Patient/1").await;
    assert_eq!(answer.status, 500);
    assert!(!answer.diagnostics().contains("张"));
    assert_eq!(answer.json()["issue"][0]["code"], "exception");
}

#[tokio::test]
async fn large_answers_are_compressed_when_asked() {
    let fake = Fake::new();
    let gzip = [("accept-encoding", "gzip")];
    let large = send(&fake, "GET /fhir/metadata", &gzip, "").await;
    assert_eq!(large.header("content-encoding"), "gzip");
    assert_eq!(&large.body[..2], [0x1f, 0x8b]);
    assert_eq!(send(&fake, "GET /fhir/Patient/3", &gzip, "").await.header("content-encoding"), "");
    assert_eq!(get(&fake, "/fhir/metadata").await.header("content-encoding"), "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_query_panics_or_is_a_failure_of_ours(
        path in "/fhir/(Patient|Observation|Encounter|Patient/1|Patient/1/_history|metadata)",
        query in "((_count|_sort|_include|_cursor|_since|birthdate|name:exact|identifier|patient|_id|_elements|_summary|[a-z:_.%]{0,8})=[a-zA-Z0-9|:,.$%\\\\_*+-]{0,20}&?){0,6}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let target = format!("{path}?{query}");
        prop_assume!(target.parse::<axum::http::Uri>().is_ok());
        let answer = runtime.block_on(async { get(&Fake::new(), &target).await });
        prop_assert!(!answer.status.is_server_error(), "{} {}", target, answer.text());
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok());
    }
}

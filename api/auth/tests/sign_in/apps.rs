//! Apps: what they read before they begin, what they are refused, and how their sessions end.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use hub_core::who::Gatekeeper;

use crate::desk::{APP, BACK, Browser, DESK_APP, Desk, ISSUER, PHONE, VERIFIER, authorize};

#[tokio::test]
async fn the_metadata_tells_what_is_so() {
    let desk = Desk::open().await;
    let told = desk.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(told.header("access-control-allow-origin"), "*");
    let told = told.json();
    assert_eq!(told["issuer"], ISSUER);
    for (name, path) in [("authorization_endpoint", "/oauth/authorize"), ("jwks_uri", "/oauth/jwks")] {
        assert_eq!(told[name], format!("{ISSUER}{path}"));
        assert_ne!(desk.get(path).await.status, StatusCode::NOT_FOUND);
    }
    for (name, path) in [("token_endpoint", "/oauth/token"), ("revocation_endpoint", "/oauth/revoke")] {
        assert_eq!(told[name], format!("{ISSUER}{path}"));
        assert_ne!(desk.post(path, &[]).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(told["code_challenge_methods_supported"], serde_json::json!(["S256"]));
    assert_eq!(told["authorization_response_iss_parameter_supported"], true);
    assert_eq!(desk.get("/.well-known/openid-configuration").await.json(), told);
    let smart = desk.get("/fhir/.well-known/smart-configuration").await.json();
    assert_eq!(smart["token_endpoint"], told["token_endpoint"]);
    assert_eq!(desk.get("/.well-known/smart-configuration").await.json(), smart);
}

#[tokio::test]
async fn an_app_that_asks_wrongly_is_told_with_its_state_and_who_tells_it() {
    let desk = Desk::open().await;
    for (other, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "unsupported_response_type"),
        (("response_mode", "fragment"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("prompt", "none"), "login_required"),
        (("request", "x.y.z"), "request_not_supported"),
        (("request_uri", "https://app.example/request"), "request_uri_not_supported"),
        (("resource", "https://other.example"), "invalid_target"),
        (("aud", "https://other.example"), "invalid_target"),
    ] {
        let answer = desk.get(&authorize(&[other])).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{other:?}");
        assert!(answer.header("location").starts_with(&format!("{BACK}?")));
        assert_eq!(answer.leads_with("error").as_deref(), Some(error), "{other:?}");
        assert_eq!(answer.leads_with("state").as_deref(), Some("s-1"));
        // RFC 9207
        assert_eq!(answer.leads_with("iss").as_deref(), Some(ISSUER));
    }
    let fine = desk.get(&authorize(&[("aud", "https://hub.example/fhir"), ("prompt", "login")])).await;
    assert_eq!(fine.status, StatusCode::OK);
}

#[tokio::test]
async fn the_answer_of_a_sign_in_bears_state_and_issuer_and_what_was_granted() {
    let desk = Desk::open().await;
    let path = authorize(&[("scope", "openid patient/*.rs"), ("state", "a b&c=\"d\"")]);
    let mut browser = Browser::new(&desk);
    let page = browser.get(&path).await;
    let page = browser.post(&path, &page, &[("step", "phone"), ("phone", PHONE)]).await;
    let code = desk.phones.code(PHONE);
    let entered = [("step", "code"), ("phone", PHONE), ("code", code.as_str())];
    let back = browser.post(&path, &page, &entered).await;
    assert_eq!(back.leads_with("state").as_deref(), Some("a b&c=\"d\""));
    assert_eq!(back.leads_with("iss").as_deref(), Some(ISSUER));
    assert_eq!(back.header("referrer-policy"), "no-referrer");
    let given = desk.exchange(APP, &back.leads_with("code").unwrap()).await;
    assert_eq!(given.header("cache-control"), "no-store");
    let given = given.json();
    assert_eq!(given["scope"], "openid");
    let id = crate::desk::payload(given["id_token"].as_str().unwrap());
    assert!(id.get("fhirUser").is_none(), "it was not asked for");
}

#[tokio::test]
async fn a_request_that_is_no_proper_form_is_refused() {
    let desk = Desk::open().await;
    let ask = async |kind: &str, body: String| {
        let request = Request::post("/oauth/token").header(header::CONTENT_TYPE, kind);
        desk.ask(request.body(Body::from(body)).unwrap()).await
    };
    let form = "application/x-www-form-urlencoded";
    let answer = ask("application/json", "{}".to_owned()).await;
    assert_eq!(
        (answer.status, answer.json()["error"].as_str()),
        (StatusCode::BAD_REQUEST, Some("invalid_request"))
    );
    let twice = format!("grant_type=refresh_token&client_id={APP}&client_id={APP}&refresh_token=x");
    assert_eq!(ask(form, twice).await.json()["error"], "invalid_request");
    assert_eq!(ask(form, format!("client_id={APP}")).await.json()["error"], "invalid_request");
    let unknown = format!("grant_type=password&client_id={APP}&username=a&password=b");
    assert_eq!(ask(form, unknown).await.json()["error"], "unsupported_grant_type");
    assert_eq!(
        ask(form, "grant_type=refresh_token&client_id=nobody".to_owned()).await.json()["error"],
        "invalid_client"
    );
    let secret = format!("grant_type=refresh_token&client_id={APP}&client_secret=x&refresh_token=x");
    assert_eq!(ask(form, secret).await.json()["error"], "invalid_client");
    assert_eq!(ask(form, "x".repeat(17 * 1024)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let basic = Request::post("/oauth/token").header(header::AUTHORIZATION, "Basic eDp5");
    let basic =
        basic.header(header::CONTENT_TYPE, form).body(Body::from(format!("client_id={APP}"))).unwrap();
    assert_eq!(desk.ask(basic).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_that_is_revoked_is_over_with_either_token() {
    for which in ["refresh_token", "access_token"] {
        let desk = Desk::open().await;
        let given = desk.signed_in(PHONE).await;
        let token = given[which].as_str().unwrap();
        let strange = desk.post("/oauth/revoke", &[("client_id", DESK_APP), ("token", token)]).await;
        assert_eq!(strange.status, StatusCode::OK);
        let (access, refresh) =
            (given["access_token"].as_str().unwrap(), given["refresh_token"].as_str().unwrap());
        assert!(desk.gate.who(access).await.is_ok(), "another app cannot end it");
        let form = [("client_id", APP), ("token", token), ("token_type_hint", "refresh_token")];
        assert_eq!(desk.post("/oauth/revoke", &form).await.status, StatusCode::OK);
        assert_eq!(desk.refresh(APP, refresh).await.status, StatusCode::BAD_REQUEST);
        desk.turn_clock(30);
        assert!(desk.gate.who(access).await.is_err());
        assert_eq!(desk.post("/oauth/revoke", &form).await.status, StatusCode::OK, "RFC 7009 §2.2");
        assert_eq!(desk.post("/oauth/revoke", &[("token", token)]).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(desk.post("/oauth/revoke", &[("client_id", APP)]).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn no_more_can_be_refreshed_than_was_granted() {
    let desk = Desk::open().await;
    let given = desk.signed_in(PHONE).await;
    let refresh = given["refresh_token"].as_str().unwrap();
    let ask = async |scope: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", APP),
            ("refresh_token", refresh),
            ("scope", scope),
        ];
        desk.post("/oauth/token", &form).await
    };
    assert_eq!(ask("openid system/*.cruds").await.json()["error"], "invalid_scope");
    assert_eq!(ask("openid").await.status, StatusCode::OK, "a refused wish has used nothing up");
}

#[tokio::test]
async fn a_redirect_in_the_exchange_must_be_the_one_of_the_request() {
    let desk = Desk::open().await;
    for (redirect, status) in [(BACK, StatusCode::OK), ("https://evil.example/", StatusCode::BAD_REQUEST)] {
        let code = Browser::new(&desk).sign_in(PHONE).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", APP),
            ("code", &code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", redirect),
        ];
        assert_eq!(desk.post("/oauth/token", &form).await.status, status);
        desk.turn_clock(60);
    }
}

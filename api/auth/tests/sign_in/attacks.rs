//! What attackers do: the list of RFC 9700 (Best Current Practice for OAuth 2.0 Security), and some more.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use hub_core::who::Gatekeeper;
use tokio::task::JoinSet;

use crate::desk::{APP, BACK, Browser, Desk, ISSUER, PHONE, VERIFIER, authorize, query};

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_the_apps_own() {
    let desk = Desk::open().await;
    for redirect in [
        "",
        "https://evil.example/back",
        "https://app.example/back/",
        "https://app.example/Back",
        "https://app.example/back?x=1",
        "https://app.example/back#x",
        "https://app.example:443/back",
        "https://app.example.evil.example/back",
        "https://app.example/back/../open",
        "http://app.example/back",
        "https://other.example/back",
        "javascript:alert(1)",
        "//evil.example",
    ] {
        // Also with faults of which an app would be told.
        for other in [("state", "s-1"), ("response_type", "token"), ("prompt", "none")] {
            let answer = desk.get(&authorize(&[("redirect_uri", redirect), other])).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{redirect}");
            assert_eq!(answer.header("location"), "", "{redirect}");
            assert!(!answer.text.contains("<form"), "{redirect}");
        }
    }
    for client in ["", "nobody", "lis", "../x"] {
        let answer = desk.get(&authorize(&[("client_id", client)])).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::BAD_REQUEST, ""), "{client}");
    }
}

#[tokio::test]
async fn a_parameter_that_stands_twice_is_not_chosen_from() {
    let desk = Desk::open().await;
    let path = format!("{}&redirect_uri=https%3A%2F%2Fevil.example%2F", authorize(&[]));
    let answer = desk.get(&path).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::BAD_REQUEST, ""));
}

#[tokio::test]
async fn a_stolen_code_is_of_no_use_without_its_verifier_and_is_void_when_it_is_tried() {
    let desk = Desk::open().await;
    let other = "x".repeat(43);
    for verifier in [Some(other.as_str()), Some("short"), None] {
        let code = Browser::new(&desk).sign_in(PHONE).await;
        let mut form =
            vec![("grant_type", "authorization_code"), ("client_id", APP), ("code", code.as_str())];
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        assert_eq!(desk.post("/oauth/token", &form).await.status, StatusCode::BAD_REQUEST);
        let then = desk.exchange(APP, &code).await.status;
        // Without a verifier nothing was tried; otherwise somebody else has the code.
        let expected = if verifier.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        assert_eq!(then, expected, "{verifier:?}");
        desk.turn_clock(60);
    }
}

#[tokio::test]
async fn a_code_that_is_put_into_another_sign_in_is_refused_by_its_challenge() {
    let desk = Desk::open().await;
    // The attacker has a code of the victim's, made for the victim's challenge, and puts it into a sign-in of his own (RFC 9700 §4.5).
    let of_victim = Browser::new(&desk).sign_in(PHONE).await;
    let of_attacker = "attackers-own-verifier-attackers-own-verifier";
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("code", &of_victim),
        ("code_verifier", of_attacker),
    ];
    assert_eq!(desk.post("/oauth/token", &form).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn an_app_cannot_use_the_code_or_the_refresh_token_of_another() {
    let desk = Desk::open().await;
    let code = Browser::new(&desk).sign_in(PHONE).await;
    assert_eq!(desk.exchange("other-app", &code).await.json()["error"], "invalid_grant");
    desk.turn_clock(60);
    let given = desk.signed_in(PHONE).await;
    let refresh = given["refresh_token"].as_str().unwrap();
    assert_eq!(desk.refresh("other-app", refresh).await.json()["error"], "invalid_grant");
    assert_eq!(desk.refresh(APP, refresh).await.status, StatusCode::OK, "nor end it");
}

#[tokio::test]
async fn a_code_that_is_used_twice_ends_what_it_gave() {
    let desk = Desk::open().await;
    let code = Browser::new(&desk).sign_in(PHONE).await;
    let given = desk.exchange(APP, &code).await.json();
    let access = given["access_token"].as_str().unwrap();
    assert!(desk.gate.who(access).await.is_ok());
    assert_eq!(desk.exchange(APP, &code).await.json()["error"], "invalid_grant");
    // RFC 6749 §4.1.2
    assert_eq!(
        desk.refresh(APP, given["refresh_token"].as_str().unwrap()).await.status,
        StatusCode::BAD_REQUEST
    );
    desk.turn_clock(30);
    assert!(desk.gate.who(access).await.is_err());
}

#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    let desk = Desk::open().await;
    let code = Browser::new(&desk).sign_in(PHONE).await;
    desk.turn_clock(60);
    assert_eq!(desk.exchange(APP, &code).await.json()["error"], "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_one_code_at_once_one_at_most_is_given_something() {
    let desk = Arc::new(Desk::open().await);
    for _ in 0..3 {
        let code = Browser::new(&desk).sign_in(PHONE).await;
        let mut asking = JoinSet::new();
        for _ in 0..8 {
            let (desk, code) = (desk.clone(), code.clone());
            asking.spawn(async move { desk.exchange(APP, &code).await.status });
        }
        let given = asking.join_all().await.into_iter().filter(|status| *status == StatusCode::OK).count();
        assert!(given <= 1, "{given}");
        desk.turn_clock(60);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_used_twice_ends_the_whole_family() {
    let desk = Arc::new(Desk::open().await);
    let first = desk.signed_in(PHONE).await["refresh_token"].as_str().unwrap().to_owned();
    let of_thief = desk.refresh(APP, &first).await.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(desk.refresh(APP, &first).await.json()["error"], "invalid_grant");
    assert_eq!(desk.refresh(APP, &of_thief).await.json()["error"], "invalid_grant");
    desk.turn_clock(60);
    let token = desk.signed_in(PHONE).await["refresh_token"].as_str().unwrap().to_owned();
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let (desk, token) = (desk.clone(), token.clone());
        asking.spawn(async move { desk.refresh(APP, &token).await.status });
    }
    let given = asking.join_all().await.into_iter().filter(|status| *status == StatusCode::OK).count();
    assert_eq!(given, 1);
}

#[tokio::test]
async fn a_form_that_is_not_of_a_page_of_ours_does_nothing() {
    let desk = Desk::open().await;
    let mut browser = Browser::new(&desk);
    let path = authorize(&[]);
    let page = browser.get(&path).await;
    let csrf = page.hidden("csrf");
    let cookie = format!("__Host-sign-in={csrf}");
    let other = format!("__Host-sign-in={}", "x".repeat(43));
    let own = ("sec-fetch-site", "same-origin");
    for (what, field, cookie, origin, site) in [
        ("no field", "", &cookie, ISSUER, own),
        ("another field", "x", &cookie, ISSUER, own),
        ("no cookie", &csrf, &String::new(), ISSUER, own),
        ("another cookie", &csrf, &other, ISSUER, own),
        ("a cookie by another name", &csrf, &format!("sign-in={csrf}"), ISSUER, own),
        ("another origin", &csrf, &cookie, "https://evil.example", own),
        ("an origin that is not told", &csrf, &cookie, "null", own),
        ("another site", &csrf, &cookie, ISSUER, ("sec-fetch-site", "cross-site")),
    ] {
        let form = query(&[("step", "phone"), ("phone", PHONE), ("csrf", field)]);
        let request = Request::post(&path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, cookie)
            .header(header::ORIGIN, origin)
            .header(site.0, site.1);
        let answer = desk.ask(request.body(Body::from(form)).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}");
    }
    assert_eq!(desk.phones.how_many(), 0);
    // A browser that tells neither origin nor site is known by its cookie.
    let form = query(&[("step", "phone"), ("phone", PHONE), ("csrf", &csrf)]);
    let request = Request::post(&path).header(header::COOKIE, &cookie).body(Body::from(form)).unwrap();
    assert_eq!(desk.ask(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_an_attacker_writes_into_an_address_is_shown_as_text() {
    let desk = Desk::open().await;
    let evil = "\"><script>alert(1)</script><input value=\"";
    let page =
        desk.get(&authorize(&[("state", evil), ("nonce", evil), ("ui_locales", evil), ("x", evil)])).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains("<script") && !page.text.contains(evil), "{}", page.text);
    let mut browser = Browser::new(&desk);
    let path = authorize(&[]);
    let page = browser.get(&path).await;
    let answer = browser.post(&path, &page, &[("step", "phone"), ("phone", evil)]).await;
    assert!(answer.text.contains("&lt;script&gt;") && !answer.text.contains("<script"));
    let path = authorize(&[("redirect_uri", evil)]);
    assert!(!desk.get(&path).await.text.contains("<script"));
}

#[tokio::test]
async fn a_page_can_be_put_into_no_frame_and_loads_nothing_from_elsewhere() {
    let desk = Desk::open().await;
    for path in
        [authorize(&[]), authorize(&[("client_id", "nobody")]), "/oauth/invitation?token=x".to_owned()]
    {
        let page = desk.get(&path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(
            !page.text.contains("src=") && !page.text.contains("<script") && !page.text.contains("style=")
        );
        let elsewhere = page.text.split("href=\"").skip(1);
        for address in elsewhere.filter_map(|rest| rest.split('"').next()) {
            assert!(
                address.starts_with('?') || address == "/oauth/style.css" || address == "data:,",
                "{address}"
            );
        }
    }
    let page = desk.get(&authorize(&[])).await;
    // After the form browsers follow to the app, and nowhere else.
    assert!(page.header("content-security-policy").contains("form-action 'self' https://app.example;"));
    let cookie = page.header("set-cookie");
    for part in ["__Host-sign-in=", "; Path=/;", "HttpOnly", "SameSite=Lax", "Secure"] {
        assert!(cookie.contains(part), "{cookie}");
    }
}

#[tokio::test]
async fn a_code_of_one_phone_opens_no_other() {
    let desk = Desk::open().await;
    let mut browser = Browser::new(&desk);
    let path = authorize(&[]);
    let page = browser.get(&path).await;
    let own = "+8613900139000";
    let page_of_code = browser.post(&path, &page, &[("step", "phone"), ("phone", own)]).await;
    browser.post(&path, &page, &[("step", "phone"), ("phone", PHONE)]).await;
    let code = desk.phones.code(own);
    assert_ne!(code, desk.phones.code(PHONE));
    let entered = [("step", "code"), ("phone", PHONE), ("code", code.as_str())];
    let answer = browser.post(&path, &page_of_code, &entered).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn what_a_browser_sends_into_the_forwarded_list_does_not_make_it_another() {
    let mut settings = hub_auth::AuthSettings::new(ISSUER).unwrap();
    settings.proxies = 1;
    settings.address_limits = vec![(2, time::Duration::HOUR)];
    let desk = Desk::open_with(settings).await;
    let path = authorize(&[]);
    let page = Browser::new(&desk).get(&path).await;
    let csrf = page.hidden("csrf");
    let mut statuses = Vec::new();
    for nth in 0..4 {
        let phone = format!("+861390000000{nth}");
        let form = query(&[("step", "phone"), ("phone", phone.as_str()), ("csrf", &csrf)]);
        let request = Request::post(&path)
            .header(header::COOKIE, format!("__Host-sign-in={csrf}"))
            // The last was added by the hospital's own proxy.
            .header("x-forwarded-for", format!("10.0.0.{nth}, 203.0.113.7"));
        statuses.push(desk.ask(request.body(Body::from(form)).unwrap()).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
}

#[tokio::test]
async fn a_token_of_the_sign_in_is_in_no_address_but_the_apps() {
    let desk = Desk::open().await;
    let code = Browser::new(&desk).sign_in(PHONE).await;
    assert_eq!(code.len(), 43, "256 bits");
    // It is kept as a digest only.
    let given = desk.exchange(APP, &code).await.json();
    desk.store.close().await;
    let kept = std::fs::read_dir(desk.folder()).unwrap().flatten();
    let kept: Vec<u8> = kept.flat_map(|file| std::fs::read(file.path()).unwrap_or_default()).collect();
    let holds = |secret: &str| kept.windows(secret.len()).any(|window| window == secret.as_bytes());
    assert!(holds(APP), "the database is looked at");
    for secret in
        [&code, given["refresh_token"].as_str().unwrap(), given["access_token"].as_str().unwrap(), VERIFIER]
    {
        assert!(!holds(secret));
    }
    assert!(holds(BACK));
}

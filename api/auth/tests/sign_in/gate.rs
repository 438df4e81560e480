//! Who is let in: signature, issuer, audience, time, type, and whether it all still stands.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_auth::local::LocalTokens;
use hub_auth::{AuthSettings, Gate};
use hub_core::accounts::{AccountChange, Accounts};
use hub_core::who::{Gatekeeper, NotLetIn, Role};
use serde_json::json;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use crate::desk::{Desk, PHONE, account_of, payload};

async fn is_let_in(desk: &Desk, token: &str) -> bool {
    desk.gate.who(token).await.is_ok()
}

#[tokio::test]
async fn an_access_token_lets_in_for_five_minutes() {
    let desk = Desk::open().await;
    let given = desk.signed_in(PHONE).await;
    let token = given["access_token"].as_str().unwrap();
    desk.turn_clock(299);
    assert!(is_let_in(&desk, token).await);
    desk.turn_clock(1);
    assert!(matches!(desk.gate.who(token).await, Err(NotLetIn::Invalid)));
    desk.turn_clock(-400);
    assert!(!is_let_in(&desk, token).await, "nor before it was made");
}

#[tokio::test]
async fn what_is_forged_or_of_another_kind_does_not_let_in() {
    let desk = Desk::open().await;
    let given = desk.signed_in(PHONE).await;
    let token = given["access_token"].as_str().unwrap();
    assert!(is_let_in(&desk, token).await);
    let (text, signature) = token.rsplit_once('.').unwrap();
    let (head, body) = text.split_once('.').unwrap();
    let kid = payload(&format!("x.{head}"))["kid"].as_str().unwrap().to_owned();
    let encode = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = |alg: &str, typ: &str| encode(&json!({ "alg": alg, "typ": typ, "kid": kid }));
    let mut raised = payload(token);
    raised["roles"] = json!(["administrator"]);
    let keys = desk.get("/oauth/jwks").await.json();
    let point = [keys["keys"][0]["x"].as_str().unwrap(), keys["keys"][0]["y"].as_str().unwrap()];
    let point: Vec<u8> = point.iter().flat_map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    let hmac_text = format!("{}.{body}", header("HS256", "at+jwt"));
    let hmac = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &point), hmac_text.as_bytes());
    let elsewhere = Desk::open().await.signed_in(PHONE).await;
    for (what, forged) in [
        ("an ID token", given["id_token"].as_str().unwrap().to_owned()),
        ("a refresh token", given["refresh_token"].as_str().unwrap().to_owned()),
        ("higher roles", format!("{head}.{}.{signature}", encode(&raised))),
        ("no algorithm", format!("{}.{body}.", header("none", "at+jwt"))),
        ("the public key as a shared secret", format!("{hmac_text}.{}", URL_SAFE_NO_PAD.encode(hmac))),
        ("no signature", format!("{head}.{body}.")),
        ("a signature of zeros", format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode([0; 64]))),
        ("another type", format!("{}.{body}.{signature}", header("ES256", "JWT"))),
        ("another hub's", elsewhere["access_token"].as_str().unwrap().to_owned()),
        ("nothing", String::new()),
        ("nonsense", "a.b.c".to_owned()),
        ("far too long", "a.".repeat(10_000)),
    ] {
        assert!(matches!(desk.gate.who(&forged).await, Err(NotLetIn::Invalid)), "{what}");
    }
}

#[tokio::test]
async fn a_token_for_another_audience_or_of_another_issuer_does_not_let_in() {
    let desk = Desk::open().await;
    let given = desk.signed_in(PHONE).await;
    let token = given["access_token"].as_str().unwrap();
    // A hub on the same store, and so with the same keys, under another address.
    let now = desk.now();
    let elsewhere = hub_auth::Server::new(
        Arc::new(desk.store.clone()),
        desk.phones.clone(),
        AuthSettings::new("https://other.example").unwrap(),
        Arc::new(move || now),
    );
    assert!(matches!(Gate::new(elsewhere, None).who(token).await, Err(NotLetIn::Invalid)));
}

#[tokio::test]
async fn who_is_disabled_in_the_middle_of_a_session_is_out_within_a_minute() {
    let desk = Desk::open().await;
    let given = desk.signed_in(PHONE).await;
    let token = given["access_token"].as_str().unwrap();
    let account = account_of(&desk, PHONE).await;
    // It is looked at again and again, so that what is remembered is fresh.
    assert!(is_let_in(&desk, token).await);
    desk.store.change_account(&account.id, AccountChange::Disable, desk.now()).await.unwrap();
    let mut out_after = None;
    for second in 0..60 {
        if !is_let_in(&desk, token).await {
            out_after.get_or_insert(second);
        }
        desk.turn_clock(1);
    }
    assert_eq!(out_after, Some(30));
    assert!(matches!(desk.gate.who(token).await, Err(NotLetIn::Disabled)));
}

#[tokio::test]
async fn a_token_of_the_command_line_lets_in_beside_those_of_the_server() {
    let desk = Desk::open().await;
    let folder = TempDir::new().unwrap();
    let local = |folder: &Path| LocalTokens::open(folder, Arc::new(OffsetDateTime::now_utc)).unwrap();
    let token = local(folder.path()).token(Role::Operations, None, Duration::minutes(5)).unwrap();
    assert!(matches!(desk.gate.who(&token).await, Err(NotLetIn::Invalid)), "this hub has no such key");
    let gate = Gate::new(desk.server.clone(), Some(local(folder.path())));
    let who = gate.who(&token).await.unwrap();
    assert_eq!((who.roles.as_slice(), who.session), (&[Role::Operations][..], None));
    let given = desk.signed_in(PHONE).await;
    assert!(gate.who(given["access_token"].as_str().unwrap()).await.is_ok());
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_no_reason_to_let_in() {
    let desk = Desk::open().await;
    let given = desk.signed_in(PHONE).await;
    desk.store.close().await;
    let asked = desk.gate.who(given["access_token"].as_str().unwrap()).await;
    assert!(matches!(asked, Err(NotLetIn::Store(_))));
}

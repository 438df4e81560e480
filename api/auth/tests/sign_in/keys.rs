//! The server's own keys: made by itself, changed every month, published before they sign.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use hub_core::accounts::Accounts;
use hub_core::who::Gatekeeper;

use crate::desk::{Desk, PHONE, payload};

fn kid_of(token: &str) -> String {
    let head = token.split('.').next().unwrap();
    payload(&format!("x.{head}"))["kid"].as_str().unwrap().to_owned()
}

async fn published(desk: &Desk) -> BTreeSet<String> {
    let keys = desk.get("/oauth/jwks").await;
    assert_eq!(keys.status, StatusCode::OK);
    let keys = keys.json();
    let keys = keys["keys"].as_array().unwrap();
    assert!(
        keys.iter().all(|key| key.get("d").is_none() && key["alg"] == "ES256"),
        "nothing private is told"
    );
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_key_is_published_an_hour_before_it_signs_and_two_days_after() {
    let desk = Desk::open().await;
    let first = published(&desk).await;
    assert_eq!(first.len(), 1);
    let sign = async || kid_of(desk.signed_in(PHONE).await["access_token"].as_str().unwrap());
    assert!(first.contains(&sign().await), "the first has nobody to wait for");
    desk.turn_clock(30 * 86_400);
    let both = published(&desk).await;
    assert_eq!(both.len(), 2);
    assert!(both.is_superset(&first));
    assert!(first.contains(&sign().await), "the new one is only published yet");
    desk.turn_clock(3_600);
    let signing = sign().await;
    assert!(both.contains(&signing) && !first.contains(&signing));
    assert_eq!(published(&desk).await.len(), 2);
    desk.turn_clock(2 * 86_400);
    assert_eq!(published(&desk).await, BTreeSet::from([signing]));
    while desk.server.sweep().await.unwrap() > 0 {}
    assert_eq!(desk.store.signing_keys().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_hub_that_slept_for_a_year_makes_a_key_and_goes_on() {
    let desk = Desk::open().await;
    desk.signed_in(PHONE).await;
    desk.turn_clock(365 * 86_400);
    while desk.server.sweep().await.unwrap() > 0 {}
    let given = desk.signed_in(PHONE).await;
    assert!(desk.gate.who(given["access_token"].as_str().unwrap()).await.is_ok());
}

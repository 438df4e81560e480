//! Staff sign in by staff number, password and one-time password.

use axum::http::StatusCode;
use hub_auth::manage::{self, Invited, ManageError};
use hub_core::accounts::{AccountChange, Accounts, SignInName};
use hub_core::who::{Gatekeeper, Role};
use hub_fhir::Reference;

use crate::desk::{Answer, Browser, DESK_APP, Desk, ISSUER, authorize, one_time, secret_of};

const PASSWORD: &str = "green hills and rivers";

async fn sign_in(desk: &Desk, number: &str, password: &str, one_time: &str) -> Answer {
    Browser::new(desk).staff_sign_in(number, password, one_time).await
}

#[tokio::test]
async fn who_was_invited_chooses_a_password_and_signs_in() {
    let desk = Desk::open().await;
    let secret = desk.staff("1001", PASSWORD).await;
    desk.turn_clock(30);
    let back = sign_in(&desk, "1001", PASSWORD, &one_time(&secret, desk.now())).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.text);
    let given = desk.exchange(DESK_APP, &back.leads_with("code").unwrap()).await.json();
    let who = desk.gate.who(given["access_token"].as_str().unwrap()).await.unwrap();
    assert_eq!(who.roles, [Role::Doctor]);
    // ACC-14: roles are those of now.
    desk.store
        .change_account(&who.account, AccountChange::Roles(vec![Role::Finance]), desk.now())
        .await
        .unwrap();
    desk.turn_clock(30);
    let who = desk.gate.who(given["access_token"].as_str().unwrap()).await.unwrap();
    assert_eq!(who.roles, [Role::Finance]);
}

#[tokio::test]
async fn a_session_of_staff_ends_after_fifteen_idle_minutes_and_after_twelve_hours() {
    let desk = Desk::open().await;
    let secret = desk.staff("1001", PASSWORD).await;
    let sign_in = async || {
        desk.turn_clock(30);
        let back = sign_in(&desk, "1001", PASSWORD, &one_time(&secret, desk.now())).await;
        let given = desk.exchange(DESK_APP, &back.leads_with("code").unwrap()).await.json();
        given["refresh_token"].as_str().unwrap().to_owned()
    };
    let idle = sign_in().await;
    desk.turn_clock(15 * 60);
    assert_eq!(desk.refresh(DESK_APP, &idle).await.status, StatusCode::BAD_REQUEST);
    let mut refresh = sign_in().await;
    for _ in 0..51 {
        desk.turn_clock(14 * 60);
        let given = desk.refresh(DESK_APP, &refresh).await;
        assert_eq!(given.status, StatusCode::OK, "{}", given.text);
        refresh = given.json()["refresh_token"].as_str().unwrap().to_owned();
    }
    desk.turn_clock(6 * 60);
    assert_eq!(desk.refresh(DESK_APP, &refresh).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn five_failures_lock_an_account_for_a_quarter_of_an_hour() {
    let desk = Desk::open().await;
    let secret = desk.staff("1001", PASSWORD).await;
    desk.turn_clock(30);
    for _ in 0..5 {
        let wrong = sign_in(&desk, "1001", "not the password", &one_time(&secret, desk.now())).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let locked = sign_in(&desk, "1001", PASSWORD, &one_time(&secret, desk.now())).await;
    assert_eq!(locked.status, StatusCode::UNPROCESSABLE_ENTITY);
    desk.turn_clock(15 * 60);
    let back = sign_in(&desk, "1001", PASSWORD, &one_time(&secret, desk.now())).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn each_one_time_password_is_used_once_and_a_clock_may_be_half_a_minute_off() {
    let desk = Desk::open().await;
    let secret = desk.staff("1001", PASSWORD).await;
    // The one of the invitation has been used.
    let again = sign_in(&desk, "1001", PASSWORD, &one_time(&secret, desk.now())).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    desk.turn_clock(90);
    let late = one_time(&secret, desk.now() - time::Duration::seconds(30));
    assert_eq!(sign_in(&desk, "1001", PASSWORD, &late).await.status, StatusCode::SEE_OTHER);
    assert_eq!(sign_in(&desk, "1001", PASSWORD, &late).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let too_late = one_time(&secret, desk.now() - time::Duration::seconds(60));
    assert_eq!(sign_in(&desk, "1001", PASSWORD, &too_late).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let now = one_time(&secret, desk.now());
    assert_eq!(sign_in(&desk, "1001", PASSWORD, &now).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_unknown_number_a_wrong_password_and_a_wrong_one_time_password_are_told_alike() {
    let desk = Desk::open().await;
    let secret = desk.staff("1001", PASSWORD).await;
    desk.turn_clock(30);
    let mut told = Vec::new();
    let mut took = Vec::new();
    for (number, password, one_time) in [
        ("9999", PASSWORD, one_time(&secret, desk.now())),
        ("1001", "not the password", one_time(&secret, desk.now())),
        ("1001", PASSWORD, "000000".to_owned()),
    ] {
        let begun = std::time::Instant::now();
        let answer = sign_in(&desk, number, password, &one_time).await;
        took.push(begun.elapsed().as_millis());
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let csrf = answer.hidden("csrf");
        told.push(answer.text.replace(&csrf, "").replace(number, ""));
    }
    assert!(told.iter().all(|text| *text == told[0]));
    assert!(took.iter().all(|took| *took >= 400), "{took:?}");
}

#[tokio::test]
async fn an_invitation_is_accepted_once_and_not_with_what_does_not_hold() {
    let desk = Desk::open().await;
    let invited = Invited { number: "1002".into(), roles: vec![Role::Pharmacist], is: None };
    let invite = async || {
        let link = manage::invite(&desk.store, &desk.settings, invited.clone(), desk.now()).await.unwrap();
        link.strip_prefix(ISSUER).unwrap().to_owned()
    };
    let first = invite().await;
    let path = invite().await;
    let mut browser = Browser::new(&desk);
    assert_eq!(browser.get(&first).await.status, StatusCode::GONE, "the later one counts");
    let page = browser.get(&path).await;
    assert!(page.text.contains("<svg class=\"picture\""));
    let right = one_time(&secret_of(&page), desk.now());
    for (password, again, one_time, text) in [
        ("short", "short", right.as_str(), "12 to 128 characters"),
        ("1002 1002 1002", "1002 1002 1002", &right, "harder to guess"),
        (PASSWORD, "green hills and rivets", &right, "not the same"),
        (PASSWORD, PASSWORD, "12345", "is not the one that the app shows"),
    ] {
        let form = [("password", password), ("again", again), ("one-time", one_time), ("step", "accept")];
        let told = browser.post(&path, &page, &form).await;
        assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(told.text.contains(text), "{}", told.text);
        assert!(!told.text.contains(PASSWORD), "a password is never on a page");
    }
    let form = [("password", PASSWORD), ("again", PASSWORD), ("one-time", &right), ("step", "accept")];
    assert_eq!(browser.post(&path, &page, &form).await.status, StatusCode::OK);
    assert_eq!(browser.post(&path, &page, &form).await.status, StatusCode::GONE);
    let old = invite().await;
    desk.turn_clock(3 * 86_400);
    assert_eq!(browser.get(&old).await.status, StatusCode::GONE);
}

#[tokio::test]
async fn who_is_invited_again_keeps_the_account_with_its_new_roles() {
    let desk = Desk::open().await;
    desk.staff("1001", PASSWORD).await;
    let name = SignInName::Staff("1001".into());
    let before = desk.store.account_of(&name).await.unwrap().unwrap();
    let is = Reference::parse("Practitioner/p1").unwrap();
    let invited = Invited { number: "1001".into(), roles: vec![Role::Senior], is: Some(is.clone()) };
    manage::invite(&desk.store, &desk.settings, invited, desk.now()).await.unwrap();
    let after = desk.store.account_of(&name).await.unwrap().unwrap();
    assert_eq!((after.id, after.roles, after.is), (before.id, vec![Role::Senior], Some(is)));
    for (number, roles) in [
        ("", vec![Role::Doctor]),
        ("1001", vec![]),
        ("1001", vec![Role::Patient]),
        ("1 1", vec![Role::Doctor]),
    ] {
        let invited = Invited { number: number.into(), roles, is: None };
        let refused = manage::invite(&desk.store, &desk.settings, invited, desk.now()).await;
        assert!(matches!(refused, Err(ManageError::Number | ManageError::NoRole | ManageError::Role(_))));
    }
}

#[tokio::test]
async fn a_disabled_member_of_staff_is_told_only_after_proving_who_he_is() {
    let desk = Desk::open().await;
    let secret = desk.staff("1001", PASSWORD).await;
    let account = desk.store.account_of(&SignInName::Staff("1001".into())).await.unwrap().unwrap();
    desk.store.change_account(&account.id, AccountChange::Disable, desk.now()).await.unwrap();
    desk.turn_clock(30);
    let wrong = sign_in(&desk, "1001", "not the password", &one_time(&secret, desk.now())).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let told = sign_in(&desk, "1001", PASSWORD, &one_time(&secret, desk.now())).await;
    assert_eq!(told.status, StatusCode::FORBIDDEN);
    assert!(told.text.contains("ACCOUNT_DISABLED"));
}

#[tokio::test]
async fn an_app_of_patients_takes_no_password_and_one_of_staff_no_code() {
    let desk = Desk::open().await;
    let mut browser = Browser::new(&desk);
    let of_patients = authorize(&[]);
    let page = browser.get(&of_patients).await;
    let form = [("step", "staff"), ("number", "1001"), ("password", PASSWORD), ("one-time", "1")];
    let answer = browser.post(&of_patients, &page, &form).await;
    assert!(answer.status == StatusCode::OK && answer.text.contains("name=\"phone\""));
    let of_staff = authorize(&[("client_id", DESK_APP), ("redirect_uri", "https://desk.example/back")]);
    let page = browser.get(&of_staff).await;
    let answer = browser.post(&of_staff, &page, &[("step", "phone"), ("phone", "+8613800138000")]).await;
    assert!(answer.status == StatusCode::OK && answer.text.contains("name=\"password\""));
    assert_eq!(desk.phones.how_many(), 0);
}

//! Patients sign in by a code sent to their phone.

use axum::http::StatusCode;
use hub_core::accounts::{AccountChange, Accounts};
use hub_core::language::Language;
use hub_core::who::{Gatekeeper, NotLetIn, Role};

use crate::desk::{APP, Browser, Desk, PHONE, account_of, authorize, payload};

#[tokio::test]
async fn the_first_sign_in_makes_the_account_and_the_next_finds_it() {
    let desk = Desk::open().await;
    let given = desk.signed_in(PHONE).await;
    let account = account_of(&desk, PHONE).await;
    assert_eq!(account.roles, [Role::Patient]);
    let token = given["access_token"].as_str().unwrap();
    let who = desk.gate.who(token).await.unwrap();
    assert_eq!((&who.account, who.roles.as_slice()), (&account.id, &[Role::Patient][..]));
    assert_eq!(who.is.unwrap().to_string(), format!("Person/{}", account.id));
    assert_eq!(who.client, APP);
    assert!(who.session.is_some());
    desk.turn_clock(60);
    // The same phone, as another person would write it.
    let mut browser = Browser::new(&desk);
    let path = authorize(&[]);
    let page = browser.get(&path).await;
    let page = browser.post(&path, &page, &[("step", "phone"), ("phone", "138 0013 8000")]).await;
    let code = desk.phones.code(PHONE);
    let entered = [("step", "code"), ("phone", "138 0013 8000"), ("code", &format!(" {code} "))];
    let back = browser.post(&path, &page, &entered).await;
    let given = desk.exchange(APP, &back.leads_with("code").unwrap()).await.json();
    assert_eq!(payload(given["access_token"].as_str().unwrap())["sub"], account.id.as_str());
}

#[tokio::test]
async fn what_is_given_says_what_the_standards_say() {
    let desk = Desk::open().await;
    let given = desk.signed_in(PHONE).await;
    let account = account_of(&desk, PHONE).await;
    // RFC 6749 §5.1
    assert_eq!((given["token_type"].as_str(), given["expires_in"].as_i64()), (Some("Bearer"), Some(300)));
    assert_eq!(given["scope"], "openid fhirUser offline_access");
    // RFC 9068 §2.2
    let access = payload(given["access_token"].as_str().unwrap());
    assert_eq!(access["iss"], "https://hub.example");
    assert_eq!(access["aud"], "https://hub.example/fhir");
    assert_eq!(access["client_id"], APP);
    assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), 300);
    // OpenID Connect Core §2
    let id = payload(given["id_token"].as_str().unwrap());
    assert_eq!((id["aud"].as_str(), id["nonce"].as_str()), (Some(APP), Some("n-1")));
    assert_eq!(id["fhirUser"], format!("https://hub.example/fhir/Person/{}", account.id));
    let told = format!("{access}{id}");
    assert!(!told.contains("138"), "no phone number is in a token");
}

#[tokio::test]
async fn a_code_is_tried_five_times_at_most_and_lives_five_minutes() {
    let desk = Desk::open().await;
    let mut browser = Browser::new(&desk);
    let path = authorize(&[]);
    let page = browser.get(&path).await;
    let page = browser.post(&path, &page, &[("step", "phone"), ("phone", PHONE)]).await;
    let code = desk.phones.code(PHONE);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        let entered = [("step", "code"), ("phone", PHONE), ("code", wrong)];
        let page = browser.post(&path, &page, &entered).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.text.contains("aria-invalid=\"true\""));
    }
    let entered = [("step", "code"), ("phone", PHONE), ("code", code.as_str())];
    assert_eq!(browser.post(&path, &page, &entered).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    desk.turn_clock(60);
    let page = browser.post(&path, &page, &[("step", "phone"), ("phone", PHONE)]).await;
    desk.turn_clock(300);
    let code = desk.phones.code(PHONE);
    let entered = [("step", "code"), ("phone", PHONE), ("code", code.as_str())];
    assert_eq!(browser.post(&path, &page, &entered).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_phone_is_sent_one_code_a_minute_five_an_hour_and_ten_a_day() {
    let desk = Desk::open().await;
    let mut browser = Browser::new(&desk);
    let path = authorize(&[]);
    let page = browser.get(&path).await;
    let mut at_minute = Vec::new();
    // Somebody presses the button twice a minute, for more than a day.
    for minute in 0..26 * 60 {
        let answer = browser.post(&path, &page, &[("step", "phone"), ("phone", PHONE)]).await;
        if answer.status == StatusCode::OK {
            at_minute.push(minute);
            desk.turn_clock(59);
            let again = browser.post(&path, &page, &[("step", "phone"), ("phone", PHONE)]).await;
            assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS);
            assert!(again.text.contains("name=\"code\""), "the one that was sent can be entered");
            desk.turn_clock(1);
        } else {
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
            desk.turn_clock(60);
        }
    }
    assert_eq!(at_minute[..10], [0, 1, 2, 3, 4, 60, 61, 62, 63, 64]);
    assert!(at_minute[10] >= 24 * 60, "{at_minute:?}");
}

#[tokio::test]
async fn one_address_cannot_have_codes_sent_to_everybody() {
    let desk = Desk::open().await;
    let path = authorize(&[]);
    let mut browser = Browser::new(&desk);
    let page = browser.get(&path).await;
    let mut limited = 0;
    for nth in 0..70 {
        let phone = format!("+861390000{nth:04}");
        let answer = browser.post(&path, &page, &[("step", "phone"), ("phone", phone.as_str())]).await;
        limited += usize::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!((limited, desk.phones.how_many()), (10, 60));
    let mut elsewhere = Browser { address: "192.0.2.2:1", ..Browser::new(&desk) };
    let page = elsewhere.get(&path).await;
    let answer = elsewhere.post(&path, &page, &[("step", "phone"), ("phone", PHONE)]).await;
    assert_eq!(answer.status, StatusCode::OK, "another address is another's");
}

#[tokio::test]
async fn a_disabled_account_is_told_so_and_its_tokens_stop_within_a_minute() {
    let desk = Desk::open().await;
    let given = desk.signed_in(PHONE).await;
    let (access, refresh) =
        (given["access_token"].as_str().unwrap(), given["refresh_token"].as_str().unwrap());
    assert!(desk.gate.who(access).await.is_ok());
    let account = account_of(&desk, PHONE).await;
    desk.store.change_account(&account.id, AccountChange::Disable, desk.now()).await.unwrap();
    desk.turn_clock(60);
    assert!(matches!(desk.gate.who(access).await, Err(NotLetIn::Disabled)));
    let refused = desk.refresh(APP, refresh).await;
    assert_eq!(
        (refused.status, refused.json()["error"].as_str()),
        (StatusCode::BAD_REQUEST, Some("invalid_grant"))
    );
    // ACC-10, in the person's language.
    for (languages, text) in [("en", "disabled"), ("zh-CN", "停用"), ("zh-HK", "帳戶已停用")] {
        let mut browser = Browser { languages, ..Browser::new(&desk) };
        let path = authorize(&[]);
        let page = browser.get(&path).await;
        let page = browser.post(&path, &page, &[("step", "phone"), ("phone", PHONE)]).await;
        let code = desk.phones.code(PHONE);
        let entered = [("step", "code"), ("phone", PHONE), ("code", code.as_str())];
        let told = browser.post(&path, &page, &entered).await;
        assert_eq!(told.status, StatusCode::FORBIDDEN);
        assert!(told.text.contains("ACCOUNT_DISABLED") && told.text.contains(text), "{}", told.text);
        desk.turn_clock(60);
    }
    desk.store.change_account(&account.id, AccountChange::Enable, desk.now()).await.unwrap();
    assert_eq!(desk.refresh(APP, refresh).await.status, StatusCode::BAD_REQUEST, "it does not rise again");
    desk.signed_in(PHONE).await;
}

#[tokio::test]
async fn a_code_that_cannot_be_sent_is_told_and_comes_in_the_persons_language_when_it_can() {
    let desk = Desk::open().await;
    let mut browser = Browser { languages: "zh-TW,en;q=0.5", ..Browser::new(&desk) };
    let path = authorize(&[]);
    let page = browser.get(&path).await;
    desk.phones.is_down.store(true, std::sync::atomic::Ordering::Relaxed);
    let answer = browser.post(&path, &page, &[("step", "phone"), ("phone", PHONE)]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text.contains("暫時未能發送"), "{}", answer.text);
    desk.phones.is_down.store(false, std::sync::atomic::Ordering::Relaxed);
    desk.turn_clock(60);
    browser.post(&path, &page, &[("step", "phone"), ("phone", PHONE)]).await;
    assert_eq!(desk.phones.language(PHONE), Language::Traditional);
}

#[tokio::test]
async fn a_patients_session_lives_thirty_days_between_uses() {
    let desk = Desk::open().await;
    let mut refresh = desk.signed_in(PHONE).await["refresh_token"].as_str().unwrap().to_owned();
    // Half a year as a whole.
    for days in [29, 29, 29, 29, 29, 29] {
        desk.turn_clock(days * 86_400);
        let given = desk.refresh(APP, &refresh).await;
        assert_eq!(given.status, StatusCode::OK, "{}", given.text);
        refresh = given.json()["refresh_token"].as_str().unwrap().to_owned();
    }
    desk.turn_clock(7 * 86_400);
    assert_eq!(desk.refresh(APP, &refresh).await.status, StatusCode::BAD_REQUEST);
    let refresh = desk.signed_in(PHONE).await["refresh_token"].as_str().unwrap().to_owned();
    desk.turn_clock(30 * 86_400);
    assert_eq!(desk.refresh(APP, &refresh).await.status, StatusCode::BAD_REQUEST);
}

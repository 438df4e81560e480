//! The promises about accounts: what must happen once happens once, and what is over is over.

use hub_core::accounts::{
    Account, AccountChange, Accounts, Client, ClientKind, CodeOrder, Credentials, Grant, Invitation, Lockout,
    People, Session, SignInName, SigningKey, TokenDigest, Turned,
};
use hub_core::who::Role;
use hub_fhir::Id;
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;

use super::reference;

const LOCKOUT: Lockout = Lockout { after: 5, lasts: Duration::minutes(15) };

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

fn digest(secret: &str) -> TokenDigest {
    TokenDigest::of(secret)
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn staff(number: &str) -> Account {
    Account {
        id: id(&format!("account-{number}")),
        name: SignInName::Staff(number.into()),
        roles: vec![Role::Doctor, Role::Senior],
        is: Some(reference("Practitioner/p1")),
        disabled: None,
    }
}

fn session_of(account: &Id, name: &str) -> Session {
    Session {
        id: name.into(),
        account: account.clone(),
        client: id("app"),
        scope: "openid".to_owned(),
        signed_in: now(),
        until: now() + Duration::minutes(15),
        ends: now() + Duration::days(60),
        is_ended: false,
    }
}

fn grant_of(account: &Id, code: &str) -> Grant {
    Grant {
        digest: digest(code),
        account: account.clone(),
        client: id("app"),
        redirect: "https://app.example/back".to_owned(),
        challenge: "challenge".to_owned(),
        scope: "openid".to_owned(),
        nonce: Some("n-1".to_owned()),
        signed_in: now(),
        until: now() + Duration::minutes(1),
        session: format!("session-of-{code}").into(),
        is_spent: false,
    }
}

/// A session that stands, with its first refresh token.
async fn signed_in(store: &impl Accounts, account: &Id, code: &str) -> (Session, TokenDigest) {
    store.grant(grant_of(account, code)).await.unwrap();
    let session = session_of(account, &format!("session-of-{code}"));
    let refresh = digest(&format!("{code}-refresh"));
    assert!(store.redeem(&digest(code), session.clone(), refresh, now()).await.unwrap());
    (session, refresh)
}

/// Asks so often at the same time, at the stores in turn; says how often the answer was yes.
async fn at_once<S, F>(stores: &[S], times: usize, ask: impl Fn(S, usize) -> F) -> usize
where
    S: Accounts + Clone + 'static,
    F: Future<Output = bool> + Send + 'static,
{
    let mut asking = JoinSet::new();
    for nth in 0..times {
        asking.spawn(ask(stores[nth % stores.len()].clone(), nth));
    }
    asking.join_all().await.into_iter().filter(|yes| *yes).count()
}

async fn an_account_is_made_once_for_its_name<S: Accounts + Clone + 'static>(stores: &[S], round: &str) {
    let phone = SignInName::Phone(format!("+86138{round}").into());
    let made = at_once(stores, 12, |store, nth| {
        let account = Account {
            id: id(&format!("patient-{round}-{nth}")),
            name: phone.clone(),
            roles: vec![Role::Patient],
            is: None,
            disabled: None,
        };
        async move { store.open_account(account.clone(), now()).await.unwrap() == account }
    });
    assert_eq!(made.await, 1);
    let account = stores[0].account_of(&phone).await.unwrap().unwrap();
    assert_eq!(stores[0].account(&account.id).await.unwrap(), Some(account));
}

pub async fn an_account_is_changed_and_told_as_it_is(store: &impl Accounts) {
    let account = store.open_account(staff("7"), now()).await.unwrap();
    assert_eq!(store.account_of(&SignInName::Staff("7".into())).await.unwrap().as_ref(), Some(&account));
    assert_eq!(store.account_of(&SignInName::Phone("7".into())).await.unwrap(), None);
    let roles = vec![Role::Finance];
    for change in [AccountChange::Roles(roles.clone()), AccountChange::Is(reference("Practitioner/p2"))] {
        assert!(store.change_account(&account.id, change, now()).await.unwrap());
    }
    let (session, refresh) = signed_in(store, &account.id, "disabling").await;
    store.grant(grant_of(&account.id, "not yet used")).await.unwrap();
    assert!(store.change_account(&account.id, AccountChange::Disable, now()).await.unwrap());
    let disabled = store.account(&account.id).await.unwrap().unwrap();
    assert_eq!((disabled.roles, disabled.is), (roles, Some(reference("Practitioner/p2"))));
    assert_eq!(disabled.disabled, Some(now()));
    let standing = store.standing(&session.id).await.unwrap().unwrap();
    assert!(standing.session.is_ended && standing.account.disabled.is_some());
    let until = now() + Duration::minutes(15);
    assert_eq!(store.turn(&refresh, digest("x"), until, now()).await.unwrap(), Turned::Unknown);
    let fresh = session_of(&account.id, "session-of-not yet used");
    assert!(!store.redeem(&digest("not yet used"), fresh, digest("y"), now()).await.unwrap());
    assert!(store.change_account(&account.id, AccountChange::Enable, now()).await.unwrap());
    assert_eq!(store.account(&account.id).await.unwrap().unwrap().disabled, None);
    assert!(store.standing(&session.id).await.unwrap().unwrap().session.is_ended, "it does not rise again");
    assert!(!store.change_account(&id("nobody"), AccountChange::Disable, now()).await.unwrap());
}

async fn an_account_that_is_guessed_at_is_locked_for_a_while<S: Accounts + Clone + 'static>(
    stores: &[S],
    number: &str,
) {
    let store = &stores[0];
    let account = store.open_account(staff(number), now()).await.unwrap().id;
    let tries = at_once(stores, 20, |store, _| {
        let account = account.clone();
        async move { store.begin_try(&account, LOCKOUT, now()).await.unwrap() }
    });
    assert_eq!(tries.await, 5, "many at once are not more than many one after the other");
    let almost = now() + Duration::minutes(15) - Duration::SECOND;
    assert!(!store.begin_try(&account, LOCKOUT, almost).await.unwrap());
    let later = now() + Duration::minutes(15);
    for _ in 0..5 {
        assert!(store.begin_try(&account, LOCKOUT, later).await.unwrap());
    }
    assert!(!store.begin_try(&account, LOCKOUT, later).await.unwrap());
    // The last that was begun before the lock succeeds.
    assert!(store.end_try(&account, 100).await.unwrap());
    for _ in 0..4 {
        assert!(store.begin_try(&account, LOCKOUT, later).await.unwrap());
        assert!(!store.end_try(&account, 100).await.unwrap(), "a step is used once");
    }
    assert!(!store.end_try(&account, 99).await.unwrap());
    let used = at_once(stores, 8, |store, _| {
        let account = account.clone();
        async move { store.end_try(&account, 101).await.unwrap() }
    });
    assert_eq!(used.await, 1);
}

async fn an_invitation_is_accepted_once<S: Accounts + Clone + 'static>(stores: &[S], number: &str) {
    let store = &stores[0];
    let account = store.open_account(staff(number), now()).await.unwrap().id;
    assert_eq!(store.credentials(&account).await.unwrap(), None);
    let (session, _) = signed_in(store, &account, &format!("before {number}")).await;
    let invitation = |secret: &str, totp: u8| Invitation {
        digest: digest(secret),
        account: account.clone(),
        totp: vec![totp; 20],
        until: now() + Duration::days(1),
    };
    let (first, second) = (format!("{number} first"), format!("{number} second"));
    store.invite(invitation(&first, 1)).await.unwrap();
    store.invite(invitation(&second, 2)).await.unwrap();
    assert_eq!(store.invited(&digest(&first), now()).await.unwrap(), None, "the later one counts");
    let told = store.invited(&digest(&second), now()).await.unwrap();
    assert_eq!(told, Some(invitation(&second, 2)));
    let late = now() + Duration::days(1);
    assert_eq!(store.invited(&digest(&second), late).await.unwrap(), None);
    assert!(!store.accept(&digest(&second), "phc".to_owned(), 7, late).await.unwrap());
    let accepted = at_once(stores, 8, |store, nth| {
        let secret = digest(&second);
        async move { store.accept(&secret, format!("phc-{nth}"), 50, now()).await.unwrap() }
    });
    assert_eq!(accepted.await, 1);
    let Credentials { password, totp } = store.credentials(&account).await.unwrap().unwrap();
    assert!(password.starts_with("phc-") && totp == [2; 20]);
    assert!(!store.end_try(&account, 50).await.unwrap(), "its step has been used");
    assert!(store.standing(&session.id).await.unwrap().unwrap().session.is_ended);
}

async fn codes_are_sent_and_tried_within_limits<S: Accounts + Clone + 'static>(stores: &[S], phone: &str) {
    let store = &stores[0];
    let address = format!("192.0.2.{phone}");
    let order = |phone: &str, code: &str, at: OffsetDateTime| CodeOrder {
        phone: phone.into(),
        address: Some(address.as_str().into()),
        digest: digest(code),
        until: at + Duration::minutes(5),
        tries: 5,
        phone_limits: vec![(1, Duration::minutes(1)), (3, Duration::HOUR)],
        address_limits: vec![(4, Duration::HOUR)],
    };
    let sent = at_once(stores, 8, |store, _| {
        let order = order(phone, "1", now());
        async move { store.order_code(order, now()).await.unwrap() }
    });
    assert_eq!(sent.await, 1, "one a minute");
    let mut at = now();
    for code in ["2", "3"] {
        at += Duration::minutes(1);
        assert!(store.order_code(order(phone, code, at), at).await.unwrap());
    }
    at += Duration::minutes(1);
    assert!(!store.order_code(order(phone, "4", at), at).await.unwrap(), "three an hour");
    let other = format!("{phone}1");
    assert!(store.order_code(order(&other, "5", at), at).await.unwrap());
    let third = format!("{phone}2");
    assert!(!store.order_code(order(&third, "6", at), at).await.unwrap(), "four from one address");

    assert!(!store.try_code(phone, &digest("2"), at).await.unwrap(), "the last one counts");
    assert!(!store.try_code(&third, &digest("6"), at).await.unwrap());
    assert!(!store.try_code(&other, &digest("3"), at).await.unwrap(), "it is another phone's");
    let used = at_once(stores, 4, |store, _| {
        let phone = phone.to_owned();
        async move { store.try_code(&phone, &digest("3"), at).await.unwrap() }
    });
    assert_eq!(used.await, 1);
    // One wrong try was made above.
    let tried = at_once(stores, 20, |store, _| {
        let other = other.clone();
        async move { store.try_code(&other, &digest("wrong"), at).await.unwrap() }
    });
    assert_eq!(tried.await, 0);
    assert!(!store.try_code(&other, &digest("5"), at).await.unwrap(), "five tries, no more");
    let tomorrow = at + Duration::DAY;
    assert!(store.order_code(order(phone, "7", tomorrow), tomorrow).await.unwrap());
    let late = tomorrow + Duration::minutes(5);
    assert!(!store.try_code(phone, &digest("7"), late).await.unwrap());
}

async fn a_code_is_exchanged_once<S: Accounts + Clone + 'static>(stores: &[S], round: &str) {
    let store = &stores[0];
    let account = store.open_account(staff(&format!("code-{round}")), now()).await.unwrap().id;
    let code = format!("code {round}");
    store.grant(grant_of(&account, &code)).await.unwrap();
    assert_eq!(store.granted(&digest(&code)).await.unwrap(), Some(grant_of(&account, &code)));
    let session = session_of(&account, &format!("session-of-{code}"));
    let redeemed = at_once(stores, 8, |store, nth| {
        let (code, session) = (digest(&code), session.clone());
        let refresh = digest(&format!("{round} refresh {nth}"));
        async move { store.redeem(&code, session, refresh, now()).await.unwrap() }
    });
    assert_eq!(redeemed.await, 1);
    assert!(store.granted(&digest(&code)).await.unwrap().unwrap().is_spent);
    let standing = store.standing(&session.id).await.unwrap().unwrap();
    assert_eq!((standing.session, standing.account.id), (session.clone(), account.clone()));
    store.void(&digest(&code), now()).await.unwrap();
    assert!(store.standing(&session.id).await.unwrap().unwrap().session.is_ended, "its session is over");
    let late = format!("late {round}");
    store.grant(grant_of(&account, &late)).await.unwrap();
    let over = now() + Duration::minutes(1);
    assert!(!store.redeem(&digest(&late), session_of(&account, &late), digest(&late), over).await.unwrap());
}

async fn a_refresh_token_is_used_once<S: Accounts + Clone + 'static>(stores: &[S], round: &str) {
    let store = &stores[0];
    let account = store.open_account(staff(&format!("refresh-{round}")), now()).await.unwrap().id;
    let (session, first) = signed_in(store, &account, &format!("refreshing {round}")).await;
    let second = digest(&format!("second {round}"));
    let until = now() + Duration::minutes(20);
    assert_eq!(store.turn(&first, second, until, now()).await.unwrap(), Turned::Turned);
    let now_is = Session { until, ..session };
    assert_eq!(store.session_of(&first).await.unwrap().as_ref(), Some(&now_is));
    assert_eq!(store.session_of(&second).await.unwrap().as_ref(), Some(&now_is));
    let turned = at_once(stores, 8, |store, nth| {
        let next = digest(&format!("next {round} {nth}"));
        async move { store.turn(&second, next, until, now()).await.unwrap() == Turned::Turned }
    });
    assert_eq!(turned.await, 1, "exactly one wins");
    assert!(store.session_of(&second).await.unwrap().unwrap().is_ended, "and the others have ended it");

    let (_, first) = signed_in(store, &account, &format!("stolen {round}")).await;
    let next = digest(&format!("of the thief {round}"));
    assert_eq!(store.turn(&first, next, until, now()).await.unwrap(), Turned::Turned);
    let mine = digest(&format!("mine {round}"));
    assert_eq!(store.turn(&first, mine, until, now()).await.unwrap(), Turned::Reused);
    assert_eq!(store.turn(&next, mine, until, now()).await.unwrap(), Turned::Unknown, "the family is over");
    assert_eq!(store.turn(&digest("never"), mine, until, now()).await.unwrap(), Turned::Unknown);

    let (session, idle) = signed_in(store, &account, &format!("idle {round}")).await;
    assert_eq!(
        store.turn(&idle, mine, until, session.until).await.unwrap(),
        Turned::Unknown,
        "idle too long"
    );
    assert!(store.end_session(&session.id, now()).await.unwrap());
    assert!(!store.end_session(&session.id, now()).await.unwrap());
}

async fn an_assertion_is_used_once<S: Accounts + Clone + 'static>(stores: &[S], round: &str) {
    let until = now() + Duration::minutes(5);
    let jti = digest(round);
    let used =
        at_once(
            stores,
            8,
            |store, _| async move { store.first_use(&id("system"), &jti, until).await.unwrap() },
        );
    assert_eq!(used.await, 1);
    assert!(stores[0].first_use(&id("other"), &jti, until).await.unwrap(), "each client has its own");
}

pub async fn a_key_is_added_where_nobody_was_faster<S: Accounts + Clone + 'static>(stores: &[S]) {
    let store = &stores[0];
    let key = |name: &str, day: i64| SigningKey {
        id: name.into(),
        secret: vec![7; 85],
        made: now() + Duration::days(day),
    };
    let added = at_once(stores, 8, |store, nth| {
        let key = key(&format!("first-{nth}"), 0);
        async move { store.add_signing_key(key, None).await.unwrap() }
    });
    assert_eq!(added.await, 1);
    let first = store.signing_keys().await.unwrap();
    assert_eq!(first.len(), 1);
    assert!(store.add_signing_key(key("second", 30), Some(&first[0].id)).await.unwrap());
    assert!(!store.add_signing_key(key("third", 30), Some(&first[0].id)).await.unwrap());
    let keys = store.signing_keys().await.unwrap();
    assert_eq!(keys, [key("second", 30), first[0].clone()]);
}

pub async fn a_client_is_told_as_it_was_registered(store: &impl Accounts) {
    let app = Client {
        id: id("app"),
        name: "预约 \"App\"".into(),
        kind: ClientKind::App {
            people: People::Public,
            redirects: vec!["https://app.example/back?a=\"b\"".to_owned(), "cn.hospital:/back".to_owned()],
        },
        keys: None,
        is_disabled: false,
    };
    let system = Client {
        id: id("lis"),
        name: "LIS".into(),
        kind: ClientKind::System { roles: vec![Role::System], is: Some(reference("Device/lis")) },
        keys: Some(r#"{"keys":[]}"#.to_owned()),
        is_disabled: false,
    };
    let desk = Client {
        id: id("desk"),
        kind: ClientKind::App { people: People::Staff, redirects: Vec::new() },
        ..app.clone()
    };
    for client in [&app, &system, &desk] {
        store.register(client.clone(), now()).await.unwrap();
        assert_eq!(store.client(&client.id).await.unwrap().as_ref(), Some(client));
    }
    let account = store.open_account(staff("client"), now()).await.unwrap().id;
    let (session, _) = signed_in(store, &account, "by app").await;
    store.register(Client { is_disabled: true, ..app }, now()).await.unwrap();
    assert!(store.client(&id("app")).await.unwrap().unwrap().is_disabled);
    assert!(store.standing(&session.id).await.unwrap().unwrap().session.is_ended);
    assert_eq!(store.client(&id("nobody")).await.unwrap(), None);
}

/// All that several may try at once.
pub async fn what_must_happen_once_happens_once<S: Accounts + Clone + 'static>(stores: &[S], round: &str) {
    an_account_is_made_once_for_its_name(stores, round).await;
    an_account_that_is_guessed_at_is_locked_for_a_while(stores, &format!("guessed-{round}")).await;
    an_invitation_is_accepted_once(stores, &format!("invited-{round}")).await;
    codes_are_sent_and_tried_within_limits(stores, round).await;
    a_code_is_exchanged_once(stores, round).await;
    a_refresh_token_is_used_once(stores, round).await;
    an_assertion_is_used_once(stores, round).await;
}

/// Everything else has been left behind in the store.
pub async fn what_is_over_is_forgotten_and_nothing_else(store: &impl Accounts) {
    let account = store.open_account(staff("forget"), now()).await.unwrap().id;
    let (_, refresh) = signed_in(store, &account, "kept").await;
    let until = now() + Duration::days(30);
    store.turn(&refresh, digest("kept-2"), until, now()).await.unwrap();
    let later = now() + Duration::days(2);
    while store.forget(now() - Duration::DAY, 3, later).await.unwrap() > 0 {}
    assert_eq!(store.turn(&digest("kept-2"), digest("kept-3"), until, later).await.unwrap(), Turned::Turned);
    assert_eq!(store.turn(&refresh, digest("kept-4"), until, later).await.unwrap(), Turned::Reused);
    assert!(!store.signing_keys().await.unwrap().is_empty());
    assert!(store.account(&account).await.unwrap().is_some());
    assert!(store.granted(&digest("kept")).await.unwrap().is_some(), "used again, it still ends its session");
    assert!(store.granted(&digest("disabling")).await.unwrap().is_none());
    assert!(store.standing("session-of-disabling").await.unwrap().is_none());
    let system = id("system");
    assert!(store.first_use(&system, &digest("1"), later).await.unwrap(), "expired, it is refused anyway");
    assert!(store.forget(now() + Duration::days(30), 10, later).await.unwrap() > 0);
    assert!(store.signing_keys().await.unwrap().is_empty());
}

/// What can be seen of accounts from outside.
pub async fn seen(store: &impl Accounts) -> String {
    let account = store.account_of(&SignInName::Staff("7".into())).await.unwrap();
    let proved = store.account_of(&SignInName::Staff("invited-moved".into())).await.unwrap();
    let credentials = match &proved {
        Some(proved) => store.credentials(&proved.id).await.unwrap(),
        None => None,
    };
    let credentials = credentials.map(|Credentials { password, totp }| (password, totp));
    let clients = [store.client(&id("app")).await.unwrap(), store.client(&id("lis")).await.unwrap()];
    let standing = store.standing("session-of-by app").await.unwrap();
    let granted = store.granted(&digest("by app")).await.unwrap();
    let of_spent = store.session_of(&digest("by app-refresh")).await.unwrap();
    let keys = store.signing_keys().await.unwrap();
    let secrets: Vec<_> = keys.iter().map(|key| key.secret.clone()).collect();
    format!(
        "{account:?} {credentials:?} {clients:?} {standing:?} {granted:?} {of_spent:?} {keys:?} {secrets:?}"
    )
}

//! A hub's sign-in desk for tests: a server whose clock can be turned, the phones it sends codes to, and browsers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_auth::manage::{self, App, Invited};
use hub_auth::{AuthSettings, CodeSender, Gate, Now, Server, router};
use hub_core::accounts::{Accounts, People};
use hub_core::language::Language;
use hub_core::who::Role;
use hub_fhir::Id;
use hub_store::{Store, StoreOptions};
use ring::{digest, hmac};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;
use tower::ServiceExt as _;

pub const ISSUER: &str = "https://hub.example";
pub const APP: &str = "patient-app";
pub const BACK: &str = "https://app.example/back";
pub const DESK_APP: &str = "desk-app";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const PHONE: &str = "+8613800138000";

/// The phones of a test: the last code of each, and the language it came in.
#[derive(Default)]
pub struct Phones {
    last: Mutex<HashMap<String, (String, Language)>>,
    pub is_down: std::sync::atomic::AtomicBool,
}

impl Phones {
    pub fn code(&self, phone: &str) -> String {
        self.last.lock().unwrap()[phone].0.clone()
    }

    pub fn language(&self, phone: &str) -> Language {
        self.last.lock().unwrap()[phone].1
    }

    pub fn how_many(&self) -> usize {
        self.last.lock().unwrap().len()
    }
}

#[async_trait]
impl CodeSender for Phones {
    async fn send(
        &self,
        phone: &str,
        code: &str,
        language: Language,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err("no network".into());
        }
        self.last.lock().unwrap().insert(phone.to_owned(), (code.to_owned(), language));
        Ok(())
    }
}

/// The desk.
pub struct Desk {
    pub store: Store,
    pub server: Arc<Server>,
    pub settings: AuthSettings,
    pub phones: Arc<Phones>,
    pub gate: Gate,
    clock: Arc<AtomicI64>,
    router: Router,
    folder: TempDir,
}

/// An answer, read.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// A parameter of the address it leads to.
    pub fn leads_with(&self, name: &str) -> Option<String> {
        let (_, query) = self.header("location").split_once('?')?;
        parameter(query, name)
    }

    /// The value of a hidden field of the page.
    pub fn hidden(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&mark).unwrap_or_else(|| panic!("no `{name}` in {}", self.text));
        rest.split('"').next().unwrap().to_owned()
    }
}

pub fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

pub fn query(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// A one-time password as an authenticator app of somebody else makes it (RFC 6238): it knows the secret in base32.
pub fn one_time(secret: &str, now: OffsetDateTime) -> String {
    let signs = secret.bytes().map(|sign| match sign {
        b'A'..=b'Z' => sign - b'A',
        _ => sign - b'2' + 26,
    });
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for sign in signs {
        bits = bits << 5 | u32::from(sign);
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    let counter = (now.unix_timestamp() as u64 / 30).to_be_bytes();
    let hash = hmac::sign(&key, &counter);
    let at = usize::from(hash.as_ref()[19] & 15);
    let number = u32::from_be_bytes(hash.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

impl Desk {
    pub async fn open() -> Self {
        Self::open_with(AuthSettings::new(ISSUER).unwrap()).await
    }

    pub async fn open_with(settings: AuthSettings) -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(StoreOptions::new(folder.path())).await.unwrap();
        let clock = Arc::new(AtomicI64::new(1_800_000_000));
        let hand = clock.clone();
        let now: Now =
            Arc::new(move || OffsetDateTime::from_unix_timestamp(hand.load(Ordering::Relaxed)).unwrap());
        let phones = Arc::new(Phones::default());
        let server = Server::new(Arc::new(store.clone()), phones.clone(), settings.clone(), now.clone());
        let desk = Self {
            gate: Gate::new(server.clone(), None),
            router: router(server.clone()),
            server,
            settings,
            phones,
            clock,
            store,
            folder,
        };
        for (id, name, people, back) in [
            (APP, "掌上医院", People::Public, BACK),
            (DESK_APP, "Desk", People::Staff, "https://desk.example/back"),
            ("other-app", "Other", People::Public, "https://other.example/back"),
        ] {
            let app = App {
                id: Id::new(id).unwrap(),
                name: name.into(),
                people,
                redirects: vec![back.to_owned()],
                keys: None,
            };
            manage::register_app(&desk.store, app, desk.now()).await.unwrap();
        }
        desk
    }

    /// Where the store is.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.clock.load(Ordering::Relaxed)).unwrap()
    }

    pub fn turn_clock(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sends a request and reads the answer.
    pub async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// Sends a form that no browser sends.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request.body(query(form).into()).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Exchanges an authorization code as the app does that asked for it.
    pub async fn exchange(&self, client: &str, code: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("code_verifier", VERIFIER),
        ];
        self.post("/oauth/token", &form).await
    }

    pub async fn refresh(&self, client: &str, token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)];
        self.post("/oauth/token", &form).await
    }

    /// A patient who has signed in to the patients' app: what the token endpoint gave.
    pub async fn signed_in(&self, phone: &str) -> Value {
        let code = Browser::new(self).sign_in(phone).await;
        let given = self.exchange(APP, &code).await;
        assert_eq!(given.status, StatusCode::OK, "{}", given.text);
        given.json()
    }

    /// A member of staff who has accepted the invitation: the secret of the one-time passwords.
    pub async fn staff(&self, number: &str, password: &str) -> String {
        let roles = vec![Role::Doctor];
        let invited = Invited { number: number.into(), roles, is: None };
        let link = manage::invite(&self.store, &self.settings, invited, self.now()).await.unwrap();
        let path = link.strip_prefix(ISSUER).unwrap().to_owned();
        let mut browser = Browser::new(self);
        let page = browser.get(&path).await;
        let secret = secret_of(&page);
        let one_time = one_time(&secret, self.now());
        let form = [("password", password), ("again", password), ("one-time", &one_time), ("step", "accept")];
        let done = browser.post(&path, &page, &form).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text);
        secret
    }
}

/// The secret on the page of an invitation.
pub fn secret_of(page: &Answer) -> String {
    let (_, rest) = page.text.split_once("otpauth://totp/").unwrap();
    let (_, rest) = rest.split_once("secret=").unwrap();
    rest.split('&').next().unwrap().to_owned()
}

/// A browser with its cookies.
pub struct Browser<'d> {
    pub desk: &'d Desk,
    pub cookies: HashMap<String, String>,
    pub languages: &'static str,
    pub address: &'static str,
}

impl<'d> Browser<'d> {
    pub fn new(desk: &'d Desk) -> Self {
        Self { desk, cookies: HashMap::new(), languages: "en", address: "192.0.2.1:40000" }
    }

    async fn ask(&mut self, request: axum::http::request::Builder, body: Body) -> Answer {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let address: std::net::SocketAddr = self.address.parse().unwrap();
        let request = request
            .header(header::ACCEPT_LANGUAGE, self.languages)
            .header(header::COOKIE, cookies.join("; "))
            .extension(ConnectInfo(address));
        let answer = self.desk.ask(request.body(body).unwrap()).await;
        if let Some((name, rest)) = answer.header("set-cookie").split_once('=') {
            self.cookies.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
        }
        answer
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask(Request::get(path), Body::empty()).await
    }

    /// Fills in the form of a page and sends it, as a browser does.
    pub async fn post(&mut self, path: &str, page: &Answer, entered: &[(&str, &str)]) -> Answer {
        let csrf = page.hidden("csrf");
        let mut form = entered.to_vec();
        form.push(("csrf", &csrf));
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ORIGIN, ISSUER)
            .header("sec-fetch-site", "same-origin");
        self.ask(request, query(&form).into()).await
    }

    /// The whole way of a patient, with the usual request; the authorization code.
    pub async fn sign_in(&mut self, phone: &str) -> String {
        let path = authorize(&[]);
        let page = self.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let page = self.post(&path, &page, &[("step", "phone"), ("phone", phone)]).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let code = self.desk.phones.code(phone);
        let entered = [("step", "code"), ("phone", phone), ("code", code.as_str())];
        let answer = self.post(&path, &page, &entered).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        answer.leads_with("code").unwrap()
    }

    /// The whole way of a member of staff.
    pub async fn staff_sign_in(&mut self, number: &str, password: &str, one_time: &str) -> Answer {
        let path = authorize(&[("client_id", DESK_APP), ("redirect_uri", "https://desk.example/back")]);
        let page = self.get(&path).await;
        let entered = [("step", "staff"), ("number", number), ("password", password), ("one-time", one_time)];
        self.post(&path, &page, &entered).await
    }
}

/// The address of a sign-in, with other parameters than the usual; an empty one is left out.
pub fn authorize(other: &[(&str, &str)]) -> String {
    let challenge = challenge(VERIFIER);
    let usual = [
        ("response_type", "code"),
        ("client_id", APP),
        ("redirect_uri", BACK),
        ("scope", "openid fhirUser offline_access"),
        ("state", "s-1"),
        ("nonce", "n-1"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let mut all: Vec<(&str, &str)> = Vec::new();
    for (name, value) in usual {
        let value = other.iter().find(|(known, _)| *known == name).map_or(value, |(_, value)| value);
        all.push((name, value));
    }
    all.extend(other.iter().filter(|(name, _)| usual.iter().all(|(known, _)| known != name)));
    all.retain(|(_, value)| !value.is_empty());
    format!("/oauth/authorize?{}", query(&all))
}

/// What the payload of a token says; nothing is verified.
pub fn payload(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The account that a phone has.
pub async fn account_of(desk: &Desk, phone: &str) -> hub_core::accounts::Account {
    let name = hub_core::accounts::SignInName::Phone(phone.into());
    desk.store.account_of(&name).await.unwrap().unwrap()
}

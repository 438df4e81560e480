//! Systems prove themselves by a token they have signed with their own key (RFC 7523).

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_auth::manage::{self, ManageError, System};
use hub_core::accounts::{Accounts, Client};
use hub_core::who::{Gatekeeper, NotLetIn, Role};
use hub_fhir::{Id, Reference};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::desk::{Answer, Desk, ISSUER, payload};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A system with keys of its own.
struct Lis {
    ed: Ed25519KeyPair,
    ec: EcdsaKeyPair,
}

impl Lis {
    fn new() -> Self {
        let random = SystemRandom::new();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self {
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap(),
        }
    }

    fn keys(&self) -> String {
        let (x, y) = self.ec.public_key().as_ref()[1..].split_at(32);
        json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": URL_SAFE_NO_PAD.encode(self.ed.public_key()) },
            { "kty": "EC", "crv": "P-256", "kid": "ec", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) },
        ]})
        .to_string()
    }

    async fn registered(&self, desk: &Desk, id: &str) {
        let system = System {
            id: Id::new(id).unwrap(),
            name: "LIS".into(),
            roles: vec![Role::System],
            is: Some(Reference::parse("Device/lis").unwrap()),
            keys: self.keys(),
        };
        manage::register_system(&desk.store, system, desk.now()).await.unwrap();
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let text = format!("{}.{}", encode(header), encode(claims));
        let signature = match header["alg"].as_str().unwrap() {
            "EdDSA" => self.ed.sign(text.as_bytes()).as_ref().to_vec(),
            "ES256" => self.ec.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec(),
            _ => Vec::new(),
        };
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn assertion(&self, desk: &Desk, jti: &str) -> String {
        self.signed(&json!({ "alg": "EdDSA", "kid": "ed" }), &claims(desk, jti))
    }
}

fn claims(desk: &Desk, jti: &str) -> Value {
    let now = desk.now().unix_timestamp();
    json!({ "iss": "lis", "sub": "lis", "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti })
}

async fn ask(desk: &Desk, assertion: &str) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    desk.post("/oauth/token", &form).await
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == StatusCode::UNAUTHORIZED && answer.json()["error"] == "invalid_client"
}

#[tokio::test]
async fn a_system_that_proves_itself_is_given_a_token() {
    let desk = Desk::open().await;
    let lis = Lis::new();
    lis.registered(&desk, "lis").await;
    let token_address = format!("{ISSUER}/oauth/token");
    for (nth, (header, audience)) in [
        (json!({ "alg": "EdDSA", "kid": "ed" }), json!(ISSUER)),
        (json!({ "alg": "ES256", "kid": "ec", "typ": "JWT" }), json!(token_address)),
        (json!({ "alg": "ES256" }), json!([ISSUER])),
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = claims(&desk, &format!("j{nth}"));
        claims["aud"] = audience;
        let given = ask(&desk, &lis.signed(&header, &claims)).await;
        assert_eq!(given.status, StatusCode::OK, "{}", given.text);
        let given = given.json();
        assert!(given.get("refresh_token").is_none(), "RFC 6749 §4.4.3");
        let token = given["access_token"].as_str().unwrap();
        assert_eq!(
            (payload(token)["sub"].as_str(), payload(token)["client_id"].as_str()),
            (Some("lis"), Some("lis"))
        );
        let who = desk.gate.who(token).await.unwrap();
        assert_eq!(
            (who.account.as_str(), who.roles.as_slice(), who.session),
            ("lis", &[Role::System][..], None)
        );
        assert_eq!(who.is.unwrap().to_string(), "Device/lis");
    }
}

#[tokio::test]
async fn an_assertion_is_used_once_also_by_many_at_the_same_time() {
    let desk = std::sync::Arc::new(Desk::open().await);
    let lis = Lis::new();
    lis.registered(&desk, "lis").await;
    let assertion = lis.assertion(&desk, "once");
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (desk, assertion) = (desk.clone(), assertion.clone());
        asking.spawn(async move { ask(&desk, &assertion).await.status });
    }
    let answers = asking.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{answers:?}");
    // Until it is over by itself.
    for _ in 0..4 {
        desk.turn_clock(25);
        while desk.server.sweep().await.unwrap() > 0 {}
        assert!(is_refused(&ask(&desk, &assertion).await));
    }
}

#[tokio::test]
async fn an_assertion_that_does_not_hold_proves_nothing() {
    let desk = Desk::open().await;
    let (lis, other) = (Lis::new(), Lis::new());
    lis.registered(&desk, "lis").await;
    other.registered(&desk, "other").await;
    let ed = json!({ "alg": "EdDSA", "kid": "ed" });
    let with = |name: &str, value: Value| {
        let mut claims = claims(&desk, "j");
        claims[name] = value;
        lis.signed(&ed, &claims)
    };
    let now = desk.now().unix_timestamp();
    let whole = lis.assertion(&desk, "j");
    let (text, signature) = whole.rsplit_once('.').unwrap();
    let (head, body) = text.split_once('.').unwrap();
    let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let raised =
        encode(json!({ "iss": "other", "sub": "other", "aud": ISSUER, "exp": now + 60, "jti": "j" }));
    let hmac_head = encode(json!({ "alg": "HS256", "kid": "ed" }));
    let hmac_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, lis.ed.public_key().as_ref());
    let hmac_text = format!("{hmac_head}.{body}");
    let hmac = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&hmac_key, hmac_text.as_bytes()));
    for (what, forged) in [
        ("the algorithm none", format!("{}.{body}.", encode(json!({ "alg": "none" })))),
        (
            "none with the signature of another",
            format!("{}.{body}.{signature}", encode(json!({ "alg": "none" }))),
        ),
        ("the public key as a shared secret", format!("{hmac_text}.{hmac}")),
        (
            "the algorithm of another key",
            format!("{}.{body}.{signature}", encode(json!({ "alg": "ES256", "kid": "ed" }))),
        ),
        ("no signature", format!("{head}.{body}.")),
        ("another's claims under the signature", format!("{head}.{raised}.{signature}")),
        ("another's key", other.assertion(&desk, "j")),
        ("an unknown key", lis.signed(&json!({ "alg": "EdDSA", "kid": "unknown" }), &claims(&desk, "j"))),
        (
            "an extension that must be understood",
            lis.signed(&json!({ "alg": "EdDSA", "kid": "ed", "crit": ["x"] }), &claims(&desk, "j")),
        ),
        ("another audience", with("aud", json!("https://bank.example"))),
        ("more than one audience", with("aud", json!([ISSUER, "https://bank.example"]))),
        ("no audience", with("aud", Value::Null)),
        ("a subject that is another", with("sub", json!("other"))),
        ("an issuer that is another", with("iss", json!("other"))),
        ("over", with("exp", json!(now - 31))),
        ("living too long", with("exp", json!(now + 3600))),
        ("living for ever", with("exp", json!(1e300))),
        ("not yet begun", with("nbf", json!(now + 60))),
        ("made in the future", with("iat", json!(now + 60))),
        ("without a name", with("jti", json!(""))),
        ("no token", "nonsense".to_owned()),
        ("far too long", "a.".repeat(6_000)),
    ] {
        assert!(is_refused(&ask(&desk, &forged).await), "{what}");
    }
    assert_eq!(ask(&desk, &whole).await.status, StatusCode::OK, "what was refused has used up no name");
}

#[tokio::test]
async fn a_system_does_what_systems_do_and_nothing_else() {
    let desk = Desk::open().await;
    let lis = Lis::new();
    lis.registered(&desk, "lis").await;
    let form = [("grant_type", "client_credentials"), ("client_id", "lis")];
    assert!(is_refused(&desk.post("/oauth/token", &form).await), "its name alone proves nothing");
    for grant in ["authorization_code", "refresh_token"] {
        let assertion = lis.assertion(&desk, grant);
        let form = [("grant_type", grant), ("client_assertion_type", TYPE), ("client_assertion", &assertion)];
        assert_eq!(desk.post("/oauth/token", &form).await.json()["error"], "unauthorized_client");
    }
    let form = [("grant_type", "client_credentials"), ("client_id", "patient-app")];
    assert_eq!(desk.post("/oauth/token", &form).await.json()["error"], "unauthorized_client");
    let assertion = lis.assertion(&desk, "as another");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", &assertion),
        ("client_id", "patient-app"),
    ];
    assert!(is_refused(&desk.post("/oauth/token", &form).await));
    let form = [("grant_type", "client_credentials"), ("client_assertion", &lis.assertion(&desk, "no type"))];
    assert!(is_refused(&desk.post("/oauth/token", &form).await));
}

#[tokio::test]
async fn a_disabled_system_is_out_within_a_minute() {
    let desk = Desk::open().await;
    let lis = Lis::new();
    lis.registered(&desk, "lis").await;
    let given = ask(&desk, &lis.assertion(&desk, "1")).await.json();
    let token = given["access_token"].as_str().unwrap();
    assert!(desk.gate.who(token).await.is_ok());
    let client = desk.store.client(&Id::new("lis").unwrap()).await.unwrap().unwrap();
    desk.store.register(Client { is_disabled: true, ..client }, desk.now()).await.unwrap();
    desk.turn_clock(30);
    assert!(matches!(desk.gate.who(token).await, Err(NotLetIn::Disabled)));
    assert!(is_refused(&ask(&desk, &lis.assertion(&desk, "2")).await));
}

#[tokio::test]
async fn keys_that_others_could_have_are_not_registered() {
    let desk = Desk::open().await;
    for keys in [r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#, r#"{"keys":[]}"#, "nonsense"] {
        let system = System {
            id: Id::new("bad").unwrap(),
            name: "Bad".into(),
            roles: vec![Role::System],
            is: None,
            keys: keys.to_owned(),
        };
        let refused = manage::register_system(&desk.store, system, desk.now()).await;
        assert!(matches!(refused, Err(ManageError::Keys(_))), "{keys}");
    }
}

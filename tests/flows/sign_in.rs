//! A hub in earnest: a patient signs in by a code that a text brought, sees the own data alone, and every access is in the trail.

use connector_notify::sim::sms::{Sim, SimSettings};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::{Hub, Setup, program, root};

const PHONE: &str = "+85261234567";
const BACK: &str = "http://127.0.0.1:1/back";
/// RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The simulated gateway, until this is dropped.
pub struct Gateway {
    pub address: String,
    _stop: watch::Sender<bool>,
}

impl Gateway {
    pub async fn open() -> Self {
        let settings =
            SimSettings { listen: "127.0.0.1:0".to_owned(), per_minute: 0, ..SimSettings::default() };
        let gateway = Sim::bind(settings).await.unwrap();
        let address = gateway.address().to_string();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(gateway.run(stopped));
        Self { address, _stop: stop }
    }

    /// The code that was sent last to the phone, as soon as it has been.
    async fn code(&self) -> String {
        self.message(PHONE, "").await["params"]["code"].as_str().unwrap().to_owned()
    }

    /// The last text to a phone that holds these words, as soon as it has been sent.
    pub async fn message(&self, phone: &str, words: &str) -> Value {
        let url = format!("http://{}/__sim/messages?phone={}", self.address, phone.replace('+', "%2B"));
        let mut sent = Value::Null;
        for _ in 0..200 {
            sent = serde_json::from_str(&reqwest::get(&url).await.unwrap().text().await.unwrap()).unwrap();
            let mut texts = sent.as_array().unwrap().iter().rev();
            if let Some(message) = texts.find(|one| one["text"].as_str().unwrap().contains(words)) {
                return message.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("no such text came: {sent}");
    }
}

fn huitong(hub: &Hub, arguments: &[&str]) -> (i32, String) {
    let mut command = std::process::Command::new(program());
    let data = hub.folder.path().join("data");
    command.args(arguments).arg("--data").arg(data).arg("--url").arg(hub.http()).current_dir(root());
    let output = command.output().unwrap();
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), told)
}

/// The value of a hidden field of a page.
fn field(page: &str, name: &str) -> String {
    let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_default();
    rest.split('"').next().unwrap().to_owned()
}

/// Sends a form, as a browser does.
async fn form(client: &Client, url: &str, cookie: &str, fields: &[(&str, &str)]) -> Response {
    let mut text = reqwest::Url::parse("http://x/").unwrap();
    text.query_pairs_mut().extend_pairs(fields);
    let origin = reqwest::Url::parse(url).unwrap().origin().ascii_serialization();
    let request = client.post(url).header("content-type", "application/x-www-form-urlencoded");
    let request = request.header("origin", origin).header("cookie", cookie);
    request.body(text.query().unwrap().to_owned()).send().await.unwrap()
}

/// Signs in by the phone: an access token and a refresh token.
async fn signed_in(hub: &Hub, gateway: &Gateway) -> Value {
    let client = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
    let mut url = reqwest::Url::parse(&format!("{}/oauth/authorize", hub.http())).unwrap();
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", "patients"),
        ("redirect_uri", BACK),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let page = client.get(url.clone()).send().await.unwrap();
    let cookie = page.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let csrf = field(&page.text().await.unwrap(), "csrf");
    let asked =
        form(&client, url.as_str(), &cookie, &[("csrf", &csrf), ("step", "phone"), ("phone", PHONE)]).await;
    assert_eq!(asked.status(), 200, "{}", asked.text().await.unwrap());
    let code = gateway.code().await;
    let fields = [("csrf", csrf.as_str()), ("step", "code"), ("phone", PHONE), ("code", &code)];
    let back = form(&client, url.as_str(), &cookie, &fields).await;
    assert_eq!(back.status(), 303, "{}", back.text().await.unwrap());
    let back = reqwest::Url::parse(back.headers()["location"].to_str().unwrap()).unwrap();
    assert!(back.as_str().starts_with(BACK));
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", "patients"),
        ("code", &code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", BACK),
    ];
    let given = form(&client, &format!("{}/oauth/token", hub.http()), "", &fields).await;
    assert_eq!(given.status(), 200);
    serde_json::from_str(&given.text().await.unwrap()).unwrap()
}

async fn get(hub: &Hub, path: &str, token: Option<&str>) -> (u16, Value) {
    let mut request = Client::new().get(format!("{}/{path}", hub.http()));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

#[tokio::test]
async fn a_patient_signs_in_by_a_text_and_every_access_is_in_the_trail() {
    let gateway = Gateway::open().await;
    let setup = Setup::default()
        .set("http.open=false".to_owned())
        .set(format!("channels.\"sms/codes\".to.sms.endpoint.url=\"http://{}\"", gateway.address));
    let hub = Hub::start(&setup).await;
    for path in ["fhir/Patient", "ops/status", "ops/messages"] {
        assert_eq!(get(&hub, path, None).await.0, 401, "{path}");
    }
    assert_eq!(get(&hub, "fhir/metadata", None).await.0, 200);
    // Who can read the data folder runs the hub.
    let (code, told) = huitong(&hub, &["status"]);
    assert_eq!(code, 0, "{told}");
    let app = ["client", "app", "patients", "--name", "国际医疗", "--for", "patients", "--redirect", BACK];
    assert_eq!(huitong(&hub, &app), (0, String::new()));

    let given = signed_in(&hub, &gateway).await;
    let me = given["access_token"].as_str().unwrap();
    assert_eq!(get(&hub, "fhir/Patient", Some(me)).await.1["total"], 0);
    assert_eq!(get(&hub, "fhir/Patient/nobody", Some(me)).await.0, 404);
    assert_eq!(get(&hub, "ops/status", Some(me)).await.0, 403);
    let put = Client::new().put(format!("{}/fhir/Patient/p", hub.http())).bearer_auth(me);
    let put = put.header("content-type", "application/fhir+json");
    let put = put.body(json!({ "resourceType": "Patient", "id": "p" }).to_string()).send().await.unwrap();
    assert_eq!(put.status(), 403);

    // A disabled account is out within a minute, and cannot have another token (ACC-10).
    assert_eq!(huitong(&hub, &["account", "disable", "--phone", PHONE]).0, 0);
    let refresh = given["refresh_token"].as_str().unwrap();
    let fields = [("grant_type", "refresh_token"), ("client_id", "patients"), ("refresh_token", refresh)];
    let refreshed = form(&Client::new(), &format!("{}/oauth/token", hub.http()), "", &fields).await;
    assert_eq!(refreshed.status(), 400);
    assert_eq!(huitong(&hub, &["account", "disable", "--phone", "+85299999999"]).0, 1, "nobody has this one");

    // The trail goes on after a start, and holds.
    let (code, told) = huitong(&hub, &["audit"]);
    assert!(code == 0 && told.contains("whole") && told.contains("chains: 1"), "{told}");
    let hub = Hub::start_in(hub.kill(), &setup).await;
    assert_eq!(huitong(&hub, &["status"]).0, 0);
    let (code, told) = huitong(&hub, &["audit"]);
    assert!(code == 0 && told.contains("whole") && told.contains("chains: 2"), "{told}");
    let log = hub.log();
    assert!(!log.contains("61234567") && !log.contains(me), "neither phone nor token is in the log");
}

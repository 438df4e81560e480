//! A consent is shown, signed at the simulated signing service and taken back, by HTTP, through the hub. Not run where there is no
//! Chinese font; other programs judge the document where they are.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connector_esign::sim::{Fault, Sim, SimSettings};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::{Hub, Setup, ports, program, root};

const HANDWRITING: &[u8] = include_bytes!("../../api/papers/tests/data/handwriting.png");

/// The simulated signing service, until this is dropped.
struct Service {
    address: String,
    told: u16,
    _stop: watch::Sender<bool>,
}

impl Service {
    async fn open(faults: Value) -> Self {
        let told = ports::free_port();
        let faults: Vec<Fault> = serde_json::from_value(faults).unwrap();
        let settings = SimSettings {
            listen: "127.0.0.1:0".to_owned(),
            notify_url: format!("http://127.0.0.1:{told}/"),
            faults,
            ..SimSettings::default()
        };
        let service = Sim::bind(settings).await.unwrap();
        let address = service.address().to_string();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(service.run(stopped));
        Self { address, told, _stop: stop }
    }

    /// The hub with this service; nothing where nothing can be printed.
    async fn hub(&self) -> Option<Hub> {
        let setup = Setup::default()
            .set(format!("channels.\"esign/errands\".to.esign.account.url=\"http://{}\"", self.address))
            .set("channels.\"esign/errands\".to.esign.account.timeout_secs=2")
            .set(format!("channels.\"esign/notices\".settings.listen=\"127.0.0.1:{}\"", self.told));
        let hub = Hub::start(&setup).await;
        if hub.log().contains("No Chinese font was found") {
            println!("not run: fonts-noto-cjk is not installed");
            hub.stop().await;
            return None;
        }
        for resource in furniture() {
            let path = format!(
                "{}/{}",
                resource["resourceType"].as_str().unwrap(),
                resource["id"].as_str().unwrap()
            );
            let put = reqwest::Client::new().put(format!("{}/fhir/{path}", hub.http()));
            let put = put.header("content-type", "application/fhir+json").body(resource.to_string());
            let answer = put.send().await.unwrap();
            assert_eq!(answer.status(), 201, "{path}: {}", answer.text().await.unwrap());
        }
        Some(hub)
    }

    async fn tasks(&self) -> Value {
        let answer = reqwest::get(format!("http://{}/__sim/tasks", self.address)).await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    async fn status(&self) -> Value {
        let answer = reqwest::get(format!("http://{}/__sim/status", self.address)).await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }
}

/// An account with its owner as visit person, and a template with an English translation.
fn furniture() -> [Value; 3] {
    let translated = |english: &str| {
        json!({ "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/translation", "extension": [
            { "url": "lang", "valueCode": "en" }, { "url": "content", "valueString": english } ] }] })
    };
    [
        json!({ "resourceType": "Person", "id": "me", "link": [{ "target": { "reference": "Patient/p" },
            "extension": [{ "url": "urn:impf:ext:relation", "valueCode": "self" }] }] }),
        json!({ "resourceType": "Patient", "id": "p", "name": [{ "text": "陳大文" }], "birthDate": "1980-05-06",
            "identifier": [{ "system": "urn:impf:id:hkic", "value": "A1234563" }],
            "telecom": [{ "system": "phone", "value": "+85261234567" }] }),
        json!({ "resourceType": "Questionnaire", "id": "consent", "url": "urn:impf:consent:booking", "version": "1",
            "status": "active", "language": "zh-Hans", "publisher": "示例医院国际医疗部",
            "title": "国际门诊知情同意书", "_title": translated("Informed consent"),
            "item": [{ "linkId": "1", "type": "display", "text": "本人已阅读并理解收费标准。",
                "_text": translated("I have read and understood the fees.") },
              { "linkId": "2", "type": "display", "text": "诊查费", "_text": translated("Consultation"),
                "extension": [{ "url": "urn:impf:ext:fee", "valueMoney": { "value": 400, "currency": "CNY" } }] }] }),
    ]
}

fn token(hub: &Hub) -> String {
    let mut command = Command::new(program());
    command.args(["token", "--role", "patient", "--for", "Person/me", "--data"]);
    let output = command.arg(hub.folder.path().join("data")).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn call(hub: &Hub, path: &str, me: &str, parameters: Vec<Value>) -> (u16, Value) {
    let body = json!({ "resourceType": "Parameters", "parameter": parameters }).to_string();
    let request = reqwest::Client::new().post(format!("{}/fhir/{path}", hub.http())).bearer_auth(me);
    let answer = request.header("content-type", "application/fhir+json").body(body).send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

async fn read(hub: &Hub, path: &str) -> Value {
    let answer = reqwest::get(format!("{}/fhir/{path}", hub.http())).await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

fn signature(template: &str) -> Vec<Value> {
    vec![
        json!({ "name": "patient", "valueReference": { "reference": "Patient/p" } }),
        json!({ "name": "template", "valueCanonical": template }),
        json!({ "name": "language", "valueCode": "en" }),
        json!({ "name": "handwriting", "valueBase64Binary": STANDARD.encode(HANDWRITING) }),
        json!({ "name": "strokes", "valueString": "[[[30,60,0],[110,60,160]],[[120,65,400],[210,65,700]]]" }),
        json!({ "name": "identity-method", "valueCode": "SMS" }),
        json!({ "name": "identity-reference", "valueString": "8F3A" }),
        json!({ "name": "device", "valueString": "a phone" }),
    ]
}

/// What a program says of a document; nothing where it is not installed.
fn says(program: &str, arguments: &[&str], pdf: &[u8], folder: &Path) -> Option<String> {
    let path = folder.join("signed.pdf");
    std::fs::write(&path, pdf).unwrap();
    let output = Command::new(program).args(arguments).arg(&path).arg("-").output();
    Some(String::from_utf8_lossy(&output.ok()?.stdout).into_owned())
}

#[tokio::test]
async fn a_consent_is_shown_signed_and_taken_back_and_others_believe_its_document() {
    let service = Service::open(json!([])).await;
    let Some(hub) = service.hub().await else { return };
    let me = token(&hub);
    let (status, shown) =
        call(&hub, "Consent/$start", &me, vec![json!({ "name": "language", "valueCode": "en" })]).await;
    assert_eq!(status, 200, "{shown}");
    let template = shown["parameter"][0]["valueCanonical"].as_str().unwrap();

    let (status, consent) = call(&hub, "Consent/$sign", &me, signature(template)).await;
    assert_eq!(status, 200, "{consent}");
    assert_eq!(
        (&consent["status"], &consent["category"][1]["coding"][0]["code"]),
        (&json!("active"), &json!("booking"))
    );
    let document = read(&hub, consent["sourceReference"]["reference"].as_str().unwrap()).await;
    assert_eq!(document["docStatus"], "final");
    let task = &service.tasks().await[0];
    assert_eq!(document["identifier"][0]["value"], task["evidenceNo"]);
    let from = consent["extension"].as_array().unwrap();
    let from = from.iter().find(|one| one["url"] == "urn:impf:ext:network-address").unwrap();
    assert_eq!((&task["identityCheck"], &task["ip"]), (&json!("SMS 8F3A"), &from["valueString"]));

    let pdf = STANDARD.decode(document["content"][0]["attachment"]["data"].as_str().unwrap()).unwrap();
    if let Some(said) = says("pdftotext", &[], &pdf, hub.folder.path()) {
        for text in ["Informed consent", "陳大文", "CNY 400.00", "本人已阅读并理解收费标准。"]
        {
            assert!(said.contains(text), "{text}: {said}");
        }
    }
    let folder = hub.folder.path();
    std::fs::write(folder.join("judged.pdf"), &pdf).unwrap();
    if let Ok(judged) = Command::new("pdfsig").arg("-nocert").arg(folder.join("judged.pdf")).output() {
        let said = String::from_utf8_lossy(&judged.stdout).into_owned();
        assert!(said.contains("Signature is Valid.") && said.contains("Total document signed"), "{said}");
    }
    assert_eq!(service.status().await["problems"], json!([]), "the service found nothing wrong");

    let path = format!("Consent/{}/$revoke", consent["id"].as_str().unwrap());
    let reason = json!({ "name": "reason", "valueString": "no longer wanted" });
    let (status, revoked) = call(&hub, &path, &me, vec![reason]).await;
    assert_eq!((status, &revoked["status"]), (200, &json!("inactive")));
    hub.stop().await;
}

#[tokio::test]
async fn where_the_service_does_it_and_does_not_answer_it_is_asked_and_signed_once() {
    let service = Service::open(json!([{ "name": "silent", "times": 1 }])).await;
    let Some(hub) = service.hub().await else { return };
    let me = token(&hub);
    let (status, _) = call(&hub, "Consent/$sign", &me, signature("urn:impf:consent:booking|1")).await;
    assert!(matches!(status, 200 | 202), "{status}");
    for _ in 0..400 {
        let found = read(&hub, "Consent?patient=Patient/p&status=active").await;
        if found["total"] == 1 || found["entry"].as_array().is_some_and(|entries| entries.len() == 1) {
            assert_eq!(service.tasks().await.as_array().unwrap().len(), 1);
            hub.stop().await;
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it was not signed");
}

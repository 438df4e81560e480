//! Documents are signed once, and what is wrong with them or with the service is told as what it is.

#[expect(dead_code, reason = "other tests use the rest")]
mod town;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_core::destination::DeliveryError;
use serde_json::json;
use town::{Town, bytes, task, writing};

#[tokio::test]
async fn a_document_is_signed_and_comes_back_with_its_evidence() {
    let town = Town::new().await;
    let opened = town.put(task("C1")).await.unwrap();
    assert_eq!((&opened["act"], &opened["state"]), (&json!("sign-task"), &json!("OPEN")));
    let told = town.put(writing(opened["taskId"].as_str().unwrap())).await.unwrap();
    assert_eq!((&told["act"], &told["state"]), (&json!("submit"), &json!("SIGNED")));
    assert_eq!(told["identityCheck"], "SMS 8F3A", "CON-6: the evidence names the check");
    assert!(told["evidenceNo"].as_str().unwrap().starts_with("EV"));
    assert!(bytes(&told).starts_with(&town::document()), "what was signed is what was handed over");
    assert_eq!(town.end().await.invalid, 0, "the service found nothing wrong with what it was sent");
}

#[tokio::test]
async fn the_same_names_are_one_task_and_a_task_is_signed_once() {
    let town = Town::new().await;
    let first = town.opened("C1").await;
    assert_eq!(town.opened("C1").await, first);
    let told = town.put(writing(&first)).await.unwrap();
    assert_eq!(town.put(writing(&first)).await.unwrap(), told);
    let mut other = task("C1");
    other["signerKey"] = "Patient/p2".into();
    assert_ne!(town.put(other).await.unwrap()["taskId"], first);
    let mut changed = task("C1");
    changed["pdf"] = STANDARD.encode([town::document(), b"\n".to_vec()].concat()).into();
    assert_eq!(town.put(changed).await.unwrap()["code"], "1004", "another document of the same names");
}

#[tokio::test]
async fn con_6_one_altered_byte_makes_verify_fail() {
    let town = Town::new().await;
    let signed = bytes(&town.signed("C1").await);
    let verify =
        async |pdf: &[u8]| town.put(json!({ "act": "verify", "pdf": STANDARD.encode(pdf) })).await.unwrap();
    let told = verify(&signed).await;
    assert_eq!((&told["valid"], &told["chain"]), (&json!("Y"), &json!("valid")));
    assert_eq!((&told["signer"], &told["identityCheck"]), (&json!("陳大文"), &json!("SMS 8F3A")));
    // Of the document, of the signature, of its empty room, of the end; the head of the file says that it is a PDF.
    let room = signed.windows(9).position(|window| window == b"/Contents").unwrap();
    let places = (8..signed.len()).step_by(997).chain([room + 200, room + 8000, signed.len() - 2]);
    for place in places {
        let mut altered = signed.clone();
        altered[place] ^= 1;
        assert_eq!(verify(&altered).await["valid"], "N", "byte {place}");
    }
    assert_eq!(verify(&[&signed, b" ".as_slice()].concat()).await["valid"], "N", "something was added");
    assert_eq!(verify(&town::document()).await["valid"], "N", "nobody has signed it");
}

#[tokio::test]
async fn a_certificate_that_was_revoked_later_was_good_when_it_signed() {
    let town = Town::new().await;
    let early = town.signed("C1").await;
    town.control("POST /__sim/clock", json!({ "advanceSecs": 3600 })).await;
    town.control("POST /__sim/revoke", json!({ "certSn": early["certSn"] })).await;
    assert_eq!(
        town.put(json!({ "act": "verify", "fileId": early["fileId"] })).await.unwrap()["chain"],
        "valid"
    );
    let late = town.signed("C2").await;
    town.control("POST /__sim/revoke", json!({ "certSn": late["certSn"] })).await;
    assert_eq!(
        town.put(json!({ "act": "verify", "fileId": late["fileId"] })).await.unwrap()["chain"],
        "revoked"
    );
}

#[tokio::test]
async fn a_seal_is_put_on_a_signed_document_once_and_both_hold() {
    let town = Town::new().await;
    let signed = town.signed("C1").await;
    let seal = json!({ "act": "seal", "fileId": signed["fileId"], "sealCode": "HOSPITAL" });
    let sealed = town.put(seal.clone()).await.unwrap();
    assert_eq!(sealed["state"], "SEALED");
    assert!(bytes(&sealed).starts_with(&bytes(&signed)));
    let told = town.put(json!({ "act": "verify", "fileId": sealed["fileId"] })).await.unwrap();
    assert_eq!((&told["valid"], &told["signer"]), (&json!("Y"), &json!("HOSPITAL")));
    assert_eq!(town.put(seal).await.unwrap(), sealed);
}

#[tokio::test]
async fn refusals_are_answers_with_their_codes() {
    for (fault, code) in [
        ("cert-expired", "1001"),
        ("cert-revoked", "1002"),
        ("not-authorised", "1003"),
        ("hash-mismatch", "1004"),
        ("identity-fails", "1005"),
        ("task-expired", "1006"),
    ] {
        let town = Town::new().await;
        let task = town.opened("C1").await;
        town.fault(fault).await;
        let told = town.put(writing(&task)).await.unwrap();
        assert_eq!((&told["code"], &told["state"]), (&json!(code), &json!(null)), "{fault}");
        assert_eq!(town.put(writing(&task)).await.unwrap()["state"], "SIGNED", "{fault}: nothing was signed");
    }
    let town = Town::new().await;
    let task = town.opened("C1").await;
    town.control("POST /__sim/clock", json!({ "advanceSecs": 1800 })).await;
    assert_eq!(town.put(writing(&task)).await.unwrap()["code"], "1006");
    let mut unchecked = writing(&town.opened("C2").await);
    unchecked["identity"]["reference"] = "".into();
    assert_eq!(town.put(unchecked).await.unwrap()["code"], "1005");
    assert_eq!(town.put(writing("T0")).await.unwrap()["code"], "1404");
}

#[tokio::test]
async fn what_may_have_happened_is_in_doubt_until_the_service_is_asked() {
    for fault in ["silent", "wrong-signature"] {
        let town = Town::new().await;
        let task = town.opened("C1").await;
        town.fault(fault).await;
        let doubt = town.put(writing(&task)).await;
        assert!(matches!(doubt, Err(DeliveryError::InDoubt { .. })), "{fault}");
        let told = town.ask(writing(&task)).await.unwrap();
        assert_eq!((&told["act"], &told["state"]), (&json!("submit"), &json!("SIGNED")), "{fault}");
        assert!(!bytes(&told).is_empty());
        // A task that nobody knows was not made; one that is there was.
        assert_eq!(town.ask(town::task("C2")).await, None);
        assert_eq!(town.ask(town::task("C1")).await.unwrap()["taskId"], told["taskId"]);
        let open = town.opened("C3").await;
        assert_eq!(town.ask(writing(&open)).await, None, "it can be signed still");
    }
}

#[tokio::test]
async fn a_document_that_was_changed_on_its_way_is_not_taken() {
    let town = Town::new().await;
    let task = town.opened("C1").await;
    town.fault("file-tampered").await;
    assert!(matches!(town.put(writing(&task)).await, Err(DeliveryError::InDoubt { .. })));
    assert_eq!(town.ask(writing(&task)).await.unwrap()["state"], "SIGNED");
}

#[tokio::test]
async fn what_cannot_be_now_is_later_and_what_never_can_is_never() {
    let town = Town::new().await;
    town.fault("busy").await;
    assert!(matches!(town.put(task("C1")).await, Err(DeliveryError::Later { .. })));
    for (act, fault) in [("verify", "silent"), ("timestamp", "wrong-signature")] {
        let signed = town.signed("C1").await;
        town.fault(fault).await;
        let question = json!({ "act": act, "fileId": signed["fileId"], "hash": "00".repeat(32) });
        assert!(
            matches!(town.put(question).await, Err(DeliveryError::Later { .. })),
            "{act}: it changes nothing"
        );
    }
    for unfit in
        [json!({ "act": "stamp" }), json!({ "act": "seal" }), json!({ "act": "sign-task", "pdf": "" })]
    {
        assert!(matches!(town.put(unfit).await, Err(DeliveryError::Never { .. })));
    }
    let (status, _) = town::send(town.service, "POST /es/v1/ES03 HTTP/1.0", "{}").await;
    assert_eq!(status, 401, "nothing is done for whom it does not know");
    let problems = town.control("GET /__sim/status", json!({})).await;
    assert_eq!(problems["problems"], json!(["X-App-Id: not the hospital's"]));
}

/// `fixtures/secrets/make-esign-keys` has made them with OpenSSL.
#[test]
fn the_published_secrets_are_the_simulators() {
    use hub_core::registry::Secrets as _;
    let published = |name: &str| {
        let path = format!("{}/../../fixtures/secrets/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    assert_eq!(published("esign-hospital-key").trim(), town::Keys.get("ours").unwrap());
    assert_eq!(published("esign-service-key").trim(), town::Keys.get("theirs").unwrap());
}

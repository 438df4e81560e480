//! Others judge what the simulated service signs: poppler's `pdfsig` its documents, OpenSSL its timestamps. Not run where they are not.

#[expect(dead_code, reason = "other tests use the rest")]
mod town;

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use town::{Town, bytes};

/// What a program says; nothing where it is not installed.
#[expect(clippy::print_stderr, reason = "who runs the tests should know")]
fn says(program: &str, arguments: &[&str], folder: &Path) -> Option<String> {
    let ran = Command::new(program).args(arguments).current_dir(folder).env("LC_ALL", "C.UTF-8").output();
    match ran {
        Ok(output) => Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()),
        Err(_) => {
            eprintln!("not run: `{program}` is not installed");
            None
        }
    }
}

#[tokio::test]
async fn con_6_pdfsig_believes_a_signed_document_and_no_altered_one() {
    let town = Town::new().await;
    let signed = bytes(&town.signed("C1").await);
    let folder = tempfile::tempdir().unwrap();
    let judged = |pdf: &[u8]| {
        std::fs::write(folder.path().join("signed.pdf"), pdf).unwrap();
        says("pdfsig", &["-nocert", "signed.pdf"], folder.path())
    };
    let Some(said) = judged(&signed) else { return };
    assert!(said.contains("Signature is Valid."), "{said}");
    assert!(said.contains("Total document signed"), "{said}");
    assert!(said.contains("ETSI.CAdES.detached"), "{said}");
    assert!(said.contains("陳大文"), "{said}");

    let mut altered = signed.clone();
    let words = signed.windows(8).position(|window| window == b"Informed").unwrap();
    altered[words] = b'J';
    let said = judged(&altered).unwrap();
    assert!(said.contains("Digest Mismatch"), "{said}");
}

#[tokio::test]
async fn pdfsig_believes_signature_and_seal_of_a_document() {
    let town = Town::new().await;
    let signed = town.signed("C1").await;
    let seal = json!({ "act": "seal", "fileId": signed["fileId"], "sealCode": "HOSPITAL" });
    let sealed = bytes(&town.put(seal).await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sealed.pdf"), &sealed).unwrap();
    let Some(said) = says("pdfsig", &["-nocert", "sealed.pdf"], folder.path()) else { return };
    assert_eq!(said.matches("Signature is Valid.").count(), 2, "{said}");
}

#[tokio::test]
async fn openssl_believes_the_authority_and_its_timestamps() {
    let town = Town::new().await;
    let folder = tempfile::tempdir().unwrap();
    let authority = town.control("GET /__sim/authority.pem", json!({})).await;
    std::fs::write(folder.path().join("authority.pem"), authority.as_str().unwrap()).unwrap();
    let hash = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
    let told = town.put(json!({ "act": "timestamp", "hash": hash })).await.unwrap();
    let token = STANDARD.decode(told["token"].as_str().unwrap()).unwrap();
    std::fs::write(folder.path().join("token.der"), token).unwrap();
    let verify = |digest: &str| {
        let arguments =
            ["ts", "-verify", "-token_in", "-in", "token.der", "-digest", digest, "-CAfile", "authority.pem"];
        says("openssl", &arguments, folder.path())
    };
    let Some(said) = verify(hash) else { return };
    assert!(said.contains("Verification: OK"), "{said}");
    assert!(!verify(&hash.replace('6', "7")).unwrap().contains("Verification: OK"));
}

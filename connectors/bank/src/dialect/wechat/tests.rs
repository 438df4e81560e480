//! What is signed, and notices that somebody has changed, kept or sealed with another key: none of them is believed.

use hub_transport::signature::aead::aes_256_gcm_seal;

use super::*;
use crate::account::DialectName;
use crate::sim::{SimSettings, keys};

/// The text of the public documents: five lines, the last one ended as well, and an empty body for GET.
#[test]
fn every_line_of_the_signed_text_is_ended() {
    let text = request_text("GET", "/v3/certificates", 1_554_208_460, "593BEC0C930BF1AFEB40B4A08C8FB242", "");
    assert_eq!(text, "GET\n/v3/certificates\n1554208460\n593BEC0C930BF1AFEB40B4A08C8FB242\n\n");
}

#[test]
fn what_is_paid_without_a_number_or_amount_is_not_believed() {
    let paid = json!({ "trade_state": "SUCCESS", "transaction_id": "42", "amount": { "total": 1 } });
    assert!(transaction(&paid, Told::default()).is_some());
    for missing in ["transaction_id", "amount"] {
        let mut paid = paid.clone();
        paid[missing] = Value::Null;
        assert!(transaction(&paid, Told::default()).is_none(), "{missing}");
    }
}

const KEY: [u8; 32] = *b"simulated-bank-key-of-32-letters";
const NONCE: [u8; 12] = *b"aaaaaaaaaaaa";

/// The keys of the simulated bank.
struct Keys;

impl Secrets for Keys {
    fn get(&self, name: &str) -> Result<String, BuildError> {
        Ok(match name {
            "merchant" => keys::MERCHANT.to_owned(),
            "bank" => keys::BANK_PUBLIC.to_owned(),
            _ => SimSettings::default().api_key,
        })
    }
}

fn merchant() -> Wechat {
    let sim = SimSettings::default();
    let account = Account {
        dialect: DialectName::Wechat,
        url: "http://127.0.0.1:1/pay".to_owned(),
        merchant: sim.merchant,
        app_id: sim.app_id,
        private_key: "merchant".to_owned(),
        serial: sim.serial,
        bank_key: "bank".to_owned(),
        bank_name: sim.bank_name,
        shared_key: Some("shared".to_owned()),
        notify_url: "http://127.0.0.1:1/".to_owned(),
        authority: None,
        connect_secs: 1,
        timeout_secs: 1,
    };
    Wechat::new(&account, &Keys).unwrap()
}

fn content() -> Value {
    json!({
        "mchid": SimSettings::default().merchant, "out_trade_no": "HT20260302000001", "transaction_id": "42",
        "trade_state": "SUCCESS", "amount": { "total": 50_000, "currency": "CNY" },
    })
}

/// A notice of this content, sealed with this key.
fn sealed(content: &Value, key: &[u8; 32]) -> String {
    let ciphertext = aes_256_gcm_seal(key, NONCE, b"transaction", content.to_string().as_bytes()).unwrap();
    json!({
        "id": "N1", "event_type": "TRANSACTION.SUCCESS",
        "resource": {
            "algorithm": "AEAD_AES_256_GCM", "ciphertext": STANDARD.encode(ciphertext),
            "nonce": std::str::from_utf8(&NONCE).unwrap(), "associated_data": "transaction",
        },
    })
    .to_string()
}

/// What comes of a body, with the bank's own signature of `signed`, so many seconds ago.
fn believed(signed: &str, body: &str, ago: i64) -> Result<Told, Disbelief> {
    let now = OffsetDateTime::now_utc();
    let timestamp = (now.unix_timestamp() - ago).to_string();
    let bank = RsaSigner::from_pem(include_str!("../../../data/bank-key.pem")).unwrap();
    let signature = STANDARD.encode(bank.sign(format!("{timestamp}\nnonce\n{signed}\n").as_bytes()).unwrap());
    let serial = SimSettings::default().bank_name;
    let header = |name: &str| match name {
        "Wechatpay-Timestamp" => Some(timestamp.as_str()),
        "Wechatpay-Nonce" => Some("nonce"),
        "Wechatpay-Signature" => Some(signature.as_str()),
        "Wechatpay-Serial" => Some(serial.as_str()),
        _ => None,
    };
    merchant().notice(&header, body.as_bytes(), now).map(|notice| notice.told)
}

#[test]
fn a_notice_is_believed_only_as_it_was_signed_sealed_and_meant() {
    let right = sealed(&content(), &KEY);
    assert_eq!(believed(&right, &right, 0).ok().unwrap().amount_fen, Some(50_000));
    assert_eq!(believed(&right, &right.replace("N1", "N2"), 0).err(), Some(Disbelief::Signature));
    assert_eq!(believed(&right, &format!("{right} "), 0).err(), Some(Disbelief::Signature));
    assert_eq!(believed(&right, &right, 301).err(), Some(Disbelief::Stale));
    assert_eq!(believed(&right, &right, -301).err(), Some(Disbelief::Stale));
    let other_key = sealed(&content(), &[7; 32]);
    assert_eq!(believed(&other_key, &other_key, 0).err(), Some(Disbelief::Sealed));
    let other_data = right.replace("\"transaction\"", "\"refund\"");
    assert_eq!(believed(&other_data, &other_data, 0).err(), Some(Disbelief::Sealed));
    let mut others = content();
    others["mchid"] = "1900000110".into();
    let others = sealed(&others, &KEY);
    assert_eq!(believed(&others, &others, 0).err(), Some(Disbelief::Merchant));
    let other_event = right.replace("TRANSACTION.SUCCESS", "PARKING.ENTERED");
    assert_eq!(believed(&other_event, &other_event, 0).err(), Some(Disbelief::Form));
}

#[test]
fn a_request_signs_the_whole_path_of_its_address() {
    let merchant = merchant();
    let now = OffsetDateTime::now_utc();
    let call = merchant.call("GET", "/v3/x?y=1".to_owned(), None, now).unwrap();
    let shown = &call.headers[0].1;
    let part = |name: &str| shown.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
    let text = request_text("GET", "/pay/v3/x?y=1", now.unix_timestamp(), part("nonce_str"), "");
    let signature = STANDARD.decode(part("signature")).unwrap();
    let ours = RsaVerifier::from_pem(include_str!("../../../data/merchant-public.pem")).unwrap();
    assert!(ours.verifies(text.as_bytes(), &signature));
}

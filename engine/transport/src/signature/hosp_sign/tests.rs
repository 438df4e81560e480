//! Signatures made by Python's hmac over OpenSSL's SM3, and what must not be believed.

use super::*;

const NOW: i64 = 1_772_409_600_000;
const NONCE: &str = "0123456789abcdef";
const BODY: &str = r#"{"name":"陈大文"}"#;
const CALL: Call<'_> = Call { method: "POST", target: "/es/x?b=1&a=2&b=0" };

fn shared(keys: fn(Vec<u8>) -> Keys) -> HospSign {
    HospSign::new("hospital", keys(b"a key of both".to_vec()))
}

/// The two ends of SM2: ours and the partner's.
fn ends() -> [HospSign; 2] {
    let [ours, theirs] = [*b"our-private-key-with-32-letters!", *b"their-private-key-of-32-letters!"];
    let public = |key| Sm2Signer::new(key, USER_ID).unwrap().public_key();
    let end = |private, other| HospSign::new("hospital", Keys::sm2(private, &public(other)).unwrap());
    [end(&ours, &theirs), end(&theirs, &ours)]
}

fn signed(by: &HospSign) -> Vec<(&'static str, String)> {
    by.sign(CALL, BODY.as_bytes(), NOW, NONCE).unwrap().to_vec()
}

fn believes(
    end: &HospSign,
    headers: &[(&'static str, String)],
    body: &str,
    now: i64,
) -> Result<(), Unbelieved> {
    let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    end.request(CALL, &header, body.as_bytes(), now)
}

#[test]
fn others_sign_the_same_text_alike() {
    let signature = |end: &HospSign| signed(end).pop().unwrap().1;
    assert_eq!(signature(&shared(Keys::HmacSm3)), "QZitDrVBxpJsjOyGckS/X6aODRZHRn9w0HiVBWfTHGY=");
    assert_eq!(signature(&shared(Keys::HmacSha256)), "UgoGrEWl7K5rc4Yn7onHhYgE6AI2DDCU3UoZ8eSq7aI=");
}

#[test]
fn a_request_is_believed_by_the_other_end_and_once() {
    let [ours, theirs] = ends();
    for (by, end) in [(&ours, &theirs), (&theirs, &ours), (&shared(Keys::HmacSm3), &shared(Keys::HmacSm3))] {
        let headers = signed(by);
        assert_eq!(believes(end, &headers, BODY, NOW + 299_000), Ok(()));
        assert_eq!(believes(end, &headers, BODY, NOW), Err(Unbelieved::Again));
    }
    assert_eq!(believes(&ours, &signed(&ours), BODY, NOW), Err(Unbelieved::Wrong), "our own is not theirs");
}

#[test]
fn what_was_changed_or_kept_is_not_believed() {
    let end = shared(Keys::HmacSm3);
    let headers = signed(&end);
    assert_eq!(believes(&end, &headers, "{}", NOW), Err(Unbelieved::Wrong));
    assert_eq!(believes(&end, &headers, BODY, NOW + 301_000), Err(Unbelieved::Time));
    assert_eq!(believes(&end, &headers, BODY, NOW - 301_000), Err(Unbelieved::Time));
    for (at, name) in [(0, header::APP), (3, header::TYPE)] {
        let mut other = headers.clone();
        other[at].1.push('x');
        assert_eq!(believes(&end, &other, BODY, NOW), Err(Unbelieved::Other(name)));
    }
    for (at, name) in [(1, header::TIMESTAMP), (2, header::NONCE), (4, header::SIGN)] {
        let mut other = headers.clone();
        other[at].1 = "?".to_owned();
        assert_eq!(believes(&end, &other, BODY, NOW), Err(Unbelieved::Header(name)));
        other.remove(at);
        assert_eq!(believes(&end, &other, BODY, NOW), Err(Unbelieved::Header(name)));
    }
    assert_eq!(believes(&end, &headers, BODY, NOW), Ok(()), "none of these has used the nonce up");
}

#[test]
fn an_answer_is_of_one_request() {
    let [ours, theirs] = ends();
    let headers = theirs.sign(CALL, b"{}", NOW, NONCE).unwrap();
    let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    assert_eq!(ours.answer(CALL, &header, NONCE, b"{}", NOW), Ok(()));
    let another = ours.answer(CALL, &header, "fedcba9876543210", b"{}", NOW);
    assert_eq!(another, Err(Unbelieved::Header(header::NONCE)));
    let elsewhere = Call { target: "/es/y", ..CALL };
    assert_eq!(ours.answer(elsewhere, &header, NONCE, b"{}", NOW), Err(Unbelieved::Wrong));
}

#[test]
fn a_nonce_is_forgotten_when_its_signature_is_too_old_to_be_believed() {
    let mut seen = Seen::default();
    for nonce in 0..100 {
        seen.once(&format!("{nonce}"), NOW + nonce).unwrap();
    }
    assert_eq!(seen.once("99", NOW + REMEMBERED_MS), Err(Unbelieved::Again));
    seen.once("new", NOW + REMEMBERED_MS + 100).unwrap();
    assert_eq!(seen.known.len(), 1, "memory is given back");
}

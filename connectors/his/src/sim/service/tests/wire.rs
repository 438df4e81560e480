//! SOAP, character sets, signatures, the WSDL: what breaks the profile is refused and remembered.

use super::*;

#[tokio::test]
async fn a_request_written_byte_by_byte_in_gb18030_with_md5_is_answered_in_gb18030() {
    let desk = Desk::with(ServiceSettings {
        charset: Wire::Gb18030,
        sign: Hash::Md5,
        key: "k".to_owned(),
        ..settings()
    })
    .await;
    let seq = "00000000000000000000000000000001";
    let inner = "<PageSize>1</PageSize>";
    let sign = Hash::Md5.of(format!("H102|{seq}|20260302070000|{inner}|k").as_bytes());
    let request = format!(
        "<Request><Head><TransCode>H102</TransCode><TransSeq>{seq}</TransSeq><AppId>IMPF</AppId>\
         <OrgCode>SZIMH</OrgCode><OperatorId>hub</OperatorId><ReqTime>20260302070000</ReqTime><Sign>{sign}</Sign>\
         </Head><Body>{inner}</Body></Request>"
    );
    let (status, bytes) = desk.post_soap(&enveloped("H102", &request)).await.unwrap();
    assert_eq!(status, 200);
    // 张建华, as GB18030 has it.
    assert!(bytes.windows(6).any(|window| window == b"\xd5\xc5\xbd\xa8\xbb\xaa"));
    let text = encoding_rs::GB18030.decode(&bytes).0.into_owned();
    let result = soap::result_of(&text).unwrap();
    let body = result.split("<Body>").nth(1).unwrap().split("</Body>").next().unwrap();
    let signed = format!("H102|{seq}|20260302070000|{body}|k");
    let sign = Hash::Md5.of(&encoding_rs::GB18030.encode(&signed).0);
    assert!(result.contains(&format!("<Sign>{sign}</Sign>")));
    desk.close().await;
}

#[tokio::test]
async fn a_wrong_signature_is_1002_and_a_problem_on_the_board() {
    let desk = Desk::open().await;
    let text = desk.soap(&desk.seq(), "H101", "").replace("<Sign>", "<Sign>0");
    let (_, bytes) = desk.post_soap(&text).await.unwrap();
    assert_eq!(answer_of(std::str::from_utf8(&bytes).unwrap()).code(), "1002");
    let status = desk.list("status").await;
    assert_eq!(status["problems"], json!(["H101: the signature is wrong"]));
    assert_eq!(desk.close().await.invalid, 1);
}

#[tokio::test]
async fn what_breaks_the_profile_is_1001_and_names_the_place() {
    let desk = Desk::open().await;
    for (code, body) in [
        ("H999", ""),
        ("H302", ""),
        ("H302", "<ScheduleId>S1</ScheduleId><More>1</More>"),
        ("H302", "<ScheduleId>S20260303</ScheduleId>"),
        ("H301", "<StartDate>2026-03-02</StartDate><EndDate>2026-04-02</EndDate>"),
        ("H303", "<SlotId>S-1</SlotId><PatientId>1000001</PatientId><TransSeq>1</TransSeq>"),
    ] {
        assert_eq!(desk.ask(code, body).await.code(), "1001", "{code} {body}");
    }
    let strange = desk.soap(&desk.seq(), "H101", "").replace("<AppId>IMPF", "<AppId>OTHER");
    let (_, bytes) = desk.post_soap(&strange).await.unwrap();
    assert_eq!(answer_of(std::str::from_utf8(&bytes).unwrap()).code(), "1001");
    let other_code = desk.soap(&desk.seq(), "H101", "").replacen("H101", "H102", 1);
    let (_, bytes) = desk.post_soap(&other_code).await.unwrap();
    assert_eq!(answer_of(std::str::from_utf8(&bytes).unwrap()).code(), "1001");
    assert_eq!(desk.close().await.invalid, 8);
}

#[tokio::test]
async fn what_is_no_soap_of_the_service_is_a_fault() {
    let desk = Desk::open().await;
    let right = desk.soap(&desk.seq(), "H101", "");
    for wrong in [
        "no XML".to_owned(),
        right.replace("http://tempuri.org/", "urn:other"),
        right.replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"),
        right.replace("requestXml", "request"),
        right.replace("<?xml version=\"1.0\"?>", "<!DOCTYPE s [<!ENTITY e 'x'>]>"),
    ] {
        let (status, bytes) = desk.post_soap(&wrong).await.unwrap();
        assert_eq!(status, 500, "{wrong}");
        assert!(String::from_utf8_lossy(&bytes).contains("soap:Client"));
    }
    // Bytes that are not of the channel's character set, and one that is declared and not the channel's.
    let bytes = Wire::Gb18030.encode(&desk.soap(&desk.seq(), "H101", "<PageNo>王</PageNo>"));
    for content_type in ["text/xml; charset=utf-8", "text/xml; charset=gb18030", "text/xml"] {
        let (status, _) = http(desk.address, "POST", http::PATH, content_type, &bytes).await.unwrap();
        assert_eq!(status, 500, "{content_type}");
    }
    let (status, _) = http(desk.address, "POST", http::PATH, "application/json", b"{}").await.unwrap();
    assert_eq!(status, 415);
    assert_eq!(desk.close().await.invalid, 9);
}

#[tokio::test]
async fn soap_1_2_is_answered_in_soap_1_2() {
    let desk = Desk::open().await;
    let text = desk
        .soap(&desk.seq(), "H101", "")
        .replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope");
    let content_type = "application/soap+xml; charset=utf-8; action=\"http://tempuri.org/Invoke\"";
    let (status, bytes) =
        http(desk.address, "POST", http::PATH, content_type, text.as_bytes()).await.unwrap();
    let answer = String::from_utf8(bytes).unwrap();
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("http://www.w3.org/2003/05/soap-envelope"));
    assert_eq!(answer_of(&answer).code(), "0");
    desk.close().await;
}

#[tokio::test]
async fn the_wsdl_names_the_operation_and_where_it_is() {
    let desk = Desk::open().await;
    let path = format!("{}?wsdl", http::PATH);
    let (status, bytes) = http(desk.address, "GET", &path, "", b"").await.unwrap();
    let wsdl = String::from_utf8(bytes).unwrap();
    assert_eq!(status, 200);
    assert!(Element::read(&wsdl).is_ok());
    assert!(wsdl.contains("location=\"http://his/HisService/Invoke.asmx\"") && !wsdl.contains("{namespace}"));
    desk.close().await;
}

#[tokio::test]
async fn the_same_transseq_is_answered_alike_and_does_nothing_twice() {
    let desk = Desk::open().await;
    let (slot, _) = desk.free().await;
    let seq = desk.seq();
    let body = format!("<SlotId>{slot}</SlotId><PatientId>{ANNA}</PatientId>");
    let first = desk.ask_as(&seq, "H303", &body).await;
    let again = desk.ask_as(&seq, "H303", &body).await;
    assert_eq!([first.code(), again.code()], ["0", "0"]);
    assert_eq!(first.get("LockId"), again.get("LockId"));
    assert_eq!(desk.list("locks").await.as_array().unwrap().len(), 1);
    // The same number with another body, or for another function, is a mistake of the caller's.
    let other = body.replace(ANNA, BEN);
    assert_eq!(desk.ask_as(&seq, "H303", &other).await.code(), "1001");
    let unlock = format!("<LockId>{}</LockId>", first.get("LockId"));
    assert_eq!(desk.ask_as(&seq, "H304", &unlock).await.code(), "1001");
    desk.close().await;
}

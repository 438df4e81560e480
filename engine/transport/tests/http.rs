//! The HTTP sender against a server of a few lines.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use bytes::Bytes;
use hub_transport::http_client::{HttpClient, HttpFailure, HttpSettings, HttpSettingsError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Gives each connection one of the answers, and the requests back.
async fn server(answers: Vec<&'static [u8]>) -> (String, tokio::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/path", listener.local_addr().unwrap());
    let (requests, received) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"BODY") {
                let mut buffer = [0; 1000];
                let length = socket.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..length]);
            }
            requests.send(String::from_utf8(request).unwrap()).await.unwrap();
            if answer == b"hang" {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            socket.write_all(answer).await.unwrap();
        }
    });
    (url, received)
}

fn settings(url: &str) -> HttpSettings {
    HttpSettings {
        answer: Duration::from_millis(500),
        max_answer_bytes: 10,
        headers: vec![("authorization".to_owned(), "Bearer x".to_owned())],
        ..HttpSettings::new(url)
    }
}

async fn send(client: &HttpClient) -> Result<hub_transport::http_client::Answer, HttpFailure> {
    client.send("POST", Bytes::from_static(b"BODY"), "application/json", &[("x-parcel", "p1")]).await
}

#[tokio::test]
async fn a_request_is_sent_with_its_headers_and_answered() {
    let answers = vec![
        &b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"[..],
        b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ];
    let (url, mut requests) = server(answers).await;
    let client = HttpClient::new(&settings(&url)).unwrap();
    let created = send(&client).await.unwrap();
    assert_eq!((created.status, &created.body[..], created.is_success()), (201, &b"ok"[..], true));
    let request = requests.recv().await.unwrap().to_lowercase();
    for part in ["post /path", "x-parcel: p1", "authorization: bearer x", "content-type: application/json"] {
        assert!(request.contains(part), "{part} in {request}");
    }
    let busy = send(&client).await.unwrap();
    assert_eq!((busy.status, busy.retry_after), (503, Some(Duration::from_secs(7))));
    assert_eq!(send(&client).await.unwrap().status, 302); // not followed
}

#[tokio::test]
async fn failures_say_what_is_known() {
    let answers = vec![
        &b"hang"[..],
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n12345678901234567890",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123",
    ];
    let (url, _requests) = server(answers).await;
    let client = HttpClient::new(&settings(&url)).unwrap();
    assert!(matches!(send(&client).await, Err(HttpFailure::InDoubt { .. })));
    tokio::time::sleep(Duration::from_millis(1600)).await;
    assert!(matches!(send(&client).await, Err(HttpFailure::InDoubt { .. })));
    assert!(matches!(send(&client).await, Err(HttpFailure::Unreadable { status: 200, .. })));
    assert!(matches!(send(&client).await, Err(HttpFailure::Unreadable { status: 200, .. })));

    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = HttpClient::new(&settings(&format!("http://{free}/"))).unwrap();
    assert!(matches!(send(&nobody).await, Err(HttpFailure::NotSent { .. })));
    let bad = nobody.send("PO ST", Bytes::new(), "text/plain", &[]).await;
    assert!(matches!(bad, Err(HttpFailure::Unsendable { .. })));
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    assert!(matches!(HttpClient::new(&settings("ftp://x/")), Err(HttpSettingsError::Url(_))));
    assert!(matches!(HttpClient::new(&settings("nowhere")), Err(HttpSettingsError::Url(_))));
    let headers = vec![("a b".to_owned(), "x".to_owned())];
    let bad = HttpSettings { headers, ..settings("http://x/") };
    assert!(matches!(HttpClient::new(&bad), Err(HttpSettingsError::Header(_))));
    let bad = HttpSettings { ca_pem: Some("x".to_owned()), ..settings("https://x/") };
    assert!(matches!(HttpClient::new(&bad), Err(HttpSettingsError::Authority)));
}

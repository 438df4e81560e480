//! Health, metrics, the landing page, request ids, and serving on a socket.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::fake::*;
use hub_http::{ServeLimits, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[tokio::test]
async fn health_is_ok_until_the_hub_is_not_ready_or_its_store_is_down() {
    let fake = Fake::new();
    let answer = get(&fake, "/health").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &"ok".into()));
    fake.stands.store(true, Ordering::Relaxed);
    let answer = get(&fake, "/health").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &"degraded".into()));
    assert_eq!(answer.json()["problems"][0], "the channel `his/adt` has 1 lanes that stand");
    fake.not_ready.store(true, Ordering::Relaxed);
    let answer = get(&fake, "/health").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (503, &"failing".into()));
    fake.not_ready.store(false, Ordering::Relaxed);
    fake.down.store(true, Ordering::Relaxed);
    let answer = get(&fake, "/health").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["problems"][0], "the store is unavailable");
    assert_eq!(get(&fake, "/health/live").await.status, 200);
}

#[tokio::test]
async fn metrics_go_out_in_the_format_of_prometheus() {
    let answer = get(&Fake::new(), "/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(answer.text(), "hub_up 1\n");
}

#[tokio::test]
async fn the_page_comes_in_the_readers_language_and_runs_only_its_own_script() {
    let fake = Fake::new();
    for (accepted, lang, word) in [
        ("zh-CN,zh;q=0.9", "zh-Hans", "实时状态"),
        ("zh-TW,zh;q=0.9", "zh-Hant", "即時狀態"),
        ("de", "en", "Right now"),
    ] {
        let page = send(&fake, "GET /", &[("accept-language", accepted)], "").await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-language"), lang);
        assert!(page.text().contains(word) && page.text().contains(&format!("<html lang=\"{lang}\">")));
        let policy = page.header("content-security-policy");
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        assert!(policy.starts_with("default-src 'none'"));
        assert!(page.text().contains(&format!("<script nonce=\"{nonce}\">")));
    }
    assert_eq!(get(&fake, "/?lang=zh-Hant").await.header("content-language"), "zh-Hant");
    assert_eq!(get(&fake, "/nowhere").await.status, 404);
}

#[tokio::test]
async fn every_search_of_the_page_can_be_asked() {
    let fake = Fake::new();
    let page = get(&fake, "/").await;
    let links: Vec<String> = page
        .text()
        .split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"))
        .collect();
    assert!(links.len() >= 10);
    for link in links {
        assert_eq!(get(&fake, &link).await.status, 200, "{link}");
    }
}

#[tokio::test]
async fn a_request_keeps_its_name_or_gets_one() {
    let fake = Fake::new();
    let answer = send(&fake, "GET /fhir/Patient/1", &[("x-request-id", "abc-1")], "").await;
    assert_eq!(answer.header("x-request-id"), "abc-1");
    let answer = send(&fake, "GET /fhir/Patient/1", &[("x-request-id", "no spaces <b>")], "").await;
    assert_eq!(answer.header("x-request-id").len(), 36);
}

struct Server {
    address: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    ended: tokio::task::JoinHandle<()>,
}

async fn server(limits: ServeLimits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let ended = tokio::spawn(serve(listener, doors(&Fake::new()), limits, stopped));
    Server { address, stop, ended }
}

#[tokio::test]
async fn a_socket_is_served_and_an_idle_connection_does_not_delay_the_stop() {
    let server = server(ServeLimits::default()).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(b"GET /fhir/Patient/3 HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let read = client.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200 OK"));
    let before = Instant::now();
    server.stop.send(true).unwrap();
    server.ended.await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_client_that_never_ends_its_headers_is_cut_off() {
    let limits = ServeLimits { headers: Duration::from_millis(100), ..ServeLimits::default() };
    let server = server(limits).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n").await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), client.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection stayed open");
    server.stop.send(true).unwrap();
    server.ended.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_idles_is_closed() {
    let limits = ServeLimits { headers: Duration::from_millis(200), ..ServeLimits::default() };
    let server = server(limits).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut kept = TcpStream::connect(server.address).await.unwrap();
    kept.write_all(b"GET /health/live HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    for client in [&mut silent, &mut kept] {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), client.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the connection stayed open");
    }
    server.stop.send(true).unwrap();
    server.ended.await.unwrap();
}

#[tokio::test]
async fn a_stop_is_bounded_in_time() {
    let limits = ServeLimits { stop: Duration::from_millis(200), ..ServeLimits::default() };
    let server = server(limits).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    // A form that never comes whole.
    let head = "POST /fhir/Patient/_search HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\
                content-type: application/x-www-form-urlencoded\r\n\r\na=";
    client.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = Instant::now();
    server.stop.send(true).unwrap();
    server.ended.await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(2));
}

//! A NATS destination against a real server: told once, told twice, no stream, no server, frozen, killed, full, too large, locked.
#![cfg(feature = "battery")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_nats::jetstream::stream;
use bytes::Bytes;
use hub_connect::battery::nats_server::NatsServer;
use hub_connect::kinds::Nats;
use hub_core::commit::Parcel;
use hub_core::destination::{Asked, DeliveryError, Destination};
use hub_core::id::{DestinationId, MessageId, ParcelId};
use hub_core::registry::{BuildError, DestinationKind, Secrets};

/// Secrets of a test.
#[derive(Default)]
struct Known(Mutex<BTreeMap<&'static str, String>>);

impl Known {
    fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.lock().unwrap().insert(name, value.into());
        self
    }
}

impl Secrets for Known {
    fn get(&self, name: &str) -> Result<String, BuildError> {
        let known = self.0.lock().unwrap();
        known.get(name).cloned().ok_or_else(|| BuildError::Secret { name: name.to_owned() })
    }
}

fn destination(url: &str, more: &str) -> Box<dyn Destination> {
    destination_with(url, more, &Known::default())
}

fn destination_with(url: &str, more: &str, secrets: &dyn Secrets) -> Box<dyn Destination> {
    let subject = if more.contains("subject") { "" } else { "subject = 'adt.new'" };
    let settings = format!("servers = ['{url}']\nanswer_secs = 1\nconnect_secs = 1\n{subject}\n{more}");
    <Nats as DestinationKind>::build(toml::from_str(&settings).unwrap(), secrets).unwrap()
}

fn parcel(nth: usize, body: impl Into<Bytes>) -> Parcel {
    let to = DestinationId::from("battery/peer");
    Parcel {
        id: ParcelId::of(MessageId(uuid::Uuid::from_u128(1)), &to, nth),
        to,
        body: body.into(),
        content_type: "text/plain".into(),
        correlation: "c-7".into(),
        order_key: Some("4711".into()),
    }
}

/// Tries until it is delivered, as a dispatcher does.
async fn deliver(destination: &dyn Destination, parcel: &Parcel) {
    let tried = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while destination.deliver(parcel).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    tried.await.unwrap();
}

fn later(result: Result<hub_core::destination::Delivered, DeliveryError>) -> String {
    match result {
        Err(DeliveryError::Later { reason, .. }) => reason,
        other => panic!("it is to be tried later, not {other:?}"),
    }
}

#[tokio::test]
async fn a_parcel_is_a_message_under_its_id_and_a_copy_of_it_is_none() {
    let server = NatsServer::start();
    server.make_stream("ADT", &["adt.>"]).await;
    let destination = destination(&server.url(), "headers = { Kind = 'ADT^A01' }\nstream = 'ADT'");
    assert!(destination.check().await.is_ok());
    let first = destination.deliver(&parcel(0, "one")).await.unwrap().answer.unwrap();
    assert_eq!(first, r#"{"duplicate":false,"sequence":1,"stream":"ADT"}"#);
    let copy = destination.deliver(&parcel(0, "one")).await.unwrap().answer.unwrap();
    assert_eq!(copy, r#"{"duplicate":true,"sequence":1,"stream":"ADT"}"#);
    assert_eq!(server.messages("ADT").await, [("adt.new".to_owned(), b"one".to_vec())]);
    let stream = server.client().await.get_stream("ADT").await.unwrap();
    let kept = stream.get_raw_message(1).await.unwrap();
    let header = |name: &str| kept.headers.get(name).unwrap().as_str().to_owned();
    assert_eq!(header("Nats-Msg-Id"), parcel(0, "").id.to_string());
    assert_eq!(
        (header("Content-Type"), header("X-Correlation-Id")),
        ("text/plain".to_owned(), "c-7".to_owned())
    );
    assert_eq!(header("Kind"), "ADT^A01");
}

#[tokio::test]
async fn without_a_stream_a_parcel_waits_and_it_is_said_what_to_make() {
    let server = NatsServer::start();
    let destination = destination(&server.url(), "");
    let reason = later(destination.deliver(&parcel(0, "one")).await);
    assert!(reason.contains("`adt.new`") && reason.contains("make a stream"), "{reason}");
    server.make_stream("ADT", &["adt.>"]).await;
    assert!(destination.deliver(&parcel(0, "one")).await.is_ok());
    let other = self::destination(&server.url(), "stream = 'OTHER'");
    let reason = later(other.deliver(&parcel(1, "two")).await);
    assert!(reason.contains("expected stream does not match"), "{reason}");
}

#[tokio::test]
async fn a_server_that_is_down_or_killed_gets_the_parcel_when_it_is_back() {
    let mut server = NatsServer::start();
    server.make_stream("ADT", &["adt.>"]).await;
    server.kill();
    let destination = destination(&server.url(), "");
    assert!(later(destination.deliver(&parcel(0, "one")).await).contains("no connection"));
    assert!(destination.check().await.is_err());
    server.start_again();
    assert!(destination.deliver(&parcel(0, "one")).await.is_ok());
    server.kill();
    assert!(matches!(destination.deliver(&parcel(1, "two")).await, Err(DeliveryError::Later { .. })));
    // Once the loss is noticed nothing is handed to the client any more, where it would wait unseen.
    let (begun, reason) = (std::time::Instant::now(), later(destination.deliver(&parcel(1, "two")).await));
    assert!(reason.contains("no connection") && begun.elapsed().as_millis() < 900, "{reason}");
    server.start_again();
    deliver(&*destination, &parcel(1, "two")).await;
    let bodies: Vec<Vec<u8>> = server.messages("ADT").await.into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies, [b"one".to_vec(), b"two".to_vec()], "each once");
}

#[tokio::test]
async fn what_was_sent_and_not_acknowledged_is_sent_again_or_in_doubt_as_the_settings_say() {
    let server = NatsServer::start();
    server.make_stream("ADT", &["adt.>"]).await;
    let (resends, holds) = (destination(&server.url(), ""), destination(&server.url(), "resend = false"));
    for destination in [&resends, &holds] {
        assert!(destination.check().await.is_ok());
    }
    server.freeze();
    let reason = later(resends.deliver(&parcel(0, "one")).await);
    assert!(reason.contains("not acknowledged it within 1 s"), "{reason}");
    assert!(matches!(holds.deliver(&parcel(1, "two")).await, Err(DeliveryError::InDoubt { .. })));
    server.thaw();
    assert!(matches!(holds.ask(&parcel(1, "two")).await, Ok(Asked::CannotTell)));
    // What the server had received while it was frozen is there; the same parcel again is known.
    for nth in [0, 1] {
        let asked = resends.ask(&parcel(nth, ["one", "two"][nth])).await.unwrap();
        assert!(matches!(&asked, Asked::Arrived(_)), "{asked:?}");
    }
    assert_eq!(server.messages("ADT").await.len(), 2, "each once");
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_what_finds_no_room_waits() {
    let server = NatsServer::start();
    let config = stream::Config {
        name: "ADT".to_owned(),
        subjects: vec!["adt.>".to_owned()],
        max_messages: 1,
        max_message_size: 1_000,
        discard: stream::DiscardPolicy::New,
        ..stream::Config::default()
    };
    server.make_stream_of(config).await;
    let destination = destination(&server.url(), "");
    for size in [2_000, 3_000_000] {
        let result = destination.deliver(&parcel(0, vec![b'x'; size])).await;
        assert!(matches!(result, Err(DeliveryError::Never { .. })), "{result:?}");
    }
    assert!(destination.deliver(&parcel(1, "one")).await.is_ok());
    let reason = later(destination.deliver(&parcel(2, "two")).await);
    assert!(reason.contains("maximum messages exceeded"), "{reason}");
}

#[tokio::test]
async fn an_order_key_has_its_lane() {
    let server = NatsServer::start();
    server.make_stream("ADT", &["adt.>"]).await;
    let destination = destination(&server.url(), "subject = 'adt.{lane}'\nlanes = 4");
    for nth in 0..5 {
        assert!(destination.deliver(&parcel(nth, "x")).await.is_ok());
    }
    let subjects: Vec<String> =
        server.messages("ADT").await.into_iter().map(|(subject, _)| subject).collect();
    assert!(
        subjects.iter().all(|subject| *subject == subjects[0] && subject.starts_with("adt.")),
        "{subjects:?}"
    );
}

#[tokio::test]
async fn a_locked_server_is_entered_over_tls_with_the_secrets_of_the_settings() {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let (certificate, private) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, key.cert.pem()).unwrap();
    std::fs::write(&private, key.signing_key.serialize_pem()).unwrap();
    let locked = format!(
        "authorization {{ user: hub, password: s3cret }}\ntls {{ cert_file: {certificate:?}, key_file: {private:?}, ca_file: {certificate:?}, verify: true }}"
    );
    let server = NatsServer::start_with(&locked);
    let url = server.url().replace("nats://", "tls://");
    let secrets = Known::default()
        .with("ca", key.cert.pem())
        .with("own", format!("{}{}", key.cert.pem(), key.signing_key.serialize_pem()))
        .with("right", "s3cret\n")
        .with("wrong", "guess");
    let tls = "tls = { authority = 'ca', certificate = 'own' }";
    let right =
        destination_with(&url, &format!("{tls}\nlogin = {{ user = 'hub', password = 'right' }}"), &secrets);
    let entered = right.check().await;
    assert!(entered.is_ok(), "{entered:?}");
    let wrong =
        destination_with(&url, &format!("{tls}\nlogin = {{ user = 'hub', password = 'wrong' }}"), &secrets);
    let reason = wrong.check().await.unwrap_err().to_string();
    assert!(reason.contains("does not let this client in") && !reason.contains("guess"), "{reason}");
    let stranger = destination_with(&url, "login = { user = 'hub', password = 'right' }", &secrets);
    assert!(stranger.check().await.is_err(), "the system's authorities do not know this server");
}

#[tokio::test]
async fn a_server_that_wants_a_token_or_a_key_is_shown_it() {
    // A pair of the makers' documentation: it opens nothing.
    let (public, seed) = (
        "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4",
        "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
    );
    let secrets =
        Known::default().with("token", "t0ken").with("seed", format!("{seed}\n")).with("other", "x");
    for (locked, right, wrong) in [
        ("authorization { token: t0ken }".to_owned(), "token = 'token'", "token = 'other'"),
        (format!("authorization {{ users: [ {{ nkey: {public} }} ] }}"), "nkey = 'seed'", "nkey = 'other'"),
    ] {
        let server = NatsServer::start_with(&locked);
        let of = |login: &str| destination_with(&server.url(), &format!("login = {{ {login} }}"), &secrets);
        let entered = of(right).check().await;
        assert!(entered.is_ok(), "{locked}: {entered:?}");
        assert!(of(wrong).check().await.unwrap_err().to_string().contains("see `login`"), "{locked}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_by_their_key() {
    for (key, more) in [
        ("subject", "subject = 'a.*'"),
        ("lanes", "subject = 'a.{lane}'"),
        ("stream", "subject = 'a'\nstream = 'A.B'"),
        ("headers", "subject = 'a'\nheaders = { Nats-Msg-Id = 'x' }"),
        ("headers", "subject = 'a'\nheaders = { A = \"x\\r\\ny\" }"),
        ("answer_secs", "subject = 'a'\nanswer_secs = 0"),
        ("in_flight", "subject = 'a'\nin_flight = 0"),
        ("servers", "subject = 'a'\nservers = ['nats://me:pw@a:1']"),
    ] {
        let servers = if more.contains("servers") { "" } else { "servers = ['nats://a:1']\n" };
        let settings = toml::from_str(&format!("{servers}{more}")).unwrap();
        let error = <Nats as DestinationKind>::build(settings, &Known::default()).err();
        assert!(
            matches!(&error, Some(BuildError::Settings { key: Some(found), .. }) if found == key),
            "{more}: {error:?}"
        );
    }
}

//! Two sites, each with a hub of its own, and NATS JetStream between them: what one owes reaches the other though everything on the way is killed.

use std::collections::BTreeMap;
use std::time::Duration;

use hub_connect::battery::nats_server::NatsServer;

use crate::harness::mllp::{Line, msa};
use crate::harness::{Hub, PATIENCE, Setup, partners, project};

/// The hub of the hospital: what comes in is owed to the region.
const HOSPITAL: &str = r#"
name    = "site/adt"
version = 1
about   = "Patients are taken over, and every message goes to the region."
[from]
connector = "mllp"
lane_by   = "PID-3.1"
settings  = { listen = "127.0.0.1:0" }
[parse]
format = "hl7v2"
[map]
mapping = "site/adt"
writes  = ["Patient"]
[[to]]
name      = "region"
connector = "nats"
order_by  = "PID-3.1"
in_doubt  = "ask"
retry     = { first_secs = 1, max_secs = 1 }
circuit   = { failures = 1000 }
settings  = { servers = ["SERVER"], subject = "adt.{lane}", lanes = 4, stream = "ADT", answer_secs = 1, connect_secs = 1 }
[[test]]
name  = "one"
given = "site/adt/one.hl7"
"#;

/// The hub of the region: what comes from the stream is forwarded, so that the order in which it came is seen.
const REGION: &str = r#"
name    = "site/adt"
version = 1
about   = "What the hospitals send is taken over and forwarded."
[from]
connector = "nats"
lane_by   = "PID-3.1"
settings  = { servers = ["SERVER"], stream = "ADT", consumer = "region", subjects = ["adt.0", "adt.1", "adt.2", "adt.3"], ack_secs = 2, connect_secs = 1 }
[parse]
format = "hl7v2"
[map]
mapping = "site/adt"
writes  = ["Patient"]
[[to]]
name      = "next"
connector = "mllp"
order_by  = "PID-3.1"
in_doubt  = "resend"
retry     = { first_secs = 1, max_secs = 1 }
settings  = { url = "mllp://NEXT" }
[[test]]
name  = "one"
given = "site/adt/one.hl7"
"#;

const MAPPING: &str = r#"
name    = "site/adt"
version = 1
from    = "hl7v2"
[[resource]]
as   = "patient"
type = "Patient"
id   = ["patient", "PID-3.1"]
[resource.set]
identifier = { from = "PID-3" }
"#;

fn message(patient: usize, nth: usize) -> Vec<u8> {
    format!("MSH|^~\\&|HIS|T|HUB|H|20261125081500+0800||ADT^A08^ADT_A01|{nth:04}|P|2.5.1\rPID|1||P{patient}^^^HIS^PI\r").into_bytes()
}

fn files(channel: &str, server: &str, next: &str) -> tempfile::TempDir {
    project(&[
        ("channels/site/adt.toml", channel.replace("SERVER", server).replace("NEXT", next).into_bytes()),
        ("mappings/site/adt.toml", MAPPING.as_bytes().to_vec()),
        ("fixtures/site/adt/one.hl7", message(1, 1)),
    ])
}

#[tokio::test]
async fn what_a_site_owes_reaches_the_other_once_and_in_order_though_server_and_hubs_are_killed() {
    const MESSAGES: usize = 120;
    const PATIENTS: usize = 7;
    let mut server = NatsServer::start();
    server.make_stream("ADT", &["adt.>"]).await;
    let (next, received) = partners::hl7().await;
    let (hospital_files, region_files) =
        (files(HOSPITAL, &server.url(), ""), files(REGION, &server.url(), &next));
    let hospital = Setup::default().root(hospital_files.path());
    let region = Setup::default().root(region_files.path());
    let mut sender = Hub::start(&hospital).await;
    let mut taker = Hub::start(&region).await;
    for nth in 0..MESSAGES {
        match nth {
            // In the middle of everything; the sender goes on owing.
            30 => server.kill(),
            50 => server.start_again(),
            70 => taker = Hub::start_in(taker.kill(), &region).await,
            90 => sender = Hub::start_in(sender.kill(), &hospital).await,
            100 => {
                server.kill();
                server.start_again();
            }
            _ => {}
        }
        let mut line = Line::connect(&sender.channel("site/adt")).await.unwrap();
        let answer = line.exchange(&message(nth % PATIENTS, nth)).await.unwrap();
        assert_eq!(msa(&answer).0, "AA");
    }
    sender.paid("site/adt/region").await;
    let begun = std::time::Instant::now();
    while received.keys().len() < MESSAGES {
        assert!(begun.elapsed() < PATIENCE, "{} came\n{}", received.keys().len(), taker.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    taker.settled("site/adt").await;
    taker.paid("site/adt/next").await;
    let stored = taker.count("site/adt", "committed").await;
    assert_eq!(stored, MESSAGES as u64, "the region's journal holds each once");
    let mut by_patient: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for key in received.keys() {
        by_patient.entry(key.parse::<usize>().unwrap() % PATIENTS).or_default().push(key);
    }
    let wanted =
        |patient| (patient..MESSAGES).step_by(PATIENTS).map(|nth| format!("{nth:04}")).collect::<Vec<_>>();
    for (patient, keys) in by_patient {
        assert_eq!(keys, wanted(patient), "nothing lost, and in order");
    }
    let parcels = sender.get("/ops/status").await["destinations"][0]["parcels"].clone();
    assert_eq!(
        (&parcels["in_doubt"], &parcels["given_up"]),
        (&0.into(), &0.into()),
        "nobody has to decide anything: {parcels}"
    );
    for log in [sender.log(), taker.log()] {
        assert!(!log.contains("PID") && !log.contains("A08"), "no content is logged:\n{log}");
    }
}

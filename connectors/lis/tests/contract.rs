//! The source and the destination `lis` hold the contract of all, and the simulated LIS talks with both.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use connector_lis::destination::Lis as Feed;
use connector_lis::sim::{Fault, Sending, Sim, SimSettings};
use connector_lis::source::Lis;
use hub_connect::battery::{NoSecrets, RecordingDoor};
use hub_core::commit::Parcel;
use hub_core::destination::{DeliveryError, Destination};
use hub_core::id::{DestinationId, MessageId, ParcelId};
use hub_core::registry::{DestinationKind, SourceKind};
use hub_core::source::{Acknowledge, Source};
use tokio::sync::watch;

fn source() -> Box<dyn Source> {
    let settings = "listen = '127.0.0.1:0'\nanswer_secs = 1";
    Lis::build(toml::from_str(settings).unwrap(), &NoSecrets).unwrap()
}

fn destination(url: &str, resend: bool) -> Box<dyn Destination> {
    let settings = format!("url = '{url}'\nresend = {resend}\nanswer_secs = 1\nconnect_secs = 1");
    Feed::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap()
}

mod source_contract {
    hub_connect::mllp_source_contract!(super::source());
}

mod destination_contract {
    hub_connect::mllp_destination_contract!(super::destination);
}

#[tokio::test]
async fn every_report_of_the_simulated_lis_arrives() {
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    let mut source = source();
    let address = source.bind().await.unwrap().unwrap();
    let (stop, stopped) = watch::channel(false);
    let hub = tokio::spawn(source.run(door.intake(), stopped.clone()));
    let sending =
        Sending { target: address.to_string(), rate_per_sec: 500.0, count: 40, ..Sending::default() };
    let sim = Sim::bind(SimSettings { sending, ..SimSettings::default() }).await.unwrap();
    let report = sim.run(stopped).await.unwrap();
    stop.send(true).unwrap();
    hub.await.unwrap().unwrap();
    assert_eq!((report.acked, door.accepted().len()), (40, 40));
}

/// What the LIS says to an ADT message, while it does this wrong.
async fn told(fault: Option<Fault>, text: &str) -> Vec<Result<(), &'static str>> {
    let sending = Sending { rate_per_sec: 0.0, ..Sending::default() };
    let settings = SimSettings {
        sending,
        listen: Some("127.0.0.1:0".to_owned()),
        fault,
        fault_times: 1,
        ..SimSettings::default()
    };
    let sim = Sim::bind(settings).await.unwrap();
    let url = format!("mllp://{}", sim.listen_address().unwrap());
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(sim.run(stopped));
    let to = DestinationId::from("his/adt/lis");
    let message: MessageId = "00000000-0000-7000-8000-000000000001".parse().unwrap();
    let parcel = Parcel {
        id: ParcelId::of(message, &to, 0),
        to,
        body: text.to_owned().into(),
        content_type: "x-application/hl7-v2+er7".into(),
        correlation: "test".into(),
        order_key: None,
    };
    let destination = destination(&url, true);
    let mut said = Vec::new();
    for _ in 0..2 {
        said.push(match destination.deliver(&parcel).await {
            Ok(_) => Ok(()),
            Err(DeliveryError::Later { .. } | DeliveryError::NotYet { .. }) => Err("later"),
            Err(DeliveryError::Never { .. }) => Err("never"),
            Err(DeliveryError::InDoubt { .. }) => Err("in doubt"),
        });
    }
    stop.send(true).unwrap();
    let report = running.await.unwrap().unwrap();
    assert_eq!(report.received, 2);
    assert!(report.accepted <= 1, "a copy is known");
    said
}

const ADMIT: &str = "MSH|^~\\&|HIS|F|LIS|F|20260302080000||ADT^A01^ADT_A01|1|P|2.5.1\r\
                     EVN|A01|20260302080000\rPID|1||1000001^^^HIS^PI||王芳||19800101|F\rPV1|1|I\r";

#[tokio::test]
async fn the_simulated_lis_takes_the_feed_and_knows_copies() {
    assert_eq!(told(None, ADMIT).await, [Ok(()), Ok(())]);
}

#[tokio::test]
async fn the_simulated_lis_is_strict() {
    assert_eq!(told(None, &ADMIT.replace("1000001", "")).await, [Err("never"), Err("never")]);
}

#[tokio::test]
async fn what_the_lis_does_wrong_once_is_mended_by_the_second_try() {
    for fault in [Fault::NoAck, Fault::WrongAck, Fault::AeOnce] {
        assert_eq!(told(Some(fault), ADMIT).await, [Err("later"), Ok(())], "{fault:?}");
    }
    assert_eq!(told(Some(Fault::Refuse), ADMIT).await, [Err("never"), Ok(())]);
}

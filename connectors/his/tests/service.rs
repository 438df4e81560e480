//! The destination `his-service` against the simulated hospital: both were written apart from one another, to the profile.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::net::SocketAddr;

use connector_his::service_destination::{ServiceDestination, ServiceDestinationConfig};
use connector_his::sim::service::{Fault, Hash, Mischief, Service, ServiceSettings, Wire};
use hub_core::commit::Parcel;
use hub_core::destination::{Asked, Delivered, DeliveryError, Destination as _};
use hub_core::id::ParcelId;
use hub_core::registry::{BuildError, Secrets};
use tokio::sync::watch;
use uuid::Uuid;

struct Key;

impl Secrets for Key {
    fn get(&self, _name: &str) -> Result<String, BuildError> {
        Ok("his-simulator".to_owned())
    }
}

/// A hospital that runs until this is dropped.
struct Hospital {
    address: SocketAddr,
    _stop: watch::Sender<bool>,
}

async fn hospital(settings: ServiceSettings) -> Hospital {
    let settings = ServiceSettings {
        listen: "127.0.0.1:0".to_owned(),
        start: Some("20260302070000".to_owned()),
        frozen: true,
        sold_percent: 0,
        ..settings
    };
    let service = Service::bind(settings).await.unwrap();
    let address = service.address();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(service.run(stopped));
    Hospital { address, _stop: stop }
}

fn faults(name: Mischief, function: &str) -> ServiceSettings {
    let fault = Fault { name, function: Some(function.to_owned()), times: 1 };
    ServiceSettings { faults: vec![fault], ..ServiceSettings::default() }
}

impl Hospital {
    fn destination(&self, more: &str) -> ServiceDestination {
        let text = format!(
            "url = 'http://{}/HisService/Invoke.asmx'\napp_id = 'IMPF'\norg_code = '{}'\nkey = 'his'\nquery_secs = 1\nwrite_secs = 1\n{more}",
            self.address,
            ServiceSettings::default().org_code,
        );
        let config: ServiceDestinationConfig = toml::from_str(&text).unwrap();
        ServiceDestination::build(&config, &Key).unwrap()
    }

    /// The first slot that is free, of the session that this finds.
    async fn free_slot(&self, destination: &ServiceDestination) -> String {
        let rosters =
            ask(destination, "<H301><StartDate>2026-03-04</StartDate><EndDate>2026-03-04</EndDate></H301>")
                .await;
        for session in rosters.split("<ScheduleId>").skip(1) {
            let id = session.split('<').next().unwrap();
            let slots = ask(destination, &format!("<H302><ScheduleId>{id}</ScheduleId></H302>")).await;
            for slot in slots.split("<Slot>").skip(1) {
                if slot.contains("<Status>0</Status>") && slot.contains("<TotalNum>1</TotalNum>") {
                    return slot.split("<SlotId>").nth(1).unwrap().split('<').next().unwrap().to_owned();
                }
            }
        }
        panic!("no slot is free");
    }
}

fn parcel(number: u128, body: &str) -> Parcel {
    Parcel {
        id: ParcelId(Uuid::from_u128(number)),
        to: "his/errands/his".into(),
        body: body.to_owned().into(),
        content_type: "application/xml".into(),
        correlation: "c".into(),
        order_key: None,
    }
}

fn text(delivered: &Delivered) -> String {
    String::from_utf8(delivered.answer.clone().unwrap().to_vec()).unwrap()
}

async fn ask(destination: &ServiceDestination, body: &str) -> String {
    text(&destination.deliver(&parcel(Uuid::new_v4().as_u128(), body)).await.unwrap())
}

/// Number 1 is of one patient, the others are of another.
fn lock(number: u128, slot: &str) -> Parcel {
    let patient = if number == 1 { "1000001" } else { "1000002" };
    let body = format!("<SlotId>{slot}</SlotId><PatientId>{patient}</PatientId><Channel>IMPF</Channel>");
    parcel(number, &format!("<H303>{body}</H303>"))
}

#[tokio::test]
async fn a_slot_is_locked_once_however_often_the_parcel_is_sent_in_every_dialect() {
    for (settings, more) in [
        (ServiceSettings::default(), ""),
        (ServiceSettings { sign: Hash::Md5, ..ServiceSettings::default() }, "sign = 'md5'\nsoap = '1.2'"),
        (ServiceSettings { charset: Wire::Gb18030, ..ServiceSettings::default() }, "charset = 'gb18030'"),
    ] {
        let hospital = hospital(settings).await;
        let destination = hospital.destination(more);
        destination.check().await.unwrap();
        let doctors = ask(&destination, "<H102><PageSize>500</PageSize></H102>").await;
        assert!(doctors.contains("主任医师"), "{more}: names arrive in their own signs");
        let slot = hospital.free_slot(&destination).await;
        let first = text(&destination.deliver(&lock(1, &slot)).await.unwrap());
        assert!(first.contains("<ResultCode>0</ResultCode>") && first.contains("<LockId>"), "{first}");
        assert_eq!(text(&destination.deliver(&lock(1, &slot)).await.unwrap()), first);
        let other = text(&destination.deliver(&lock(2, &slot)).await.unwrap());
        assert!(
            other.contains("<ResultCode>3002</ResultCode>"),
            "what the HIS refuses is an answer: {other}"
        );
    }
}

#[tokio::test]
async fn without_an_answer_it_is_in_doubt_and_the_his_says_what_became_of_it() {
    for (mischief, arrived) in [
        (Mischief::Silent, true),
        (Mischief::DropAfterReceive, true),
        (Mischief::Garbage, true),
        (Mischief::WrongSignature, true),
        (Mischief::NotDoneTimeout, false),
    ] {
        let hospital = hospital(faults(mischief, "H303")).await;
        let destination = hospital.destination("");
        let slot = hospital.free_slot(&destination).await;
        let doubt = destination.deliver(&lock(1, &slot)).await;
        assert!(matches!(doubt, Err(DeliveryError::InDoubt { .. })), "{mischief:?}: {doubt:?}");
        match destination.ask(&lock(1, &slot)).await.unwrap() {
            Asked::Arrived(told) if arrived => assert!(text(&told).contains("<LockId>")),
            Asked::NotArrived if !arrived => {
                assert!(text(&destination.deliver(&lock(1, &slot)).await.unwrap()).contains("<LockId>"));
            }
            other => panic!("{mischief:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_was_refused_is_told_as_refused_when_it_is_asked_about() {
    let hospital = hospital(ServiceSettings::default()).await;
    let destination = hospital.destination("");
    let slot = hospital.free_slot(&destination).await;
    destination.deliver(&lock(1, &slot)).await.unwrap();
    let late = lock(2, &slot);
    let refused = text(&destination.deliver(&late).await.unwrap());
    let Asked::Arrived(told) = destination.ask(&late).await.unwrap() else { panic!("it is known") };
    let code = |text: &str| text.split("<ResultCode>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(code(&text(&told)), code(&refused));
    assert_ne!(code(&refused), "0");
}

#[tokio::test]
async fn a_question_without_an_answer_is_simply_asked_again() {
    let hospital = hospital(faults(Mischief::Silent, "H101")).await;
    let destination = hospital.destination("");
    let later = destination.deliver(&parcel(1, "<H101/>")).await;
    assert!(matches!(later, Err(DeliveryError::Later { .. })), "{later:?}");
    assert!(ask(&destination, "<H101/>").await.contains("<DeptName>"));
}

#[tokio::test]
async fn what_is_wrong_with_the_call_itself_is_not_tried_again() {
    let hospital = hospital(ServiceSettings::default()).await;
    let destination = hospital.destination("");
    for body in ["<H303><SlotId>1</SlotId></H303>", "<H999/>", "{}"] {
        let never = destination.deliver(&parcel(3, body)).await;
        assert!(matches!(never, Err(DeliveryError::Never { .. })), "{body}: {never:?}");
    }
    let wrong_hash = hospital.destination("sign = 'md5'").deliver(&parcel(4, "<H101/>")).await;
    assert!(
        matches!(wrong_hash, Err(DeliveryError::Never { .. } | DeliveryError::Later { .. })),
        "{wrong_hash:?}"
    );
    let nobody =
        toml::from_str("url = 'http://127.0.0.1:1/x'\napp_id = 'a'\norg_code = 'o'\nkey = 'k'").unwrap();
    let nobody = ServiceDestination::build(&nobody, &Key).unwrap().deliver(&lock(5, "1")).await;
    assert!(matches!(nobody, Err(DeliveryError::Later { .. })), "nothing was sent: {nobody:?}");
}

//! What every destination that puts files into a folder has to hold.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use hub_core::commit::Parcel;
use hub_core::destination::{Asked, DeliveryError, Destination};
use hub_core::id::{DestinationId, MessageId, ParcelId};

/// Turns the battery into tests. `$make` makes a destination of a folder and the pattern of a name. `$folder` makes an empty folder,
/// which is there for as long as what it gives is kept.
#[macro_export]
macro_rules! file_destination_contract {
    ($make:expr, $folder:expr) => {
        $crate::file_destination_contract!($make, $folder;
            a_parcel_is_a_file_of_its_own_bytes,
            told_twice_it_is_one_file,
            a_file_that_is_there_has_arrived,
            a_folder_that_is_not_there_is_tried_later,
            a_name_leads_to_no_other_folder);
    };
    ($make:expr, $folder:expr; $($name:ident),+) => {
        $(#[tokio::test]
        async fn $name() {
            let folder = $folder;
            $crate::battery::file_destination::$name($make, folder.path()).await;
        })+
    };
}

fn parcel(nth: usize, body: &'static str) -> Parcel {
    let to = DestinationId::from("battery/peer");
    Parcel {
        id: ParcelId::of(MessageId(uuid::Uuid::from_u128(1)), &to, nth),
        to,
        body: Bytes::from_static(body.as_bytes()),
        content_type: "text/csv".into(),
        correlation: "../batch 7".into(),
        order_key: None,
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there").filter_map(Result::ok);
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Told once.
pub async fn a_parcel_is_a_file_of_its_own_bytes(
    make: impl Fn(&Path, &str) -> Box<dyn Destination>,
    folder: &Path,
) {
    let destination = make(folder, "orders-{parcel}.csv");
    let (first, second) = (parcel(0, "a;b\r\n"), parcel(1, "c"));
    for parcel in [&first, &second] {
        assert!(destination.deliver(parcel).await.is_ok());
    }
    assert_eq!(names(folder).len(), 2, "and no half-written file is left");
    let written = fs::read(folder.join(format!("orders-{}.csv", first.id))).expect("it is there");
    assert_eq!(written, first.body, "not a byte is changed");
    assert!(destination.check().await.is_ok());
    assert_eq!(names(folder).len(), 2, "a check leaves nothing");
}

/// Told twice.
pub async fn told_twice_it_is_one_file(make: impl Fn(&Path, &str) -> Box<dyn Destination>, folder: &Path) {
    let destination = make(folder, "{parcel}");
    for _ in 0..2 {
        assert!(destination.deliver(&parcel(0, "a")).await.is_ok());
    }
    assert_eq!(names(folder), [parcel(0, "a").id.to_string()]);
}

/// In doubt.
pub async fn a_file_that_is_there_has_arrived(
    make: impl Fn(&Path, &str) -> Box<dyn Destination>,
    folder: &Path,
) {
    let destination = make(folder, "{parcel}.txt");
    let before = destination.ask(&parcel(0, "a")).await;
    assert!(matches!(before, Ok(Asked::CannotTell)), "the receiver may have taken it away");
    assert!(destination.deliver(&parcel(0, "a")).await.is_ok());
    assert!(matches!(destination.ask(&parcel(0, "a")).await, Ok(Asked::Arrived(_))));
}

/// Not there.
pub async fn a_folder_that_is_not_there_is_tried_later(
    make: impl Fn(&Path, &str) -> Box<dyn Destination>,
    folder: &Path,
) {
    let destination = make(&folder.join("missing"), "{parcel}");
    assert!(matches!(destination.deliver(&parcel(0, "a")).await, Err(DeliveryError::Later { .. })));
    assert!(destination.check().await.is_err());
    fs::create_dir(folder.join("missing")).expect("the folder can be written to");
    assert!(destination.deliver(&parcel(0, "a")).await.is_ok());
}

/// A partner's own words in a name.
pub async fn a_name_leads_to_no_other_folder(
    make: impl Fn(&Path, &str) -> Box<dyn Destination>,
    folder: &Path,
) {
    let inner = folder.join("inner");
    fs::create_dir(&inner).expect("the folder can be written to");
    let destination = make(&inner, "{correlation}-{parcel}.csv");
    assert!(destination.deliver(&parcel(0, "a")).await.is_ok());
    assert_eq!(names(folder), ["inner"]);
    assert_eq!(names(&inner), [format!("___batch_7-{}.csv", parcel(0, "a").id)]);
}

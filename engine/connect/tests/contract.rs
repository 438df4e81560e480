//! The plain connectors hold the contract of all.
#![cfg(feature = "battery")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::Path;

use hub_connect::battery::NoSecrets;
use hub_connect::kinds::{Files, Http, Mllp};
use hub_core::destination::Destination;
use hub_core::registry::{BuildError, DestinationKind, SourceKind};
use hub_core::source::Source;

fn http_source() -> Box<dyn Source> {
    let settings = "listen = '127.0.0.1:0'\npath = '/in'\nanswer_secs = 1\nreceive_secs = 1";
    <Http as SourceKind>::build(toml::from_str(settings).unwrap(), &NoSecrets).unwrap()
}

fn http_destination(url: &str, idempotent: bool) -> Box<dyn Destination> {
    let settings = format!("url = '{url}'\nidempotent = {idempotent}\ntimeout_secs = 1\nconnect_secs = 1");
    <Http as DestinationKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap()
}

fn mllp_source() -> Box<dyn Source> {
    let settings = "listen = '127.0.0.1:0'\nanswer_secs = 1";
    <Mllp as SourceKind>::build(toml::from_str(settings).unwrap(), &NoSecrets).unwrap()
}

fn mllp_destination(url: &str, resend: bool) -> Box<dyn Destination> {
    let settings = format!("url = '{url}'\nresend = {resend}\nanswer_secs = 1\nconnect_secs = 1");
    <Mllp as DestinationKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap()
}

fn file_source(folder: &Path) -> Box<dyn Source> {
    let folder = folder.display();
    let settings = format!(
        "folder = '{folder}'\npattern = '*.txt'\nsettle_secs = 1\nmax_file_bytes = 1000\nanswer_secs = 1"
    );
    <Files as SourceKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap()
}

fn file_destination(folder: &Path, name: &str) -> Box<dyn Destination> {
    let settings = format!("folder = '{}'\nname = '{name}'", folder.display());
    <Files as DestinationKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap()
}

#[test]
fn names_that_are_not_of_one_parcel_each_are_refused() {
    for name in ["orders.csv", ".{parcel}", "a/{parcel}", "{parcel}{x}"] {
        let settings = format!("folder = '/out'\nname = '{name}'");
        let built = <Files as DestinationKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets);
        assert!(
            matches!(built.err(), Some(BuildError::Settings { key: Some(key), .. }) if key == "name"),
            "{name}"
        );
    }
}

mod file_source_contract {
    hub_connect::file_source_contract!(super::file_source, tempfile::TempDir::new().unwrap());
}

mod file_destination_contract {
    hub_connect::file_destination_contract!(super::file_destination, tempfile::TempDir::new().unwrap());
}

mod http_source_contract {
    hub_connect::http_source_contract!(super::http_source());
}

mod http_destination_contract {
    hub_connect::http_destination_contract!(super::http_destination);
}

mod mllp_source_contract {
    hub_connect::mllp_source_contract!(super::mllp_source());
}

mod mllp_destination_contract {
    hub_connect::mllp_destination_contract!(super::mllp_destination);
}

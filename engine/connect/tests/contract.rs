//! The plain connectors hold the contract of all.
#![cfg(feature = "battery")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use hub_connect::battery::NoSecrets;
use hub_connect::kinds::{Http, Mllp};
use hub_core::destination::Destination;
use hub_core::registry::{DestinationKind, SourceKind};
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

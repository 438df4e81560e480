//! One message can bring about much, but not without bound.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hub_core::fault::FaultStep;
use hub_core::path::Path;
use hub_core::store::End;
use hub_runtime::steps::{Road, Walked};
use hub_spec::{Circuit, InDoubt, RetryPolicy, Route};

use crate::ward::{channel, envelope};

fn walk(items: usize, padding: usize) -> Walked {
    let mut channel = channel();
    channel.to.push(Route {
        id: "test/patient/all".into(),
        name: "all".into(),
        connector: "test".into(),
        settings: toml::Table::new(),
        when: None,
        each: Some(Path::parse("items").unwrap()),
        mapping: None,
        answer: None,
        answer_digest: None,
        order_by: None,
        retry: RetryPolicy::default(),
        in_doubt: InDoubt::Hold,
        circuit: Circuit::default(),
    });
    let parser = Arc::from(hub_formats::parser("json", None, &toml::Table::new()).unwrap());
    let road = Road { channel, parser, writers: BTreeMap::new(), typed_check: None };
    let items = vec!["1"; items].join(",");
    let text =
        format!(r#"{{"patient":"p","number":"1","items":[{items}],"padding":"{}"}}"#, "x".repeat(padding));
    let mut message = envelope(1, 1);
    message.body.0 = Bytes::from(text);
    road.walk(message)
}

fn is_set_aside(walked: Walked) -> bool {
    matches!(walked, Walked::Ended(_, End::Quarantined(fault), _) if fault.step == FaultStep::Validate)
}

#[test]
fn a_message_that_owes_more_than_a_thousand_parcels_is_set_aside() {
    let Walked::Mapped(mapped) = walk(1_000, 0) else { panic!("a thousand are allowed") };
    assert_eq!(mapped.body.0.parcels.len(), 1_000);
    assert!(is_set_aside(walk(1_001, 0)));
}

#[test]
fn a_large_message_is_not_copied_a_hundred_times() {
    assert!(is_set_aside(walk(100, 1 << 20)));
}

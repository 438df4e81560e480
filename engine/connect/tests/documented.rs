//! `docs/connectors.md` tells every setting of the plain connectors, and none that is not there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;

use hub_connect::kinds::{Files, Http, Mllp, Nats};
use hub_core::registry::{DestinationKind, SourceKind};
use serde::de::DeserializeOwned;

/// The keys that serde names when it meets one that is not there.
fn keys<C: DeserializeOwned>() -> BTreeSet<String> {
    let error = toml::from_str::<C>("no_such_key = 1").err().unwrap().to_string();
    let known = error.split_once("expected").unwrap().1;
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The first column of the table below a heading.
fn told(page: &str, heading: &str) -> BTreeSet<String> {
    let chapter = page.split(&format!("## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = chapter.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
}

#[test]
fn every_setting_is_told_and_no_other() {
    let page = include_str!("../../../docs/connectors.md");
    for (heading, keys) in [
        ("`mllp` as a source", keys::<<Mllp as SourceKind>::Config>()),
        ("`mllp` as a destination", keys::<<Mllp as DestinationKind>::Config>()),
        ("`http` as a source", keys::<<Http as SourceKind>::Config>()),
        ("`http` as a destination", keys::<<Http as DestinationKind>::Config>()),
        ("`file` as a source", keys::<<Files as SourceKind>::Config>()),
        ("`file` as a destination", keys::<<Files as DestinationKind>::Config>()),
        ("`nats` as a source", keys::<<Nats as SourceKind>::Config>()),
        ("`nats` as a destination", keys::<<Nats as DestinationKind>::Config>()),
    ] {
        assert_eq!(told(page, heading), keys, "{heading}");
    }
}

//! `docs/connectors.md` tells every setting of the plain connectors, and none that is not there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;

use hub_connect::kinds::{Files, Http, Mllp, Nats};
use hub_core::registry::{BuildError, DestinationKind, Secrets, SourceKind};
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

/// A credentials file like those of `nsc`, of nobody.
const CREDENTIALS: &str = "-----BEGIN NATS USER JWT-----\neyJ0eXAiOiJqd3QifQ.e30.c2ln\n------END NATS USER JWT------\n\n\
    -----BEGIN USER NKEY SEED-----\nSUACH75SWCM5D2JMJM6EKLR2WDARVGZT4QC6LX3AGHSWOMVAKERABBBRWM\n------END USER NKEY SEED------\n";

struct Region;

impl Secrets for Region {
    fn get(&self, name: &str) -> Result<String, BuildError> {
        assert_eq!(name, "region-nats");
        Ok(CREDENTIALS.to_owned())
    }
}

#[test]
fn the_channels_of_the_page_on_scale_can_be_built() {
    let page = include_str!("../../../docs/scale.md");
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 2, "one for the site, one for the region");
    let site: toml::Table = toml::from_str(blocks[0]).unwrap();
    let settings = site["to"][0]["settings"].clone().try_into().unwrap();
    assert!(<Nats as DestinationKind>::build(settings, &Region).is_ok());
    let region: toml::Table = toml::from_str(blocks[1]).unwrap();
    let settings: hub_connect::nats_source::NatsSourceConfig =
        region["from"]["settings"].clone().try_into().unwrap();
    let lanes = site["to"][0]["settings"]["lanes"].as_integer().unwrap();
    assert_eq!(settings.subjects.len() as i64, lanes, "each lane has its reader");
    assert!(<Nats as SourceKind>::build(settings, &Region).is_ok());
}

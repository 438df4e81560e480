//! All connectors of the program.

use hub_core::registry::Registry;

/// The registry a channel file's names are looked up in.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    connector_his::register(&mut registry);
    connector_lis::register(&mut registry);
    connector_notify::register(&mut registry);
    registry.format("hl7v2", |charset| check("hl7v2", charset));
    registry.format("fhir", |charset| check("fhir", charset));
    registry.format("json", |charset| check("json", charset));
    registry
}

fn check(format: &str, charset: Option<&str>) -> Result<(), String> {
    hub_formats::parser(format, charset).map(drop).map_err(|error| error.to_string())
}

//! All connectors of the program.

use hub_core::registry::{FormatUse, Registry};

/// The registry a channel file's names are looked up in.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    hub_connect::register(&mut registry);
    connector_his::register(&mut registry);
    connector_lis::register(&mut registry);
    connector_notify::register(&mut registry);
    registry.format("hl7v2", |how| check("hl7v2", how));
    registry.format("fhir", |how| check("fhir", how));
    registry.format("json", |how| check("json", how));
    registry
}

fn check(format: &str, how: &FormatUse<'_>) -> Result<(), String> {
    hub_formats::check(format, how).map_err(|error| error.to_string())
}

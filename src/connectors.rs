//! All connectors of the program.

use hub_core::registry::{FormatUse, Registry};

/// The registry a channel file's names are looked up in.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    hub_connect::register(&mut registry);
    connector_bank::register(&mut registry);
    connector_esign::register(&mut registry);
    connector_his::register(&mut registry);
    connector_lis::register(&mut registry);
    connector_notify::register(&mut registry);
    for format in hub_formats::FORMATS {
        registry.format(format, check);
    }
    registry
}

fn check(format: &str, how: &FormatUse<'_>) -> Result<(), String> {
    hub_formats::check(format, how).map_err(|error| error.to_string())
}

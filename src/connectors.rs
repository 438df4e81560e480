//! All connectors of the program.

use hub_core::registry::Registry;

/// The registry a channel file's names are looked up in.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    connector_his::register(&mut registry);
    connector_lis::register(&mut registry);
    connector_notify::register(&mut registry);
    registry
}

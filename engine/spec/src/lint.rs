//! What is compared with the rest of the world: connectors, ports, mappings, fixtures, other channels. One file for each.

pub(crate) mod connectors;
pub(crate) mod mappings;
pub(crate) mod ports;
pub(crate) mod promises;
pub(crate) mod replies;
pub(crate) mod starts;

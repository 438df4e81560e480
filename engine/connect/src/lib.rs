//! The standard sources and destinations that connectors are built on: HL7 v2 over MLLP, any format over HTTP, as files and over NATS, both ways.
//!
//! HIS, LIS and PACS all speak HL7 over MLLP, and no connector may use another: what they share has to live below them.
//! `transport` knows bytes and no messages, `formats` knows messages and no sockets; this crate joins the two once, so
//! that acknowledging and judging answers is the same for every partner. A connector adds what its partner does otherwise.
//!
//! Invariant: nothing here remembers anything between messages. What must be remembered is in the store.

#[cfg(feature = "battery")]
pub mod battery;
pub mod file_destination;
pub mod file_source;
pub mod http_destination;
pub mod http_source;
pub mod kinds;
pub mod mllp_destination;
pub mod mllp_source;
pub mod nats;
pub mod nats_destination;
pub mod nats_source;
pub mod pushes;
pub mod tls;
mod trouble;
pub mod workflow_source;

pub use kinds::register;

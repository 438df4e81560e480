//! Carries bytes: MLLP both ways, HTTP out, TLS below them. Knows frames and requests, no message and nothing of ours.

pub mod http_client;
pub mod mllp;
pub mod mllp_client;
pub mod mllp_server;
pub mod tls;

pub use tls::install_crypto_provider;

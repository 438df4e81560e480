//! Carries bytes: MLLP and HTTP both ways, TLS below them, signatures beside them. Knows frames and requests, no message and nothing of ours.

pub mod http_client;
pub mod http_server;
pub mod mllp;
pub mod mllp_client;
pub mod mllp_server;
pub mod signature;
pub mod soap;
pub mod tls;

pub use tls::install_crypto_provider;

//! TLS in a channel file: names of secrets, how they become what the transport wants, and why it could not listen.

use hub_core::registry::{BuildError, Secrets};
use hub_core::source::SourceError;
use hub_transport::mllp_server::BindError;
use hub_transport::tls::{TlsClient, TlsServer};
use serde::Deserialize;

/// What a listener shows and whom it lets in, by the names of secrets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// The secret with the certificate chain and its private key, both PEM.
    pub certificate: String,
    /// The secret with the authority that clients' certificates are signed by. Without it every client is let in.
    pub clients: Option<String>,
}

impl ServerTls {
    /// Looks the secrets up.
    pub fn resolve(&self, secrets: &dyn Secrets) -> Result<TlsServer, BuildError> {
        let both = secrets.get(&self.certificate)?;
        let client_ca_pem = self.clients.as_deref().map(|name| secrets.get(name)).transpose()?;
        Ok(TlsServer { certificate_pem: both.clone(), key_pem: both, client_ca_pem })
    }
}

/// Whom a sender trusts and what it shows, by the names of secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientTls {
    /// The secret with the authority that the receiver's certificate is signed by. Without it: those of the system.
    pub authority: Option<String>,
    /// The secret with the certificate chain and private key to show, both PEM.
    pub certificate: Option<String>,
    /// The name the receiver's certificate must have. Without it: the host of the URL.
    pub server_name: Option<String>,
}

impl ClientTls {
    /// Looks the secrets up.
    pub fn resolve(&self, secrets: &dyn Secrets) -> Result<TlsClient, BuildError> {
        let secret = |name: &Option<String>| name.as_deref().map(|name| secrets.get(name)).transpose();
        Ok(TlsClient {
            ca_pem: secret(&self.authority)?,
            identity_pem: secret(&self.certificate)?.map(|both| (both.clone(), both)),
            server_name: self.server_name.clone(),
        })
    }
}

/// Why a source could not listen.
pub fn not_bound(error: BindError) -> SourceError {
    match error {
        BindError::Listen { address, source } => SourceError::Listen { address, source },
        BindError::Tls { address, source } => {
            SourceError::Stopped(format!("TLS cannot be set up for `{address}`: {source}"))
        }
    }
}

/// A setting that does not fit.
pub fn wrong(key: &str, what: impl Into<String>) -> BuildError {
    BuildError::Settings { key: Some(key.to_owned()), what: what.into() }
}

/// Refuses a zero where nothing would ever happen.
pub fn at_least_one(key: &str, value: u64) -> Result<(), BuildError> {
    if value == 0 { Err(wrong(key, format!("`{key}` is 0: expected 1 or more"))) } else { Ok(()) }
}

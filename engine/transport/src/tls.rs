//! TLS for sockets: certificates as PEM text in, rustls configurations out. ring does the arithmetic, TLS 1.2 and 1.3.

use std::sync::{Arc, Once};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// What a server shows and whom it trusts. Its Debug shows no key.
#[derive(Clone)]
pub struct TlsServer {
    /// The certificate chain, leaf first.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
    /// Only clients with a certificate of this authority are let in. `None`: every client.
    pub client_ca_pem: Option<String>,
}

/// Whom a client trusts and what it shows. Its Debug shows no key.
#[derive(Clone)]
pub struct TlsClient {
    /// The authorities that may have signed the server's certificate. `None`: those of the system.
    pub ca_pem: Option<String>,
    /// Certificate chain and private key to show to a server that asks.
    pub identity_pem: Option<(String, String)>,
    /// The name the server's certificate must have; `None`: the host of the address.
    pub server_name: Option<String>,
}

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsServer")
    }
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsClient")
    }
}

/// Why certificates cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Not PEM, or without the thing that is wanted.
    #[error("the {what} cannot be read as PEM")]
    Pem {
        /// `certificate`, `private key`, `certificate authority`.
        what: &'static str,
    },
    /// rustls does not take them.
    #[error("the certificates cannot be used")]
    Rustls(#[source] rustls::Error),
    /// The authorities cannot be used.
    #[error("the client certificate authority cannot be used")]
    ClientAuthority(#[source] rustls::server::VerifierBuilderError),
    /// The name to be checked is neither a host name nor an address.
    #[error("`{0}` is not a server name")]
    Name(String),
}

/// Makes ring the process's provider of cryptography, once. Whatever builds TLS without naming a provider needs it.
pub fn install_crypto_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that the program has installed one already, which is as good.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
    });
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsError::Pem { what }),
    }
}

fn key(pem: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| TlsError::Pem { what: "private key" })
}

fn authorities(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem, "certificate authority")? {
        store.add(certificate).map_err(TlsError::Rustls)?;
    }
    Ok(store)
}

impl TlsServer {
    pub(crate) fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Rustls)?;
        let builder = match &self.client_ca_pem {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let authorities = Arc::new(authorities(pem)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider())
                    .build()
                    .map_err(TlsError::ClientAuthority)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = certificates(&self.certificate_pem, "certificate")?;
        let config = builder.with_single_cert(chain, key(&self.key_pem)?).map_err(TlsError::Rustls)?;
        Ok(Arc::new(config))
    }
}

impl TlsClient {
    /// As rustls wants it, for clients that speak TLS themselves.
    pub fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Rustls)?;
        let authorities = match &self.ca_pem {
            Some(pem) => authorities(pem)?,
            None => {
                let mut store = RootCertStore::empty();
                let system = rustls_native_certs::load_native_certs();
                store.add_parsable_certificates(system.certs);
                store
            }
        };
        let builder = builder.with_root_certificates(authorities);
        let config = match &self.identity_pem {
            None => builder.with_no_client_auth(),
            Some((chain, key_pem)) => builder
                .with_client_auth_cert(certificates(chain, "certificate")?, key(key_pem)?)
                .map_err(TlsError::Rustls)?,
        };
        Ok(Arc::new(config))
    }
}

/// How a certificate is named: `sha256:` and the digest of its bytes.
pub fn fingerprint(certificate: &[u8]) -> String {
    let digest = Sha256::digest(certificate);
    let mut name = String::from("sha256:");
    for byte in digest {
        name.push_str(&format!("{byte:02x}"));
    }
    name
}

//! What sources that partners push to by HTTP have in common: they listen at one path, for POST alone, and answer within the partner's
//! patience.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hub_core::registry::{BuildError, Secrets};
use hub_core::source::SourceError;
use hub_transport::http_server::{HttpAnswer, HttpLimits, HttpServer, RequestHead, Respond};
use hub_transport::tls::TlsServer;
use tokio::sync::watch;

use crate::tls::{ServerTls, at_least_one, not_bound, wrong};

/// Where pushes are taken, as a channel file says it, and the bounds of the partner.
pub struct Listening<'s> {
    /// Where it listens: `127.0.0.1:8090`.
    pub listen: &'s str,
    /// The one path.
    pub path: &'s str,
    /// TLS, by the names of secrets.
    pub tls: Option<&'s ServerTls>,
    /// How many connections there may be.
    pub max_connections: usize,
    /// The longest push, in bytes.
    pub longest: usize,
    /// How long what is under way may take when the source stops.
    pub patience: Duration,
}

/// Takes pushes.
pub struct Pushes {
    listen: String,
    limits: HttpLimits,
    tls: Option<TlsServer>,
    server: Option<HttpServer>,
}

impl Pushes {
    /// Checks the settings and looks the secrets up.
    pub fn build(listening: &Listening<'_>, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        let Listening { listen, path, tls, max_connections, longest, patience } = *listening;
        if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
            return Err(wrong("path", format!("`{path}` is no path: expected one such as `/notices`")));
        }
        at_least_one("max_connections", max_connections as u64)?;
        let limits =
            HttpLimits { max_body_bytes: longest, max_connections, drain: patience, ..HttpLimits::default() };
        let tls = tls.map(|tls| tls.resolve(secrets)).transpose()?;
        Ok(Self { listen: listen.to_owned(), limits, tls, server: None })
    }

    /// Listens.
    pub async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError> {
        let bound = HttpServer::bind(&self.listen, self.limits.clone(), self.tls.as_ref()).await;
        let (server, address) = bound.map_err(not_bound)?;
        self.server = Some(server);
        Ok(Some(address))
    }

    /// Has each push answered, until the source is to stop.
    pub async fn serve(
        self,
        desk: impl Respond + 'static,
        stop: watch::Receiver<bool>,
    ) -> Result<(), SourceError> {
        let server = self.server.ok_or_else(|| SourceError::Stopped("it was not bound".to_owned()))?;
        server.serve(Arc::new(desk), stop).await;
        Ok(())
    }
}

/// The answer to a request for a path that is not there, or that is no POST; `None`: it is let in.
pub fn admit(head: &RequestHead, is_the_path: bool) -> Option<HttpAnswer> {
    if !is_the_path {
        return Some(HttpAnswer::empty(404));
    }
    (head.method != "POST").then(|| {
        let allow = vec![("allow", "POST".to_owned())];
        HttpAnswer { headers: allow, ..HttpAnswer::empty(405) }
    })
}

//! An HTTP sender on reqwest: one request, one bounded answer, and what is known when there is none.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Body, Certificate, Client, Method, Proxy, redirect};
use thiserror::Error;

use crate::tls::install_crypto_provider;

/// How a receiver is reached.
#[derive(Clone)]
pub struct HttpSettings {
    /// Where requests go, whole.
    pub url: String,
    /// How long connecting, the TLS handshake included, may take.
    pub connect: Duration,
    /// How long the whole exchange may take.
    pub answer: Duration,
    /// The longest answer.
    pub max_answer_bytes: usize,
    /// The authorities that may have signed the server's certificate, PEM. `None`: those of the system.
    pub ca_pem: Option<String>,
    /// A proxy; the environment's is not used.
    pub proxy: Option<String>,
    /// Headers of every request: tokens among them.
    pub headers: Vec<(String, String)>,
}

impl HttpSettings {
    /// The usual settings for a URL: 3 s to connect, 30 s to answer, answers of at most 1 MiB.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(30),
            max_answer_bytes: 1 << 20,
            ca_pem: None,
            proxy: None,
            headers: Vec::new(),
        }
    }
}

impl std::fmt::Debug for HttpSettings {
    /// Headers may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HttpSettings({})", self.url)
    }
}

/// Why settings cannot be used.
#[derive(Debug, Error)]
pub enum HttpSettingsError {
    /// Not an absolute http or https URL.
    #[error("`{0}` is not an absolute URL with http or https")]
    Url(String),
    /// Not a header.
    #[error("the header `{0}` cannot be sent")]
    Header(String),
    /// The authorities are no PEM certificates.
    #[error("the certificate authority cannot be read as PEM")]
    Authority,
    /// Certificates or proxy cannot be used.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// What the receiver answered, whatever its status.
#[derive(Clone)]
pub struct Answer {
    /// 200, 503.
    pub status: u16,
    /// Its body.
    pub body: Bytes,
    /// Its `Retry-After`, where that is a number of seconds.
    pub retry_after: Option<Duration>,
    headers: HeaderMap,
}

impl Answer {
    /// 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }
}

impl std::fmt::Debug for Answer {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

/// What became of a request that was not answered.
#[derive(Debug, Error)]
pub enum HttpFailure {
    /// Not sent: there was no connection.
    #[error("could not connect to `{url}`")]
    NotSent {
        /// Where to.
        url: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// It may or may not have arrived.
    #[error("no answer from `{url}`")]
    InDoubt {
        /// Where to.
        url: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// It arrived and was answered with this status; the answer's body could not be had.
    #[error("the answer of `{url}` (status {status}) {what}")]
    Unreadable {
        /// Where to.
        url: String,
        /// The answer's status.
        status: u16,
        /// `is longer than 1048576 bytes`, `broke off`.
        what: String,
    },
    /// The request itself cannot be made: a header or the method is none.
    #[error("the request to `{url}` cannot be made: {what}")]
    Unsendable {
        /// Where to.
        url: String,
        /// What is wrong.
        what: String,
    },
}

/// Sends requests to one URL. Redirects are answers: what is owed to one partner goes to no other.
pub struct HttpClient {
    client: Client,
    url: String,
    max_answer_bytes: usize,
}

impl HttpClient {
    /// A sender for these settings. Nothing is connected yet.
    pub fn new(settings: &HttpSettings) -> Result<Self, HttpSettingsError> {
        install_crypto_provider();
        let url =
            reqwest::Url::parse(&settings.url).map_err(|_| HttpSettingsError::Url(settings.url.clone()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(HttpSettingsError::Url(settings.url.clone()));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let (name, value) = header(name, value).ok_or_else(|| HttpSettingsError::Header(name.clone()))?;
            headers.append(name, value);
        }
        let mut builder = Client::builder()
            .connect_timeout(settings.connect)
            .timeout(settings.answer)
            .redirect(redirect::Policy::none())
            .tcp_nodelay(true)
            .no_proxy()
            .default_headers(headers);
        if let Some(proxy) = &settings.proxy {
            builder = builder.proxy(Proxy::all(proxy).map_err(HttpSettingsError::Client)?);
        }
        builder = match &settings.ca_pem {
            Some(pem) => match Certificate::from_pem_bundle(pem.as_bytes()) {
                Ok(authorities) if !authorities.is_empty() => builder.tls_certs_only(authorities),
                _ => return Err(HttpSettingsError::Authority),
            },
            // Plain HTTP needs no authorities; reading the system's would be a failure where it has none.
            None if url.scheme() == "http" => builder.tls_certs_only([]),
            None => builder,
        };
        Ok(Self {
            client: builder.build().map_err(HttpSettingsError::Client)?,
            url: settings.url.clone(),
            max_answer_bytes: settings.max_answer_bytes,
        })
    }

    /// A sender to another path of the same receiver, over the same connections.
    pub fn at(&self, path: &str) -> Self {
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        Self { client: self.client.clone(), url, max_answer_bytes: self.max_answer_bytes }
    }

    /// Sends one request and reads the answer, bounded in time and size.
    pub async fn send(
        &self,
        method: &str,
        body: Bytes,
        content_type: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, HttpFailure> {
        self.exchange(method, body.into(), content_type, headers).await
    }

    /// The same with a body of `size` bytes that comes a piece at a time. When it does not come whole, neither does the request.
    pub async fn send_pieces(
        &self,
        method: &str,
        pieces: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
        size: u64,
        content_type: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, HttpFailure> {
        let size = size.to_string();
        let mut headers = headers.to_vec();
        headers.push((CONTENT_LENGTH.as_str(), &size));
        self.exchange(method, Body::wrap_stream(pieces), content_type, &headers).await
    }

    async fn exchange(
        &self,
        method: &str,
        body: Body,
        content_type: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, HttpFailure> {
        let url = || self.url.clone();
        let unsendable = |what: String| HttpFailure::Unsendable { url: url(), what };
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| unsendable(format!("`{method}` is not a method")))?;
        let mut request = self.client.request(method, &self.url);
        for (name, value) in headers.iter().chain([&(CONTENT_TYPE.as_str(), content_type)]) {
            let (name, value) = header(name, value)
                .ok_or_else(|| unsendable(format!("the header `{name}` cannot be sent")))?;
            request = request.header(name, value);
        }
        let sent = request.body(body).send().await;
        let response = sent.map_err(|error| {
            let source = error.without_url();
            if source.is_connect() {
                HttpFailure::NotSent { url: url(), source }
            } else {
                HttpFailure::InDoubt { url: url(), source }
            }
        })?;

        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = self.body(response).await;
        let body = body.map_err(|what| HttpFailure::Unreadable { url: url(), status, what })?;
        Ok(Answer { status, body, retry_after: seconds.map(Duration::from_secs), headers })
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<Bytes, String> {
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > self.max_answer_bytes => {
                    return Err(format!("is longer than {} bytes", self.max_answer_bytes));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body.freeze()),
                Err(error) if error.is_timeout() => return Err("did not end in time".to_owned()),
                Err(_) => return Err("broke off".to_owned()),
            }
        }
    }
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
}

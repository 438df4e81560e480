//! An HTTP listener: whole requests in, or their bodies a piece at a time; whole answers out; bounded in size, time and number.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::mllp_server::{BindError, PeerInfo};
use crate::tls::{TlsServer, fingerprint};

/// What a listener allows.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// The longest body; a longer one is answered 413.
    pub max_body_bytes: usize,
    /// How long a client may take to send a request's head, and how long a kept-open connection may idle.
    pub headers: Duration,
    /// How long a client may take to send a body, or each further [`BodyPieces::STRETCH`] of one that is read a piece at a time; and the
    /// TLS handshake.
    pub body: Duration,
    /// How many connections there may be; one more is closed at once.
    pub max_connections: usize,
    /// How long a stop waits for requests that are being handled.
    pub drain: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            max_body_bytes: 16 << 20,
            headers: Duration::from_secs(60),
            body: Duration::from_secs(30),
            max_connections: 256,
            drain: Duration::from_secs(30),
        }
    }
}

/// The head of a request.
#[derive(Clone)]
pub struct RequestHead {
    /// `POST`
    pub method: String,
    /// `/orders`, without the query.
    pub path: String,
    /// Its headers.
    headers: HeaderMap,
    /// Who sent it.
    pub peer: PeerInfo,
}

impl RequestHead {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }
}

impl std::fmt::Debug for RequestHead {
    /// Paths and headers may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RequestHead({})", self.method)
    }
}

/// What is answered.
#[derive(Clone)]
pub struct HttpAnswer {
    /// 200, 503.
    pub status: u16,
    /// Headers besides the media type.
    pub headers: Vec<(&'static str, String)>,
    /// The media type of the body.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
}

impl HttpAnswer {
    /// An answer of this status without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), content_type: String::new(), body: Bytes::new() }
    }
}

impl std::fmt::Debug for HttpAnswer {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HttpAnswer({}, {} bytes)", self.status, self.body.len())
    }
}

/// Takes requests.
#[async_trait]
pub trait Respond: Send + Sync + 'static {
    /// Looks at the head before the body is read: an answer refuses the request.
    fn admit(&self, head: &RequestHead) -> Option<HttpAnswer>;

    /// Takes a whole request. One at a time per connection; connections side by side.
    async fn respond(&self, head: RequestHead, body: Bytes) -> HttpAnswer;

    /// Whether bodies are read a piece at a time, by [`Respond::respond_pieces`].
    fn reads_pieces(&self) -> bool {
        false
    }

    /// Takes a request whose body is still to be read.
    async fn respond_pieces(&self, _head: RequestHead, _body: &mut BodyPieces) -> HttpAnswer {
        HttpAnswer::empty(501)
    }
}

/// A bound listener that does not accept yet.
pub struct HttpServer {
    listener: TcpListener,
    limits: HttpLimits,
    tls: Option<TlsAcceptor>,
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl HttpServer {
    /// Takes the address (`127.0.0.1:0` for any free port) and tells which it is.
    pub async fn bind(
        address: &str,
        limits: HttpLimits,
        tls: Option<&TlsServer>,
    ) -> Result<(Self, SocketAddr), BindError> {
        let tls = match tls.map(TlsServer::config).transpose() {
            Ok(config) => config.map(TlsAcceptor::from),
            Err(source) => return Err(BindError::Tls { address: address.to_owned(), source }),
        };
        let refused = |source| BindError::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let local = listener.local_addr().map_err(refused)?;
        Ok((Self { listener, limits, tls }, local))
    }

    /// Serves until `stop` turns true (or its sender is gone): then no new request is read, those being handled are answered,
    /// and after the drain time what is left is cut off.
    pub async fn serve(self, respond: Arc<dyn Respond>, stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(self.limits.max_connections));
        let mut connections = JoinSet::new();
        let mut stopping = pin!(stopped(stop.clone()));
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stopping => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            let (socket, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: accepting again at once would only spin.
                    warn!(%error, "A connection could not be accepted.");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                debug!(peer = %address, "A connection was refused because there are too many.");
                continue;
            };
            let connection = Connection {
                address,
                limits: self.limits.clone(),
                respond: Arc::clone(&respond),
                stop: stop.clone(),
            };
            let tls = self.tls.clone();
            connections.spawn(async move {
                connection.run(socket, tls).await;
                drop(place);
            });
        }
        drop(self.listener);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if timeout(self.limits.drain, all_ended).await.is_err() {
            warn!(connections = connections.len(), "Connections were cut off at the end of the drain time.");
            connections.shutdown().await;
        }
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody is left who could say stop: then it is time to.
    let _gone = stop.wait_for(|stop| *stop).await;
}

struct Connection {
    address: SocketAddr,
    limits: HttpLimits,
    respond: Arc<dyn Respond>,
    stop: watch::Receiver<bool>,
}

impl Connection {
    async fn run(self, socket: TcpStream, tls: Option<TlsAcceptor>) {
        // Answers are small and waited for; a socket that cannot be told so still works.
        let _best_effort = socket.set_nodelay(true);
        let mut identity = None;
        let wire: Box<dyn Wire> = match tls {
            None => Box::new(socket),
            Some(acceptor) => match timeout(self.limits.body, acceptor.accept(socket)).await {
                Ok(Ok(stream)) => {
                    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                    identity = shown.map(|certificate| fingerprint(certificate));
                    Box::new(stream)
                }
                Ok(Err(error)) => return debug!(peer = %self.address, %error, "A TLS handshake failed."),
                Err(_) => return debug!(peer = %self.address, "A TLS handshake took too long."),
            },
        };
        let peer = PeerInfo { address: self.address, identity };
        let (limits, respond) = (&self.limits, &*self.respond);
        let service = service_fn(|request| {
            let peer = peer.clone();
            async move { Ok::<_, Infallible>(response(answer(request, peer, limits, respond).await)) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.headers)
            .serve_connection(TokioIo::new(wire), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(self.stop.clone()) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(peer = %self.address, %error, "A connection ended early.");
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: PeerInfo,
    limits: &HttpLimits,
    respond: &dyn Respond,
) -> HttpAnswer {
    let (parts, body) = request.into_parts();
    let head = RequestHead {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        peer,
    };
    // What is not read of a body stands in the way of the next request.
    let closing = |mut answer: HttpAnswer| {
        answer.headers.push(("connection", "close".to_owned()));
        answer
    };
    if let Some(refused) = respond.admit(&head) {
        return if body.is_end_stream() { refused } else { closing(refused) };
    }
    if respond.reads_pieces() {
        let mut pieces = BodyPieces::new(body, limits);
        let answer = respond.respond_pieces(head, &mut pieces).await;
        return if pieces.has_ended { answer } else { closing(answer) };
    }
    match timeout(limits.body, whole(body, limits.max_body_bytes)).await {
        Ok(Ok(body)) => respond.respond(head, body).await,
        Ok(Err(status)) => closing(HttpAnswer::empty(status)),
        Err(_) => closing(HttpAnswer::empty(408)),
    }
}

/// A body that is read a piece at a time, bounded in size and time.
pub struct BodyPieces {
    body: Incoming,
    most: u64,
    taken: u64,
    /// How long each stretch may take.
    patience: Duration,
    deadline: Instant,
    /// The end of the stretch that is read.
    until: u64,
    has_ended: bool,
}

impl BodyPieces {
    /// So many bytes may each take as long as a whole small body.
    pub const STRETCH: u64 = 8 << 20;

    fn new(body: Incoming, limits: &HttpLimits) -> Self {
        let (most, patience) = (limits.max_body_bytes as u64, limits.body);
        let deadline = Instant::now() + patience;
        Self { body, most, taken: 0, patience, deadline, until: Self::STRETCH, has_ended: false }
    }

    /// The next piece; `None` at the end. Otherwise the status to be answered: 413, 408, or 400 when the client has gone.
    pub async fn next(&mut self) -> Result<Option<Bytes>, u16> {
        if self.body.size_hint().lower() > self.most {
            return Err(413);
        }
        loop {
            let next = poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            let Some(frame) = timeout_at(self.deadline, next).await.map_err(|_| 408_u16)? else {
                self.has_ended = true;
                return Ok(None);
            };
            let Ok(data) = frame.map_err(|_| 400_u16)?.into_data() else { continue };
            self.taken += data.len() as u64;
            if self.taken > self.most {
                return Err(413);
            }
            if self.taken >= self.until {
                self.deadline = Instant::now() + self.patience;
                self.until = self.taken + Self::STRETCH;
            }
            return Ok(Some(data));
        }
    }
}

/// The whole body; otherwise the status to be answered.
async fn whole(mut body: Incoming, most: usize) -> Result<Bytes, u16> {
    if body.size_hint().lower() > most as u64 {
        return Err(413);
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(|_| 400_u16)?.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(413);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

fn response(answer: HttpAnswer) -> Response<Whole> {
    let mut response = Response::new(Whole(Some(answer.body).filter(|body| !body.is_empty())));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Ok(media) = HeaderValue::from_str(&answer.content_type)
        && !answer.content_type.is_empty()
    {
        headers.insert(CONTENT_TYPE, media);
    }
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// A body that is there at once.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

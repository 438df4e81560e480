//! An MLLP listener: one task per connection, one message in flight on each, a graceful stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::Framed;
use tracing::{debug, warn};

use crate::mllp::{Mllp, MllpError, frame};
use crate::tls::{TlsError, TlsServer, fingerprint};

/// What a listener allows.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// The longest frame.
    pub max_message_bytes: usize,
    /// How long a connection may go without a whole frame before it is closed.
    pub idle: Duration,
    /// How many connections there may be; one more is closed at once.
    pub max_connections: usize,
    /// How long writing an answer, and the TLS handshake, may take.
    pub write: Duration,
    /// How long a stop waits for messages that are being handled.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_message_bytes: 16 << 20,
            idle: Duration::from_secs(600),
            max_connections: 256,
            write: Duration::from_secs(10),
            drain: Duration::from_secs(30),
        }
    }
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Its address.
    pub address: SocketAddr,
    /// The fingerprint of its certificate, where it had to show one: `sha256:9f86...`.
    pub identity: Option<String>,
}

/// What is answered to one frame.
#[derive(Default)]
pub struct Replies {
    /// Sent at once, in order.
    pub now: Vec<Bytes>,
    /// Sent when it is ready: the application acknowledgement of enhanced mode. The next frame is read after it.
    pub later: Option<BoxFuture<'static, Option<Bytes>>>,
    /// The connection is closed after the answers.
    pub close: bool,
}

impl Replies {
    /// One answer.
    pub fn one(answer: impl Into<Bytes>) -> Self {
        Self { now: vec![answer.into()], ..Self::default() }
    }
}

/// What went wrong on a connection, for those who count.
#[derive(Debug)]
pub enum Trouble<'a> {
    /// So many bytes stood between frames.
    Garbage(u64),
    /// The connection was closed for this.
    Closed(&'a MllpError),
    /// The connection was closed because it was idle for too long.
    Idle,
    /// The connection was refused because there are too many.
    TooMany,
}

/// Takes frames.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Takes one frame and says what is answered. One at a time per connection; connections side by side.
    async fn handle(&self, frame: Bytes, peer: &PeerInfo) -> Replies;

    /// Is told what goes wrong. Must not block.
    fn trouble(&self, trouble: Trouble<'_>, peer: SocketAddr) {
        debug!(%peer, ?trouble, "Trouble on an MLLP connection.");
    }
}

/// Why a listener cannot start.
#[derive(Debug, Error)]
pub enum BindError {
    /// The address cannot be had.
    #[error("could not listen on `{address}`")]
    Listen {
        /// The address asked for.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificates cannot be used.
    #[error("TLS cannot be set up for `{address}`")]
    Tls {
        /// The address asked for.
        address: String,
        /// What is wrong with them.
        #[source]
        source: TlsError,
    },
}

/// A bound listener that does not accept yet.
pub struct MllpServer {
    listener: TcpListener,
    limits: ServerLimits,
    tls: Option<TlsAcceptor>,
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl MllpServer {
    /// Takes the address (`127.0.0.1:0` for any free port) and tells which it is.
    pub async fn bind(
        address: &str,
        limits: ServerLimits,
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

    /// Serves until `stop` turns true (or its sender is gone): then no new frame is read, frames being handled are
    /// answered, and after the drain time what is left is cut off.
    pub async fn serve(self, handler: Arc<dyn Handler>, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(self.limits.max_connections));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: accepting again at once would only spin.
                    warn!(%error, "A connection could not be accepted.");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                handler.trouble(Trouble::TooMany, peer);
                continue;
            };
            let connection = Connection {
                peer,
                limits: self.limits.clone(),
                handler: Arc::clone(&handler),
                stop: stop.clone(),
            };
            let tls = self.tls.clone();
            connections.spawn(async move {
                connection.run(socket, tls).await;
                drop(place);
            });
        }
        drop(self.listener);
        let drained =
            timeout(self.limits.drain, async { while connections.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            warn!(connections = connections.len(), "Connections were cut off at the end of the drain time.");
            connections.shutdown().await;
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could say stop: then it is time to.
    let _gone = stop.wait_for(|stop| *stop).await;
}

struct Connection {
    peer: SocketAddr,
    limits: ServerLimits,
    handler: Arc<dyn Handler>,
    stop: watch::Receiver<bool>,
}

impl Connection {
    async fn run(mut self, socket: TcpStream, tls: Option<TlsAcceptor>) {
        // Answers are small and waited for; a socket that cannot be told so still works.
        let _best_effort = socket.set_nodelay(true);
        let mut identity = None;
        let wire: Box<dyn Wire> = match tls {
            None => Box::new(socket),
            Some(acceptor) => match timeout(self.limits.write, acceptor.accept(socket)).await {
                Ok(Ok(stream)) => {
                    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                    identity = shown.map(|certificate| fingerprint(certificate));
                    Box::new(stream)
                }
                Ok(Err(error)) => return self.handler.trouble(Trouble::Closed(&error.into()), self.peer),
                Err(_) => return self.handler.trouble(Trouble::Idle, self.peer),
            },
        };
        let peer = PeerInfo { address: self.peer, identity };
        let mut frames = Framed::new(wire, Mllp::new(self.limits.max_message_bytes));
        loop {
            let next = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => break,
                next = timeout(self.limits.idle, frames.next()) => next,
            };
            let garbage = frames.codec_mut().take_garbage();
            if garbage > 0 {
                self.handler.trouble(Trouble::Garbage(garbage), self.peer);
            }
            let frame = match next {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    self.handler.trouble(Trouble::Closed(&error), self.peer);
                    break;
                }
                Ok(None) => break,
                Err(_) => {
                    self.handler.trouble(Trouble::Idle, self.peer);
                    break;
                }
            };
            let replies = self.handler.handle(frame, &peer).await;
            for reply in replies.now {
                if !self.write(&mut frames, &reply).await {
                    return;
                }
            }
            if let Some(later) = replies.later
                && let Some(reply) = later.await
                && !self.write(&mut frames, &reply).await
            {
                return;
            }
            if replies.close {
                break;
            }
        }
        // The end is told, so that TLS peers know it from a cut; whether they hear it changes nothing.
        let _told = timeout(self.limits.write, frames.get_mut().shutdown()).await;
    }

    async fn write(&self, frames: &mut Framed<Box<dyn Wire>, Mllp>, reply: &Bytes) -> bool {
        let wire = frames.get_mut();
        let sent = timeout(self.limits.write, async {
            wire.write_all(&frame(reply)).await?;
            wire.flush().await
        });
        match sent.await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                self.handler.trouble(Trouble::Closed(&error.into()), self.peer);
                false
            }
            Err(_) => {
                self.handler.trouble(Trouble::Idle, self.peer);
                false
            }
        }
    }
}

//! An MLLP sender: keeps connections, sends a message, waits for its answer, and tells apart what is known when it fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::codec::Framed;

use crate::mllp::{Mllp, MllpError, frame};
use crate::tls::{TlsClient, TlsError};

/// How a receiver is reached.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `host:port`.
    pub address: String,
    /// How long connecting, the TLS handshake included, may take.
    pub connect: Duration,
    /// How long the answer may take, counted from the moment sending begins.
    pub answer: Duration,
    /// The longest answer.
    pub max_answer_bytes: usize,
    /// How many messages may be under way at once, each on its own connection.
    pub connections: usize,
    /// A connection that was not used for so long is not used again.
    pub keep: Duration,
    /// TLS, where the receiver wants it.
    pub tls: Option<TlsClient>,
}

impl ClientSettings {
    /// The usual settings for an address: 3 s to connect, 30 s to answer, one connection.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(30),
            max_answer_bytes: 1 << 20,
            connections: 1,
            keep: Duration::from_secs(300),
            tls: None,
        }
    }
}

/// What became of a message that was not answered. The variant says what is known.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// Not sent: there was no connection.
    #[error("could not connect to `{address}`")]
    Connect {
        /// The address.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Not sent whole: the receiver cannot have taken it.
    #[error("the message could not be sent to `{address}`")]
    NotSent {
        /// The address.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Sent, and no answer came: it may or may not have arrived.
    #[error("no answer from `{address}`: {reason}")]
    InDoubt {
        /// The address.
        address: String,
        /// What happened.
        reason: String,
    },
    /// Sent, and something came back that is no frame: it may or may not have arrived.
    #[error("the answer of `{address}` is no MLLP frame")]
    Garbage {
        /// The address.
        address: String,
        /// What is wrong with it.
        #[source]
        source: MllpError,
    },
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

type Connection = Framed<Box<dyn Wire>, Mllp>;

/// Sends messages to one receiver.
pub struct MllpClient {
    settings: ClientSettings,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    places: Semaphore,
    /// Connections that wait for work, the last used one last.
    idle: Mutex<Vec<(Connection, tokio::time::Instant)>>,
}

impl MllpClient {
    /// A sender for these settings. Nothing is connected yet.
    pub fn new(settings: ClientSettings) -> Result<Self, TlsError> {
        let tls = match &settings.tls {
            None => None,
            Some(tls) => {
                let host =
                    settings.address.rsplit_once(':').map_or(settings.address.as_str(), |(host, _)| host);
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let name = tls.server_name.clone().unwrap_or_else(|| host.to_owned());
                let name = ServerName::try_from(name.clone()).map_err(|_| TlsError::Name(name))?;
                Some((tls.config()?, name))
            }
        };
        let places = Semaphore::new(settings.connections.max(1));
        Ok(Self { settings, tls, places, idle: Mutex::default() })
    }

    /// Sends one message (without framing) and waits for the answer to it. A connection on which an answer is missing
    /// is closed, so that an answer that comes too late is never taken for the next message's.
    pub async fn exchange(&self, message: &[u8]) -> Result<Bytes, ExchangeError> {
        self.exchange_for(message, |_| true).await
    }

    /// The same where it can be told whether an answer is one to this message. A connection on which one came that is not is
    /// out of step, and closed.
    pub async fn exchange_for(
        &self,
        message: &[u8],
        is_its_answer: impl FnOnce(&Bytes) -> bool,
    ) -> Result<Bytes, ExchangeError> {
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        let mut connection = self.connection().await?;
        let answer = match timeout(self.settings.answer, self.exchange_on(&mut connection, message)).await {
            Ok(answer) => answer?,
            Err(_) => {
                return Err(self.in_doubt(format!("none within {} ms", self.settings.answer.as_millis())));
            }
        };
        if is_its_answer(&answer) {
            self.put_back(connection);
        }
        Ok(answer)
    }

    /// Proves that the receiver takes connections.
    pub async fn check(&self) -> Result<(), ExchangeError> {
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        let connection = self.connection().await?;
        self.put_back(connection);
        Ok(())
    }

    async fn exchange_on(&self, connection: &mut Connection, message: &[u8]) -> Result<Bytes, ExchangeError> {
        let address = || self.settings.address.clone();
        let wire = connection.get_mut();
        // As long as the last byte is not written the frame has no end, and a receiver drops it.
        wire.write_all(&frame(message))
            .await
            .map_err(|source| ExchangeError::NotSent { address: address(), source })?;
        wire.flush().await.map_err(|error| self.in_doubt(format!("the connection broke: {error}")))?;
        match connection.next().await {
            Some(Ok(answer)) => Ok(answer),
            None => Err(self.in_doubt("the connection was closed".to_owned())),
            Some(Err(MllpError::Io(error))) => Err(self.in_doubt(format!("the connection broke: {error}"))),
            Some(Err(MllpError::Truncated)) => {
                Err(self.in_doubt("the connection was closed within the answer".to_owned()))
            }
            Some(Err(source)) => Err(ExchangeError::Garbage { address: address(), source }),
        }
    }

    fn in_doubt(&self, reason: String) -> ExchangeError {
        ExchangeError::InDoubt { address: self.settings.address.clone(), reason }
    }

    async fn connection(&self) -> Result<Connection, ExchangeError> {
        // Lets the runtime notice what has happened to idle sockets.
        tokio::task::yield_now().await;
        while let Some((mut connection, since)) = self.take_idle() {
            let fresh = since.elapsed() < self.settings.keep;
            // Nothing may come on an idle connection: its end, and an answer nobody waits for, both make it useless.
            let quiet = connection.next().now_or_never().is_none();
            if fresh && quiet {
                return Ok(connection);
            }
        }
        let connect = async {
            let socket = TcpStream::connect(&self.settings.address).await?;
            socket.set_nodelay(true)?;
            let wire: Box<dyn Wire> = match &self.tls {
                None => Box::new(socket),
                Some((config, name)) => {
                    Box::new(TlsConnector::from(Arc::clone(config)).connect(name.clone(), socket).await?)
                }
            };
            Ok(Framed::new(wire, Mllp::new(self.settings.max_answer_bytes)))
        };
        let connected = timeout(self.settings.connect, connect).await;
        let connected = connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        connected.map_err(|source| ExchangeError::Connect { address: self.settings.address.clone(), source })
    }

    fn take_idle(&self) -> Option<(Connection, tokio::time::Instant)> {
        self.idle.lock().expect("nothing panics while it holds this lock").pop()
    }

    fn put_back(&self, connection: Connection) {
        // Bytes after the answer are an answer to nothing.
        if connection.read_buffer().iter().any(|byte| !byte.is_ascii_whitespace()) {
            return;
        }
        let entry = (connection, tokio::time::Instant::now());
        self.idle.lock().expect("nothing panics while it holds this lock").push(entry);
    }
}

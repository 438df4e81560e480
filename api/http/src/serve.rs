//! Serves a router on a listener until told to stop, with bounds on connections and time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;
use tower::util::BoxCloneService;
use tracing::{debug, warn};

/// What one hub grants its clients.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Connections open at once; further ones wait to be accepted.
    pub connections: usize,
    /// How long a client may take to send its request line and headers; also how long a kept-open connection may idle.
    pub headers: Duration,
    /// How long requests under way may take to end after the stop.
    pub stop: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self { connections: 1_024, headers: Duration::from_secs(30), stop: Duration::from_secs(10) }
    }
}

/// How long to wait after the system refused a connection (too many open files) before the next try.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

type Handler =
    TowerToHyperService<BoxCloneService<hyper::Request<hyper::body::Incoming>, Answer, Infallible>>;
type Answer = hyper::Response<Body>;

/// What answers the requests of a connection; each tells where it comes from.
fn handler(router: &Router, peer: SocketAddr) -> Handler {
    let told = move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    };
    TowerToHyperService::new(BoxCloneService::new(router.clone().map_request(told)))
}

/// Serves until `stop` turns true, then lets requests under way end within `limits.stop` and returns. What is not done
/// by then is cut off.
pub async fn serve(listener: TcpListener, router: Router, limits: ServeLimits, stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    let mut stopping = pin!(stopped(stop.clone()));
    loop {
        // Ended connections are forgotten here, so that the set does not grow with the hub's age.
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            biased;
            () = &mut stopping => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let (handler, stop) = (handler(&router, peer), stop.clone());
                connections.spawn(async move {
                    connection(stream, handler, limits, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "A connection could not be accepted.");
                sleep(AFTER_REFUSAL).await;
            }
        }
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.stop, all_ended).await.is_err() {
        warn!(connections = connections.len(), "Requests did not end in time and were cut off.");
        connections.shutdown().await;
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

async fn connection(stream: TcpStream, handler: Handler, limits: ServeLimits, stop: watch::Receiver<bool>) {
    // Small answers must not wait for a full packet. A socket that cannot do it still serves.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .serve_connection(TokioIo::new(stream), handler);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "A connection ended early.");
    }
}

/// Waits until `stop` is true. A sender that is gone has stopped.
async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

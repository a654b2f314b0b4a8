//! The pointer's three files over HTTP, and nothing else.
//!
//! There is no path: a request names one of three files, which are opened by name in a directory that was opened
//! once. Everything that a stranger can use up is bounded: connections, headers, time. What is served is small
//! and signed, so that nobody need trust this.

mod answer;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::publish::Shelf;
use answer::Body;

/// Connections at one time. One more waits until another ends.
const CONNECTIONS: usize = 256;
/// The longest time from the first byte of a request to the end of its headers, and between two requests.
const HEADERS: Duration = Duration::from_secs(10);
/// The longest time that a connection lasts.
const CONNECTION: Duration = Duration::from_secs(60);
/// The most bytes of a request's headers; hyper takes no less.
const HEADER_BYTES: usize = 8 << 10;
const HEADER_LINES: usize = 64;
/// How long what is under way may take when it is told to stop.
const FAREWELL: Duration = Duration::from_secs(5);
/// How soon a stop is noticed.
const NOTICE: Duration = Duration::from_millis(50);

/// A request that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) peer: SocketAddr,
    /// As it was asked for, made harmless.
    pub(crate) request: String,
    pub(crate) status: u16,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("the directory {} can't be opened", .path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("nothing can be served on {address}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
}

/// What is about to be served: the directory is open, the port taken.
#[derive(Debug)]
pub(crate) struct Server {
    shelf: Arc<Shelf>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Has to be called within a runtime.
    pub(crate) async fn bind(directory: &Path, address: SocketAddr) -> Result<Self, ServeError> {
        let shelf = Shelf::open(directory).map_err(|source| ServeError::Directory {
            path: directory.to_owned(),
            source,
        })?;
        let listen = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Self {
            shelf: Arc::new(shelf),
            listener,
            address,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop; then ends what is under way.
    pub(crate) async fn run(
        self,
        is_over: impl Fn() -> bool,
        tell: Arc<dyn Fn(&Served) + Send + Sync>,
    ) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        while !is_over() {
            tokio::select! {
                accepted = accept(&self.listener, &places) => {
                    let Some((stream, peer, place)) = accepted else { continue };
                    let (shelf, tell, stopped) =
                        (Arc::clone(&self.shelf), Arc::clone(&tell), stopped.clone());
                    connections.spawn(async move {
                        serve(stream, peer, &shelf, &tell, stopped).await;
                        drop(place);
                    });
                }
                () = sleep(NOTICE) => {}
            }
            while connections.try_join_next().is_some() {}
        }
        drop(self.listener);
        let _ = stop.send(true);
        let farewell = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// The next connection that there is room for.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(_) => {
            // Out of descriptors, or somebody who left while he was in the queue: it passes.
            sleep(NOTICE).await;
            None
        }
    }
}

/// Answers the requests of one connection. Whatever goes wrong with it is its own.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    shelf: &Arc<Shelf>,
    tell: &Arc<dyn Fn(&Served) + Send + Sync>,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let (served, response) = answer(request, peer, shelf).await;
        tell(&served);
        Ok::<Response<Body>, Infallible>(response)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADER_LINES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let limited = async {
        tokio::select! {
            ended = connection.as_mut() => { let _ = ended; }
            () = told(&mut stopped) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    };
    let _ = timeout(CONNECTION, limited).await;
}

/// Comes back when it is told to stop.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    shelf: &Arc<Shelf>,
) -> (Served, Response<Body>) {
    let head = answer::Head::of(&request);
    let shelf = Arc::clone(shelf);
    let words = head.words.clone();
    // A disk that hangs holds up those who ask for what is on it, and nobody's signal.
    let response = tokio::task::spawn_blocking(move || answer::to(&head, &shelf)).await;
    let response = response.unwrap_or_else(|_| answer::failed());
    let served = Served {
        peer,
        request: words,
        status: response.status().as_u16(),
    };
    (served, response)
}

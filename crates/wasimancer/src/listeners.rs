//! Connections: bound, accepted, served, drained.

use std::error::Error;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_io_timeout::TimeoutWriter;
use wasimancer_mcp::ClientAddress;

use crate::opening::Routes;

/// Most bytes of the head of a request, and of what is read ahead of a body: connections are many.
const BUFFER_MAX_BYTES: usize = 64 * 1024;
/// How long to wait after a failed accept, which is mostly a lack of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// How often the log is told of what happens to every connection.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// How long a peer may acknowledge nothing of what it was sent, before the connection is taken for
/// dead: four of the comments that keep a stream of notifications alive.
#[cfg(target_os = "linux")]
const PEER_TIMEOUT: Duration = Duration::from_mins(1);

/// How long connections are waited for.
#[derive(Clone, Copy)]
pub(crate) struct Timeouts {
    /// How long a client may take to send the head of a request, and to begin the next one.
    pub(crate) read: Duration,
    /// How long a client may leave unread what it is sent.
    pub(crate) write: Duration,
    /// How long requests under way may go on after a shutdown has begun.
    pub(crate) shutdown_grace: Duration,
}

/// Binds an address, with a remedy in the error where it is taken: `settings` choose another one.
pub(crate) async fn bind(address: SocketAddr, settings: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let remedy = format!("with {settings} (0 takes any free one)");
        match error.kind() {
            ErrorKind::AddrInUse => anyhow!(
                "port {} of {} is taken by another program: choose another {remedy}",
                address.port(),
                address.ip()
            ),
            ErrorKind::PermissionDenied => {
                anyhow!(
                    "port {} is reserved for root: choose one above 1023 {remedy}",
                    address.port()
                )
            }
            _ => anyhow!(error).context(format!(
                "cannot listen on {address}: choose another address with --address"
            )),
        }
    })
}

/// Serves connections until `shutdown`, so many at once, then lets the requests under way finish
/// within the grace.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Routes,
    shutdown: impl Future<Output = ()>,
    timeouts: Timeouts,
    connections: usize,
) {
    let grace = timeouts.shutdown_grace;
    let graceful = GracefulShutdown::new();
    let mut accepting = Accepting::new(listener, connections);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, peer, place) = tokio::select! {
            accepted = accepting.next() => accepted,
            () = &mut shutdown => break,
        };
        spawn_connection(stream, peer, place, routes.now(), timeouts, &graceful);
    }
    drop(accepting);
    tracing::info!(
        ?grace,
        "shutting down: no new connections, calls under way may finish"
    );
    if tokio::time::timeout(grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            ?grace,
            "calls were still under way at the end of the grace period and are ended"
        );
    }
}

/// The same on a thread with a scheduler of its own, so that nothing which keeps the others busy keeps
/// these connections waiting. Completes once they are drained.
pub(crate) fn serve_apart(
    listener: TcpListener,
    routes: Routes,
    shutdown: impl Future<Output = ()> + Send + 'static,
    timeouts: Timeouts,
    connections: usize,
) -> anyhow::Result<impl Future<Output = ()>> {
    let scheduler = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the scheduler of the administration could not start")?;
    let listener = listener
        .into_std()
        .and_then(|listener| {
            let _inside = scheduler.enter();
            TcpListener::from_std(listener)
        })
        .context("the listener of the administration could not be moved to its thread")?;
    let (drained, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("administration".to_owned())
        .spawn(move || {
            scheduler.block_on(serve(listener, routes, shutdown, timeouts, connections));
            // What still holds a thread is left, as where clients are served.
            scheduler.shutdown_background();
            // Nobody waits where clients could not be served.
            let _ = drained.send(());
        })
        .context("the thread of the administration could not start")?;
    Ok(async move {
        // The thread ends in no other way than by its last line, or by a panic, which is logged.
        let _ = ended.await;
    })
}

/// Connections that are yet to be accepted. Those for which there is no place wait in the listener.
struct Accepting {
    listener: TcpListener,
    places: Arc<Semaphore>,
    full: Seldom,
    failing: Seldom,
}

impl Accepting {
    fn new(listener: TcpListener, connections: usize) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            full: Seldom::default(),
            failing: Seldom::default(),
        }
    }

    /// The next connection, who made it, and its place among all.
    async fn next(&mut self) -> (TcpStream, ClientAddress, OwnedSemaphorePermit) {
        loop {
            if self.places.available_permits() == 0 && self.full.is_due() {
                tracing::warn!("as many connections are open as may be: others wait");
            }
            let place = Arc::clone(&self.places).acquire_owned().await;
            let place = place.expect("nobody closes the semaphore");
            match self.listener.accept().await {
                Ok((stream, peer)) => return (stream, ClientAddress::new(peer.ip()), place),
                Err(error) => {
                    if self.failing.is_due() {
                        tracing::warn!(%error, "a connection could not be accepted");
                    }
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

/// Something of which the log is told again only after a while.
#[derive(Default)]
struct Seldom(Option<Instant>);

impl Seldom {
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self.0.is_none_or(|told| now - told >= TOLD_EVERY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

fn spawn_connection(
    stream: TcpStream,
    peer: ClientAddress,
    place: OwnedSemaphorePermit,
    router: Router,
    timeouts: Timeouts,
    graceful: &GracefulShutdown,
) {
    set_options(&stream);
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(timeouts.write));
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.read)
        .max_buf_size(BUFFER_MAX_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let _place = place;
        match connection.await {
            Ok(()) => {}
            Err(error) if is_timeout(&error) => {
                tracing::info!("a connection was ended, since its client reads nothing any more");
            }
            Err(error) => tracing::debug!(%error, "a connection ended"),
        }
    });
}

fn set_options(stream: &TcpStream) {
    // Without it an answer in two writes waits for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    // Without it a peer that vanished is noticed after a quarter of an hour.
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(PEER_TIMEOUT)) {
        tracing::debug!(%error, "TCP_USER_TIMEOUT could not be set");
    }
}

/// Whether a connection ended because nothing could be written for too long.
fn is_timeout(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| cause.kind() == ErrorKind::TimedOut)
}

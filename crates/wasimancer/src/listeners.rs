//! Connections: bound, accepted, served, drained.

use std::error::Error;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::anyhow;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutWriter;

/// How long a client may take to send the head of a request, and to begin the next one.
const HEAD_READ_TIMEOUT: Duration = Duration::from_mins(1);
/// How long to wait after a failed accept, which is mostly a lack of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// How long a peer may acknowledge nothing of what it was sent, before the connection is taken for
/// dead: four of the comments that keep a stream of notifications alive.
#[cfg(target_os = "linux")]
const PEER_TIMEOUT: Duration = Duration::from_mins(1);

/// How long connections are waited for.
#[derive(Clone, Copy)]
pub(crate) struct Timeouts {
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

/// Serves connections until `shutdown`, then lets the requests under way finish within the grace.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
    timeouts: Timeouts,
) {
    let grace = timeouts.shutdown_grace;
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, _)) => {
                spawn_connection(stream, router.clone(), timeouts.write, &graceful);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
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

fn spawn_connection(
    stream: TcpStream,
    router: Router,
    write_timeout: Duration,
    graceful: &GracefulShutdown,
) {
    set_options(&stream);
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(write_timeout));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_READ_TIMEOUT)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(router),
        );
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
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

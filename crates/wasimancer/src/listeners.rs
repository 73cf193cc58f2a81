//! Connections: bound, accepted, served, drained.

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::anyhow;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

/// How long a client may take to send the head of a request, and to begin the next one.
const HEAD_READ_TIMEOUT: Duration = Duration::from_mins(1);
/// How long to wait after a failed accept, which is mostly a lack of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Binds an address, with a remedy in the error where it is taken.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let remedy = "with --http-port or HTTP_PORT (0 takes any free one)";
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

/// Serves connections until `shutdown`, then lets the requests under way finish within `grace`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
    grace: Duration,
) {
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, _)) => spawn_connection(stream, router.clone(), &graceful),
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

fn spawn_connection(stream: TcpStream, router: Router, graceful: &GracefulShutdown) {
    // Without it an answer in two writes waits for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended");
        }
    });
}

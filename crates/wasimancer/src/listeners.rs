//! Connections: bound, accepted, served, drained.

mod connections;
mod exchange;
mod head_meter;
mod lingering;
mod proxy_protocol;

use std::error::Error;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
#[cfg(unix)]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_io_timeout::TimeoutWriter;
use wasimancer_mcp::{ClientAddress, Seldom};

use crate::descriptors;
use crate::opening::{Routes, Served};
use crate::proxies::TrustedProxies;
use connections::{Connections, Place};
use exchange::{Exchanges, Left};
use head_meter::HeadMeter;
use lingering::Lingering;

/// Most bytes of the head of a request, and of what is read ahead of a body: connections are many.
const BUFFER_MAX_BYTES: usize = 64 * 1024;
/// How long to wait after a failed accept, which is mostly a lack of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// What a connection is told for which there is no place at all.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long a peer may acknowledge nothing of what it was sent, before the connection is taken for
/// dead: four of the comments that keep a stream of notifications alive.
#[cfg(target_os = "linux")]
const PEER_TIMEOUT: Duration = Duration::from_mins(1);

/// How long connections are waited for.
#[derive(Clone, Copy)]
pub(crate) struct Timeouts {
    /// How long a client may take to send the head of a request.
    pub(crate) read: Duration,
    /// How long it may take to begin the next one.
    pub(crate) keep_alive: Duration,
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

/// How long answers to requests that are cut off may take to be written: less than the process has after its grace.
const CUT_OFF_MAX: Duration = Duration::from_millis(700);

/// How a listener serves connections.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Turned true at the end of the grace.
    pub(crate) cut_off: watch::Sender<bool>,
    pub(crate) timeouts: Timeouts,
    /// Most connections at once, but for a few more for probes and operators.
    pub(crate) connections: usize,
    /// Who is taken at their word about whom they ask for.
    pub(crate) proxies: Arc<TrustedProxies>,
    /// Whether their connections begin with a header of the PROXY protocol.
    pub(crate) proxy_protocol: bool,
}

/// Serves connections until `shutdown`, then lets the requests under way finish within the grace, while
/// new connections are told that the server stops.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Routes,
    shutdown: impl Future<Output = ()>,
    settings: Settings,
) {
    let grace = settings.timeouts.shutdown_grace;
    let cut_off = settings.cut_off.clone();
    let graceful = GracefulShutdown::new();
    let mut accepting = Accepting {
        listener,
        connections: Connections::new(settings.connections),
        routes,
        settings,
        full: Seldom::default(),
        failing: Seldom::default(),
    };
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accepting.next() => accepted,
            () = &mut shutdown => break,
        };
        accepting.spawn(stream, peer, Some(&graceful));
    }
    tracing::info!(
        ?grace,
        "shutting down: no new requests, calls under way may finish"
    );
    let mut ending = std::pin::pin!(graceful.shutdown());
    let mut waiting = Box::pin(tokio::time::timeout(grace, &mut ending));
    let drained = loop {
        let (stream, peer) = tokio::select! {
            // Whoever ends in time is not kept by whoever comes.
            biased;
            drained = &mut waiting => break drained,
            accepted = accepting.next() => accepted,
        };
        accepting.spawn(stream, peer, None);
    };
    drop(waiting);
    if drained.is_err() {
        cut_off.send_replace(true);
        tracing::warn!(
            ?grace,
            "calls were still under way at the end of the grace period and are ended"
        );
        // Whoever is not answered by then reads nothing.
        let _ = tokio::time::timeout(CUT_OFF_MAX, ending).await;
    }
}

/// The same on a thread with a scheduler of its own, so that nothing which keeps the others busy keeps
/// these connections waiting. Completes once they are drained.
pub(crate) fn serve_apart(
    listener: TcpListener,
    routes: Routes,
    shutdown: impl Future<Output = ()> + Send + 'static,
    settings: Settings,
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
            scheduler.block_on(serve(listener, routes, shutdown, settings));
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

/// A listener, and what becomes of its connections.
struct Accepting {
    listener: TcpListener,
    connections: Arc<Connections>,
    routes: Routes,
    settings: Settings,
    full: Seldom,
    failing: Seldom,
}

impl Accepting {
    /// The next connection, and who made it.
    async fn next(&mut self) -> (TcpStream, ClientAddress) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => return (stream, ClientAddress::new(peer.ip())),
                Err(error) => {
                    if self.failing.is_due() {
                        tracing::warn!(%error, "a connection could not be accepted");
                    }
                    if descriptors::are_used_up(&error) {
                        self.connections.make_room();
                    }
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    /// Serves a connection, if there is a place for it. `graceful` waits for its requests at the end;
    /// without it the end has begun.
    fn spawn(
        &mut self,
        stream: TcpStream,
        peer: ClientAddress,
        graceful: Option<&GracefulShutdown>,
    ) {
        let is_proxy = self.settings.proxies.trusts(peer);
        let network = (!is_proxy).then(|| peer.network());
        let place = match graceful {
            Some(_) => self.connections.admit(network),
            None => self.connections.admit_reserved(network),
        };
        let Some(place) = place else {
            self.turn_away(&stream);
            return;
        };
        set_options(&stream);
        let connection = place.connection().clone();
        let serving = Serving {
            stream,
            peer,
            place,
            served: self.routes.now(),
            proxies: self.settings.proxies.clone(),
            expects_header: is_proxy && self.settings.proxy_protocol,
            timeouts: self.settings.timeouts,
            graceful: graceful.map(GracefulShutdown::watcher),
        };
        let task = tokio::spawn(serving.run());
        connection.set_task(task.abort_handle());
    }

    /// Tells a client that there is no place, and closes its connection.
    fn turn_away(&mut self, stream: &TcpStream) {
        if self.full.is_due() {
            tracing::warn!("a connection is closed, since all others are busy");
        }
        // Where it cannot be written at once, nobody waits for it.
        #[cfg(unix)]
        let _ = SockRef::from(stream).send(NO_PLACE);
        #[cfg(not(unix))]
        let _ = stream.try_write(NO_PLACE);
    }
}

/// A connection that has a place.
struct Serving {
    stream: TcpStream,
    peer: ClientAddress,
    place: Place,
    served: Arc<Served>,
    proxies: Arc<TrustedProxies>,
    /// Whether it begins with a header of the PROXY protocol.
    expects_header: bool,
    timeouts: Timeouts,
    /// What waits for its requests at the end. None: the end has begun.
    graceful: Option<Watcher>,
}

impl Serving {
    /// Serves it to its end.
    async fn run(mut self) {
        let peer = match self.announced_peer().await {
            Ok(peer) => peer,
            Err(error) => {
                tracing::debug!(%error, peer = %self.peer, "a connection of a proxy ended");
                return;
            }
        };
        let exchanges = Exchanges {
            connection: self.place.connection().clone(),
            served: self.served,
            peer,
            proxies: self.proxies.trusts(peer).then_some(self.proxies),
            is_late: self.graceful.is_none(),
            read_timeout: self.timeouts.read,
            left: Left::default(),
        };
        let connection = || self.place.connection().clone();
        let mut stream = TimeoutWriter::new(self.stream);
        stream.set_timeout(Some(self.timeouts.write));
        let stream = Lingering::new(stream, connection());
        let stream = HeadMeter::new(stream, connection(), self.timeouts);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // `HeadMeter` tells a head that is slow from one that has not begun. Without a limit here hyper would
            // not read on after an answer before more comes.
            .header_read_timeout(self.timeouts.keep_alive + self.timeouts.read)
            .max_buf_size(BUFFER_MAX_BYTES)
            .max_header_size(BUFFER_MAX_BYTES)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| exchanges.serve(request)),
            );
        let ended = match self.graceful {
            Some(graceful) => graceful.watch(connection).await,
            None => connection.await,
        };
        match ended {
            Ok(()) => {}
            Err(error) if is_timeout(&error) => {
                tracing::info!("a connection was ended, since its client reads nothing any more");
            }
            Err(error) => tracing::debug!(%error, "a connection ended"),
        }
    }

    /// Who has made the connection, as the proxy announces it where it does.
    async fn announced_peer(&mut self) -> io::Result<ClientAddress> {
        if !self.expects_header {
            return Ok(self.peer);
        }
        let announced = proxy_protocol::announced(&mut self.stream);
        let announced = tokio::time::timeout(self.timeouts.read, announced).await??;
        Ok(announced.map_or(self.peer, ClientAddress::new))
    }
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

//! The endpoint: what it is to be like, and what all of its requests share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use wasimancer_catalog::Catalog;
use wasimancer_runtime::{Budget, Seats};

use crate::bounds::Bounds;
use crate::replay;
use crate::request_state::Seal;
use crate::server_info::ServerInfo;
use crate::sessions::Sessions;
use crate::tasks::Tasks;

/// What the endpoint is to be like.
#[derive(Clone)]
pub struct Options {
    /// How the server introduces itself.
    pub server_info: ServerInfo,
    /// Guidance for models on how to use the server.
    pub instructions: Option<String>,
    /// Most bytes of a request's body.
    pub body_max_bytes: usize,
    /// Where the key comes from that protects the state of requests between their rounds; none for
    /// a random key, with which such states end with the process.
    pub state_secret: Option<String>,
    /// How long it may take to arrive.
    pub read_timeout: Duration,
    /// How long a client may keep lists and resources (2026-07-28, `ttlMs`).
    pub cache_ttl: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server_info: ServerInfo::default(),
            instructions: None,
            body_max_bytes: 4 * 1024 * 1024,
            state_secret: None,
            read_timeout: Duration::from_secs(30),
            // Short, since lists change while clients are connected.
            cache_ttl: Duration::from_secs(1),
        }
    }
}

/// The state of the endpoint.
pub(crate) struct Endpoint {
    pub(crate) catalog: Arc<Catalog>,
    /// Whether streams are to end.
    pub(crate) shutdown: watch::Receiver<bool>,
    /// Whether requests under way are to be answered at once, since the process ends.
    pub(crate) cut_off: watch::Receiver<bool>,
    pub(crate) sessions: Sessions,
    pub(crate) tasks: Tasks,
    pub(crate) bounds: Bounds,
    /// What everything that clients and plugins can make large is charged to.
    pub(crate) budget: Budget,
    /// Seats of streams that clients can come back to.
    pub(crate) replay_seats: Seats,
    /// Of states between the rounds of a request; none where this machine gives no random numbers.
    pub(crate) seal: Option<Seal>,
    /// The server in each result of 2026-07-28: the JSON of an `Implementation`.
    pub(crate) server_info: Arc<str>,
    /// The same, with all that is known of it, for whoever asks.
    pub(crate) whole_server_info: String,
    pub(crate) instructions: Option<String>,
    pub(crate) cache_ttl: Duration,
    pub(crate) body_max_bytes: usize,
    pub(crate) read_timeout: Duration,
}

impl Endpoint {
    pub(crate) fn new(
        catalog: Arc<Catalog>,
        options: Options,
        shutdown: watch::Receiver<bool>,
        cut_off: watch::Receiver<bool>,
    ) -> Self {
        Self {
            budget: catalog.budget().clone(),
            catalog,
            shutdown,
            cut_off,
            sessions: Sessions::new(),
            tasks: Tasks::new(),
            bounds: Bounds::new(),
            replay_seats: replay::seats(),
            seal: Seal::new(options.state_secret.as_deref()),
            server_info: options.server_info.short().into(),
            whole_server_info: options.server_info.whole(),
            instructions: options.instructions,
            cache_ttl: options.cache_ttl,
            body_max_bytes: options.body_max_bytes,
            read_timeout: options.read_timeout,
        }
    }
}

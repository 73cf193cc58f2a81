//! The endpoint: what it is to be like, and what all of its requests share.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use wasimancer_catalog::Catalog;
use wasimancer_runtime::{Budget, Seats};

use crate::bounds::Bounds;
use crate::replay;
use crate::request_state::Seal;
use crate::sessions::Sessions;
use crate::tasks::Tasks;

/// What the endpoint is to be like.
#[derive(Clone)]
pub struct Options {
    /// The server's name, as clients see it.
    pub name: String,
    /// Its version.
    pub version: String,
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
            name: "wasimancer".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
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
    pub(crate) sessions: Sessions,
    pub(crate) tasks: Tasks,
    pub(crate) bounds: Bounds,
    /// What everything that clients and plugins can make large is charged to.
    pub(crate) budget: Budget,
    /// Seats of streams that clients can come back to.
    pub(crate) replay_seats: Seats,
    /// Of states between the rounds of a request; none where this machine gives no random numbers.
    pub(crate) seal: Option<Seal>,
    /// JSON of an `Implementation`.
    pub(crate) server_info: Arc<str>,
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
    ) -> Self {
        let server_info = json!({ "name": options.name, "version": options.version });
        Self {
            budget: catalog.budget().clone(),
            catalog,
            shutdown,
            sessions: Sessions::new(),
            tasks: Tasks::new(),
            bounds: Bounds::new(),
            replay_seats: replay::seats(),
            seal: Seal::new(options.state_secret.as_deref()),
            server_info: server_info.to_string().into(),
            instructions: options.instructions,
            cache_ttl: options.cache_ttl,
            body_max_bytes: options.body_max_bytes,
            read_timeout: options.read_timeout,
        }
    }
}

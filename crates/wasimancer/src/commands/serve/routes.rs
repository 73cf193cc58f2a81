//! All routes with their layers, in the one place where their order shows.

use std::sync::Arc;
use std::time::Instant;

use axum::http::StatusCode;
use axum::http::header::{CONNECTION, RETRY_AFTER};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::watch;
use wasimancer_catalog::Catalog;
use wasimancer_mcp::{Admission, Gate};

use super::Addresses;
use crate::auth::{Gatekeeper, Token, require_admin_token};
use crate::config::resolve::Config;
use crate::health;
use crate::health::Health;
use crate::opening::Served;
use crate::signals::Asked;
use crate::signposts;
use crate::tokens::Tokens;
use crate::wrong_tokens::WrongTokens;

/// What is served where.
pub(super) struct Routes {
    pub(super) clients: Served,
    /// None where operators are served where clients are.
    pub(super) operators: Option<Served>,
}

impl Routes {
    pub(super) fn new(
        config: &Config,
        tokens: &Tokens,
        catalog: &Arc<Catalog>,
        addresses: &Addresses,
        asked: &Asked,
        cut_off: &watch::Sender<bool>,
        begun: Instant,
    ) -> Self {
        let wrong_tokens = Arc::new(WrongTokens::default());
        let gatekeeper =
            |token: &Token, whose| Gatekeeper::new(token.clone(), whose, Arc::clone(&wrong_tokens));
        let clients = tokens.client.as_ref();
        let clients = clients.map(|token| gatekeeper(token, "clients"));
        let operators = gatekeeper(&tokens.admin, "operators");
        let address = addresses.clients.ip();
        let names = config.public_hosts.clone().and_address(address);
        let options = mcp_options(config);
        let gate = Gate {
            names: names.clone(),
            admission: clients
                .clone()
                .map(|clients| Arc::new(clients) as Arc<dyn Admission>),
        };
        let mcp = wasimancer_mcp::router(
            catalog.clone(),
            options,
            gate,
            asked.stop.clone(),
            cut_off.subscribe(),
        );
        let options = wasimancer_admin::Options {
            upload_max_bytes: config.publishing.upload_max_bytes,
            body_max_bytes: config.body_max_bytes,
            read_timeout: config.read_timeout,
        };
        let admin = wasimancer_admin::router(catalog.clone(), &options);
        let admin = require_admin_token(admin, operators.clone());
        let health = |operators| {
            let health = health::router(Health {
                catalog: catalog.clone(),
                begun,
                operators,
                clients: clients.clone(),
                tokens: tokens.clone(),
                draining: asked.draining.clone(),
            });
            // Probes name the server in any way, or not at all.
            wasimancer_mcp::guard_origins(health, names.clone())
        };
        let with_details = health(Some(operators));
        let stopping = |health| unavailable(health, "the server is about to stop");
        let busy = |some| unavailable(some, "as many connections are open as may be");
        match addresses.operators {
            Some(_) => {
                let health = health(None);
                let admin = admin.fallback(async || wasimancer_admin::Error::NoRoute);
                let admin = admin.merge(with_details.clone());
                Self {
                    clients: Served::new(
                        with_signposts(health.clone().merge(mcp)),
                        busy(health.clone()),
                        stopping(health),
                    ),
                    operators: Some(Served::new(admin.clone(), admin, stopping(with_details))),
                }
            }
            None => {
                let without_clients = with_details.clone().merge(admin);
                Self {
                    clients: Served::new(
                        with_signposts(without_clients.clone().merge(mcp)),
                        busy(without_clients),
                        stopping(with_details),
                    ),
                    operators: None,
                }
            }
        }
    }
}

/// The same routes, and for all others what says where they are.
fn with_signposts(router: Router) -> Router {
    let about = get(signposts::about).fallback(signposts::not_found);
    router.route("/", about).fallback(signposts::not_found)
}

/// The same routes, and 503 for all others.
fn unavailable(router: Router, reason: &'static str) -> Router {
    router.fallback(async move || {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            [(RETRY_AFTER, "10"), (CONNECTION, "close")],
            Json(json!({ "error": format!("{reason}: try again later") })),
        )
    })
}

/// What MCP clients are served with.
pub(crate) fn mcp_options(config: &Config) -> wasimancer_mcp::Options {
    let secret = config.state_secret.as_ref();
    wasimancer_mcp::Options {
        server_info: config.server_info.clone(),
        instructions: config.instructions.clone(),
        body_max_bytes: usize::try_from(config.body_max_bytes).unwrap_or(usize::MAX),
        read_timeout: config.read_timeout,
        cache_ttl: config.cache_ttl,
        state_secret: secret.map(|secret| String::clone(&secret.reveal())),
    }
}

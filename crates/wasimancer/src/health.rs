//! `/healthz`: the process answers. `/readyz`: whether it serves, and for operators what is quarantined
//! and why.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;
use wasimancer_catalog::{Catalog, Noticing, Snapshot};
use wasimancer_runtime::escape;

use crate::auth::Gatekeeper;
use crate::tokens::Tokens;
use crate::{signposts, telemetry};

/// The two routes.
pub(crate) const HEALTHZ: &str = "/healthz";
pub(crate) const READYZ: &str = "/readyz";

/// How long a server is not ready since it compiles. One that compiles for longer serves what it has:
/// balancers would take it out of service, or begin anew, for ever.
const STARTING_MAX: Duration = Duration::from_mins(1);

/// What probes are answered from.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) catalog: Arc<Catalog>,
    /// When the server was started.
    pub(crate) begun: Instant,
    /// Who is told names and reasons. None: nobody at this address.
    pub(crate) operators: Option<Gatekeeper>,
    /// Whose token is no guess either. None: clients need none.
    pub(crate) clients: Option<Gatekeeper>,
    /// The tokens in use, of which operators are told what is weak.
    pub(crate) tokens: Tokens,
    /// True once the server was told to stop.
    pub(crate) draining: watch::Receiver<bool>,
}

/// The routes of a server that has loaded what it serves.
pub(crate) fn router(health: Health) -> Router {
    Router::new()
        .route(HEALTHZ, get(async || alive()))
        .route(READYZ, get(ready))
        .method_not_allowed_fallback(signposts::not_allowed)
        .with_state(health)
}

/// The process answers.
pub(crate) fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Definitions are being read.
pub(crate) fn loading() -> Response {
    let starting = Json(json!({ "status": "starting" }));
    (StatusCode::SERVICE_UNAVAILABLE, starting).into_response()
}

/// 200 also while something is quarantined, since the rest serves; 503 while code is compiled, since calls
/// wait, and once the server was told to stop.
async fn ready(State(health): State<Health>, request: Request) -> Response {
    let snapshot = health.catalog.snapshot();
    // An edit that is wrong: what was served before it is served still. It is looked at once, so that
    // status and reason belong together.
    let edit = health.catalog.edit_problem();
    let (code, status) = health.status(&snapshot, edit.is_some());
    let headers = request.headers();
    let strangers = || (code, Json(counts(&snapshot, status)));
    match &health.operators {
        Some(operators) if operators.admits(headers) => {
            let details = health.details(&snapshot, status, edit.as_deref());
            (code, Json(details)).into_response()
        }
        Some(operators) if !health.is_client(&request) => operators.answer(&request, strangers()),
        _ => strangers().into_response(),
    }
}

impl Health {
    fn status(&self, snapshot: &Snapshot, is_edit_wrong: bool) -> (StatusCode, &'static str) {
        let is_compiling = !snapshot.compiled().is_everything();
        let is_whole = snapshot.quarantined().is_empty() && !is_edit_wrong;
        if *self.draining.borrow() {
            (StatusCode::SERVICE_UNAVAILABLE, "draining")
        } else if is_compiling && self.begun.elapsed() < STARTING_MAX {
            (StatusCode::SERVICE_UNAVAILABLE, "starting")
        } else if is_whole && !is_compiling {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::OK, "degraded")
        }
    }

    fn is_client(&self, request: &Request) -> bool {
        let clients = self.clients.as_ref();
        clients.is_some_and(|clients| clients.admits(request.headers()))
    }

    /// What operators may know too: names, reasons, and what is in use.
    fn details(&self, snapshot: &Snapshot, status: &str, edit: Option<&String>) -> Value {
        let quarantined: Vec<Value> = snapshot
            .quarantined()
            .iter()
            .map(|entry| json!({ "kind": entry.kind, "name": escape(&entry.name), "problems": entry.reasons() }))
            .collect();
        let memory = self.catalog.budget().usage();
        json!({
            "status": status,
            "compiled": compiled(snapshot),
            "serves": serves(snapshot),
            "quarantined": quarantined,
            "notLoaded": edit.map(|problem| escape(problem)),
            "edits": self.catalog.noticing().map(|noticing| edits(&noticing)),
            // What plugins and clients hold together, and how often somebody found no room.
            "memory": {
                "budget": memory.limit,
                "used": memory.used,
                "mostUsed": memory.most_used,
                "refused": memory.refused,
            },
            // A log that nobody reads loses lines, and nothing else.
            "logLinesDropped": telemetry::dropped_lines(),
            "warnings": self.tokens.warnings(),
        })
    }
}

/// How edits of files are noticed.
fn edits(noticing: &Noticing) -> Value {
    let folders = noticing.folders_without_events.iter();
    let folders: Vec<String> = folders
        .map(|folder| escape(&folder.display().to_string()).into_owned())
        .collect();
    json!({
        // Null: the system tells of changes, in all other folders.
        "noEvents": noticing.no_events.as_deref().map(escape),
        "foldersWithoutEvents": folders,
        "pollInterval": format!("{:?}", noticing.poll_interval),
    })
}

/// What everybody may know.
fn counts(snapshot: &Snapshot, status: &str) -> Value {
    json!({
        "status": status,
        "compiled": compiled(snapshot),
        "serves": serves(snapshot),
        "quarantined": snapshot.quarantined().len(),
    })
}

/// Plugins whose code is there, of all that are served.
fn compiled(snapshot: &Snapshot) -> Value {
    let compiled = snapshot.compiled();
    json!({ "plugins": compiled.plugins, "of": compiled.of })
}

fn serves(snapshot: &Snapshot) -> Value {
    let counts = snapshot.counts();
    json!({
        "plugins": counts.plugins,
        "tools": counts.tools,
        "resources": counts.resources,
        "resourceTemplates": counts.resource_templates,
        "prompts": counts.prompts,
    })
}

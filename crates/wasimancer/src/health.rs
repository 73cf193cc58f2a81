//! `/healthz`: the process answers. `/readyz`: what it serves, and what is quarantined and why.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use wasimancer_catalog::Catalog;
use wasimancer_runtime::escape;

use crate::telemetry;
use crate::tokens::Tokens;

/// The two routes.
pub(crate) const HEALTHZ: &str = "/healthz";
pub(crate) const READYZ: &str = "/readyz";

/// How long a server is not ready since it compiles. One that compiles for longer serves what it has:
/// balancers would take it out of service, or begin anew, for ever.
const STARTING_MAX: Duration = Duration::from_mins(1);

/// The two routes of a server that has begun at this moment.
pub(crate) fn router(catalog: Arc<Catalog>, tokens: Tokens, begun: Instant) -> Router {
    Router::new()
        .route(HEALTHZ, get(async || alive()))
        .route(READYZ, get(ready))
        .with_state((catalog, tokens, begun))
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
/// wait.
async fn ready(
    State((catalog, tokens, begun)): State<(Arc<Catalog>, Tokens, Instant)>,
    headers: HeaderMap,
) -> Response {
    let snapshot = catalog.snapshot();
    let compiled = snapshot.compiled();
    let is_compiling = !compiled.is_everything();
    let is_starting = is_compiling && begun.elapsed() < STARTING_MAX;
    let counts = snapshot.counts();
    let quarantined: Vec<Value> = snapshot
        .quarantined()
        .iter()
        .map(|entry| json!({ "kind": entry.kind, "name": escape(&entry.name), "problems": entry.reasons() }))
        .collect();
    // An edit that is wrong: what was served before it is served still.
    let edit = catalog.edit_problem();
    let memory = catalog.budget().usage();
    let is_whole = quarantined.is_empty() && edit.is_none() && !is_compiling;
    let (code, status) = match (is_starting, is_whole) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        (false, true) => (StatusCode::OK, "ready"),
        (false, false) => (StatusCode::OK, "degraded"),
    };
    let mut answer = json!({
        "status": status,
        // Plugins whose code is there, of all that are served.
        "compiled": { "plugins": compiled.plugins, "of": compiled.of },
        "serves": {
            "plugins": counts.plugins,
            "tools": counts.tools,
            "resources": counts.resources,
            "resourceTemplates": counts.resource_templates,
            "prompts": counts.prompts,
        },
        "quarantined": quarantined,
        "notLoaded": edit.as_deref().map(|problem| escape(problem)),
        // What plugins and clients hold together, and how often somebody found no room.
        "memory": {
            "budget": memory.limit,
            "used": memory.used,
            "mostUsed": memory.most_used,
            "refused": memory.refused,
        },
        // A log that nobody reads loses lines, and nothing else.
        "logLinesDropped": telemetry::dropped_lines(),
    });
    // Which token is weak is for operators alone.
    if tokens.admin.is_borne_by(&headers) {
        answer["warnings"] = json!(tokens.warnings());
    }
    (code, Json(answer)).into_response()
}

//! `/healthz`: the process answers. `/readyz`: what it serves, and what is quarantined and why.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use wasimancer_catalog::Catalog;
use wasimancer_runtime::escape;

use crate::telemetry;

/// The two routes.
pub(crate) fn router(catalog: Arc<Catalog>) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(json!({ "status": "ok" }))))
        .route("/readyz", get(ready))
        .with_state(catalog)
}

/// 200 also while something is quarantined, since the rest serves.
async fn ready(State(catalog): State<Arc<Catalog>>) -> Json<Value> {
    let snapshot = catalog.snapshot();
    let counts = snapshot.counts();
    let quarantined: Vec<Value> = snapshot
        .quarantined()
        .iter()
        .map(|entry| json!({ "kind": entry.kind, "name": escape(&entry.name), "problems": entry.reasons() }))
        .collect();
    // An edit that is wrong: what was served before it is served still.
    let edit = catalog.edit_problem();
    let memory = catalog.budget().usage();
    let is_whole = quarantined.is_empty() && edit.is_none();
    Json(json!({
        "status": if is_whole { "ready" } else { "degraded" },
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
    }))
}

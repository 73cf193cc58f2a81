//! Plugins: what is served and what is quarantined.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use wasimancer_catalog::Catalog;

/// `GET /plugins`: the tools by name with the plugin that each belongs to, and the quarantined
/// plugins with every reason.
pub(crate) async fn list(State(catalog): State<Arc<Catalog>>) -> Json<Value> {
    let snapshot = catalog.snapshot();
    let tools: Vec<Value> = snapshot
        .tool_names()
        .into_iter()
        .filter_map(|name| snapshot.tool(name))
        .map(|tool| json!({ "name": tool.name(), "plugin": tool.plugin() }))
        .collect();
    let quarantined: Vec<Value> = snapshot
        .quarantined()
        .iter()
        .filter(|entry| entry.kind == "plugin")
        .map(|entry| json!({ "name": entry.name, "problems": entry.reasons() }))
        .collect();
    Json(json!({ "tools": tools, "quarantined": quarantined }))
}

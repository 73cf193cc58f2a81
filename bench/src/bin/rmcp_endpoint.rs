//! The official SDK's endpoint with JSON answers and no sessions: `/mcp` answers a constant, and
//! `/plugin/mcp` calls an exported function with the same runtime as the product.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use wasimancer_runtime::{EngineOptions, Function, PluginSpec, Runtime};

/// As the product has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Clone)]
struct Handler {
    /// None answers a constant.
    function: Option<Function>,
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let mut config = ServerConfig::default();
        config.capabilities = ServerCapabilities::builder().enable_tools().build();
        config
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let text = match &self.function {
            None => "Hello Alice".to_owned(),
            Some(function) => {
                let failed = |error: &dyn std::fmt::Display| {
                    ErrorData::internal_error(error.to_string(), None)
                };
                let input = serde_json::to_vec(&request.arguments.unwrap_or_default());
                let input = input.map_err(|error| failed(&error))?;
                let output = function
                    .call(&input)
                    .await
                    .map_err(|error| failed(&error))?;
                String::from_utf8_lossy(&output).into_owned()
            }
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

fn main() -> anyhow::Result<()> {
    let usage = "usage: rmcp_endpoint THREADS MODULE EXPORT";
    let threads = wasimancer_bench::threads()?;
    let module = std::env::args().nth(2).context(usage)?;
    let export = std::env::args().nth(3).context(usage)?;
    let wasm = std::fs::read(module)?;
    let runtime = Runtime::new(EngineOptions::default())?;
    let plugin = runtime.compile(PluginSpec::new("peer", &wasm))?;
    let service = |function| {
        let handler = Handler { function };
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true);
        StreamableHttpService::new(
            move || Ok(handler.clone()),
            Arc::new(NeverSessionManager::default()),
            config,
        )
    };
    let routes = Router::new()
        .nest_service("/mcp", service(None))
        .nest_service("/plugin/mcp", service(Some(plugin.function(&export)?)));
    wasimancer_bench::serve(threads, routes)
}

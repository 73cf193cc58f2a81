//! What the programs that play rmcp's client share.

use std::env;
use std::fmt::Debug;

use anyhow::{Result, bail, ensure};
use rmcp::ClientLifecycleMode;
use rmcp::model::ProtocolVersion;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

/// The lifecycle of that name, and the revision that it has to arrive at.
pub fn lifecycle(mode: &str) -> Result<(ClientLifecycleMode, ProtocolVersion)> {
    let modern = ProtocolVersion::V_2026_07_28;
    let legacy = ProtocolVersion::V_2025_11_25;
    let preferred_versions = vec![modern.clone()];
    Ok(match mode {
        "discover" => (ClientLifecycleMode::Discover { preferred_versions }, modern),
        "auto" => (
            ClientLifecycleMode::Auto {
                preferred_versions,
                legacy_version: Some(legacy),
            },
            modern,
        ),
        "initialize" => (ClientLifecycleMode::Initialize, legacy),
        _ => bail!("there is no mode {mode:?}"),
    })
}

/// The way to the server.
pub fn transport(token: &str) -> StreamableHttpClientTransport<reqwest::Client> {
    let url = env::var("MCP_URL").expect("MCP_URL is not set");
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token);
    StreamableHttpClientTransport::from_config(config)
}

pub fn equal<T: PartialEq + Debug>(what: &str, actual: &T, expected: &T) -> Result<()> {
    ensure!(
        actual == expected,
        "{what}: {actual:?}, expected {expected:?}"
    );
    Ok(())
}

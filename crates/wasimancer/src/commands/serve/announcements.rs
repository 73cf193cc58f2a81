//! What whoever starts the server is told: where it is, what it serves, and which tokens were generated.

use std::io::{self, Write};
use std::sync::mpsc::Receiver;

use anyhow::Context;
use wasimancer_catalog::{Catalog, Kind};
use wasimancer_runtime::Escaped;

use super::Addresses;
use crate::config::resolve::Config;
use crate::tokens::Tokens;

/// Writes what it is sent to standard output, on a thread of its own: a server whose output nobody reads
/// serves all the same.
pub(super) fn announce_aside(announcements: Receiver<String>) -> anyhow::Result<()> {
    std::thread::Builder::new()
        .name("announcement".to_owned())
        .spawn(move || {
            let mut out = io::stdout();
            for announcement in announcements {
                let told = out.write_all(announcement.as_bytes());
                if let Err(error) = told.and_then(|()| out.flush()) {
                    tracing::warn!(%error, "what is served could not be announced");
                }
            }
        })
        .context("the thread that announces what is served could not start")?;
    Ok(())
}

/// What standard output says at once: where the server is.
pub(super) fn address_announcement(addresses: &Addresses) -> String {
    let mut lines = vec![format!("WASImancer {}", env!("CARGO_PKG_VERSION"))];
    if let Some(address) = addresses.operators {
        lines.push(format!("administration on http://{address}"));
    }
    lines.push(format!("listening on http://{}/mcp\n", addresses.clients));
    lines.join("\n")
}

/// What standard output says of what is served, once it is loaded.
pub(super) fn announcement(config: &Config, catalog: &Catalog) -> String {
    let snapshot = catalog.snapshot();
    let counts = snapshot.counts();
    let of = |kind: &Option<Kind>, what: String| match kind {
        Some(kind) => {
            let file = kind.folder.join(&kind.definition_file);
            format!("{what}, from {}", Escaped(file.display()))
        }
        None => "off".to_owned(),
    };
    let tools = format!("{} of {} plugins", counts.tools, counts.plugins);
    let (fixed, templates) = (counts.resources, counts.resource_templates);
    let resources = format!("{fixed} static, {templates} templates");
    let prompts = counts.prompts.to_string();
    let mut lines = vec![
        format!("  tools      {}", of(&config.home.plugins, tools)),
        format!("  resources  {}", of(&config.home.resources, resources)),
        format!("  prompts    {}", of(&config.home.prompts, prompts)),
        format!(
            "  memory     {} MiB for calls and clients",
            catalog.budget().usage().limit / (1024 * 1024)
        ),
    ];
    lines.extend(snapshot.quarantined().iter().map(|entry| {
        let (kind, name) = (entry.kind, &entry.name);
        format!("  quarantined: {kind} {name:?}; the log and /readyz say why")
    }));
    lines.join("\n") + "\n"
}

/// The tokens that were generated, which are shown once.
pub(super) fn generated(tokens: &Tokens) -> Option<String> {
    let since = |variable: &str| format!("since {variable} is not set");
    let mut lines = Vec::new();
    match &tokens.client {
        None => lines.push(
            "clients need no token (WASIMANCER_AUTHENTICATION_TOKEN is NO_AUTHENTICATION)"
                .to_owned(),
        ),
        Some(token) if tokens.client_is_generated => {
            let since = since("WASIMANCER_AUTHENTICATION_TOKEN");
            lines.push(format!("client token, {since}: {}", token.reveal()));
        }
        Some(_) => {}
    }
    if tokens.admin_is_generated {
        let since = since("WASIMANCER_ADMIN_TOKEN");
        lines.push(format!("admin token, {since}: {}", tokens.admin.reveal()));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

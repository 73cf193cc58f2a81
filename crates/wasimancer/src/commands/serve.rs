//! `serve`: wires the parts together and runs until it is told to stop.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use wasimancer_catalog::{Catalog, Settings, Snapshot};
use wasimancer_mcp::Options;
use wasimancer_runtime::{EngineOptions, Runtime};

use crate::auth::{Token, require_admin_token, require_client_token};
use crate::config::resolve::{CacheFolder, ClientToken, Config, resolve};
use crate::config::{Flags, ProcessEnvironment};
use crate::{health, listeners, telemetry};

/// The arguments of `serve`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = resolve(&args.flags, &ProcessEnvironment)?;
    telemetry::start(&config.log, config.log_format)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not start")?
        .block_on(serve(config))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let listener = listeners::bind(config.address).await?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let (config, catalog) = tokio::task::spawn_blocking(move || {
        let catalog = open_catalog(&config);
        (config, catalog)
    })
    .await
    .context("loading the home ended before its time")?;
    let catalog = Arc::new(catalog?);
    let tokens = Tokens::resolve(&config)?;
    let router = routes(&config, &tokens, &catalog);
    announce(&config, &tokens, &catalog.snapshot(), address);
    run_until_stopped(listener, router, &config).await
}

/// Starts the engine and loads the home. Blocks.
pub(crate) fn open_catalog(config: &Config) -> anyhow::Result<Catalog> {
    let runtime = start_runtime(config)?;
    let settings = Settings {
        limits: config.limits.clone(),
        config: config.plugin_values.clone(),
    };
    Ok(Catalog::open(&config.home, &settings, &runtime)?)
}

fn start_runtime(config: &Config) -> anyhow::Result<Runtime> {
    let options = |cache_folder| EngineOptions {
        memory_max_bytes: config.limits.memory,
        instances_max: config.instances,
        cache_folder,
        allowed_hosts: config.allowed_hosts.clone(),
    };
    match &config.cache_folder {
        CacheFolder::Off => Ok(Runtime::new(options(None))?),
        CacheFolder::Given(folder) => Ok(Runtime::new(options(Some(folder.clone())))?),
        CacheFolder::Default(folder) => match Runtime::new(options(Some(folder.clone()))) {
            Err(error @ wasimancer_runtime::Error::Cache { .. }) => {
                tracing::warn!(%error, "modules are compiled at every start");
                Ok(Runtime::new(options(None))?)
            }
            started => Ok(started?),
        },
    }
}

/// The tokens in use, and which of them were generated.
struct Tokens {
    /// None where clients need no token.
    client: Option<Token>,
    client_is_generated: bool,
    admin: Token,
    admin_is_generated: bool,
}

impl Tokens {
    fn resolve(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            client: match &config.client_token {
                ClientToken::Off => None,
                ClientToken::Given(token) => Some(token.clone()),
                ClientToken::Generate => Some(Token::generate()?),
            },
            client_is_generated: matches!(config.client_token, ClientToken::Generate),
            admin: match &config.admin_token {
                Some(token) => token.clone(),
                None => Token::generate()?,
            },
            admin_is_generated: config.admin_token.is_none(),
        })
    }
}

/// All routes with their layers, in the one place where their order shows.
fn routes(config: &Config, tokens: &Tokens, catalog: &Arc<Catalog>) -> Router {
    let options = Options {
        instructions: config.instructions.clone(),
        body_max_bytes: usize::try_from(config.body_max_bytes).unwrap_or(usize::MAX),
        cache_ttl: config.cache_ttl,
        ..Options::default()
    };
    let mut mcp = wasimancer_mcp::router(catalog.clone(), options);
    if let Some(token) = &tokens.client {
        mcp = require_client_token(mcp, token.clone());
    }
    let mcp = wasimancer_mcp::guard(mcp, config.public_hosts.clone());
    let admin = require_admin_token(
        wasimancer_admin::router(catalog.clone()),
        tokens.admin.clone(),
    );
    health::router(catalog.clone()).merge(mcp).merge(admin)
}

/// Says what is served and where on standard output, and generated tokens once on standard error.
fn announce(config: &Config, tokens: &Tokens, snapshot: &Snapshot, address: SocketAddr) {
    let counts = snapshot.counts();
    let of = |kind: &Option<wasimancer_catalog::Kind>, what: String| match kind {
        Some(kind) => format!(
            "{what}, from {}",
            kind.folder.join(&kind.definition_file).display()
        ),
        None => "off".to_owned(),
    };
    println!("WASImancer {}", env!("CARGO_PKG_VERSION"));
    println!(
        "  tools      {}",
        of(
            &config.home.plugins,
            format!("{} of {} plugins", counts.tools, counts.plugins)
        )
    );
    println!(
        "  resources  {}",
        of(
            &config.home.resources,
            format!(
                "{} static, {} templates",
                counts.resources, counts.resource_templates
            )
        )
    );
    println!(
        "  prompts    {}",
        of(&config.home.prompts, counts.prompts.to_string())
    );
    for entry in snapshot.quarantined() {
        println!(
            "  quarantined: {} {:?}; the log and /readyz say why",
            entry.kind, entry.name
        );
    }
    match &tokens.client {
        None => eprintln!(
            "clients need no token (WASIMANCER_AUTHENTICATION_TOKEN is NO_AUTHENTICATION)"
        ),
        Some(token) if tokens.client_is_generated => {
            eprintln!(
                "client token, since WASIMANCER_AUTHENTICATION_TOKEN is not set: {}",
                token.reveal()
            );
        }
        Some(_) => {}
    }
    if tokens.admin_is_generated {
        eprintln!(
            "admin token, since WASIMANCER_ADMIN_TOKEN is not set: {}",
            tokens.admin.reveal()
        );
    }
    println!("listening on http://{address}/mcp");
}

async fn run_until_stopped(
    listener: TcpListener,
    router: Router,
    config: &Config,
) -> anyhow::Result<()> {
    let shutdown = stop_signal()?;
    listeners::serve(listener, router, shutdown, config.shutdown_grace).await;
    Ok(())
}

/// Ends at an interrupt or a request to terminate.
#[cfg(unix)]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        // A failure to listen means that the process is ended from outside.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}

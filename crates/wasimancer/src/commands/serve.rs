//! `serve`: wires the parts together and runs until it is told to stop.

mod announcements;
mod routes;
mod stdio;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;
use wasimancer_catalog::{
    Catalog, Compiled, Definitions, Kind, Quarantined, Settings, Snapshot, Watch, WatchTimes,
};
use wasimancer_runtime::{Budget, EngineOptions, Precompile, Runtime};

use self::announcements::{address_announcement, announce_aside, announcement, generated};
use self::routes::Routes;
pub(crate) use self::routes::mcp_options;
use super::start;
#[cfg(target_os = "linux")]
use crate::compilers::{CompileLimits, Compilers};
use crate::config::resolve::{Config, resolve};
use crate::config::{Flags, ProcessEnvironment};
use crate::listeners::Timeouts;
use crate::opening::Opening;
use crate::signals::{Asked, HangUp};
use crate::tokens::Tokens;
use crate::{descriptors, listeners, memory, signals, telemetry};

/// Most connections to the administration, where it has an address of its own.
const OPERATOR_CONNECTIONS: usize = 256;

/// Most connections of clients at once: more than any house has clients, and a few hundred megabytes.
const DEFAULT_CONNECTIONS: u32 = 20_000;

/// How often the log is told how much is compiled.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// The arguments of `serve`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Serve one client on standard input and output, a message a line, and nobody else
    #[arg(long)]
    stdio: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = resolve(&args.flags, &ProcessEnvironment)?;
    telemetry::start(&config.log, config.log_format)?;
    let asked = if args.stdio {
        signals::listen(
            Duration::ZERO,
            wasimancer_mcp::STDIO_END_GRACE,
            HangUp::Stop,
        )?
    } else {
        signals::listen(config.drain_delay, config.shutdown_grace, HangUp::Reload)?
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not start")?;
    let served = runtime.block_on(async {
        if args.stdio {
            stdio::serve(config, asked).await
        } else {
            serve(config, asked).await
        }
    });
    // The grace is over: what still holds a thread is left.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config, asked: Asked) -> anyhow::Result<()> {
    let begun = Instant::now();
    let connections = connections(&config);
    let listeners = Listeners::bind(&config).await?;
    let addresses = listeners.addresses()?;
    if let Some(hint) = config.address_hint {
        tracing::warn!("{hint}");
    }
    let (cut_off, _) = watch::channel(false);
    let settings = listeners::Settings {
        cut_off: cut_off.clone(),
        timeouts: Timeouts {
            read: config.read_timeout,
            keep_alive: config.keep_alive_timeout,
            write: config.write_timeout,
            shutdown_grace: config.shutdown_grace,
        },
        connections,
        proxies: Arc::new(config.trusted_proxies.clone()),
        proxy_protocol: config.proxy_protocol,
    };
    // Probes are answered from here on; everything else waits until it is loaded.
    let (clients, routes) = Opening::begin();
    let stopped = signals::stopped(asked.stop.clone());
    let serving = listeners::serve(listeners.clients, routes, stopped, settings.clone());
    let serving = tokio::spawn(serving);
    let (operators, routes) = Opening::begin();
    let apart = listeners.operators.map(|listener| {
        let settings = listeners::Settings {
            connections: OPERATOR_CONNECTIONS.min(connections),
            ..settings
        };
        let stopped = signals::stopped(asked.stop.clone());
        listeners::serve_apart(listener, routes, stopped, settings)
    });
    let apart = apart.transpose()?;
    let tokens = Tokens::resolve(&config)?;
    tokens.log_warnings();
    let (telling, announced) = mpsc::channel();
    announce_aside(announced)?;
    let announce = {
        let (generated, address) = (generated(&tokens), address_announcement(&addresses));
        let telling = telling.clone();
        move || {
            if let Some(generated) = generated {
                telemetry::say(&generated);
            }
            // Nobody is left to tell where the thread could not write.
            let _ = telling.send(address);
        }
    };
    let Some((config, catalog)) = load(config, &asked, Changes::Made, announce).await? else {
        return Ok(());
    };
    let routes = Routes::new(
        &config, &tokens, &catalog, &addresses, &asked, &cut_off, begun,
    );
    clients.open(routes.clients);
    if let Some(routes) = routes.operators {
        operators.open(routes);
    }
    let _ = telling.send(announcement(&config, &catalog));
    drop(telling);
    compile_aside(&catalog)?;
    let _watch = start_watch(&catalog, config.publishing.watch);
    reload_when_asked(asked.reload, &catalog, &tokens)?;
    let (served, _) = tokio::join!(serving, OptionFuture::from(apart));
    served.context("serving clients ended before its time")
}

/// Whether a server changes what its home holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changes {
    Made,
    /// It has no administration, and leaves a home alone that another server may publish to.
    Never,
}

/// Loads the home where blocking is allowed, and tells when nothing is in the way of serving it.
/// None where the server was told to stop meanwhile.
async fn load(
    config: Config,
    asked: &Asked,
    changes: Changes,
    readable: impl FnOnce() + Send + 'static,
) -> anyhow::Result<Option<(Config, Arc<Catalog>)>> {
    let loading = tokio::task::spawn_blocking(move || {
        let definitions = Definitions::read(&config.home)?;
        let runtime = start_runtime(&config)?;
        readable();
        warn_of_root();
        let catalog = open_catalog(&config, &definitions, &runtime)?;
        if changes == Changes::Made {
            catalog.sweep();
        }
        anyhow::Ok((config, Arc::new(catalog)))
    });
    let loaded = tokio::select! {
        loaded = loading => loaded.context("loading the home ended before its time")?,
        () = signals::stopped(asked.stop.clone()) => {
            tracing::info!("told to stop before everything was loaded");
            return Ok(None);
        }
    };
    let (config, catalog) = loaded?;
    log_quarantined(&catalog.snapshot());
    Ok(Some((config, catalog)))
}

/// Compiles what no earlier start has compiled, on a thread of its own, and tells the log how far it is.
fn compile_aside(catalog: &Arc<Catalog>) -> anyhow::Result<()> {
    if catalog.snapshot().compiled().is_everything() {
        return Ok(());
    }
    let catalog = catalog.clone();
    let (done, waiting) = mpsc::channel::<()>();
    let watched = catalog.clone();
    std::thread::Builder::new()
        .name("progress".to_owned())
        .spawn(move || {
            loop {
                let Compiled { plugins, of } = watched.snapshot().compiled();
                tracing::info!("compiled {plugins} of {of} plugins; calls of the others wait");
                match waiting.recv_timeout(PROGRESS_EVERY) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => break,
                }
            }
        })
        .context("the thread that tells of the compilation could not start")?;
    std::thread::Builder::new()
        .name("compile".to_owned())
        .spawn(move || {
            let begun = Instant::now();
            catalog.compile_rest();
            drop(done);
            let compiled = catalog.snapshot().compiled().plugins;
            tracing::info!(took = ?begun.elapsed(), "all {compiled} plugins are compiled");
        })
        .context("the thread that compiles could not start")?;
    Ok(())
}

/// Loads the files anew each time that this is asked for, on a thread of its own, since modules may
/// have to be compiled for it.
fn reload_when_asked(
    asked: Receiver<()>,
    catalog: &Arc<Catalog>,
    tokens: &Tokens,
) -> anyhow::Result<()> {
    let catalog = catalog.clone();
    let tokens = tokens.clone();
    std::thread::Builder::new()
        .name("reload".to_owned())
        .spawn(move || {
            for () in asked {
                tokens.reload();
                let is_new = catalog.reload();
                let revision = catalog.snapshot().revision();
                tracing::info!(is_new, %revision, "told to load the files anew");
            }
        })
        .context("the thread that loads the files anew could not start")?;
    Ok(())
}

/// Most connections of clients: what is configured, but never so many that no file is left for
/// operators, definitions and the requests of plugins.
fn connections(config: &Config) -> usize {
    let files = descriptors::raise_limit();
    let wanted = u64::from(config.connections.unwrap_or(DEFAULT_CONNECTIONS));
    let connections = wanted.min(files / 4 * 3).max(1);
    // Whoever has not said how many misses none.
    if connections < wanted && config.connections.is_some() {
        tracing::info!(
            connections,
            "fewer connections than configured, since the process may open no more than {files} files"
        );
    }
    usize::try_from(connections).unwrap_or(usize::MAX)
}

/// Where clients are served, and operators where that is elsewhere.
struct Listeners {
    clients: TcpListener,
    operators: Option<TcpListener>,
}

struct Addresses {
    clients: SocketAddr,
    operators: Option<SocketAddr>,
}

impl Listeners {
    async fn bind(config: &Config) -> anyhow::Result<Self> {
        let clients = listeners::bind(config.address, "--http-port or HTTP_PORT").await?;
        let operators = match config.publishing.admin_address {
            Some(address) => {
                Some(listeners::bind(address, "--admin-address or ADMIN_ADDRESS").await?)
            }
            None => None,
        };
        Ok(Self { clients, operators })
    }

    fn addresses(&self) -> anyhow::Result<Addresses> {
        let address = |listener: &TcpListener| {
            let address = listener.local_addr();
            address.context("the listener has no address")
        };
        Ok(Addresses {
            clients: address(&self.clients)?,
            operators: self.operators.as_ref().map(address).transpose()?,
        })
    }
}

/// Begins to watch the files; without it they are read at the next start.
fn start_watch(catalog: &Arc<Catalog>, times: WatchTimes) -> Option<Watch> {
    let watch = catalog.watch(times);
    watch
        .inspect_err(|error| {
            tracing::warn!(
                %error,
                "what is edited by hand will not be noticed while the server runs"
            );
        })
        .ok()
}

pub(crate) fn warn_of_root() {
    #[cfg(unix)]
    if rustix::process::geteuid().is_root() {
        tracing::warn!(
            "the server runs as root, so whatever gets out of a sandbox may do anything: run it as a user of its own"
        );
    }
}

/// Loads what the definitions say. Blocks.
pub(crate) fn open_catalog(
    config: &Config,
    definitions: &Definitions,
    runtime: &Runtime,
) -> anyhow::Result<Catalog> {
    let settings = Settings {
        limits: config.limits.clone(),
        config: config.plugin_values.clone(),
        upload_folder: config.publishing.upload_folder.clone(),
        versions_kept: config.publishing.versions_kept,
        follow_links: config.publishing.follow_links,
        additional_arguments: config.additional_arguments,
        schemas: config.schemas,
    };
    let catalog = Catalog::open(definitions, &settings, runtime)?;
    // What was loaded is not to be had twice.
    runtime.budget().set_limit(budget_bytes(config));
    Ok(catalog)
}

fn budget_bytes(config: &Config) -> usize {
    let bytes = config.memory_budget.unwrap_or_else(memory::default_budget);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Starts the engine. Blocks.
pub(crate) fn start_runtime(config: &Config) -> anyhow::Result<Runtime> {
    let budget = Budget::new(budget_bytes(config));
    #[cfg(target_os = "linux")]
    let precompile: Option<Arc<dyn Precompile>> = {
        let limits = CompileLimits {
            cpu: config.compile_cpu,
            memory: config.compile_memory,
        };
        let apart = || Arc::new(Compilers::new(limits, &budget)) as Arc<dyn Precompile>;
        config.compile_apart.then(apart)
    };
    // Processes are bounded in other ways there: this one compiles.
    #[cfg(not(target_os = "linux"))]
    let precompile: Option<Arc<dyn Precompile>> = None;
    if let Some(proxy) = config
        .outbound_proxy
        .as_ref()
        .filter(|proxy| proxy.resolves)
    {
        tracing::warn!(
            ?proxy,
            "the proxy resolves names (outbound_proxy_resolves), so a name that a plugin may reach can lead it to private addresses"
        );
    }
    let home = config.home.plugins.as_ref().map(identity);
    start(&config.cache_folder, |cache_folder| EngineOptions {
        memory_max_bytes: config.limits.memory,
        instances_max: config.instances,
        queue_timeout: config.queue_timeout,
        cache_folder,
        home: home.clone(),
        allowed_hosts: config.allowed_hosts.clone(),
        outbound_proxy: config.outbound_proxy.clone(),
        budget: budget.clone(),
        precompile: precompile.clone(),
    })
}

/// What tells these plugins from those of other homes: where their definition file lies, by whatever way
/// it is reached.
fn identity(plugins: &Kind) -> PathBuf {
    let folder = plugins.folder.canonicalize();
    let folder = folder.or_else(|_| std::path::absolute(&plugins.folder));
    let folder = folder.unwrap_or_else(|_| plugins.folder.clone());
    folder.join(&plugins.definition_file)
}

/// Tells the log what is not served, and why.
pub(crate) fn log_quarantined(snapshot: &Snapshot) {
    for Quarantined {
        kind,
        name,
        problems,
        ..
    } in snapshot.quarantined()
    {
        for problem in problems {
            tracing::error!(kind, name, "quarantined: {problem}");
        }
    }
}

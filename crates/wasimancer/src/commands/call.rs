//! `call`: one export, called as the server would call it, or a tool of a home, called as a client would.

mod tool;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use wasimancer_runtime::{HostRule, Permissions, PluginSpec, Preinit, parse_duration, parse_size};

use super::{engine, input, scheduler};
use crate::config::LogFormat;
use crate::telemetry;

/// The arguments of `call`.
#[derive(clap::Args)]
#[expect(clippy::doc_markdown, reason = "the comments are the help text")]
pub(crate) struct Args {
    /// The .wasm file, or with --home the name of a tool
    #[arg(value_name = "FILE|TOOL")]
    called: String,
    /// The export to call, or with --home the tool's arguments in JSON (- and @FILE as for --input)
    #[arg(value_name = "EXPORT|ARGUMENTS", required_unless_present = "home")]
    how: Option<String>,
    /// Call a tool of this home as a client does, with its schema, its defaults and its `returns`
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["input", "json", "config", "allow_host", "timeout", "memory"]
    )]
    home: Option<PathBuf>,
    /// What the export gets as its input, mostly JSON; - reads standard input, @FILE a file
    #[arg(long, default_value = "")]
    input: String,
    /// Refuse an input that is no JSON
    #[arg(long)]
    json: bool,
    /// A value for config_get; repeatable
    #[arg(long, value_name = "K=V", value_parser = key_value)]
    config: Vec<(String, String)>,
    /// A host that the plugin may reach; repeatable
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<HostRule>,
    /// How long the call may take
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    timeout: Duration,
    /// How much memory it may use
    #[arg(long, default_value = "256MiB", value_parser = parse_size)]
    memory: u64,
    /// What is logged on standard error
    #[arg(
        long,
        default_value = "warn,wasimancer::plugin=info",
        value_name = "FILTER"
    )]
    log: String,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::start(&args.log, LogFormat::Human)?;
    if let Some(home) = args.home {
        let arguments = input::read(args.how.as_deref().unwrap_or("{}"))?;
        return tool::call(home, &args.called, &arguments);
    }
    let file = Path::new(&args.called);
    let wasm = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let input = input::read(&args.input)?;
    if args.json {
        input::check_json(&input)?;
    }
    let (runtime, limits) = engine(args.timeout, args.memory)?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let plugin = runtime.compile(PluginSpec {
        limits,
        permissions: Permissions {
            network: args.allow_host,
        },
        config: args.config.into_iter().collect::<BTreeMap<_, _>>(),
        // One call has nothing to gain.
        preinit: Preinit::Never,
        ..PluginSpec::new(&name, &wasm)
    });
    let plugin = plugin.with_context(|| file.display().to_string())?;
    let function = plugin.function(&args.how.unwrap_or_default())?;
    let output = scheduler()?.block_on(function.call(&input))?;
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(&output)
        .and_then(|()| stdout.flush())
        .context("the output could not be written")?;
    Ok(ExitCode::SUCCESS)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write a key, = and a value")?;
    Ok((key.to_owned(), value.to_owned()))
}

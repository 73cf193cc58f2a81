//! `call`: one export, called as the server would call it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use wasimancer_runtime::{HostRule, Permissions, PluginSpec, Preinit, parse_duration, parse_size};

use super::{engine, scheduler};
use crate::config::LogFormat;
use crate::telemetry;

/// The arguments of `call`.
#[derive(clap::Args)]
#[expect(clippy::doc_markdown, reason = "the comments are the help text")]
pub(crate) struct Args {
    /// The .wasm file
    file: PathBuf,
    /// The export to call
    export: String,
    /// What the export gets as its input, mostly JSON; - reads standard input
    #[arg(long, default_value = "")]
    input: String,
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
    let wasm = std::fs::read(&args.file)
        .with_context(|| format!("{} cannot be read", args.file.display()))?;
    let input = read_input(args.input)?;
    let (runtime, limits) = engine(args.timeout, args.memory)?;
    let name = args.file.file_stem().unwrap_or_default().to_string_lossy();
    let plugin = runtime.compile(PluginSpec {
        limits,
        permissions: Permissions {
            network: args.allow_host,
        },
        config: args.config.into_iter().collect::<BTreeMap<_, _>>(),
        // One call has nothing to gain.
        preinit: Preinit::Never,
        ..PluginSpec::new(&name, &wasm)
    })?;
    let function = plugin.function(&args.export)?;
    let output = scheduler()?.block_on(function.call(&input))?;
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(&output)
        .and_then(|()| stdout.flush())
        .context("the output could not be written")?;
    Ok(ExitCode::SUCCESS)
}

fn read_input(input: String) -> anyhow::Result<Vec<u8>> {
    if input != "-" {
        return Ok(input.into_bytes());
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .context("standard input cannot be read")?;
    Ok(bytes)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write a key, = and a value")?;
    Ok((key.to_owned(), value.to_owned()))
}

//! `check`: validates a home.

use std::io::Write;
use std::process::ExitCode;

use wasimancer_catalog::{Definitions, Lint, Problem, ServedPlugin, Snapshot, VARIABLES_PREFIX};

use crate::commands::serve::{open_catalog, start_runtime, warn_of_root};
use crate::config::resolve::{Config, resolve};
use crate::config::{Flags, ProcessEnvironment};
use crate::telemetry;

/// The arguments of `check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Take warnings of the definitions for errors
    #[arg(long)]
    strict: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = resolve(&args.flags, &ProcessEnvironment)?;
    telemetry::start("warn", config.log_format)?;
    for warning in config.token_warnings() {
        tracing::warn!("{warning}");
    }
    warn_of_root();
    let definitions = Definitions::read(&config.home)?;
    let catalog = open_catalog(&config, &definitions, &start_runtime(&config)?)?;
    catalog.compile_rest();
    let snapshot = catalog.snapshot();
    for plugin in snapshot.plugins() {
        warn_of_variables(plugin, &config);
    }
    warn_of_tools(&snapshot);
    Ok(print(
        &snapshot,
        args.strict,
        &mut std::io::stdout().lock(),
    )?)
}

/// Says which variables a plugin may read although it hardly needs them, and which it will not find.
fn warn_of_variables(plugin: &ServedPlugin, config: &Config) {
    let name = plugin.name();
    let Some(variables) = plugin.variables() else {
        if plugin.reads_configuration() {
            tracing::warn!(
                plugin = name,
                "it reads configuration, and may read every variable that begins with {VARIABLES_PREFIX}: name those that it needs in `variables`, or write `variables: []`"
            );
        }
        return;
    };
    for variable in variables {
        if !config.plugin_values.contains_key(variable) {
            tracing::warn!(
                plugin = name,
                "`variables` names {variable}, which is not set: set it, or leave it out"
            );
        }
    }
}

/// Says what some clients or models can do nothing with.
fn warn_of_tools(snapshot: &Snapshot) {
    for Lint { plugin, tool, text } in snapshot.lints() {
        tracing::warn!(plugin, tool, "{text}");
    }
    let closed = snapshot.closed_tools();
    if closed > 0 {
        tracing::warn!(
            tools = closed,
            "clients are shown `additionalProperties: false`, and google-genai converts no tool that has it: set `schemas = \"open\"` where such clients are served"
        );
    }
}

/// Prints every problem; the exit status says whether there is one. Warnings stand in the log.
fn print(snapshot: &Snapshot, strict: bool, out: &mut impl Write) -> std::io::Result<ExitCode> {
    let quarantined = snapshot.quarantined().iter();
    let problems: Vec<&Problem> = quarantined.flat_map(|entry| &entry.problems).collect();
    for problem in &problems {
        writeln!(out, "{problem}")?;
    }
    let counts = snapshot.counts();
    writeln!(
        out,
        "{} plugins with {} tools, {} resources, {} resource templates, {} prompts; {} problems",
        counts.plugins,
        counts.tools,
        counts.resources,
        counts.resource_templates,
        counts.prompts,
        problems.len()
    )?;
    let warnings = snapshot.advice().len();
    if warnings > 0 {
        let strictly = if strict {
            ", which --strict takes for errors"
        } else {
            ""
        };
        writeln!(out, "{warnings} warnings{strictly}")?;
    }
    Ok(if problems.is_empty() && !(strict && warnings > 0) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

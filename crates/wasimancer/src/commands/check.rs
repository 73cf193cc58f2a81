//! `check`: validates a home.

use std::process::ExitCode;

use crate::commands::serve::open_catalog;
use crate::config::resolve::resolve;
use crate::config::{Flags, ProcessEnvironment};

/// The arguments of `check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = resolve(&args.flags, &ProcessEnvironment)?;
    let snapshot = open_catalog(&config)?.snapshot();
    let problems: Vec<String> = snapshot
        .quarantined()
        .iter()
        .flat_map(|entry| &entry.problems)
        .map(ToString::to_string)
        .collect();
    for problem in &problems {
        println!("{problem}");
    }
    let counts = snapshot.counts();
    println!(
        "{} plugins with {} tools, {} resources, {} resource templates, {} prompts; {} problems",
        counts.plugins,
        counts.tools,
        counts.resources,
        counts.resource_templates,
        counts.prompts,
        problems.len()
    );
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

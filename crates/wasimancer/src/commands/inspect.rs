//! `inspect`: what a plugin is made of.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use wasimancer_runtime::{EngineOptions, Import, Inspection, Runtime};

/// The arguments of `inspect`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The .wasm file
    file: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let wasm = std::fs::read(&args.file)
        .with_context(|| format!("{} cannot be read", args.file.display()))?;
    let runtime = Runtime::new(EngineOptions::default())?;
    let inspection = runtime.inspect(&wasm)?;
    Ok(print(&inspection, &mut std::io::stdout().lock())?)
}

/// Prints everything; the exit status says whether a server would take the module.
fn print(inspection: &Inspection, out: &mut impl Write) -> std::io::Result<ExitCode> {
    let abi = if inspection.is_extism() {
        "Extism"
    } else {
        "none"
    };
    let wasi = if inspection.is_wasi() {
        "preview 1"
    } else {
        "none"
    };
    writeln!(out, "digest     sha256:{}", inspection.digest)?;
    writeln!(out, "size       {} bytes", inspection.size_bytes)?;
    writeln!(
        out,
        "memory     {} bytes at start",
        inspection.initial_memory_bytes
    )?;
    writeln!(out, "abi        {abi}")?;
    writeln!(out, "wasi       {wasi}")?;
    writeln!(out, "set up by  {}", listed(&inspection.initializers))?;
    writeln!(out, "functions  {}", listed(&inspection.functions))?;
    for Import { module, name, .. } in &inspection.imports {
        writeln!(out, "import     {module}::{name}")?;
    }
    let mut taken = true;
    for Import { module, name, .. } in inspection.imports.iter().filter(|import| !import.offered) {
        writeln!(
            out,
            "refused    the import {module}::{name}, which this server does not offer"
        )?;
        taken = false;
    }
    if inspection.functions.is_empty() {
        writeln!(
            out,
            "refused    no export can be a tool: it must take nothing and return an i32 or nothing"
        )?;
        taken = false;
    }
    if taken {
        writeln!(out, "refused    nothing")?;
    }
    Ok(if taken {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

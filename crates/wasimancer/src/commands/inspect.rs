//! `inspect`: what a plugin is made of.

mod profile;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use wasimancer_runtime::{
    Escaped, Hindrance, Import, Inspection, escape, parse_duration, parse_size,
};

use super::{engine, input};

/// The arguments of `inspect`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The .wasm file
    file: PathBuf,
    /// How long its start may take, when it is tried
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    timeout: Duration,
    /// How much memory its start may use
    #[arg(long, default_value = "256MiB", value_parser = parse_size)]
    memory: u64,
    /// An export to call, to see which profile suits it
    #[arg(long, value_name = "EXPORT")]
    call: Option<String>,
    /// What that export gets as its input; - reads standard input, @FILE a file
    #[arg(long, default_value = "", requires = "call")]
    input: String,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let wasm = std::fs::read(&args.file)
        .with_context(|| format!("{} cannot be read", args.file.display()))?;
    let (runtime, limits) = engine(args.timeout, args.memory)?;
    let inspection = runtime.inspect(&wasm);
    let inspection = inspection.with_context(|| args.file.display().to_string())?;
    let hindrance = runtime.hindrance(&wasm, &inspection, limits.clone());
    let profile = match &args.call {
        Some(export) => {
            let input = input::read(&args.input)?;
            Some(profile::compare(&runtime, &wasm, &limits, export, &input)?)
        }
        None => None,
    };
    let out = &mut std::io::stdout().lock();
    Ok(print(
        &inspection,
        hindrance.as_ref(),
        profile.as_deref(),
        out,
    )?)
}

/// Prints everything; the exit status says whether a server would take the module.
fn print(
    inspection: &Inspection,
    hindrance: Option<&Hindrance>,
    profile: Option<&str>,
    out: &mut impl Write,
) -> std::io::Result<ExitCode> {
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
    writeln!(
        out,
        "preinit    {}",
        Escaped(outlook(inspection, hindrance))
    )?;
    if let Some(profile) = profile {
        writeln!(out, "profile    {}", Escaped(profile))?;
    }
    writeln!(out, "functions  {}", listed(&inspection.functions))?;
    if inspection.is_command {
        writeln!(out, "command    _start can be called too")?;
    }
    for Import { module, name, .. } in &inspection.imports {
        writeln!(out, "import     {}::{}", Escaped(module), Escaped(name))?;
    }
    let mut taken = true;
    for Import { module, name, .. } in inspection.imports.iter().filter(|import| !import.offered) {
        writeln!(
            out,
            "refused    the import {}::{}, which this server does not offer",
            Escaped(module),
            Escaped(name)
        )?;
        taken = false;
    }
    if inspection.functions.is_empty() && !inspection.is_command {
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

/// What the default of `preinit` in a definition would make of the module.
fn outlook(inspection: &Inspection, hindrance: Option<&Hindrance>) -> String {
    match hindrance {
        Some(hindrance) => format!("auto does not apply: {hindrance}"),
        None if inspection.initializers.is_empty() => "nothing to run in advance".to_owned(),
        None => "auto applies: its start runs once, in advance".to_owned(),
    }
}

fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<_> = names.iter().map(|name| escape(name.as_ref())).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

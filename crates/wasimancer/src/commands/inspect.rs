//! `inspect`: what a plugin is made of.

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
    print(&inspection);
    let refused: Vec<&Import> = inspection
        .imports
        .iter()
        .filter(|import| !import.offered)
        .collect();
    if refused.is_empty() && !inspection.functions.is_empty() {
        println!("refused    nothing");
        return Ok(ExitCode::SUCCESS);
    }
    for import in refused {
        println!(
            "refused    the import {}::{}, which this server does not offer",
            import.module, import.name
        );
    }
    if inspection.functions.is_empty() {
        println!(
            "refused    no export can be a tool: it must take nothing and return an i32 or nothing"
        );
    }
    Ok(ExitCode::FAILURE)
}

fn print(inspection: &Inspection) {
    println!("digest     sha256:{}", inspection.digest);
    println!("size       {} bytes", inspection.size_bytes);
    println!(
        "memory     {} bytes at start",
        inspection.initial_memory_bytes
    );
    println!(
        "abi        {}",
        if inspection.is_extism() {
            "Extism"
        } else {
            "none"
        }
    );
    println!(
        "wasi       {}",
        if inspection.is_wasi() {
            "preview 1"
        } else {
            "none"
        }
    );
    println!("set up by  {}", listed(&inspection.initializers));
    println!("functions  {}", listed(&inspection.functions));
    for import in &inspection.imports {
        println!("import     {}::{}", import.module, import.name);
    }
}

fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

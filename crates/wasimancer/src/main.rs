//! The WASImancer server and its command line.

mod auth;
mod commands;
mod config;
mod descriptors;
mod health;
mod listeners;
mod signals;
mod telemetry;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Gives back what a burst of connections took, which the allocators of most systems keep.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// An MCP server whose tools are WebAssembly plugins and whose resources and prompts are YAML.
#[derive(Parser)]
#[command(name = "wasimancer", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a home over MCP
    Serve(Box<commands::serve::Args>),
    /// Call one export of a plugin, in the sandbox of the server
    Call(commands::call::Args),
    /// Show what a plugin is made of, and what a server would refuse of it
    Inspect(commands::inspect::Args),
    /// Validate a home: every problem is listed, and the exit status is 1 if there is one
    Check(Box<commands::check::Args>),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.command {
        Command::Serve(args) => commands::serve::run(&args),
        Command::Call(args) => commands::call::run(args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Check(args) => commands::check::run(&args),
    };
    match ended {
        Ok(code) => code,
        // Whoever reads the output has seen enough of it.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

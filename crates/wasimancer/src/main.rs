//! The WASImancer server and its command line.

mod auth;
mod commands;
#[cfg(target_os = "linux")]
mod compilers;
mod config;
mod descriptors;
mod health;
mod listeners;
mod log_queue;
mod memory;
mod opening;
mod proxies;
mod signals;
mod signposts;
mod telemetry;
mod tokens;
mod wrong_tokens;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use config::resolve::ConfigErrors;
use wasimancer_runtime::escape;

/// Gives back what a burst of connections took, which the allocators of most systems keep.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Gives free pages back after a second in place of ten: until then they count as the server's, beside the budget.
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "the allocator looks for its configuration by this name"
)]
// SAFETY: jemalloc reads a pointer to a text that ends with 0 here (its manual, "TUNING"); nothing else has the name.
#[unsafe(export_name = "_rjem_malloc_conf")]
#[used]
static ALLOCATOR_CONFIGURATION: &[u8; 37] = b"dirty_decay_ms:1000,muzzy_decay_ms:0\0";

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
    /// Call one export of a plugin, in the sandbox of the server, or a tool of a home
    Call(commands::call::Args),
    /// Show what a plugin is made of, and what a server would refuse of it
    Inspect(commands::inspect::Args),
    /// Validate a home: every problem is listed, and the exit status is 1 if there is one
    Check(Box<commands::check::Args>),
    /// Compile modules for a server, which starts this by itself
    #[cfg(target_os = "linux")]
    #[command(name = compilers::worker::COMMAND, hide = true)]
    CompileModules {
        /// Most bytes of memory
        memory: u64,
    },
}

fn main() -> ExitCode {
    let _told = ToldAtTheEnd;
    match Cli::try_parse() {
        Ok(cli) => run(cli.command),
        Err(error) => explain(&error),
    }
}

/// Lets what was logged reach its reader, also where the process ends by a panic.
struct ToldAtTheEnd;

impl Drop for ToldAtTheEnd {
    fn drop(&mut self) {
        telemetry::flush();
    }
}

fn run(command: Command) -> ExitCode {
    let ended = match command {
        Command::Serve(args) => commands::serve::run(&args),
        Command::Call(args) => commands::call::run(args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Check(args) => commands::check::run(&args),
        #[cfg(target_os = "linux")]
        Command::CompileModules { memory } => {
            compilers::worker::run(memory).map(|()| ExitCode::SUCCESS)
        }
    };
    match ended {
        Ok(code) => code,
        // Whoever reads the output has seen enough of it.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Each line of this one is escaped by itself.
            let told = match error.downcast_ref::<ConfigErrors>() {
                Some(errors) => errors.to_string(),
                None => escape(&whole(&error)).into_owned(),
            };
            telemetry::say(&format!("error: {told}"));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each of them once: many say themselves what they come from.
fn whole(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

/// Says what is wrong with the command line, or what can be written there.
fn explain(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let text = error.render();
        let text = if std::io::stderr().is_terminal() {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        telemetry::say(text.trim_end());
    } else {
        // Whoever reads the output has seen enough of it.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(u8::MAX))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

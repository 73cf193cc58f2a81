//! Everything that can go wrong between bytes of WebAssembly and the output of a call.

use std::time::Duration;

use crate::escape::{Escaped, cut};
use crate::first_look::switched_off;
use crate::preinit::Hindrance;

/// Most names of a module that a message lists, and most bytes of each: a module may have thousands.
const NAMES_SHOWN_MAX: usize = 20;
const NAME_SHOWN_MAX_BYTES: usize = 200;

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a module was refused or a call ended without an output.
///
/// The display text of a call's ending is one sentence fit for the caller of a tool.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The engine could not be set up on this machine.
    #[error("the WebAssembly engine could not start: {reason}")]
    Engine {
        /// What the engine said.
        reason: String,
    },

    /// The bytes are no WebAssembly module that this engine accepts.
    #[error("{}: {}", match switched_off(.reason) {
        Some(proposal) => format!("the module uses {proposal}, which is off here"),
        None => "not a valid WebAssembly module".to_owned(),
    }, Escaped(.reason))]
    InvalidModule {
        /// What the validator said.
        reason: String,
    },

    /// The module has more of something than it may have.
    #[error(
        "the module has at least {found} {what}, and at most {limit} are compiled here: build it with optimization, or split it"
    )]
    TooMany {
        /// What there is too much of, in the plural.
        what: &'static str,
        /// How many were counted before the module was refused.
        found: u64,
        /// How many there may be.
        limit: u64,
    },

    /// The module was not compiled, although nothing is known to be wrong with it.
    #[error("the module could not be compiled: {reason}")]
    Compiling {
        /// What was in the way, with the remedy.
        reason: String,
    },

    /// Compiling the module takes more than it may, or ends the compiler.
    #[error("the module cannot be compiled: {}", Escaped(.reason))]
    Uncompilable {
        /// What is in the way, with the remedy.
        reason: String,
    },

    /// The module imports what no plugin is offered.
    #[error(
        "the module imports {}, which this server does not offer; it offers the host functions of Extism (extism:host/env) and its own (wasimancer:host/env), and WASI preview 1",
        Escaped(list(.imports))
    )]
    UnknownImport {
        /// `module::name` of every such import.
        imports: Vec<String>,
    },

    /// The module needs more memory to start than its limit grants.
    #[error(
        "the module starts with {needed} bytes of memory and its limit is {limit}; raise `limits.memory`"
    )]
    InitialMemory {
        /// Bytes that the module asks for.
        needed: u64,
        /// Bytes that it may have.
        limit: u64,
    },

    /// The start of the module must be run in advance, and cannot be.
    #[error(
        "`preinit: always` is not possible: {hindrance}; write `preinit: never` or `preinit: auto`"
    )]
    Preinit {
        /// What is in the way.
        hindrance: Hindrance,
    },

    /// The module does not export the function.
    #[error(
        "the module does not export a function `{}`; it exports {}{}",
        Escaped(cut(.export, NAME_SHOWN_MAX_BYTES)),
        Escaped(list(.available)),
        if *.is_command { ", and `_start`, which can be called too" } else { "" }
    )]
    UnknownExport {
        /// The export that was asked for.
        export: String,
        /// The functions it does export, without those of run-time systems.
        available: Vec<String>,
        /// Whether it is a WASI command, with a `_start` that can be called.
        is_command: bool,
    },

    /// The export is no plugin function: those take nothing and return an `i32` or nothing.
    #[error(
        "the export `{}` has the type {}; a plugin function takes no parameter and returns an i32 or nothing",
        Escaped(cut(.export, NAME_SHOWN_MAX_BYTES)),
        cut(.found, NAME_SHOWN_MAX_BYTES)
    )]
    ExportType {
        /// The export that was asked for.
        export: String,
        /// Its type.
        found: String,
    },

    /// The guest trapped: an `unreachable`, an access out of bounds, a stack overflow, a bad handle.
    #[error("the plugin trapped: {reason}")]
    Trap {
        /// The engine's name of the trap.
        reason: String,
    },

    /// The plugin reported an error through `error_set`.
    #[error("the plugin reported an error: {message}")]
    Plugin {
        /// The plugin's own words.
        message: String,
    },

    /// A guest that trapped, or ended with another code than 0, and what it had written to its standard
    /// error.
    #[error("{error}; its standard error ends with:\n{stderr}")]
    WithStderr {
        /// The ending.
        error: Box<Self>,
        /// The last lines, with what is secret hidden.
        stderr: String,
    },

    /// The export returned another value than 0, or the guest exited with it, and left no message.
    #[error("the plugin failed with code {code} and left no message")]
    NonZero {
        /// The value that was returned.
        code: i32,
    },

    /// The call did not end in time.
    #[error("the call was stopped at its time limit of {limit:?}")]
    TimeLimit {
        /// The limit.
        limit: Duration,
    },

    /// The call has kept threads busy for as long as it may.
    #[error("the call was stopped at its limit of {limit:?} of computing time")]
    CpuLimit {
        /// The limit.
        limit: Duration,
    },

    /// The guest asked for more memory or table space than it may have.
    #[error("the call was stopped at its memory limit of {limit} bytes")]
    MemoryLimit {
        /// The limit, in bytes.
        limit: u64,
    },

    /// The budget of the server's memory has no room for the call, or for what it asks for.
    #[error("{}", match .has_begun {
        true => "the call was stopped, since the server has no memory left (server_memory); try again later",
        false => "the server has no memory left for the call (server_memory); try again later",
    })]
    ServerMemory {
        /// Whether anything of the call has run.
        has_begun: bool,
    },

    /// The code of the plugin was not there yet after as long as a call may take.
    #[error(
        "the server has just started, and the plugin was not compiled within {waited:?} (starting); try again later"
    )]
    Starting {
        /// How long the call has waited.
        waited: Duration,
    },

    /// The input is larger than the plugin takes.
    #[error("the input has {size} bytes and the limit is {limit}")]
    InputTooLarge {
        /// Size of the input, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },

    /// The guest set a larger output than it may.
    #[error("the output has {size} bytes and the limit is {limit}")]
    OutputTooLarge {
        /// Size of the output, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },

    /// The guest asked for a host that it has no permission for.
    #[error("the plugin may not reach {}: {reason}", Escaped(.host))]
    DeniedHost {
        /// The host, or the address that it resolved to.
        host: String,
        /// What is missing.
        reason: &'static str,
    },

    /// An HTTP request of the guest failed.
    #[error("the plugin's HTTP request failed: {}", Escaped(.reason))]
    Http {
        /// What failed, without secrets of the request.
        reason: String,
    },

    /// The guest has made as many HTTP requests as it may.
    #[error("the call was stopped at its limit of {limit} HTTP requests")]
    HttpRequests {
        /// The limit.
        limit: u32,
    },

    /// Every place for a call was in use for as long as a call waits.
    #[error(
        "{whose} is busy: all {limit} calls that it runs at once were under way for {waited:?}; try again later"
    )]
    Busy {
        /// Who has the places: the plugin, or the server for all plugins.
        whose: &'static str,
        /// How many calls may run at once.
        limit: u32,
        /// How long the call has waited.
        waited: Duration,
    },

    /// As many calls wait as may, and those of others have a better right to wait.
    #[error("the server is busy: {limit} calls wait, and no more may; try again later")]
    QueueFull {
        /// How many calls may wait.
        limit: usize,
    },

    /// The folder of compiled modules cannot be used.
    #[error(
        "the folder of compiled modules {} cannot be used: {}",
        Escaped(.folder),
        Escaped(.reason)
    )]
    Cache {
        /// The folder's path.
        folder: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The first names of a module's, which may be many and long.
fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown = names
        .iter()
        .take(NAMES_SHOWN_MAX)
        .map(|name| cut(name, NAME_SHOWN_MAX_BYTES));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

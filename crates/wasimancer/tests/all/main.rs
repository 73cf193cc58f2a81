//! The behaviour of the real binary: as a server, through HTTP, and as a command line.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod arguments;
mod authentication;
mod batches;
mod changes_told;
mod command_call;
mod command_check;
mod command_inspect;
mod command_line;
mod completion;
mod concurrency;
mod configuration;
mod discovery;
mod envelopes;
mod eras;
mod examples;
mod headers;
mod initialize;
mod limits;
mod notifications;
mod origins;
mod pagination;
mod prompts;
mod quarantine;
mod resources;
mod returns;
mod secrets;
mod session_streams;
mod sessions;
mod shutdown;
mod subscriptions;
mod support;
mod tools;
mod transport;

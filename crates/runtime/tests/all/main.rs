//! The crate's behaviour through its public interface, on modules written as text in
//! `tests/modules`. Every test starts an engine of its own.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod abi;
mod allocation;
mod budget;
mod cache;
mod concurrency;
mod conversation;
mod counts;
mod exports;
mod handles;
mod host_calls;
mod hostile;
mod http;
mod isolation;
mod kept;
mod limits;
mod log;
mod preinit;
mod profile;
mod publication;
mod support;
mod volume;
mod wasi;

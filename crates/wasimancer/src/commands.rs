//! The commands, one a file.

pub(crate) mod call;
pub(crate) mod check;
pub(crate) mod inspect;
pub(crate) mod serve;

use std::time::Duration;

use anyhow::Context;
use wasimancer_runtime::{EngineOptions, Limits, LimitsOverride, Runtime};

/// An engine for one call at a time, and what such a call may take.
fn engine(timeout: Duration, memory: u64) -> anyhow::Result<(Runtime, Limits)> {
    let runtime = Runtime::new(EngineOptions {
        memory_max_bytes: memory,
        instances_max: 1,
        ..EngineOptions::default()
    })?;
    let limits = Limits::default().replaced_by(&LimitsOverride {
        timeout: Some(timeout),
        memory: Some(memory),
        ..LimitsOverride::default()
    });
    Ok((runtime, limits))
}

/// What runs the calls of a command that serves nothing.
fn scheduler() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not start")
}

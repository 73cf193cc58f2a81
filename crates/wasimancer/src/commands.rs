//! The commands, one a file.

pub(crate) mod call;
pub(crate) mod check;
mod input;
pub(crate) mod inspect;
pub(crate) mod serve;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use wasimancer_runtime::{EngineOptions, Error, Limits, LimitsOverride, Runtime};

use crate::config::ProcessEnvironment;
use crate::config::resolve::CacheFolder;

/// An engine for one call at a time, and what such a call may take.
fn engine(timeout: Duration, memory: u64) -> anyhow::Result<(Runtime, Limits)> {
    let cache_folder = CacheFolder::of(None, &ProcessEnvironment);
    let runtime = start(&cache_folder, |cache_folder| EngineOptions {
        memory_max_bytes: memory,
        instances_max: 1,
        cache_folder,
        ..EngineOptions::default()
    })?;
    let limits = Limits::default().replaced_by(&LimitsOverride {
        timeout: Some(timeout),
        memory: Some(memory),
        ..LimitsOverride::default()
    });
    Ok((runtime, limits))
}

/// Starts the engines with a folder of compiled modules, or without one where the default cannot be used.
fn start(
    cache_folder: &CacheFolder,
    options: impl Fn(Option<PathBuf>) -> EngineOptions,
) -> anyhow::Result<Runtime> {
    match cache_folder {
        CacheFolder::Off => Ok(Runtime::new(options(None))?),
        CacheFolder::Given(folder) => Ok(Runtime::new(options(Some(folder.clone())))?),
        CacheFolder::Default(folder) => match Runtime::new(options(Some(folder.clone()))) {
            Err(error @ Error::Cache { .. }) => {
                tracing::warn!(%error, "modules are compiled at every start");
                Ok(Runtime::new(options(None))?)
            }
            started => Ok(started?),
        },
    }
}

/// What runs the calls of a command that serves nothing.
fn scheduler() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not start")
}

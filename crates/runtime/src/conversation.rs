//! The host functions of `wasimancer:host/env`: a plugin's conversation with its requester.
//!
//! Parameters and results are handles of blocks of the Extism ABI, which hold JSON. The contract for
//! plugin authors is `docs/plugin-contract.md`.

use serde::Deserialize;
use serde_json::{Number, Value};
use wasmtime::{Caller, Linker};

use crate::error::{Error, Result};
use crate::host::Host;
use crate::plugin_log::LOG_MESSAGE_MAX_BYTES;
use crate::requester::{Event, Severity};

/// The module name of these host functions.
pub(crate) const MODULE: &str = "wasimancer:host/env";
/// Longest message of a report of progress that is passed on, in bytes; the rest is cut.
const PROGRESS_MESSAGE_MAX_BYTES: usize = 1024;
/// Longest name of a logger that is passed on, in bytes; the rest is cut.
const LOGGER_MAX_BYTES: usize = 256;

/// Defines the host functions on a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "request", |mut caller: Caller<'_, Host>| {
        let host = caller.data_mut();
        let request = host.requester.describe();
        host.new_block(request.as_bytes())
    })?;
    linker.func_wrap(
        MODULE,
        "progress",
        |mut caller: Caller<'_, Host>, handle: u64| Ok(caller.data_mut().report(handle)?),
    )?;
    linker.func_wrap(
        MODULE,
        "log",
        |mut caller: Caller<'_, Host>, handle: u64| Ok(caller.data_mut().log_message(handle)?),
    )?;
    linker.func_wrap(MODULE, "release", |caller: Caller<'_, Host>| {
        caller.data().requester.tell(Event::Release);
    })?;
    Ok(())
}

#[derive(Deserialize)]
struct Report {
    progress: Number,
    #[serde(default)]
    total: Option<Number>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    level: String,
    #[serde(default)]
    logger: Option<String>,
    data: Value,
}

impl Host {
    fn report(&mut self, handle: u64) -> Result<()> {
        let Report {
            progress,
            total,
            message,
        } = self.json("progress", handle)?;
        // What does not grow is no progress (MCP, patterns/progress).
        let now = progress.as_f64().unwrap_or_default();
        if self.progress.is_some_and(|before| now <= before) {
            return Ok(());
        }
        self.progress = Some(now);
        self.requester.tell(Event::Progress {
            progress,
            total,
            message: message.map(|message| cut(message, PROGRESS_MESSAGE_MAX_BYTES)),
        });
        Ok(())
    }

    fn log_message(&mut self, handle: u64) -> Result<()> {
        let Message {
            level,
            logger,
            data,
        } = self.json("log", handle)?;
        let severity: Severity = level.parse().map_err(|error| Error::Trap {
            reason: format!("log: `level` {error}"),
        })?;
        let text = match &data {
            Value::String(text) => text.clone(),
            data => data.to_string(),
        };
        // JSON cannot be cut, but its text can.
        let data = if text.len() > LOG_MESSAGE_MAX_BYTES {
            Value::from(cut(text.clone(), LOG_MESSAGE_MAX_BYTES))
        } else {
            data
        };
        let logger = logger.map(|logger| cut(logger, LOGGER_MAX_BYTES));
        self.write_log(severity.level(), severity, &text, logger, data);
        Ok(())
    }

    /// The JSON in a block, given to a host function.
    fn json<T: for<'de> Deserialize<'de>>(&self, function: &str, handle: u64) -> Result<T> {
        let bytes = self.memory.block(handle)?;
        self.check_deadline(bytes.len())?;
        serde_json::from_slice(bytes).map_err(|error| Error::Trap {
            reason: format!("{function}: its parameter is not the JSON that it takes: {error}"),
        })
    }
}

/// The beginning of a text.
pub(crate) fn cut(mut text: String, max_bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(max_bytes));
    text
}

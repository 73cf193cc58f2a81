//! The host functions of `wasimancer:host/env`: a plugin's conversation with its requester.
//!
//! Parameters and results are handles of blocks of the Extism ABI, which hold JSON. The contract for
//! plugin authors is `docs/plugin-contract.md`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};
use wasmtime::{Caller, Linker};

use crate::error::{Error, Result};
use crate::escape::cut;
use crate::host::Host;
use crate::plugin_log::LOG_MESSAGE_MAX_BYTES;
use crate::requester::{Event, Severity};

/// The module name of these host functions.
pub(crate) const MODULE: &str = "wasimancer:host/env";
/// Largest parameter, in bytes. It is read at once, and what is passed on of it is much shorter.
const PARAMETER_MAX_BYTES: usize = 1024 * 1024;
/// Most that is said of what is wrong with a parameter, in bytes: it repeats texts of the guest's.
const WORDS_MAX_BYTES: usize = 240;
/// Longest message of a report of progress that is passed on, in bytes; the rest is cut.
const PROGRESS_MESSAGE_MAX_BYTES: usize = 1024;
/// Longest name of a logger that is passed on, in bytes; the rest is cut.
const LOGGER_MAX_BYTES: usize = 256;

/// Defines the host functions on a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap_async(MODULE, "request", |mut caller: Caller<'_, Host>, (): ()| {
        Box::new(async move { Ok(caller.data_mut().describe().await?) })
    })?;
    linker.func_wrap_async(
        MODULE,
        "progress",
        |mut caller: Caller<'_, Host>, (handle,): (u64,)| {
            Box::new(async move { Ok(caller.data_mut().report(handle).await?) })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "log",
        |mut caller: Caller<'_, Host>, (handle,): (u64,)| {
            Box::new(async move { Ok(caller.data_mut().log_message(handle).await?) })
        },
    )?;
    linker.func_wrap(MODULE, "release", |mut caller: Caller<'_, Host>| {
        let host = caller.data_mut();
        host.count()?;
        host.requester.tell(Event::Release);
        Ok(())
    })?;
    Ok(())
}

#[derive(Deserialize)]
struct Report<'a> {
    progress: Number,
    #[serde(default)]
    total: Option<Number>,
    #[serde(default, borrow)]
    message: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    level: Cow<'a, str>,
    #[serde(default, borrow)]
    logger: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Host {
    async fn describe(&mut self) -> Result<u64> {
        let request = self.requester.describe();
        self.pay(request.len()).await?;
        self.new_block(request.as_bytes())
    }

    async fn report(&mut self, handle: u64) -> Result<()> {
        self.pay_json("progress", handle).await?;
        let Report {
            progress,
            total,
            message,
        } = parsed("progress", self.memory.block(handle)?)?;
        // What does not grow is no progress (MCP, patterns/progress).
        let now = progress.as_f64().unwrap_or_default();
        if self.progress.is_some_and(|before| now <= before) {
            return Ok(());
        }
        let message = message.map(|message| cut(&message, PROGRESS_MESSAGE_MAX_BYTES).to_owned());
        self.progress = Some(now);
        self.requester.tell(Event::Progress {
            progress,
            total,
            message,
        });
        Ok(())
    }

    async fn log_message(&mut self, handle: u64) -> Result<()> {
        self.pay_json("log", handle).await?;
        let Message {
            level,
            logger,
            data,
        } = parsed("log", self.memory.block(handle)?)?;
        let severity: Severity =
            cut(&level, WORDS_MAX_BYTES)
                .parse()
                .map_err(|error| Error::Trap {
                    reason: format!("log: `level` {error}"),
                })?;
        let logger = logger.map(|logger| cut(&logger, LOGGER_MAX_BYTES).to_owned());
        let json = data.get();
        let data = if json.len() <= LOG_MESSAGE_MAX_BYTES {
            parsed("log", json.as_bytes())?
        } else if json.starts_with('"') {
            let text: Cow<'_, str> = parsed("log", json.as_bytes())?;
            Value::from(cut(&text, LOG_MESSAGE_MAX_BYTES))
        } else {
            // JSON cannot be cut, but its text can.
            Value::from(cut(json, LOG_MESSAGE_MAX_BYTES))
        };
        let text = match &data {
            Value::String(text) => text.clone(),
            data => data.to_string(),
        };
        self.write_log(severity.level(), severity, &text, logger, data);
        Ok(())
    }

    /// Pays for the JSON in a block, given to a host function.
    async fn pay_json(&mut self, function: &str, handle: u64) -> Result<()> {
        let size = self.memory.block(handle)?.len();
        if size > PARAMETER_MAX_BYTES {
            return Err(Error::Trap {
                reason: format!(
                    "{function}: its parameter has {size} bytes and may have {PARAMETER_MAX_BYTES}"
                ),
            });
        }
        self.pay(size).await
    }
}

/// The JSON in a block.
fn parsed<'j, T: Deserialize<'j>>(function: &str, json: &'j [u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| {
        let words = error.to_string();
        Error::Trap {
            reason: format!(
                "{function}: its parameter is not the JSON that it takes: {}",
                cut(&words, WORDS_MAX_BYTES)
            ),
        }
    })
}

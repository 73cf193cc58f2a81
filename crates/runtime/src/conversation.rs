//! The host functions of `wasimancer:host/env`: a plugin's conversation with its requester.
//!
//! Parameters and results are handles of blocks of the Extism ABI, which hold JSON. The contract for
//! plugin authors is `docs/plugin-contract.md`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::Level;
use wasmtime::{Caller, Linker};

use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::escape::cut;
use crate::host::{Host, json_of};
use crate::plugin_log::LOG_MESSAGE_MAX_BYTES;
use crate::requester::{Event, Severity};
use crate::rewrite_json::rewrite_json;

/// The module name of these host functions.
pub(crate) const MODULE: &str = "wasimancer:host/env";
/// Largest parameter, in bytes. It is read at once, and what is passed on of it is much shorter.
const PARAMETER_MAX_BYTES: usize = 1024 * 1024;
/// Levels of JSON around a parameter where it is told.
const LEVELS_AROUND: usize = 1;
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
    #[serde(borrow)]
    progress: &'a RawValue,
    #[serde(default, borrow)]
    total: Option<&'a RawValue>,
    #[serde(default, borrow)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    level: Cow<'a, str>,
    #[serde(default, borrow)]
    logger: Option<&'a RawValue>,
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
        let json = self.json("progress", handle).await?;
        let Report {
            progress,
            total,
            message,
        } = parsed("progress", &json)?;
        // What does not grow is no progress (MCP, patterns/progress).
        let now: f64 = parsed("progress", progress.get())?;
        if self.progress.is_some_and(|before| now <= before) {
            return Ok(());
        }
        let is_number = self
            .optional::<f64>("progress: `total`", "a number", total)
            .is_some();
        let total = total.filter(|_| is_number);
        let message = self.optional::<Cow<'_, str>>("progress: `message`", "a string", message);
        let message = message.map(|message| cut(&message, PROGRESS_MESSAGE_MAX_BYTES).to_owned());
        self.progress = Some(now);
        self.requester.tell(Event::Progress {
            progress: progress.to_owned(),
            total: total.map(RawValue::to_owned),
            message,
        });
        Ok(())
    }

    async fn log_message(&mut self, handle: u64) -> Result<()> {
        let json = self.json("log", handle).await?;
        let Message {
            level,
            logger,
            data,
        } = parsed("log", &json)?;
        let severity: Severity =
            cut(&level, WORDS_MAX_BYTES)
                .parse()
                .map_err(|error| Error::Trap {
                    reason: format!("log: `level` {error}"),
                })?;
        let logger = self.optional::<Cow<'_, str>>("log: `logger`", "a string", logger);
        let logger = logger.map(|logger| cut(&logger, LOGGER_MAX_BYTES).to_owned());
        let text = if data.get().starts_with('"') {
            parsed("log", data.get())?
        } else {
            Cow::Borrowed(data.get())
        };
        let text = cut(&text, LOG_MESSAGE_MAX_BYTES);
        // JSON cannot be cut, but its text can.
        let told = || {
            if data.get().len() <= LOG_MESSAGE_MAX_BYTES {
                data.to_owned()
            } else {
                json_of(text)
            }
        };
        self.write_log(severity.level(), severity, text, logger, told);
        Ok(())
    }

    /// A field that may be missing, and is left out where it is wrong.
    fn optional<'j, T: Deserialize<'j>>(
        &self,
        field: &str,
        wanted: &str,
        json: Option<&'j RawValue>,
    ) -> Option<T> {
        let json = json?.get();
        let read = serde_json::from_str(json).ok();
        if read.is_none() {
            let line = format!("{field} must be {wanted} and is left out");
            let context = &self.context;
            context.log.write(&context.name, Level::WARN, &line);
        }
        read
    }

    /// The JSON in a block, given to a host function, rewritten and paid for.
    async fn json(&mut self, function: &str, handle: u64) -> Result<String> {
        let size = self.memory.block(handle)?.len();
        if size > PARAMETER_MAX_BYTES {
            return Err(Error::Trap {
                reason: format!(
                    "{function}: its parameter has {size} bytes and may have {PARAMETER_MAX_BYTES}"
                ),
            });
        }
        self.pay(size).await?;
        // As short-lived as the names of a block, and on as many threads at most.
        let mut json = self.memory.block(handle)?.to_vec();
        let rewritten = rewrite_json(&mut json, LEVELS_AROUND, &Budget::default());
        let rewritten = rewritten.map_err(|error| not_taken(function, &error))?;
        Ok(rewritten.to_owned())
    }
}

/// What JSON holds.
fn parsed<'j, T: Deserialize<'j>>(function: &str, json: &'j str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| not_taken(function, &error))
}

fn not_taken(function: &str, error: &dyn std::error::Error) -> Error {
    let words = error.to_string();
    Error::Trap {
        reason: format!(
            "{function}: its parameter is not the JSON that it takes: {}",
            cut(&words, WORDS_MAX_BYTES)
        ),
    }
}

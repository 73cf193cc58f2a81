//! WASI preview 1 for every plugin, with nothing granted: no files, no environment, no
//! arguments, no network. Clocks and random numbers work; what the guest writes to its standard
//! output and error becomes log lines of the plugin.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;
use wasmtime::{Caller, Extern, Linker};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtxBuilder, async_trait};

use crate::error::Error;
use crate::host::Host;
use crate::plugin_log::{self, CallLog, LOG_MESSAGE_MAX_BYTES};

/// The module name of preview 1.
pub(crate) const MODULE: &str = "wasi_snapshot_preview1";
/// How much the guest may write at once, in bytes.
const WRITE_MAX_BYTES: usize = 64 * 1024;

/// Bytes of random numbers after which the guest yields.
const RANDOM_YIELD_BYTES: usize = 4096;
/// Preview 1's errors for a bad pointer and for a descriptor that is no socket.
const ERRNO_FAULT: i32 = 21;
const ERRNO_NOTSOCK: i32 = 57;

/// Defines the functions of preview 1 on a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    wasmtime_wasi::p1::add_to_linker_async(linker, Host::wasi)?;
    linker.allow_shadowing(true);
    // The library's own fills any length at once, and code without loops never yields between.
    linker.func_wrap_async(
        MODULE,
        "random_get",
        |caller: Caller<'_, Host>, (pointer, length): (u32, u32)| {
            Box::new(random_get(caller, pointer as usize, length as usize))
        },
    )?;
    // The library's own write a warning of the server's for each call. There are no sockets.
    linker.func_wrap(MODULE, "sock_accept", |_: i32, _: i32, _: i32| {
        ERRNO_NOTSOCK
    })?;
    linker.func_wrap(
        MODULE,
        "sock_recv",
        |_: i32, _: i32, _: i32, _: i32, _: i32, _: i32| ERRNO_NOTSOCK,
    )?;
    linker.func_wrap(
        MODULE,
        "sock_send",
        |_: i32, _: i32, _: i32, _: i32, _: i32| ERRNO_NOTSOCK,
    )?;
    linker.func_wrap(MODULE, "sock_shutdown", |_: i32, _: i32| ERRNO_NOTSOCK)?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn random_get(
    mut caller: Caller<'_, Host>,
    pointer: usize,
    length: usize,
) -> wasmtime::Result<i32> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let memory = memory.ok_or_else(|| Error::Trap {
        reason: "the module exports no memory for random_get".to_owned(),
    })?;
    let mut done = 0;
    while done < length {
        let next = (length - done).min(RANDOM_YIELD_BYTES);
        let start = pointer + done;
        let Some(bytes) = memory.data_mut(&mut caller).get_mut(start..start + next) else {
            return Ok(ERRNO_FAULT);
        };
        getrandom::fill(bytes).map_err(|error| Error::Trap {
            reason: format!("the machine gives no random numbers: {error}"),
        })?;
        done += next;
        if next == RANDOM_YIELD_BYTES {
            tokio::task::yield_now().await;
        }
    }
    Ok(0)
}

/// The WASI context of one call.
pub(crate) fn context(log: &CallLog) -> WasiP1Ctx {
    WasiCtxBuilder::new()
        .stdout(LogStream::new(log, Level::INFO))
        .stderr(LogStream::new(log, Level::WARN))
        .build_p1()
}

/// A standard stream of the guest that ends in the log.
#[derive(Clone)]
struct LogStream(Arc<Mutex<Lines>>);

/// Bytes on their way to becoming log lines.
struct Lines {
    log: CallLog,
    level: Level,
    /// The line that has not ended yet, cut at [`LOG_MESSAGE_MAX_BYTES`].
    line: Vec<u8>,
}

impl LogStream {
    fn new(log: &CallLog, level: Level) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            log: log.clone(),
            level,
            line: Vec::new(),
        })))
    }
}

impl Lines {
    fn write(&mut self, bytes: &[u8]) {
        if self.log.is_full() {
            return;
        }
        for &byte in bytes {
            if byte == b'\n' {
                self.end_line();
            } else if self.line.len() < LOG_MESSAGE_MAX_BYTES {
                self.line.push(byte);
            }
        }
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            let text = String::from_utf8_lossy(&self.line);
            let line = plugin_log::line(&text);
            if self.log.charge(&line) {
                self.log.write(self.level, &line);
            }
            self.line.clear();
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end_line();
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Preview 1 asks for `p2_stream` only.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for LogStream {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        // A poisoned lock still holds whole lines: writing to the log does not panic half-way.
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_MAX_BYTES)
    }
}

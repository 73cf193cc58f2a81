//! WASI preview 1 for every plugin, with nothing granted: no files, no environment, no
//! arguments, no network. Clocks and random numbers work; what the guest writes to its standard
//! output and error becomes log lines of the plugin.

mod guest;
mod poll;

use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;
use wasmtime::{Caller, Linker};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtxBuilder, async_trait};

use self::guest::{ERRNO_NOTSOCK, SUCCESS};
use crate::context::{Context, LOG_CALL_MAX_BYTES, LOG_MESSAGE_MAX_BYTES};
use crate::error::Error;
use crate::host::Host;

/// The module name of preview 1.
pub(crate) const MODULE: &str = "wasi_snapshot_preview1";
/// How much the guest may write at once, in bytes.
const WRITE_MAX_BYTES: usize = 64 * 1024;

/// Bytes of random numbers that are made at once. They take ten times as long as other bytes.
const RANDOM_BYTES_AT_ONCE: usize = 4096;
const RANDOM_COST: usize = 10;

/// Defines the functions of preview 1 on a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    wasmtime_wasi::p1::add_to_linker_async(linker, Host::wasi)?;
    linker.allow_shadowing(true);
    // What takes as long as the guest wishes is not the library's: it pays, and yields.
    linker.func_wrap(
        MODULE,
        "clock_res_get",
        |caller: Caller<'_, Host>, clock: u32, result: u32| poll::resolution(caller, clock, result),
    )?;
    linker.func_wrap(
        MODULE,
        "clock_time_get",
        |caller: Caller<'_, Host>, clock: u32, _precision: u64, result: u32| {
            poll::time(caller, clock, result)
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "poll_oneoff",
        |caller: Caller<'_, Host>, parameters| Box::new(poll::poll(caller, parameters)),
    )?;
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
    address: usize,
    length: usize,
) -> wasmtime::Result<i32> {
    let memory = guest::memory(&mut caller)?;
    let mut done = 0;
    while done < length {
        let next = (length - done).min(RANDOM_BYTES_AT_ONCE);
        caller.data_mut().pay(next * RANDOM_COST).await?;
        let mut bytes = [0; RANDOM_BYTES_AT_ONCE];
        let bytes = &mut bytes[..next];
        getrandom::fill(bytes).map_err(|error| Error::Trap {
            reason: format!("the machine gives no random numbers: {error}"),
        })?;
        if let Err(errno) = guest::store(memory, &mut caller, address + done, bytes) {
            return Ok(errno);
        }
        done += next;
    }
    Ok(SUCCESS)
}

/// The WASI context of one call.
pub(crate) fn context(context: &Arc<Context>) -> WasiP1Ctx {
    WasiCtxBuilder::new()
        .stdout(LogStream::new(context, Level::INFO))
        .stderr(LogStream::new(context, Level::WARN))
        .build_p1()
}

/// A standard stream of the guest that ends in the log.
#[derive(Clone)]
struct LogStream(Arc<Mutex<Lines>>);

/// Bytes on their way to becoming log lines.
struct Lines {
    context: Arc<Context>,
    level: Level,
    /// The line that has not ended yet, cut at [`LOG_MESSAGE_MAX_BYTES`].
    line: Vec<u8>,
    /// What the call may still write.
    budget: usize,
}

impl LogStream {
    fn new(context: &Arc<Context>, level: Level) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            context: context.clone(),
            level,
            line: Vec::new(),
            budget: LOG_CALL_MAX_BYTES,
        })))
    }
}

impl Lines {
    fn write(&mut self, bytes: &[u8]) {
        let kept = &bytes[..bytes.len().min(self.budget)];
        for &byte in kept {
            if byte == b'\n' {
                self.end_line();
            } else if self.line.len() < LOG_MESSAGE_MAX_BYTES {
                self.line.push(byte);
            }
        }
        if self.budget > 0 && kept.len() < bytes.len() {
            self.end_line();
            self.context.log_is_full();
        }
        self.budget -= kept.len();
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            self.context
                .log(self.level, &String::from_utf8_lossy(&self.line));
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

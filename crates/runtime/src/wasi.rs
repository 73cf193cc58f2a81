//! WASI preview 1 for every plugin, with nothing granted: no files, no environment, no
//! arguments, no network. Clocks and random numbers work; what the guest writes to its standard
//! output and error becomes log lines of the plugin.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtxBuilder, async_trait};

use crate::context::{Context, LOG_CALL_MAX_BYTES, LOG_MESSAGE_MAX_BYTES};

/// How much the guest may write at once, in bytes.
const WRITE_MAX_BYTES: usize = 64 * 1024;

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

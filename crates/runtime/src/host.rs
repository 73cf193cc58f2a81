//! The state of one call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use wasmtime::ResourceLimiter;
use wasmtime_wasi::p1::WasiP1Ctx;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::extism::memory::Memory;
use crate::outbound_http::ResponseHead;
use crate::plugin_log::{self, CallLog, LOG_MESSAGE_MAX_BYTES};
use crate::requester::{Event, Nobody, Requester, Severity};
use crate::wasi;

/// Most elements that the tables of one instance may hold: the pool's slots have this size.
pub(crate) const TABLE_MAX_ELEMENTS: usize = 100_000;
/// What a variable costs beyond the bytes of its name and value: its place in the map and the two
/// allocations, rounded up.
const VARIABLE_BYTES: usize = 128;
/// A host function that moves as many bytes looks at the clock first.
const MANY_BYTES: usize = 64 * 1024;
/// Longest message of `error_set` that is passed on, in bytes; the rest is cut.
const ERROR_MESSAGE_MAX_BYTES: u64 = 64 * 1024;
/// Bytes beyond its input and output that a call's memory has room for before it grows.
const SPARE_BYTES: usize = 1024;

/// A stretch of a call's memory.
#[derive(Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The state of one call. Nothing of it outlives the call.
pub(crate) struct Host {
    pub(crate) context: Arc<Context>,
    pub(crate) requester: Arc<dyn Requester>,
    /// How far the guest said that it has come.
    pub(crate) progress: Option<f64>,
    pub(crate) memory: Memory,
    pub(crate) input: Span,
    output: Span,
    /// Handle of the error message; 0 for none.
    pub(crate) error: u64,
    pub(crate) variables: HashMap<String, Vec<u8>>,
    /// Status and headers of the last HTTP response.
    pub(crate) response: Option<ResponseHead>,
    /// What all variables cost, in bytes.
    variable_bytes: usize,
    /// Bytes of all linear memories and tables.
    instance_bytes: usize,
    /// When the call ends. Guest code is stopped by its epoch; host functions that move many bytes
    /// look here, since code without loops could call them one after another for ever.
    deadline: Instant,
    /// What the call may still write to the log. Made at its first line.
    log: Option<CallLog>,
    /// Made at the guest's first WASI call.
    wasi: Option<WasiP1Ctx>,
}

/// A memory for a call with this input and an output of the same size.
fn memory_for(input: &[u8]) -> Memory {
    Memory::with_capacity(2 * input.len() + SPARE_BYTES)
}

impl Host {
    /// The state of a call with this input, which the caller has held against its limit.
    pub(crate) fn new(
        context: Arc<Context>,
        requester: Arc<dyn Requester>,
        input: &[u8],
        deadline: Instant,
    ) -> Self {
        let mut host = Self {
            context,
            requester,
            progress: None,
            memory: memory_for(input),
            input: Span::default(),
            output: Span::default(),
            error: 0,
            variables: HashMap::new(),
            response: None,
            variable_bytes: 0,
            instance_bytes: 0,
            deadline,
            log: None,
            wasi: None,
        };
        host.take_input(input);
        host
    }

    /// Begins the next call of an instance that is kept.
    pub(crate) fn resume(
        &mut self,
        requester: Arc<dyn Requester>,
        input: &[u8],
        deadline: Instant,
    ) {
        self.requester = requester;
        self.deadline = deadline;
        self.memory = memory_for(input);
        self.take_input(input);
    }

    /// Forgets everything of a call but what its guest keeps on purpose: its instance, and the
    /// variables. What the call was for ends with it, while the instance waits for the next.
    pub(crate) fn rest(&mut self) {
        self.requester = Arc::new(Nobody);
        self.progress = None;
        self.reset();
        self.response = None;
        self.log = None;
        self.wasi = None;
    }

    fn take_input(&mut self, input: &[u8]) {
        self.input = Span {
            offset: self.memory.alloc_bytes(input),
            length: input.len() as u64,
        };
    }

    pub(crate) fn wasi(&mut self) -> &mut WasiP1Ctx {
        let (context, log) = (&self.context, &mut self.log);
        self.wasi
            .get_or_insert_with(|| wasi::context(log.get_or_insert_with(|| CallLog::new(context))))
    }

    /// Writes the text of a block to the log.
    pub(crate) fn log(&mut self, level: Level, handle: u64) -> Result<()> {
        let message = self.memory.block(handle)?;
        let severity = Severity::of(level);
        if level > LevelFilter::current() && !self.hears(severity) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(message);
        let text = text[..text.floor_char_boundary(LOG_MESSAGE_MAX_BYTES)].to_owned();
        self.write_log(level, severity, &text, None, Value::from(text.as_str()));
        Ok(())
    }

    /// Writes a message to the server's log and tells the requester, where they listen, until the
    /// call has written all that it may.
    pub(crate) fn write_log(
        &mut self,
        level: Level,
        severity: Severity,
        text: &str,
        logger: Option<String>,
        data: Value,
    ) {
        let (is_logged, is_heard) = (level <= LevelFilter::current(), self.hears(severity));
        if !is_logged && !is_heard {
            return;
        }
        let log = self.log.get_or_insert_with(|| CallLog::new(&self.context));
        let line = plugin_log::line(text);
        if !log.charge(&line) {
            return;
        }
        if is_logged {
            log.write(level, &line);
        }
        if is_heard {
            self.requester.tell(Event::Log {
                severity,
                logger,
                data,
            });
        }
    }

    fn hears(&self, severity: Severity) -> bool {
        self.requester.log().is_some_and(|least| severity >= least)
    }

    /// The least level that is listened to by anybody; none for no level.
    pub(crate) fn log_level(&self) -> Option<Level> {
        let server = LevelFilter::current().into_level();
        let requester = self.requester.log().map(Severity::level);
        // A more verbose level is the greater one.
        server.max(requester)
    }

    /// A new block of this many bytes, within the memory limit.
    pub(crate) fn alloc(&mut self, length: u64) -> Result<u64> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.check_deadline(length)?;
        self.check_memory(self.memory.growth_for(length))?;
        Ok(self.memory.alloc(length))
    }

    /// Gives a block back; the input ends with its block.
    pub(crate) fn free(&mut self, handle: u64) -> Result<()> {
        self.memory.free(handle)?;
        if handle == self.input.offset {
            self.input.length = 0;
        }
        Ok(())
    }

    /// A new block with these bytes, within the memory limit.
    pub(crate) fn new_block(&mut self, bytes: &[u8]) -> Result<u64, wasmtime::Error> {
        self.check_deadline(bytes.len())?;
        self.check_memory(self.memory.growth_for(bytes.len()))?;
        Ok(self.memory.alloc_bytes(bytes))
    }

    /// The text of a block; invalid UTF-8 becomes U+FFFD.
    pub(crate) fn text(&self, handle: u64) -> Result<String> {
        let bytes = self.memory.block(handle)?;
        self.check_deadline(bytes.len())?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// A copy of a block's bytes, within the memory limit.
    pub(crate) fn copy(&self, handle: u64) -> Result<Vec<u8>> {
        let bytes = self.memory.block(handle)?;
        self.check_deadline(bytes.len())?;
        self.check_memory(bytes.len())?;
        Ok(bytes.to_vec())
    }

    /// Reads from the input at an index of its own.
    pub(crate) fn input_bytes<const N: usize>(&self, index: u64) -> Result<[u8; N]> {
        let end = index.checked_add(N as u64);
        if end.is_none_or(|end| end > self.input.length) {
            return Err(Error::Trap {
                reason: format!(
                    "the index {index} with {N} bytes lies outside the input of {} bytes",
                    self.input.length
                ),
            });
        }
        Ok(self.memory.load(self.input.offset + index)?)
    }

    /// Remembers where the output lies; a later call replaces an earlier one.
    pub(crate) fn set_output(&mut self, offset: u64, length: u64) -> Result<(), wasmtime::Error> {
        let limit = self.context.limits.output;
        if length > limit {
            return Err(Error::OutputTooLarge {
                size: length,
                limit,
            }
            .into());
        }
        if length > 0 {
            self.memory.range(offset, length)?;
        }
        self.output = Span { offset, length };
        Ok(())
    }

    /// The output, empty where none was set.
    pub(crate) fn output(&self) -> &[u8] {
        self.memory
            .range(self.output.offset, self.output.length)
            .unwrap_or_default()
    }

    /// The message left with `error_set`; a block that is freed by now says nothing.
    pub(crate) fn error_message(&self) -> Option<String> {
        let message = self.memory.block(self.error).ok()?;
        // It goes out in place of an output, and its limit is no wider.
        let limit = self.context.limits.output.min(ERROR_MESSAGE_MAX_BYTES) as usize;
        let message = String::from_utf8_lossy(&message[..message.len().min(limit)]);
        Some(message.into_owned()).filter(|message| !message.is_empty())
    }

    /// Sets a variable to the bytes of a block; a value of 0 removes it.
    pub(crate) fn set_variable(&mut self, key: u64, value: u64) -> Result<(), wasmtime::Error> {
        let key = self.text(key)?;
        if let Some(old) = self.variables.remove(&key) {
            self.variable_bytes -= variable_bytes(&key, &old);
        }
        if value != 0 {
            let value = self.copy(value)?;
            let size = variable_bytes(&key, &value);
            self.check_memory(size)?;
            self.variable_bytes += size;
            self.variables.insert(key, value);
        }
        Ok(())
    }

    /// Frees all blocks and forgets input, output and error.
    pub(crate) fn reset(&mut self) {
        self.memory = Memory::with_capacity(SPARE_BYTES);
        self.input = Span::default();
        self.output = Span::default();
        self.error = 0;
    }

    /// Ends a call that is past its deadline, before many bytes are moved for it.
    pub(crate) fn check_deadline(&self, bytes: usize) -> Result<()> {
        if bytes >= MANY_BYTES && Instant::now() >= self.deadline {
            let limit = self.context.limits.timeout;
            return Err(Error::TimeLimit { limit });
        }
        Ok(())
    }

    fn check_memory(&self, more: usize) -> Result<()> {
        let limit = self.context.limits.memory;
        let used = self.instance_bytes + self.memory.size() + self.variable_bytes;
        if used.saturating_add(more) as u64 > limit {
            return Err(Error::MemoryLimit { limit });
        }
        Ok(())
    }
}

fn variable_bytes(key: &str, value: &[u8]) -> usize {
    VARIABLE_BYTES + key.len() + value.len()
}

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond the module's own maximum, growing fails as the module expects.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.check_memory(desired - current)?;
        self.instance_bytes += desired - current;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) && desired <= TABLE_MAX_ELEMENTS {
            return Ok(false);
        }
        if desired > TABLE_MAX_ELEMENTS {
            let limit = (TABLE_MAX_ELEMENTS * size_of::<usize>()) as u64;
            return Err(Error::MemoryLimit { limit }.into());
        }
        let more = (desired - current) * size_of::<usize>();
        self.check_memory(more)?;
        self.instance_bytes += more;
        Ok(true)
    }
}

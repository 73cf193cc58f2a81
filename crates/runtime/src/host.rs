//! The state of one call.

mod http;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use wasmtime::ResourceLimiter;

use crate::budget::Charge;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::escape::cut;
use crate::extism::memory::Memory;
use crate::limits::WASM_STACK_BYTES;
use crate::outbound_http::ResponseHead;
use crate::pace::Pace;
use crate::plugin_log::{self, CallLog, LOG_MESSAGE_MAX_BYTES};
use crate::requester::{Event, Nobody, Requester, Severity};
use crate::wasi::Streams;

/// Most elements that the tables of one instance may hold: the pool's slots have this size.
pub(crate) const TABLE_MAX_ELEMENTS: usize = 100_000;
/// What a variable costs beyond the bytes of its name and value: its place in the map and the two
/// allocations, rounded up.
const VARIABLE_BYTES: usize = 128;
/// Longest name of a variable or of a value of the configuration, in bytes: they are texts for people.
const KEY_MAX_BYTES: usize = 64 * 1024;
/// Bytes of a new block that are made at once.
const ZEROS_AT_ONCE: usize = 256 * 1024;
/// Longest message of `error_set` that is passed on, in bytes; the rest is cut.
const ERROR_MESSAGE_MAX_BYTES: u64 = 64 * 1024;
/// What a call costs before its guest has any memory, in bytes: its stack, which the guest may fill
/// without asking, and what the engine and the host keep of it.
pub(crate) const CALL_BYTES: usize = WASM_STACK_BYTES + 128 * 1024;
/// The budget is charged in steps of as many bytes, since all calls share it.
const CHARGE_STEP_BYTES: usize = 64 * 1024;
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
    /// Bytes that the host holds for the guest beside all these: bodies and headers of its HTTP.
    held_bytes: usize,
    /// All of these, in the budget of the server.
    charge: Charge,
    /// What host functions have done, held against the time that the call has.
    pace: Pace,
    /// HTTP requests so far.
    http_requests: u32,
    /// What the call may still write to the log. Made at its first line.
    log: Option<CallLog>,
    /// What the guest writes to its standard streams. Made at its first bytes.
    streams: Option<Streams>,
    /// Where the guest's monotonic clock begins. None: it has not looked at it yet.
    began: Option<Instant>,
}

/// A memory for a call with this input and an output of the same size.
fn memory_for(input: &[u8]) -> Memory {
    Memory::with_capacity(2 * input.len() + SPARE_BYTES)
}

impl Host {
    /// The state of a call with this input, which the caller has held against its limit, and charged
    /// with [`CALL_BYTES`].
    pub(crate) fn new(
        context: Arc<Context>,
        requester: Arc<dyn Requester>,
        input: &[u8],
        deadline: Instant,
        charge: Charge,
    ) -> Self {
        let pace = Pace::new(deadline, context.limits.timeout);
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
            held_bytes: 0,
            charge,
            pace,
            http_requests: 0,
            log: None,
            streams: None,
            began: None,
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
        charge: Charge,
    ) {
        self.requester = requester;
        self.charge.absorb(charge);
        self.pace = Pace::new(deadline, self.context.limits.timeout);
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
        self.held_bytes = 0;
        self.http_requests = 0;
        self.streams = None;
        self.log = None;
        let used = self.used();
        self.charge.shrink_to(used);
    }

    fn take_input(&mut self, input: &[u8]) {
        self.input = Span {
            offset: self.memory.alloc_bytes(input),
            length: input.len() as u64,
        };
    }

    /// Where the guest's monotonic clock begins.
    pub(crate) fn began(&mut self) -> Instant {
        *self.began.get_or_insert_with(Instant::now)
    }

    /// What the guest writes to its standard streams.
    pub(crate) fn streams(&mut self) -> &mut Streams {
        let (context, log) = (&self.context, &mut self.log);
        self.streams.get_or_insert_with(|| {
            let log = log.get_or_insert_with(|| CallLog::new(context));
            Streams::new(log.clone())
        })
    }

    /// What the guest's standard error ends with, as far as callers are told.
    pub(crate) fn stderr(&self) -> Option<String> {
        self.streams.as_ref().and_then(Streams::told)
    }

    /// Writes the text of a block to the log.
    pub(crate) async fn log(&mut self, level: Level, handle: u64) -> Result<()> {
        self.pay(LOG_MESSAGE_MAX_BYTES).await?;
        if handle == 0 {
            return Ok(());
        }
        let message = self.memory.block(handle)?;
        let severity = Severity::of(level);
        if level > LevelFilter::current() && !self.hears(severity) {
            return Ok(());
        }
        // A character that is cut in two reads as U+FFFD and lies beyond the end.
        let message = &message[..message.len().min(LOG_MESSAGE_MAX_BYTES + 4)];
        let text = String::from_utf8_lossy(message);
        let text = cut(&text, LOG_MESSAGE_MAX_BYTES).to_owned();
        self.write_log(level, severity, &text, None, || json_of(&text));
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
        data: impl FnOnce() -> Box<RawValue>,
    ) {
        let (is_logged, is_heard) = (level <= LevelFilter::current(), self.hears(severity));
        if !is_logged && !is_heard {
            return;
        }
        let log = self.log.get_or_insert_with(|| CallLog::new(&self.context));
        if log.is_full() {
            return;
        }
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
                data: data(),
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

    /// A new block of this many zeros, within the memory limit.
    pub(crate) async fn alloc(&mut self, length: u64) -> Result<u64> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.check_memory(self.memory.growth_for(length))?;
        self.pay(length.min(ZEROS_AT_ONCE)).await?;
        let mut block = self.memory.begin(length);
        while self.memory.fill_zeros(&mut block, ZEROS_AT_ONCE) {
            self.pay(ZEROS_AT_ONCE).await?;
        }
        Ok(block.handle())
    }

    /// Gives a block back; the input ends with its block.
    pub(crate) fn free(&mut self, handle: u64) -> Result<()> {
        self.memory.free(handle)?;
        if handle == self.input.offset {
            self.input.length = 0;
        }
        Ok(())
    }

    /// A new block with these bytes, within the memory limit. Whoever calls this has paid for them.
    pub(crate) fn new_block(&mut self, bytes: &[u8]) -> Result<u64> {
        self.check_memory(self.memory.growth_for(bytes.len()))?;
        Ok(self.memory.alloc_bytes(bytes))
    }

    /// The name in a block; invalid UTF-8 becomes U+FFFD.
    fn key(&self, handle: u64) -> Result<Cow<'_, str>> {
        let bytes = self.memory.block(handle)?;
        if bytes.len() > KEY_MAX_BYTES {
            return Err(Error::Trap {
                reason: format!(
                    "a name of {} bytes, where names have at most {KEY_MAX_BYTES}",
                    bytes.len()
                ),
            });
        }
        Ok(String::from_utf8_lossy(bytes))
    }

    /// A new block with the value of the configuration of this name; 0 where there is none.
    pub(crate) async fn config(&mut self, key: u64) -> Result<u64> {
        self.pay(self.memory.length(key)? as usize).await?;
        if key == 0 {
            return Ok(0);
        }
        let context = self.context.clone();
        let Some(value) = context.config.get(&*self.key(key)?) else {
            return Ok(0);
        };
        self.pay(value.len()).await?;
        self.new_block(value.as_bytes())
    }

    /// A new block with the value of a variable; 0 where there is none.
    pub(crate) async fn variable(&mut self, key: u64) -> Result<u64> {
        if key == 0 {
            self.pay(0).await?;
            return Ok(0);
        }
        let size = self.variables.get(&*self.key(key)?).map_or(0, Vec::len);
        self.pay(self.memory.length(key)? as usize + size).await?;
        let key = self.key(key)?.into_owned();
        let Some(value) = self.variables.remove(&key) else {
            return Ok(0);
        };
        let block = self.new_block(&value);
        self.variables.insert(key, value);
        block
    }

    /// Sets a variable to the bytes of a block; a value of 0 removes it, and a key of 0 is none's.
    pub(crate) async fn set_variable(&mut self, key: u64, value: u64) -> Result<()> {
        let size = self.memory.length(key)? + self.memory.length(value)?;
        self.pay(size as usize).await?;
        if key == 0 {
            return Ok(());
        }
        let key = self.key(key)?.into_owned();
        if let Some(old) = self.variables.remove(&key) {
            self.variable_bytes -= variable_bytes(&key, &old);
        }
        if value != 0 {
            let size = variable_bytes(&key, self.memory.block(value)?);
            self.check_memory(size)?;
            let value = self.memory.block(value)?.to_vec();
            self.variables.insert(key, value);
            self.variable_bytes += size;
        }
        Ok(())
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
    pub(crate) fn set_output(&mut self, offset: u64, length: u64) -> Result<()> {
        let limit = self.context.limits.output;
        if length > limit {
            return Err(Error::OutputTooLarge {
                size: length,
                limit,
            });
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

    /// Frees all blocks and forgets input, output and error.
    pub(crate) fn reset(&mut self) {
        self.memory = Memory::with_capacity(SPARE_BYTES);
        self.input = Span::default();
        self.output = Span::default();
        self.error = 0;
    }

    /// Notes a call that moves eight bytes or fewer.
    ///
    /// # Errors
    /// [`Error::TimeLimit`].
    pub(crate) fn count(&mut self) -> Result<()> {
        self.pace.count()
    }

    /// Pays for what a host function moves: past the deadline the call ends, and the thread serves
    /// others before it goes on for too long.
    ///
    /// # Errors
    /// [`Error::TimeLimit`].
    pub(crate) async fn pay(&mut self, bytes: usize) -> Result<()> {
        self.pace.pay(bytes).await
    }

    /// Charges what the host holds for the guest to its memory limit.
    fn hold(&mut self, bytes: usize) -> Result<()> {
        self.check_memory(bytes)?;
        self.held_bytes += bytes;
        Ok(())
    }

    /// What counts against the memory limit, in bytes.
    fn used(&self) -> usize {
        let logged = self.log.as_ref().map_or(0, CallLog::bytes);
        self.instance_bytes + self.memory.size() + self.variable_bytes + self.held_bytes + logged
    }

    /// Holds more bytes against the memory limit, and charges them to the budget.
    fn check_memory(&mut self, more: usize) -> Result<()> {
        let limit = self.context.limits.memory;
        let wanted = self.used().saturating_add(more);
        if wanted as u64 > limit {
            return Err(Error::MemoryLimit { limit });
        }
        let lacking = (wanted + CALL_BYTES).saturating_sub(self.charge.bytes());
        let charged = self
            .charge
            .grow(lacking.next_multiple_of(CHARGE_STEP_BYTES));
        charged.map_err(|_| Error::ServerMemory { has_begun: true })
    }
}

/// A text as JSON.
pub(crate) fn json_of(text: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(text).expect("a text is JSON")
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

//! Standard streams of preview 1: what the guest writes becomes lines of its log, and there is nothing
//! to read.

use tracing::Level;
use wasmtime::{Caller, Memory};

use super::guest::{self, ERRNO_BADF, ERRNO_INVAL, Errno};
use crate::host::Host;
use crate::plugin_log::{self, CallLog, LOG_MESSAGE_MAX_BYTES};
use crate::stderr_tail::Tail;

/// Descriptors of the standard streams.
const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;
/// Most buffers of one read or write, as with POSIX (`IOV_MAX`).
const BUFFERS_MAX: usize = 1024;
/// Size of an entry of the list of buffers, in bytes: a pointer and a length.
const BUFFER_BYTES: usize = 8;
/// Bytes of output that are looked at at once.
const OUTPUT_BYTES_AT_ONCE: usize = 64 * 1024;

/// What a guest writes to its standard streams, on its way to becoming lines of its log.
pub(crate) struct Streams {
    log: CallLog,
    /// Lines that have not ended yet, cut at [`LOG_MESSAGE_MAX_BYTES`].
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// The end of standard error.
    tail: Tail,
}

impl Streams {
    pub(crate) fn new(log: CallLog) -> Self {
        Self {
            log,
            stdout: Vec::new(),
            stderr: Vec::new(),
            tail: Tail::default(),
        }
    }

    /// What its standard error ends with, as far as callers are told.
    pub(crate) fn told(&self) -> Option<String> {
        let secrets = self.log.context().secrets.as_ref()?;
        Some(self.tail.told(secrets)).filter(|told| !told.is_empty())
    }

    fn write(&mut self, descriptor: u32, bytes: &[u8]) {
        if descriptor == STDERR
            && let Some(secrets) = &self.log.context().secrets
        {
            self.tail.push(bytes, secrets);
        }
        if self.log.is_full() {
            return;
        }
        let (line, level) = match descriptor {
            STDOUT => (&mut self.stdout, Level::INFO),
            _ => (&mut self.stderr, Level::WARN),
        };
        for &byte in bytes {
            if byte == b'\n' {
                end_line(&self.log, level, line);
            } else if line.len() < LOG_MESSAGE_MAX_BYTES {
                line.push(byte);
            }
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        end_line(&self.log, Level::INFO, &mut self.stdout);
        end_line(&self.log, Level::WARN, &mut self.stderr);
    }
}

fn end_line(log: &CallLog, level: Level, line: &mut Vec<u8>) {
    if !line.is_empty() {
        let text = String::from_utf8_lossy(line);
        let shown = plugin_log::line(&text);
        if log.charge(&shown) {
            log.write(level, &shown);
        }
        line.clear();
    }
}

/// `fd_write`: a descriptor, a list of buffers and their number, and where the number of bytes goes.
pub(super) async fn write(
    mut caller: Caller<'_, Host>,
    (descriptor, buffers, count, result): (u32, u32, u32, u32),
) -> wasmtime::Result<i32> {
    let count = count as usize;
    caller
        .data_mut()
        .pay(count.min(BUFFERS_MAX) * BUFFER_BYTES)
        .await?;
    let memory = guest::memory(&mut caller)?;
    let buffers = match descriptor {
        STDOUT | STDERR => read_buffers(memory, &caller, buffers as usize, count),
        _ => Err(ERRNO_BADF),
    };
    let buffers = match buffers {
        Ok(buffers) => buffers,
        Err(errno) => return Ok(errno),
    };
    let mut written = 0_u32;
    for (address, length) in buffers {
        let mut done = 0;
        while done < length {
            let next = (length - done).min(OUTPUT_BYTES_AT_ONCE);
            caller.data_mut().pay(next).await?;
            let (bytes, host) = memory.data_and_store_mut(&mut caller);
            let Some(bytes) = bytes.get(address + done..address + done + next) else {
                return Ok(guest::ERRNO_FAULT);
            };
            host.streams().write(descriptor, bytes);
            done += next;
        }
        written = written.saturating_add(length as u32);
    }
    let stored = guest::store(memory, &mut caller, result as usize, &written.to_le_bytes());
    Ok(guest::told(stored))
}

/// `fd_read`: standard input has ended; the number of bytes is 0.
pub(super) fn read(
    mut caller: Caller<'_, Host>,
    descriptor: u32,
    result: u32,
) -> wasmtime::Result<i32> {
    caller.data_mut().count()?;
    if descriptor != STDIN {
        return Ok(ERRNO_BADF);
    }
    let memory = guest::memory(&mut caller)?;
    let stored = guest::store(memory, &mut caller, result as usize, &0_u32.to_le_bytes());
    Ok(guest::told(stored))
}

/// Address and length of each buffer.
fn read_buffers(
    memory: Memory,
    caller: &Caller<'_, Host>,
    address: usize,
    count: usize,
) -> Errno<Vec<(usize, usize)>> {
    if count > BUFFERS_MAX {
        return Err(ERRNO_INVAL);
    }
    let entries = guest::bytes(memory, caller, address, count * BUFFER_BYTES)?;
    let number = |bytes: &[u8]| {
        let bytes = bytes.try_into().expect("each half has four bytes");
        u32::from_le_bytes(bytes) as usize
    };
    let entries = entries.chunks_exact(BUFFER_BYTES);
    Ok(entries
        .map(|entry| (number(&entry[..4]), number(&entry[4..])))
        .collect())
}

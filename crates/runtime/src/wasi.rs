//! WASI preview 1 for every plugin, with nothing granted: no files, no environment, no
//! arguments, no network. Clocks and random numbers work; what the guest writes to its standard
//! output and error becomes log lines of the plugin.
//!
//! The functions are our own: the engine's library does what a call asks for in one stretch, for as
//! long as it takes, where a guest has to pay, to yield and to end in between.

mod descriptors;
mod guest;
mod poll;
mod streams;

use wasmtime::{Caller, Linker};

use self::guest::SUCCESS;
pub(crate) use self::streams::Streams;
use crate::error::Error;
use crate::host::Host;
use crate::slice::pause;

/// The module name of preview 1.
pub(crate) const MODULE: &str = "wasi_snapshot_preview1";
/// Bytes of random numbers that are made at once. They take ten times as long as other bytes.
const RANDOM_BYTES_AT_ONCE: usize = 4096;
const RANDOM_COST: usize = 10;

/// A guest that ended itself, with its code.
#[derive(Debug, thiserror::Error)]
#[error("the plugin exits with {0}")]
pub(crate) struct Exit(pub(crate) i32);

/// Defines the functions of preview 1 on a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    for name in ["args", "environ"] {
        let (sizes, all) = (format!("{name}_sizes_get"), format!("{name}_get"));
        linker.func_wrap(MODULE, &sizes, no_texts)?;
        linker.func_wrap(
            MODULE,
            &all,
            |mut caller: Caller<'_, Host>, _: u32, _: u32| {
                caller.data_mut().count()?;
                Ok(SUCCESS)
            },
        )?;
    }
    linker.func_wrap(
        MODULE,
        "clock_res_get",
        |caller: Caller<'_, Host>, clock: u32, result: u32| poll::resolution(caller, clock, result),
    )?;
    linker.func_wrap_async(
        MODULE,
        "clock_time_get",
        |caller: Caller<'_, Host>, parameters| Box::new(poll::time(caller, parameters)),
    )?;
    linker.func_wrap_async(
        MODULE,
        "sched_yield",
        |mut caller: Caller<'_, Host>, (): ()| {
            Box::new(async move {
                caller.data_mut().pay(0).await?;
                pause().await;
                Ok::<i32, wasmtime::Error>(SUCCESS)
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "fd_write",
        |caller: Caller<'_, Host>, parameters| Box::new(streams::write(caller, parameters)),
    )?;
    linker.func_wrap(
        MODULE,
        "fd_read",
        |caller: Caller<'_, Host>, descriptor: u32, _: u32, _: u32, result: u32| {
            streams::read(caller, descriptor, result)
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
    linker.func_wrap(MODULE, "proc_exit", exit)?;
    descriptors::add_to_linker(linker)
}

/// `args_sizes_get` and `environ_sizes_get`: there are none, which take no bytes.
fn no_texts(mut caller: Caller<'_, Host>, count: u32, size: u32) -> wasmtime::Result<i32> {
    caller.data_mut().count()?;
    let memory = guest::memory(&mut caller)?;
    let nothing = 0_u32.to_le_bytes();
    let stored = guest::store(memory, &mut caller, count as usize, &nothing)
        .and_then(|()| guest::store(memory, &mut caller, size as usize, &nothing));
    Ok(guest::told(stored))
}

/// `proc_exit`.
fn exit(_: Caller<'_, Host>, code: i32) -> wasmtime::Result<()> {
    Err(Exit(code).into())
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

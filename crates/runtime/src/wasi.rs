//! WASI preview 1 for every plugin, with nothing granted: no files, no environment, no
//! arguments, no network. Clocks and random numbers work; what the guest writes to its standard
//! output and error becomes log lines of the plugin.

mod denied;
mod guest;
mod poll;
mod streams;

use wasmtime::{Caller, Linker};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;

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
    for name in ["fd_pread", "fd_pwrite"] {
        linker.func_wrap(
            MODULE,
            name,
            |caller: Caller<'_, Host>, descriptor: u32, _: u32, _: u32, _: u64, _: u32| {
                streams::at_place(caller, descriptor)
            },
        )?;
    }
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
    denied::add_to_linker(linker)?;
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

/// The WASI context of one call, without anything to read or write.
pub(crate) fn context() -> WasiP1Ctx {
    WasiCtxBuilder::new().build_p1()
}

//! The Extism host ABI: the functions of `extism:host/env`.
//!
//! Source: the guest's side in the crate `extism-pdk` and the pages of the Extism ABI. Handles
//! are 64-bit offsets of blocks; 0 means none, which PDKs use for an empty text: logging it does
//! nothing, and an empty key finds nothing and sets nothing, as in libextism. Any other offset where no
//! block begins traps, and ends that call alone. So does a request that is described by none.
//!
//! Functions that move eight bytes or fewer are plain and only counted; all others are asynchronous
//! and pay for what they move, since a module without loops may call them one after another.

pub(crate) mod memory;

use tracing::Level;
use wasmtime::{Caller, Linker};

use crate::error::Error;
use crate::host::Host;

/// The module name of every host function of the ABI.
pub(crate) const MODULE: &str = "extism:host/env";

type Result<T, E = wasmtime::Error> = std::result::Result<T, E>;

/// Defines the host functions on a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    add_memory(linker)?;
    add_input_and_output(linker)?;
    add_variables(linker)?;
    add_http(linker)?;
    add_logging(linker)
}

fn add_memory(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap_async(
        MODULE,
        "alloc",
        |mut caller: Caller<'_, Host>, (length,): (u64,)| {
            Box::new(async move { Ok(caller.data_mut().alloc(length).await?) })
        },
    )?;
    linker.func_wrap(
        MODULE,
        "free",
        |mut caller: Caller<'_, Host>, handle: u64| {
            let host = counted(&mut caller)?;
            Ok(host.free(handle)?)
        },
    )?;
    for name in ["length", "length_unsafe"] {
        linker.func_wrap(MODULE, name, |mut caller: Caller<'_, Host>, handle: u64| {
            Ok(counted(&mut caller)?.memory.length(handle)?)
        })?;
    }
    linker.func_wrap(
        MODULE,
        "load_u8",
        |mut caller: Caller<'_, Host>, offset: u64| {
            let host = counted(&mut caller)?;
            Ok(u32::from(host.memory.load::<1>(offset)?[0]))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "load_u64",
        |mut caller: Caller<'_, Host>, offset: u64| {
            let host = counted(&mut caller)?;
            Ok(u64::from_le_bytes(host.memory.load(offset)?))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "store_u8",
        |mut caller: Caller<'_, Host>, offset: u64, value: u32| {
            let [low, ..] = value.to_le_bytes();
            Ok(counted(&mut caller)?.memory.store(offset, [low])?)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "store_u64",
        |mut caller: Caller<'_, Host>, offset: u64, value: u64| {
            let host = counted(&mut caller)?;
            Ok(host.memory.store(offset, value.to_le_bytes())?)
        },
    )?;
    Ok(())
}

fn add_input_and_output(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(MODULE, "input_length", |mut caller: Caller<'_, Host>| {
        Ok(counted(&mut caller)?.input.length)
    })?;
    linker.func_wrap(MODULE, "input_offset", |mut caller: Caller<'_, Host>| {
        Ok(counted(&mut caller)?.input.offset)
    })?;
    linker.func_wrap(
        MODULE,
        "input_load_u8",
        |mut caller: Caller<'_, Host>, index: u64| {
            Ok(u32::from(counted(&mut caller)?.input_bytes::<1>(index)?[0]))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "input_load_u64",
        |mut caller: Caller<'_, Host>, index: u64| {
            Ok(u64::from_le_bytes(
                counted(&mut caller)?.input_bytes(index)?,
            ))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "output_set",
        |mut caller: Caller<'_, Host>, offset: u64, length: u64| {
            Ok(counted(&mut caller)?.set_output(offset, length)?)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "error_set",
        |mut caller: Caller<'_, Host>, handle: u64| {
            let host = counted(&mut caller)?;
            if handle != 0 {
                host.memory.block(handle)?;
            }
            host.error = handle;
            Ok(())
        },
    )?;
    linker.func_wrap(MODULE, "error_get", |mut caller: Caller<'_, Host>| {
        Ok(counted(&mut caller)?.error)
    })?;
    // It gives back no more than other calls have paid for.
    linker.func_wrap(MODULE, "reset", |mut caller: Caller<'_, Host>| {
        counted(&mut caller)?.reset();
        Ok(())
    })?;
    Ok(())
}

fn add_variables(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap_async(
        MODULE,
        "config_get",
        |mut caller: Caller<'_, Host>, (key,): (u64,)| {
            Box::new(async move { Ok(caller.data_mut().config(key).await?) })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "var_get",
        |mut caller: Caller<'_, Host>, (key,): (u64,)| {
            Box::new(async move { Ok(caller.data_mut().variable(key).await?) })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "var_set",
        |mut caller: Caller<'_, Host>, (key, value): (u64, u64)| {
            Box::new(async move { Ok(caller.data_mut().set_variable(key, value).await?) })
        },
    )?;
    Ok(())
}

fn add_http(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap_async(
        MODULE,
        "http_request",
        |mut caller: Caller<'_, Host>, (request, body): (u64, u64)| {
            Box::new(async move { Ok(caller.data_mut().http_request(request, body).await?) })
        },
    )?;
    linker.func_wrap(
        MODULE,
        "http_status_code",
        |mut caller: Caller<'_, Host>| {
            let head = counted(&mut caller)?.response.as_ref();
            Ok(head.map_or(0, |head| i32::from(head.status)))
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "http_headers",
        |mut caller: Caller<'_, Host>, (): ()| {
            Box::new(async move { Ok(caller.data_mut().http_headers().await?) })
        },
    )?;
    Ok(())
}

fn add_logging(linker: &mut Linker<Host>) -> Result<()> {
    let levels = [
        ("log_trace", Level::TRACE),
        ("log_debug", Level::DEBUG),
        ("log_info", Level::INFO),
        ("log_warn", Level::WARN),
        ("log_error", Level::ERROR),
    ];
    for (name, level) in levels {
        linker.func_wrap_async(
            MODULE,
            name,
            move |mut caller: Caller<'_, Host>, (handle,): (u64,)| {
                Box::new(async move { Ok(caller.data_mut().log(level, handle).await?) })
            },
        )?;
    }
    linker.func_wrap(MODULE, "get_log_level", |mut caller: Caller<'_, Host>| {
        Ok(log_level(counted(&mut caller)?.log_level()))
    })?;
    Ok(())
}

/// The state of a call of a function that moves eight bytes or fewer.
fn counted<'c>(caller: &'c mut Caller<'_, Host>) -> Result<&'c mut Host> {
    let host = caller.data_mut();
    host.count()?;
    Ok(host)
}

/// The level below which the guest need not format a message: 0 is trace, 4 error.
fn log_level(level: Option<Level>) -> i32 {
    match level {
        None => i32::MAX,
        Some(Level::TRACE) => 0,
        Some(Level::DEBUG) => 1,
        Some(Level::INFO) => 2,
        Some(Level::WARN) => 3,
        Some(Level::ERROR) => 4,
    }
}

impl From<memory::OutOfRange> for Error {
    fn from(error: memory::OutOfRange) -> Self {
        Self::Trap {
            reason: error.to_string(),
        }
    }
}

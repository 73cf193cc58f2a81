//! The Extism host ABI: the functions of `extism:host/env`.
//!
//! Source: the guest's side in the crate `extism-pdk` and the pages of the Extism ABI. Handles
//! are 64-bit offsets of blocks; 0 means none. Where a function needs a handle, 0 and an offset
//! outside the call's memory trap, and end that call alone.

pub(crate) mod memory;

use tracing::Level;
use wasmtime::{Caller, Linker};

use crate::error::Error;
use crate::host::Host;
use crate::outbound_http;

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
    linker.func_wrap(
        MODULE,
        "alloc",
        |mut caller: Caller<'_, Host>, length: u64| Ok(caller.data_mut().alloc(length)?),
    )?;
    linker.func_wrap(
        MODULE,
        "free",
        |mut caller: Caller<'_, Host>, handle: u64| Ok(caller.data_mut().free(handle)?),
    )?;
    for name in ["length", "length_unsafe"] {
        linker.func_wrap(MODULE, name, |caller: Caller<'_, Host>, handle: u64| {
            Ok(caller.data().memory.length(handle)?)
        })?;
    }
    linker.func_wrap(
        MODULE,
        "load_u8",
        |caller: Caller<'_, Host>, offset: u64| {
            Ok(u32::from(caller.data().memory.load::<1>(offset)?[0]))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "load_u64",
        |caller: Caller<'_, Host>, offset: u64| {
            Ok(u64::from_le_bytes(caller.data().memory.load(offset)?))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "store_u8",
        |mut caller: Caller<'_, Host>, offset: u64, value: u32| {
            let [low, ..] = value.to_le_bytes();
            Ok(caller.data_mut().memory.store(offset, [low])?)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "store_u64",
        |mut caller: Caller<'_, Host>, offset: u64, value: u64| {
            Ok(caller
                .data_mut()
                .memory
                .store(offset, value.to_le_bytes())?)
        },
    )?;
    Ok(())
}

fn add_input_and_output(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(MODULE, "input_length", |caller: Caller<'_, Host>| {
        caller.data().input.length
    })?;
    linker.func_wrap(MODULE, "input_offset", |caller: Caller<'_, Host>| {
        caller.data().input.offset
    })?;
    linker.func_wrap(
        MODULE,
        "input_load_u8",
        |caller: Caller<'_, Host>, index: u64| {
            Ok(u32::from(caller.data().input_bytes::<1>(index)?[0]))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "input_load_u64",
        |caller: Caller<'_, Host>, index: u64| {
            Ok(u64::from_le_bytes(caller.data().input_bytes(index)?))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "output_set",
        |mut caller: Caller<'_, Host>, offset: u64, length: u64| {
            caller.data_mut().set_output(offset, length)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "error_set",
        |mut caller: Caller<'_, Host>, handle: u64| {
            let host = caller.data_mut();
            if handle != 0 {
                host.memory.block(handle)?;
            }
            host.error = handle;
            Ok(())
        },
    )?;
    linker.func_wrap(MODULE, "error_get", |caller: Caller<'_, Host>| {
        caller.data().error
    })?;
    linker.func_wrap(MODULE, "reset", |mut caller: Caller<'_, Host>| {
        caller.data_mut().reset();
    })?;
    Ok(())
}

fn add_variables(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        MODULE,
        "config_get",
        |mut caller: Caller<'_, Host>, key: u64| {
            let host = caller.data_mut();
            let key = host.text(key)?;
            let context = host.context.clone();
            match context.config.get(&key) {
                Some(value) => host.new_block(value.as_bytes()),
                None => Ok(0),
            }
        },
    )?;
    linker.func_wrap(
        MODULE,
        "var_get",
        |mut caller: Caller<'_, Host>, key: u64| {
            let host = caller.data_mut();
            let key = host.text(key)?;
            match host.variables.get(&key).cloned() {
                Some(value) => host.new_block(&value),
                None => Ok(0),
            }
        },
    )?;
    linker.func_wrap(
        MODULE,
        "var_set",
        |mut caller: Caller<'_, Host>, key: u64, value: u64| {
            caller.data_mut().set_variable(key, value)
        },
    )?;
    Ok(())
}

fn add_http(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap_async(
        MODULE,
        "http_request",
        |mut caller: Caller<'_, Host>, (request, body): (u64, u64)| {
            Box::new(async move {
                let host = caller.data_mut();
                let request = outbound_http::Request::parse(host.memory.block(request)?)?;
                let body = match body {
                    0 => None,
                    handle => Some(host.copy(handle)?),
                };
                host.response = None;
                let context = host.context.clone();
                let response = context.outbound()?.send(request, body).await?;
                let handle = host.new_block(&response.body)?;
                host.response = Some(response.head);
                Ok::<u64, wasmtime::Error>(handle)
            })
        },
    )?;
    linker.func_wrap(MODULE, "http_status_code", |caller: Caller<'_, Host>| {
        let head = caller.data().response.as_ref();
        head.map_or(0, |head| i32::from(head.status))
    })?;
    linker.func_wrap(MODULE, "http_headers", |mut caller: Caller<'_, Host>| {
        let host = caller.data_mut();
        match host.response.as_ref().map(|head| head.headers_json.clone()) {
            Some(headers) => host.new_block(headers.as_bytes()),
            None => Ok(0),
        }
    })?;
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
        linker.func_wrap(
            MODULE,
            name,
            move |mut caller: Caller<'_, Host>, handle: u64| {
                Ok(caller.data_mut().log(level, handle)?)
            },
        )?;
    }
    linker.func_wrap(MODULE, "get_log_level", |caller: Caller<'_, Host>| {
        log_level(caller.data().log_level())
    })?;
    Ok(())
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

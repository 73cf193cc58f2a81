//! The guest's side of preview 1: its memory, and the error numbers that it is told.

use wasmtime::{AsContext, AsContextMut, Caller, Extern, Memory};

use crate::error::Error;
use crate::host::Host;

/// Numbers of preview 1's errors (`errno`), of which 0 is success.
pub(super) const SUCCESS: i32 = 0;
pub(super) const ERRNO_BADF: i32 = 8;
pub(super) const ERRNO_FAULT: i32 = 21;
pub(super) const ERRNO_INVAL: i32 = 28;
pub(super) const ERRNO_NOTDIR: i32 = 54;
pub(super) const ERRNO_NOTSOCK: i32 = 57;
pub(super) const ERRNO_NOTSUP: i32 = 58;
pub(super) const ERRNO_SPIPE: i32 = 70;

/// The number of an error in place of a value.
pub(super) type Errno<T> = Result<T, i32>;

/// What a guest is told of an ending.
pub(super) fn told(ended: Errno<()>) -> i32 {
    ended.err().unwrap_or(SUCCESS)
}

/// The memory that a module must export to use preview 1.
pub(super) fn memory(caller: &mut Caller<'_, Host>) -> Result<Memory, Error> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    memory.ok_or_else(|| Error::Trap {
        reason: "the module exports no memory for WASI".to_owned(),
    })
}

/// The bytes at an address.
pub(super) fn bytes(
    memory: Memory,
    store: &impl AsContext,
    address: usize,
    length: usize,
) -> Errno<&[u8]> {
    let end = address.checked_add(length).ok_or(ERRNO_FAULT)?;
    memory.data(store).get(address..end).ok_or(ERRNO_FAULT)
}

/// Writes bytes.
pub(super) fn store(
    memory: Memory,
    mut store: impl AsContextMut,
    address: usize,
    bytes: &[u8],
) -> Errno<()> {
    let end = address.checked_add(bytes.len()).ok_or(ERRNO_FAULT)?;
    let place = memory.data_mut(&mut store).get_mut(address..end);
    place.ok_or(ERRNO_FAULT)?.copy_from_slice(bytes);
    Ok(())
}

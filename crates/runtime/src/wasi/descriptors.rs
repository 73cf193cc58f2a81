//! What preview 1 offers on descriptors, of which there are the three standard streams, and on files
//! and sockets, of which there are none.

use wasmtime::{Caller, FuncType, Linker, Val, ValType};

use super::MODULE;
use super::guest::{
    self, ERRNO_BADF, ERRNO_NOTDIR, ERRNO_NOTSOCK, ERRNO_NOTSUP, ERRNO_SPIPE, SUCCESS,
};
use crate::host::Host;

/// Standard input, output and error.
const STANDARD_STREAMS: std::ops::Range<i32> = 0..3;
/// Bits of what may be done with a descriptor (`rights`).
const RIGHT_FD_READ: u64 = 1 << 1;
const RIGHT_FD_WRITE: u64 = 1 << 6;
/// Sizes of what is told of a descriptor (`fdstat`, `filestat`), in bytes.
const FDSTAT_BYTES: usize = 24;
const FILESTAT_BYTES: usize = 64;

/// The functions with one answer, their parameters (`i` has 32 bits, `I` 64; the first is a descriptor
/// or has no effect), and the error for a standard stream and for any other descriptor.
const ANSWERS: [(&str, &str, i32, i32); 32] = [
    ("fd_advise", "iIIi", ERRNO_BADF, ERRNO_BADF),
    ("fd_allocate", "iII", ERRNO_BADF, ERRNO_BADF),
    ("fd_close", "i", SUCCESS, ERRNO_BADF),
    ("fd_datasync", "i", ERRNO_BADF, ERRNO_BADF),
    ("fd_fdstat_set_flags", "ii", ERRNO_BADF, ERRNO_BADF),
    ("fd_fdstat_set_rights", "iII", ERRNO_NOTSUP, ERRNO_BADF),
    ("fd_filestat_set_size", "iI", ERRNO_BADF, ERRNO_BADF),
    ("fd_filestat_set_times", "iIIi", ERRNO_BADF, ERRNO_BADF),
    // No stream has places to begin at.
    ("fd_pread", "iiiIi", ERRNO_SPIPE, ERRNO_BADF),
    ("fd_prestat_dir_name", "iii", ERRNO_NOTDIR, ERRNO_BADF),
    ("fd_prestat_get", "ii", ERRNO_BADF, ERRNO_BADF),
    ("fd_pwrite", "iiiIi", ERRNO_SPIPE, ERRNO_BADF),
    ("fd_readdir", "iiiIi", ERRNO_NOTDIR, ERRNO_BADF),
    ("fd_renumber", "ii", ERRNO_NOTSUP, ERRNO_BADF),
    ("fd_seek", "iIii", ERRNO_SPIPE, ERRNO_BADF),
    ("fd_sync", "i", ERRNO_BADF, ERRNO_BADF),
    ("fd_tell", "ii", ERRNO_SPIPE, ERRNO_BADF),
    ("path_create_directory", "iii", ERRNO_BADF, ERRNO_BADF),
    ("path_filestat_get", "iiiii", ERRNO_BADF, ERRNO_BADF),
    ("path_filestat_set_times", "iiiiIIi", ERRNO_BADF, ERRNO_BADF),
    ("path_link", "iiiiiii", ERRNO_BADF, ERRNO_BADF),
    ("path_open", "iiiiiIIii", ERRNO_BADF, ERRNO_BADF),
    ("path_readlink", "iiiiii", ERRNO_BADF, ERRNO_BADF),
    ("path_remove_directory", "iii", ERRNO_BADF, ERRNO_BADF),
    ("path_rename", "iiiiii", ERRNO_BADF, ERRNO_BADF),
    ("path_symlink", "iiiii", ERRNO_BADF, ERRNO_BADF),
    ("path_unlink_file", "iii", ERRNO_BADF, ERRNO_BADF),
    ("proc_raise", "i", ERRNO_NOTSUP, ERRNO_NOTSUP),
    ("sock_accept", "iii", ERRNO_NOTSOCK, ERRNO_NOTSOCK),
    ("sock_recv", "iiiiii", ERRNO_NOTSOCK, ERRNO_NOTSOCK),
    ("sock_send", "iiiii", ERRNO_NOTSOCK, ERRNO_NOTSOCK),
    ("sock_shutdown", "ii", ERRNO_NOTSOCK, ERRNO_NOTSOCK),
];

/// Defines them on a linker.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    for (name, parameters, of_stream, otherwise) in ANSWERS {
        let parameters = parameters.chars().map(|kind| match kind {
            'I' => ValType::I64,
            _ => ValType::I32,
        });
        let ty = FuncType::new(linker.engine(), parameters, [ValType::I32]);
        linker.func_new(MODULE, name, ty, move |mut caller, parameters, results| {
            caller.data_mut().count()?;
            let descriptor = parameters[0].unwrap_i32();
            results[0] = Val::I32(if STANDARD_STREAMS.contains(&descriptor) {
                of_stream
            } else {
                otherwise
            });
            Ok(())
        })?;
    }
    linker.func_wrap(MODULE, "fd_fdstat_get", fdstat)?;
    linker.func_wrap(MODULE, "fd_filestat_get", filestat)?;
    Ok(())
}

/// `fd_fdstat_get`: a stream of no kind that is known, which is read or written.
fn fdstat(mut caller: Caller<'_, Host>, descriptor: i32, result: u32) -> wasmtime::Result<i32> {
    let rights = match descriptor {
        0 => RIGHT_FD_READ,
        _ => RIGHT_FD_WRITE,
    };
    let mut told = [0; FDSTAT_BYTES];
    told[8..16].copy_from_slice(&rights.to_le_bytes());
    told[16..].copy_from_slice(&rights.to_le_bytes());
    tell(&mut caller, descriptor, result, &told)
}

/// `fd_filestat_get`: of a stream there is nothing to tell.
fn filestat(mut caller: Caller<'_, Host>, descriptor: i32, result: u32) -> wasmtime::Result<i32> {
    tell(&mut caller, descriptor, result, &[0; FILESTAT_BYTES])
}

fn tell(
    caller: &mut Caller<'_, Host>,
    descriptor: i32,
    result: u32,
    told: &[u8],
) -> wasmtime::Result<i32> {
    caller.data_mut().count()?;
    if !STANDARD_STREAMS.contains(&descriptor) {
        return Ok(ERRNO_BADF);
    }
    let memory = guest::memory(caller)?;
    Ok(guest::told(guest::store(
        memory,
        caller,
        result as usize,
        told,
    )))
}

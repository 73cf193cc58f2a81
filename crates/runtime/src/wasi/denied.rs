//! What preview 1 offers on files and sockets, of which there are none.
//!
//! The library's own read a path before they find that there is no folder for it to be in, and write
//! a warning of the server's for each call about a socket.

use wasmtime::{FuncType, Linker, Val, ValType};

use super::MODULE;
use super::guest::{ERRNO_BADF, ERRNO_NOTSOCK};
use crate::host::Host;

/// The functions, their parameters (`i` has 32 bits, `I` 64), and the error that each answers.
const DENIED: [(&str, &str, i32); 14] = [
    ("path_create_directory", "iii", ERRNO_BADF),
    ("path_filestat_get", "iiiii", ERRNO_BADF),
    ("path_filestat_set_times", "iiiiIIi", ERRNO_BADF),
    ("path_link", "iiiiiii", ERRNO_BADF),
    ("path_open", "iiiiiIIii", ERRNO_BADF),
    ("path_readlink", "iiiiii", ERRNO_BADF),
    ("path_remove_directory", "iii", ERRNO_BADF),
    ("path_rename", "iiiiii", ERRNO_BADF),
    ("path_symlink", "iiiii", ERRNO_BADF),
    ("path_unlink_file", "iii", ERRNO_BADF),
    ("sock_accept", "iii", ERRNO_NOTSOCK),
    ("sock_recv", "iiiiii", ERRNO_NOTSOCK),
    ("sock_send", "iiiii", ERRNO_NOTSOCK),
    ("sock_shutdown", "ii", ERRNO_NOTSOCK),
];

/// Defines them on a linker.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    for (name, parameters, errno) in DENIED {
        let parameters = parameters.chars().map(|kind| match kind {
            'I' => ValType::I64,
            _ => ValType::I32,
        });
        let ty = FuncType::new(linker.engine(), parameters, [ValType::I32]);
        linker.func_new(MODULE, name, ty, move |mut caller, _, results| {
            caller.data_mut().count()?;
            results[0] = Val::I32(errno);
            Ok(())
        })?;
    }
    Ok(())
}

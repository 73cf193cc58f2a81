//! File descriptors: every connection takes one.

/// Raises the process's limit as far as the system allows, and answers it.
#[cfg(unix)]
pub(crate) fn raise_limit() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit on open files could not be raised");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// There is no such limit.
#[cfg(not(unix))]
pub(crate) fn raise_limit() -> u64 {
    u64::MAX
}

/// Whether something failed since the process, or the system, may open no more files.
#[cfg(unix)]
pub(crate) fn are_used_up(error: &std::io::Error) -> bool {
    use rustix::io::Errno;

    Errno::from_io_error(error).is_some_and(|errno| [Errno::MFILE, Errno::NFILE].contains(&errno))
}

/// There is no such limit.
#[cfg(not(unix))]
pub(crate) fn are_used_up(_: &std::io::Error) -> bool {
    false
}

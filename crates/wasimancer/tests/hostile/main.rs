//! Hostile plugins, definitions and clients, each against a server of its own with a probe beside it.
//!
//! A case says what is published, what is asked, how each request must end, and within which time.
//! [`harness`] runs it and holds what every case must hold: whoever asks for `/healthz` or for a
//! small tool meanwhile waits for neither, the server lives, and SIGTERM ends it afterwards.
//!
//! The tests run every case with small bounds, `scripts/hostile.sh` with those in which the faults
//! were found, and writes what it measures to `docs/reliability.md`.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

#[path = "../all"]
mod all {
    #[allow(
        dead_code,
        unused_imports,
        reason = "it belongs to the tests of the other binary"
    )]
    pub(crate) mod support;
}
use all::support;

mod guests;
mod harness;
mod slow_attacks;
mod slow_soak;

//! What is fuzzed: each module has a `run`, which takes any bytes and panics at a finding.
//!
//! `scripts/fuzz.sh` lets libFuzzer choose the bytes; the tests run each target over its corpus.

use std::time::{Duration, Instant};

pub mod cursors;
pub mod definitions;
pub mod headers;
pub mod host_calls;
pub mod legacy;
pub mod modern;
pub mod multipart;
pub mod server;
pub mod templates;
pub mod uri_templates;
pub mod validation;
pub mod yaml_edits;

/// Longest that an input of a few KiB may take, on a machine that is busy with other things.
const TIME_MAX: Duration = Duration::from_secs(20);

/// Does something that must end soon.
///
/// # Panics
/// When it took too long.
pub(crate) fn bounded_time(act: impl FnOnce()) {
    let start = Instant::now();
    act();
    let taken = start.elapsed();
    assert!(taken < TIME_MAX, "it took {taken:?}");
}

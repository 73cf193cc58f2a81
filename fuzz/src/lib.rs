//! What is fuzzed: each module has a `run`, which takes any bytes and panics at a finding.
//!
//! `scripts/fuzz.sh` lets libFuzzer choose the bytes; the tests run each target over its corpus.

pub mod cursors;
pub mod headers;
pub mod host_calls;
pub mod legacy;
pub mod modern;
pub mod server;
pub mod uri_templates;
pub mod validation;

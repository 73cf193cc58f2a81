//! See `wasimancer_fuzz::yaml_edits`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasimancer_fuzz::yaml_edits::run(data));

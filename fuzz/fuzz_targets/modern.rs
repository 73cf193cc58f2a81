//! See `wasimancer_fuzz::modern`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasimancer_fuzz::modern::run(data));

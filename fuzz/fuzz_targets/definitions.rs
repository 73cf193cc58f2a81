//! See `wasimancer_fuzz::definitions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasimancer_fuzz::definitions::run(data));

//! See `wasimancer_fuzz::validation`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasimancer_fuzz::validation::run(data));

//! See `wasimancer_fuzz::legacy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasimancer_fuzz::legacy::run(data));

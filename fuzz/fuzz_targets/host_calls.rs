//! See `wasimancer_fuzz::host_calls`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasimancer_fuzz::host_calls::run(data));

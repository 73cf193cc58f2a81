//! See `wasimancer_fuzz::templates`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasimancer_fuzz::templates::run(data));

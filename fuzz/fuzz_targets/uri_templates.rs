//! See `wasimancer_fuzz::uri_templates`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasimancer_fuzz::uri_templates::run(data));

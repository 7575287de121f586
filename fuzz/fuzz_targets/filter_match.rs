//! See `filter_match` in `entries.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::filter_match(data));

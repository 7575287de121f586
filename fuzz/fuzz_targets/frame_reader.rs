//! See `frame_reader` in `entries.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::frame_reader(data));

//! See `decode_encode_decode` in `entries.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::decode_encode_decode(data));

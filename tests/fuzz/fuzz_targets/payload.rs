#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| release_sync::fuzz::payload(bytes));

//! `proto_tests::fuzzing::esp_open` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::esp_open::body(octets));

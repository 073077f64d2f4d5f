//! `proto_tests::fuzzing::esp_inner` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::esp_inner::body(octets));

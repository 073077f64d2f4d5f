//! `proto_tests::fuzzing::config_text` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::config_text::body(octets));

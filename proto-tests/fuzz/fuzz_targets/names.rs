//! `proto_tests::fuzzing::names` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::names::body(octets));

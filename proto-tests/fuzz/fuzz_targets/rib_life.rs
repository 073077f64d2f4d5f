//! `proto_tests::fuzzing::rib_life` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::rib_life::body(octets));

//! `proto_tests::fuzzing::import_gateway` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::import_gateway::body(octets));

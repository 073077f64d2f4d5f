//! `proto_tests::fuzzing::ike_stranger` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::ike_stranger::body(octets));

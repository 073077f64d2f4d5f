//! `proto_tests::fuzzing::ike_established` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::ike_established::body(octets));

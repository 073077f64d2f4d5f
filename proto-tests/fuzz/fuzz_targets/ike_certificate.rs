//! `proto_tests::fuzzing::ike_certificate` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::ike_certificate::body(octets));

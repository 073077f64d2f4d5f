//! `proto_tests::fuzzing::ike_v1_peer` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::ike_v1_peer::body(octets));

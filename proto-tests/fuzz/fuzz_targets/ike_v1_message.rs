//! `proto_tests::fuzzing::ike_v1_message` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::ike_v1_message::body(octets));

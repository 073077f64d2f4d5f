//! `proto_tests::fuzzing::bgp_message` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::bgp_message::body(octets));

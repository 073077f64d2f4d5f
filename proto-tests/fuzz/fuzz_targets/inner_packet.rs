//! `proto_tests::fuzzing::inner_packet` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::inner_packet::body(octets));

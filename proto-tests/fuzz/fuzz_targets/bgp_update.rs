//! `proto_tests::fuzzing::bgp_update` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::bgp_update::body(octets));

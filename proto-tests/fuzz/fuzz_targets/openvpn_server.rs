//! `proto_tests::fuzzing::openvpn_server` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::openvpn_server::body(octets));

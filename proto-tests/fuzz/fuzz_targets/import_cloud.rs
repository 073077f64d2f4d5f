//! `proto_tests::fuzzing::import_cloud` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::import_cloud::body(octets));

//! `proto_tests::fuzzing::plan_file` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::plan_file::body(octets));

//! `proto_tests::fuzzing::probe_answer` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::probe_answer::body(octets));

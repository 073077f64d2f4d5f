//! `proto_tests::fuzzing::bfd_packets` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_tests::fuzzing::bfd_packets::body(octets));

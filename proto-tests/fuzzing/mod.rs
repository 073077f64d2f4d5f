//! What is done with arbitrary octets: one body per decoder and per machine that octets from outside reach.
//!
//! ```text
//!   fuzz/fuzz_targets/NAME.rs --libFuzzer-->  body(octets)  <--replay-- tests/corpus.rs
//!                                                 |                        ^
//!                                                 v                        |
//!                            no panic, and what the file of NAME claims   fuzz/corpus/NAME/*
//!                                                                          ^
//!   bin/fuzz_seeds.rs --------------------- seeds(): octets that our own encoders make
//! ```
//!
//! A body does more than not to panic: where the input is understood, what follows from that is checked (it encodes and
//! decodes to the same; a forged packet is refused; an established tunnel survives). Time is pushed and randomness is
//! seeded, so that an input does the same each time.

mod association;
pub mod bfd_packets;
pub mod bgp_message;
pub mod bgp_peer;
pub mod bgp_update;
pub mod config_text;
mod datagrams;
mod entropy;
pub mod esp_inner;
pub mod esp_open;
pub mod ike_certificate;
pub mod ike_established;
pub mod ike_fragments;
pub mod ike_message;
pub mod ike_peer;
pub mod ike_stranger;
pub mod ike_v1_message;
pub mod ike_v1_peer;
pub mod import_cloud;
pub mod import_gateway;
mod imports;
pub mod inner_packet;
mod input;
pub mod names;
pub mod openvpn_server;
mod pair;
pub mod plan_file;
pub mod probe_answer;
pub mod rib_life;
pub mod subjects;

use std::path::PathBuf;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also that of its corpus.
    pub name: &'static str,
    /// What is done with an input.
    pub body: fn(&[u8]),
    /// Inputs to begin with, some from our own encoders.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        [$(Target { name: stringify!($name), body: $name::body, seeds: $name::seeds }),*]
    };
}

/// All of them.
pub const TARGETS: [Target; 23] = targets![
    bfd_packets,
    bgp_message,
    bgp_peer,
    bgp_update,
    config_text,
    esp_inner,
    esp_open,
    ike_certificate,
    ike_established,
    ike_fragments,
    ike_message,
    ike_peer,
    ike_stranger,
    ike_v1_message,
    ike_v1_peer,
    import_cloud,
    import_gateway,
    inner_packet,
    names,
    openvpn_server,
    plan_file,
    probe_answer,
    rib_life,
];

impl Target {
    /// Where its inputs are kept.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(self.name)
    }
}

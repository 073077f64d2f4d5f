//! What tests from outside of this module are given: an endpoint with known configuration, an SA with known keys.

use std::net::IpAddr;
use std::time::Instant;

use crypto::EspProposal;
use ike::Endpoint;
use negotiation::StartAction;
use wire::ipsec::{SecurityAssociation, TunnelId};

use super::datagrams::{ADDRESS_A, ADDRESS_B, config};
use super::entropy::Seeded;

/// The address of the endpoint that begins.
pub const BEGINS: IpAddr = ADDRESS_A;
/// The address of the endpoint that answers.
pub const ANSWERS: IpAddr = ADDRESS_B;

/// An SA of this suite, such as `aes256-sha256-esn`, with SPI 0x01020304 and keys that are all 7, which carries anything.
#[must_use]
pub fn association(suite: &str) -> Option<SecurityAssociation> {
    let proposal: EspProposal = suite.parse().ok()?;
    Some(super::association::association(proposal.suite))
}

/// An endpoint with one tunnel, of suite `aes128gcm16-prfsha256-x25519`.
#[must_use]
pub fn endpoint(begins: bool, seed: u64, now: Instant) -> Endpoint {
    let mut endpoint = Endpoint::new(Box::new(Seeded::new(seed)));
    let tunnel = if begins {
        config(ADDRESS_A, ADDRESS_B, StartAction::Initiate)
    } else {
        config(ADDRESS_B, ADDRESS_A, StartAction::Respond)
    };
    endpoint.add_tunnel(TunnelId(7), tunnel, now);
    endpoint
}

//! IKEv1 (RFC 2407, 2408, 2409) for peers that speak nothing newer; both roles, pre-shared keys.
//!
//! ```text
//!  main mode / aggressive mode          quick mode, one per pair of selectors      informational
//!  Negotiation ----> Sa (ISAKMP SA) ----> Quick ----> Child (two ESP SAs)          DELETE, DPD, errors
//! ```
//!
//! What differs from IKEv2 shapes the whole: ESP SAs belong to the tunnel, not to the ISAKMP SA, and outlive it; phase 1
//! is never rekeyed but begun anew; a DELETE is not acknowledged, so it is repeated, and what was deleted still
//! receives for a while; either end may come to have two of everything, and the newest is used.

mod aggressive;
mod children;
mod contents;
mod informational;
mod install;
mod keys;
mod liveness;
mod main_mode;
mod nat;
mod outcome;
mod pairs;
mod phase1;
mod quick;
mod quick_failed;
mod sa;
mod select;
mod status;
#[cfg(test)]
mod tests;
mod tunnel;

pub use contents::{Abilities, Contents};
pub use quick::MAX_CHILDREN;
pub use tunnel::Tunnel;

use negotiation::Cx;

/// Where the version is in a header, as in IKEv2.
const VERSION_AT: usize = 17;

/// Whether a datagram says that it is of IKEv1.
#[must_use]
pub fn is_v1(datagram: &[u8]) -> bool {
    datagram.get(VERSION_AT).is_some_and(|octet| octet >> 4 == 1)
}

/// "We do not speak IKEv1", in IKEv1 (RFC 2408 5.2).
pub fn invalid_version(frame: &isakmp::v1::Frame<'_>, cx: &mut Cx<'_>) -> Vec<u8> {
    outcome::clear_notify(frame, isakmp::v1::NotifyKind::INVALID_MAJOR_VERSION, cx)
}

//! NAT detection in phase 1 (RFC 3947 3.2): the first hash is of where a message goes, the others of where it comes from.

use crypto::Prf;
use isakmp::v1::Payload;
use negotiation::{EncapsulationPolicy, Nat, Path};
use wire::Entropy;

use crate::keys::{Cookies, nat_hash};

/// What the hashes of a message say that came over `path`. A peer that sends none cannot tell.
pub(crate) fn detect(hashes: &[Vec<u8>], prf: Prf, cookies: Cookies, path: Path) -> Nat {
    let [ours, theirs @ ..] = hashes else { return Nat::default() };
    let (local, remote) = (nat_hash(prf, cookies, path.local), nat_hash(prf, cookies, path.remote));
    Nat { local: *ours != local, remote: !theirs.is_empty() && !theirs.contains(&remote) }
}

/// The hashes for a message that leaves over `path`.
pub(crate) fn payloads(
    policy: EncapsulationPolicy,
    prf: Prf,
    cookies: Cookies,
    path: Path,
    entropy: &mut dyn Entropy,
) -> [Payload; 2] {
    let mut source = nat_hash(prf, cookies, path.local);
    match policy {
        EncapsulationPolicy::Auto | EncapsulationPolicy::Never => {}
        // A hash that cannot match makes the peer see a NAT.
        EncapsulationPolicy::Always => entropy.fill(&mut source),
    }
    [Payload::NatDetection(nat_hash(prf, cookies, path.remote)), Payload::NatDetection(source)]
}

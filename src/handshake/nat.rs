//! NAT detection and the move to UDP 4500 (RFC 7296 2.23).
//!
//! Each end sends hashes over the addresses it sees. A hash that does not match what arrived means that a NAT
//! rewrote something on the way; an end that wants ESP in UDP anyway sends a hash that cannot match.

use isakmp::{Notify, NotifyType, Payload};
use negotiation::{EncapsulationPolicy, Nat, Path};
use wire::Entropy;
use wire::ipsec::IkeSpi;

use crate::Contents;

/// What the notifications in `contents` say, received over `path`.
pub(crate) fn detect(contents: &Contents, spis: (IkeSpi, IkeSpi), path: Path) -> Nat {
    let among = |kind, hash: [u8; 20]| {
        let mut seen = contents.notifies.iter().filter(|notify| notify.kind == kind).peekable();
        seen.peek().is_none() || seen.any(|notify| notify.data == hash)
    };
    let hash = |address| crypto::nat_detection_hash(spis.0, spis.1, address);
    Nat {
        // RFC 7296 2.23: any of several source hashes may match, for a sender with several addresses.
        remote: !among(NotifyType::NAT_DETECTION_SOURCE_IP, hash(path.remote)),
        local: !among(NotifyType::NAT_DETECTION_DESTINATION_IP, hash(path.local)),
    }
}

/// The two notifications for a message that leaves over `path`.
pub(crate) fn notifications(
    policy: EncapsulationPolicy,
    spis: (IkeSpi, IkeSpi),
    path: Path,
    entropy: &mut dyn Entropy,
) -> [Payload; 2] {
    let source = match policy {
        EncapsulationPolicy::Auto | EncapsulationPolicy::Never => {
            crypto::nat_detection_hash(spis.0, spis.1, path.local)
        }
        EncapsulationPolicy::Always => {
            let mut unmatched = [0; 20];
            entropy.fill(&mut unmatched);
            unmatched
        }
    };
    let destination = crypto::nat_detection_hash(spis.0, spis.1, path.remote);
    [
        Payload::Notify(Notify::with_data(NotifyType::NAT_DETECTION_SOURCE_IP, source.to_vec())),
        Payload::Notify(Notify::with_data(NotifyType::NAT_DETECTION_DESTINATION_IP, destination.to_vec())),
    ]
}

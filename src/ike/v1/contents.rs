//! The payloads of one message, sorted. Of payloads that may stand once, the first counts.

use crate::v1::message::{Chain, Delete, Fragment, Identification, Located, Notify, Payload, Proposal, VendorId};

/// What the peer announced that it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Abilities {
    pub(crate) nat_traversal: bool,
    pub(crate) dead_peer_detection: bool,
    pub(crate) fragmentation: bool,
}

impl Abilities {
    /// What either message announced.
    pub(crate) const fn or(self, other: Self) -> Self {
        Self {
            nat_traversal: self.nat_traversal || other.nat_traversal,
            dead_peer_detection: self.dead_peer_detection || other.dead_peer_detection,
            fragmentation: self.fragmentation || other.fragmentation,
        }
    }

    const fn with(mut self, id: VendorId) -> Self {
        match id {
            VendorId::NatTraversal => self.nat_traversal = true,
            VendorId::DeadPeerDetection => self.dead_peer_detection = true,
            VendorId::Fragmentation => self.fragmentation = true,
        }
        self
    }
}

/// A message by payloads. Bodies are kept where a hash covers them.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) sa: Option<(Vec<Proposal>, Vec<u8>)>,
    pub(crate) key_exchange: Option<Vec<u8>>,
    pub(crate) nonce: Option<Vec<u8>>,
    pub(crate) identifications: Vec<(Identification, Vec<u8>)>,
    pub(crate) hash: Option<Vec<u8>>,
    pub(crate) notifies: Vec<Notify>,
    pub(crate) deletes: Vec<Delete>,
    pub(crate) nat: Vec<Vec<u8>>,
    pub(crate) fragment: Option<Fragment>,
    pub(crate) abilities: Abilities,
}

impl Contents {
    /// Sorts `chain`, which was decoded from `octets`.
    pub(crate) fn collect(chain: Chain, octets: &[u8]) -> Self {
        let mut contents = Self::default();
        for Located { payload, body } in chain.payloads {
            let body = octets.get(body).unwrap_or_default();
            match payload {
                Payload::Sa(proposals) => _ = contents.sa.get_or_insert((proposals, body.to_vec())),
                Payload::KeyExchange(octets) => _ = contents.key_exchange.get_or_insert(octets),
                Payload::Nonce(octets) => _ = contents.nonce.get_or_insert(octets),
                Payload::Identification(id) => contents.identifications.push((id, body.to_vec())),
                Payload::Hash(octets) => _ = contents.hash.get_or_insert(octets),
                Payload::Notify(notify) => contents.notifies.push(notify),
                Payload::Delete(delete) => contents.deletes.push(delete),
                Payload::NatDetection(octets) => contents.nat.push(octets),
                Payload::Fragment(fragment) => _ = contents.fragment.get_or_insert(fragment),
                Payload::VendorId(octets) => {
                    contents.abilities =
                        VendorId::recognise(&octets).map_or(contents.abilities, |id| contents.abilities.with(id));
                }
                // Certificates and the like: nothing that is asked for.
                Payload::Other(..) => {}
            }
        }
        contents
    }
}

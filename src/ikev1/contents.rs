//! The payloads of one message, sorted. Of payloads that may stand once, the first counts.

use identity::Identity;
use isakmp::v1::{Chain, Delete, Fragment, Frame, Identification, Located, Notify, Payload, Proposal, VendorId};
use wire::ipsec::IkeSpi;

/// What the peer announced that it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// ESP in UDP (RFC 3947).
    pub nat_traversal: bool,
    /// RFC 3706.
    pub dead_peer_detection: bool,
    /// IKE messages in fragments, as Cisco and strongSwan speak it.
    pub fragmentation: bool,
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
pub struct Contents {
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
    /// What the first message of phase 1 says; `None` if it is none.
    #[must_use]
    pub fn of_first(frame: &Frame<'_>) -> Option<Self> {
        let chain = Chain::decode(frame.first, frame.body, false).ok()?;
        let contents = Self::collect(chain, frame.body);
        let begins = frame.header.initiator != IkeSpi::ZERO && frame.header.message_id == 0;
        (contents.sa.is_some() && begins).then_some(contents)
    }

    /// Who the sender says it is, where that is in the clear.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let (id, _) = self.identifications.first()?;
        Identity::from_payload(&id.end()).ok()
    }

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

//! Vendor IDs that announce what an end can do beyond RFC 2409.

/// An ability that is announced by a vendor ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VendorId {
    /// NAT traversal (RFC 3947).
    NatTraversal,
    /// Dead peer detection (RFC 3706).
    DeadPeerDetection,
    /// Fragments of messages, as Cisco and Microsoft devised them: the hash of a word, then flags.
    Fragmentation,
}

/// MD5 of "FRAGMENTATION"; capabilities follow.
const FRAGMENTATION: [u8; 16] =
    [0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3];
/// Fragments in main mode, and, with the second bit, in aggressive mode.
const FRAGMENTATION_FLAGS: [u8; 4] = [0xc0, 0, 0, 0];
/// MD5 of "RFC 3947".
const NAT_TRAVERSAL: [u8; 16] =
    [0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f];
/// RFC 3706 5.1, with major and minor version 1.0.
const DEAD_PEER_DETECTION: [u8; 16] =
    [0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00];

impl VendorId {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::NatTraversal, Self::DeadPeerDetection, Self::Fragmentation];

    /// As it is sent.
    #[must_use]
    pub fn octets(self) -> Vec<u8> {
        match self {
            Self::NatTraversal => NAT_TRAVERSAL.to_vec(),
            Self::DeadPeerDetection => DEAD_PEER_DETECTION.to_vec(),
            Self::Fragmentation => [&FRAGMENTATION[..], &FRAGMENTATION_FLAGS].concat(),
        }
    }

    /// What a vendor ID announces, if it is one that is known here.
    #[must_use]
    pub fn recognise(octets: &[u8]) -> Option<Self> {
        match octets.first_chunk::<16>() {
            Some(&NAT_TRAVERSAL) if octets.len() == 16 => Some(Self::NatTraversal),
            // RFC 3706 5.1: the last two octets are a version.
            Some(start) if octets.len() == 16 && start[..14] == DEAD_PEER_DETECTION[..14] => {
                Some(Self::DeadPeerDetection)
            }
            Some(&FRAGMENTATION) => Some(Self::Fragmentation),
            Some(_) | None => None,
        }
    }
}

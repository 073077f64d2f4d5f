//! Proposals: what is offered, and what was chosen of it.

use wire::ipsec::{Encryption, EspSuite, Integrity};

use super::{AdditionalKeyExchanges, Group, Prf};

/// One IKE proposal: exactly one suite, so that what is negotiated is what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IkeProposal {
    /// Protects IKE messages.
    pub encryption: Encryption,
    /// Absent exactly when `encryption` is an AEAD.
    pub integrity: Option<Integrity>,
    /// Derives keys.
    pub prf: Prf,
    /// Diffie-Hellman group, or a KEM in its place.
    pub group: Group,
    /// Key exchanges after the first one (RFC 9370).
    pub additional: AdditionalKeyExchanges,
}

impl IkeProposal {
    /// Whether `chosen` is an outcome of offering this.
    #[must_use]
    pub fn allows(&self, chosen: &Self) -> bool {
        Self { additional: chosen.additional, ..*self } == *chosen && self.additional.allow(&chosen.additional)
    }
}

/// One ESP proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspProposal {
    /// Cipher, integrity; `esn` is whether extended sequence numbers are used.
    pub suite: EspSuite,
    /// With `suite.esn`: the peer may do without.
    pub or_without_esn: bool,
    /// Group of the additional Diffie-Hellman exchange at each rekey (PFS).
    pub pfs: Pfs,
    /// Key exchanges after that one (RFC 9370); none where `pfs` is off.
    pub additional: AdditionalKeyExchanges,
}

/// Perfect forward secrecy of rekeyed CHILD SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pfs {
    /// No group is offered; a peer that insists on one gets no CHILD SA.
    Off,
    /// This group and nothing else.
    Required(Group),
    /// This group first; without one where the peer has none. Azure's default policy offers none when it
    /// initiates and accepts some when it responds.
    Preferred(Group),
}

//! Why a tunnel is not up, in terms a person can act on.
//!
//! Each failure says what was expected, what came and from whom ([`std::fmt::Display`]), what to do about it
//! ([`Failure::remedy`]) and a short label that stays the same over releases ([`Failure::reason`]).

use std::fmt;
use std::net::SocketAddr;

use certificate::CertificateProblem;
use crypto::Group;
use identity::Identity;
use isakmp::NotifyType;
use isakmp::v1::NotifyKind;

use crate::{IkeVersion, V1Mode};

/// Which negotiation a failure belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The IKE SA: `IKE_SA_INIT`, or its rekey.
    Ike,
    /// The CHILD SA: inside `IKE_AUTH`, or `CREATE_CHILD_SA`.
    Child,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ike => "IKE SA",
            Self::Child => "CHILD SA",
        })
    }
}

/// Who refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// We did.
    Us,
    /// The peer did.
    Peer,
}

/// What the peer left unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiting {
    /// The first message.
    SaInit,
    /// A further key exchange before the authentication.
    Intermediate,
    /// The authentication.
    Auth,
    /// A new or rekeyed SA.
    CreateChild,
    /// A liveness check.
    Liveness,
    /// A DELETE.
    Delete,
    /// A message of phase 1 of IKEv1.
    Phase1 {
        /// In which mode.
        mode: V1Mode,
        /// Which, from 1.
        message: u8,
    },
    /// Quick mode of IKEv1.
    QuickMode,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SaInit => "IKE_SA_INIT",
            Self::Intermediate => "IKE_INTERMEDIATE",
            Self::Auth => "IKE_AUTH",
            Self::CreateChild => "CREATE_CHILD_SA",
            Self::Liveness => "liveness check",
            Self::Delete => "DELETE",
            Self::Phase1 { mode, message } => return write!(f, "message {message} of IKEv1 {mode} mode"),
            Self::QuickMode => "IKEv1 quick mode",
        })
    }
}

/// Why an exchange with a peer failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The peer's AUTH payload does not verify under our key.
    #[error("{peer}, as {identity}, proved its identity with another pre-shared key than ours")]
    WrongPsk {
        /// Whence it came.
        peer: SocketAddr,
        /// Whom it claimed to be.
        identity: Identity,
    },
    /// The peer proves its identity in another way than is configured.
    #[error("{peer}, as {identity}, authenticates with {found} where {expected} is due")]
    AuthMethod {
        /// Whence it came.
        peer: SocketAddr,
        /// Whom it claimed to be.
        identity: Identity,
        /// What is configured.
        expected: &'static str,
        /// What it did.
        found: &'static str,
    },
    /// The peer's certificate does not prove its identity, or ours cannot be used with it.
    #[error("{peer}, as {identity}: {problem}")]
    Certificate {
        /// Whence it came.
        peer: SocketAddr,
        /// Whom it claimed to be.
        identity: Identity,
        /// Why not.
        problem: CertificateProblem,
    },
    /// The peer's AUTH payload verifies without our post-quantum pre-shared key, and not with it.
    #[error("{peer}, as {identity}, has another post-quantum pre-shared key `{id}` than ours")]
    WrongPpk {
        /// Whence it came.
        peer: SocketAddr,
        /// Whom it claimed to be.
        identity: Identity,
        /// The name of the key.
        id: String,
    },
    /// The peer's AUTH payload does not verify under our keys, of which there are two.
    #[error(
        "{peer}, as {identity}, proved its identity with another pre-shared key than ours, \
         or has another post-quantum pre-shared key `{id}`"
    )]
    WrongPskOrPpk {
        /// Whence it came.
        peer: SocketAddr,
        /// Whom it claimed to be.
        identity: Identity,
        /// The name of the post-quantum one.
        id: String,
    },
    /// The peer does not use a post-quantum pre-shared key, and we require one.
    #[error("{peer} does not use the post-quantum pre-shared key `{id}`, which is required")]
    PpkMissing {
        /// Who.
        peer: SocketAddr,
        /// The name of ours.
        id: String,
    },
    /// The peer uses a post-quantum pre-shared key that is not known here, and one of the ends requires its own.
    #[error("{peer} uses the post-quantum pre-shared key `{theirs}`; ours is {}", .ours.as_ref().map_or("none".to_owned(), |id| format!("`{id}`")))]
    PpkUnknown {
        /// Who.
        peer: SocketAddr,
        /// The name of ours.
        ours: Option<String>,
        /// The name of the peer's.
        theirs: String,
    },
    /// The peer answered `AUTHENTICATION_FAILED` to a proof with a post-quantum pre-shared key.
    #[error("{peer} refused our authentication as {identity} with the post-quantum pre-shared key `{id}`")]
    PpkAuthenticationFailed {
        /// Who refused.
        peer: SocketAddr,
        /// Whom we claimed to be.
        identity: Identity,
        /// The name of the key.
        id: String,
    },
    /// Additional key exchanges are agreed on with a peer that cannot make them.
    #[error("{peer} accepted {suite} and does not support IKE_INTERMEDIATE, which its key exchanges need")]
    IntermediateUnsupported {
        /// Who.
        peer: SocketAddr,
        /// What was agreed on.
        suite: String,
    },
    /// The peer answered `AUTHENTICATION_FAILED`: it does not accept our key or our identity.
    #[error("{peer} refused our authentication as {identity}")]
    AuthenticationFailed {
        /// Who refused.
        peer: SocketAddr,
        /// Whom we claimed to be.
        identity: Identity,
    },
    /// The peer is not who it should be.
    #[error("expected {peer} to identify itself as {expected}, found {found}")]
    IdentityMismatch {
        /// Whence it came.
        peer: SocketAddr,
        /// What is configured.
        expected: Identity,
        /// What it sent.
        found: Identity,
    },
    /// No common algorithms.
    #[error("no common {phase} proposal with {peer}: ours are {ours}; {theirs}")]
    NoProposalChosen {
        /// For what.
        phase: Phase,
        /// With whom.
        peer: SocketAddr,
        /// Our list.
        ours: String,
        /// The peer's list, as far as it told.
        theirs: Theirs,
    },
    /// The peer wants a Diffie-Hellman group that we did not offer.
    #[error("{peer} wants Diffie-Hellman group {wanted} for the {phase}; ours are {ours}")]
    InvalidKe {
        /// For what.
        phase: Phase,
        /// With whom.
        peer: SocketAddr,
        /// Group number in its `INVALID_KE_PAYLOAD`.
        wanted: u16,
        /// What we offer.
        ours: String,
    },
    /// The ends do not agree about the additional Diffie-Hellman exchange of rekeys.
    #[error("no common PFS group with {peer} for rekeying the CHILD SA: ours are {ours}; {theirs}")]
    PfsMismatch {
        /// With whom.
        peer: SocketAddr,
        /// Our proposals.
        ours: String,
        /// The peer's, as far as it told.
        theirs: Theirs,
    },
    /// The peer takes one pair of traffic selectors for each CHILD SA.
    #[error("{peer} takes one pair of traffic selectors for each CHILD SA; we offered {ours}")]
    SinglePairRequired {
        /// Who.
        peer: SocketAddr,
        /// `local === remote` as we see it.
        ours: String,
    },
    /// There are too many SAs already.
    #[error("{peer} has made {most} {phase}s and asks for another")]
    TooManySas {
        /// Who.
        peer: SocketAddr,
        /// Of which kind.
        phase: Phase,
        /// How many there may be.
        most: usize,
    },
    /// The peer's public value is unusable.
    #[error("{peer} sent an unusable public value for {group}")]
    BadPublicValue {
        /// Who.
        peer: SocketAddr,
        /// The group.
        group: Group,
    },
    /// No traffic selectors in common.
    #[error("no common traffic selectors with {peer}: ours are {ours}; {theirs}")]
    SelectorsUnacceptable {
        /// With whom.
        peer: SocketAddr,
        /// `local === remote` as we see it.
        ours: String,
        /// What the peer asked for, as far as it told.
        theirs: Theirs,
    },
    /// No answer.
    #[error("{peer} left {tries} transmissions of our {what} unanswered")]
    PeerSilent {
        /// Who.
        peer: SocketAddr,
        /// What it did not answer.
        what: Waiting,
        /// How often it was sent.
        tries: u32,
    },
    /// There is a NAT, and the configuration says that ESP never travels in UDP.
    #[error("there is a NAT between us and {peer}, and encapsulation is set to never")]
    NatForbidden {
        /// With whom.
        peer: SocketAddr,
    },
    /// The peer deleted the SA.
    #[error("{peer} deleted the {phase}")]
    PeerDeleted {
        /// Who.
        peer: SocketAddr,
        /// What.
        phase: Phase,
    },
    /// The SA reached the end of its life before it was renewed.
    #[error("the {phase} with {peer} reached its hard lifetime before it was rekeyed")]
    LifetimeExpired {
        /// With whom.
        peer: SocketAddr,
        /// What.
        phase: Phase,
    },
    /// The peer answered with an error that has no variant of its own.
    #[error("{peer} answered our {what} with {notify}")]
    Refused {
        /// Who.
        peer: SocketAddr,
        /// What it answered.
        what: Waiting,
        /// Its error.
        notify: NotifyType,
    },
    /// The peer sent something against the protocol.
    #[error("{peer} broke the protocol: {detail}")]
    Protocol {
        /// Who.
        peer: SocketAddr,
        /// What was wrong.
        detail: String,
    },
    /// The peer answered with an IKEv1 error that has no variant of its own.
    #[error("{peer} answered our {what} with {notify}")]
    RefusedV1 {
        /// Who.
        peer: SocketAddr,
        /// What it answered.
        what: Waiting,
        /// Its error.
        notify: NotifyKind,
    },
    /// A message of IKEv1 does not decrypt: its keys depend on the pre-shared key.
    #[error("{}: the two ends have different pre-shared keys", unreadable(*.peer, *.side, *.message))]
    Undecryptable {
        /// With whom.
        peer: SocketAddr,
        /// Who cannot read the other's message.
        side: Side,
        /// Which message of phase 1.
        message: u8,
    },
    /// The peer speaks another major version.
    #[error("we speak {ours} with {peer}, and the peer {}", spoken(*.theirs))]
    Version {
        /// Who.
        peer: SocketAddr,
        /// What is configured.
        ours: IkeVersion,
        /// The major version that it speaks, where it is known.
        theirs: Option<u8>,
    },
    /// The peer begins IKEv1 in another mode.
    #[error("we speak {ours} mode of IKEv1 with {peer}, and the peer {theirs} mode")]
    ExchangeMode {
        /// Who.
        peer: SocketAddr,
        /// What is configured.
        ours: V1Mode,
        /// What the peer does.
        theirs: V1Mode,
    },
    /// No configured tunnel matches the peer.
    #[error("no tunnel is configured from {local} to {peer}")]
    UnknownPeer {
        /// Our side.
        local: SocketAddr,
        /// Who asked.
        peer: SocketAddr,
    },
}

/// The other side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Theirs {
    /// The peer's offer or answer, in our vocabulary.
    Listed(String),
    /// It only said no.
    Unknown,
}

impl fmt::Display for Theirs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(list) => write!(f, "the peer's are {list}"),
            Self::Unknown => f.write_str("the peer refused without naming its own"),
        }
    }
}

impl Failure {
    /// Whether one end does not believe who the other one is.
    #[must_use]
    pub const fn is_about_identity(&self) -> bool {
        matches!(
            self,
            Self::WrongPsk { .. }
                | Self::WrongPpk { .. }
                | Self::WrongPskOrPpk { .. }
                | Self::AuthMethod { .. }
                | Self::Certificate { .. }
                | Self::AuthenticationFailed { .. }
                | Self::IdentityMismatch { .. }
                | Self::Undecryptable { .. }
                | Self::UnknownPeer { .. }
        )
    }

    /// Whether the peer was unreachable rather than unwilling.
    #[must_use]
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::PeerSilent { .. })
    }
}

/// Several of our values as a failure names them.
#[must_use]
pub fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn unreadable(peer: SocketAddr, side: Side, message: u8) -> String {
    match side {
        Side::Us => format!("message {message} of {peer} does not decrypt under our key"),
        Side::Peer => format!("{peer} cannot read our message {message}"),
    }
}

fn spoken(theirs: Option<u8>) -> String {
    theirs.map_or_else(|| "another version".to_owned(), |major| format!("IKEv{major}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> SocketAddr {
        "203.0.113.9:500".parse().unwrap()
    }

    #[test]
    fn a_failure_names_both_lists_and_the_peer() {
        let failure = Failure::NoProposalChosen {
            phase: Phase::Ike,
            peer: peer(),
            ours: "aes256-sha256-modp2048".into(),
            theirs: Theirs::Listed("aes128-sha1-modp1024".into()),
        };
        assert_eq!(
            failure.to_string(),
            "no common IKE SA proposal with 203.0.113.9:500: ours are aes256-sha256-modp2048; \
             the peer's are aes128-sha1-modp1024"
        );
        assert_eq!(failure.reason(), "ike_no_proposal");
    }

    #[test]
    fn silence_is_told_apart_by_what_was_unanswered() {
        let silent = |what| Failure::PeerSilent { peer: peer(), what, tries: 5 };
        assert_eq!(silent(Waiting::SaInit).reason(), "timeout");
        assert_eq!(silent(Waiting::Liveness).reason(), "dpd");
        assert!(silent(Waiting::SaInit).remedy().contains("UDP 500"));
        assert!(silent(Waiting::Auth).remedy().contains("UDP 4500"));
    }
}

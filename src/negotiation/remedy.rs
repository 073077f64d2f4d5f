//! What a failure is called in metrics, and what to do about it.

use crate::{Failure, IkeVersion, Phase, Waiting};

impl Failure {
    /// A short stable label for metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::WrongPsk { .. } => "psk",
            Self::WrongPpk { .. } => "ppk",
            Self::WrongPskOrPpk { .. } => "psk_or_ppk",
            Self::PpkMissing { .. } => "ppk_missing",
            Self::PpkUnknown { .. } => "ppk_unknown",
            Self::PpkAuthenticationFailed { .. } => "ppk_auth",
            Self::IntermediateUnsupported { .. } => "intermediate",
            Self::AuthMethod { .. } => "auth_method",
            Self::Certificate { problem, .. } => problem.reason(),
            Self::AuthenticationFailed { .. } => "auth",
            Self::IdentityMismatch { .. } => "identity",
            Self::NoProposalChosen { phase: Phase::Ike, .. } => "ike_no_proposal",
            Self::NoProposalChosen { phase: Phase::Child, .. } => "child_no_proposal",
            Self::InvalidKe { .. } => "invalid_ke",
            Self::PfsMismatch { .. } => "pfs_mismatch",
            Self::SinglePairRequired { .. } => "single_pair",
            Self::TooManySas { .. } => "too_many_sas",
            Self::BadPublicValue { .. } => "bad_public_value",
            Self::SelectorsUnacceptable { .. } => "ts_unacceptable",
            Self::PeerSilent { what, .. } => match what {
                Waiting::SaInit
                | Waiting::Intermediate
                | Waiting::Auth
                | Waiting::Phase1 { .. }
                | Waiting::QuickMode => "timeout",
                Waiting::CreateChild | Waiting::Liveness | Waiting::Delete => "dpd",
            },
            Self::NatForbidden { .. } => "nat_forbidden",
            Self::PeerDeleted { .. } => "peer_deleted",
            Self::LifetimeExpired { .. } => "expired",
            Self::Refused { .. } => "refused",
            Self::Protocol { .. } => "protocol",
            Self::RefusedV1 { .. } => "refused",
            Self::Undecryptable { .. } => "undecryptable",
            Self::Version { .. } => "version",
            Self::ExchangeMode { .. } => "mode",
            Self::UnknownPeer { .. } => "unknown_peer",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::WrongPsk { .. } => {
                "set the same pre-shared key at both ends; mind case, surrounding blanks and a trailing newline"
            }
            Self::WrongPpk { .. } => "set the same post-quantum pre-shared key under this name at both ends",
            Self::WrongPskOrPpk { .. } => {
                "compare the pre-shared key and the post-quantum pre-shared key at both ends, octet by octet"
            }
            Self::PpkMissing { .. } => {
                "configure this post-quantum pre-shared key at the peer, or set `required: false` in `ppk` here"
            }
            Self::PpkUnknown { .. } => "give the post-quantum pre-shared key the same name (PPK_ID) at both ends",
            Self::PpkAuthenticationFailed { .. } => {
                "compare the pre-shared key, the post-quantum pre-shared key, its name and our IKE identity with the peer's"
            }
            Self::IntermediateUnsupported { .. } => {
                "leave the additional key exchanges (ke1_...) out of the proposals, or update the peer"
            }
            Self::AuthMethod { .. } => {
                "configure both ends for a pre-shared key, or both for certificates; `auth:` mixes them"
            }
            Self::Certificate { problem, .. } => problem.remedy(),
            Self::AuthenticationFailed { .. } => {
                "compare the pre-shared key or certificate and our IKE identity with what the peer is configured to expect"
            }
            Self::IdentityMismatch { .. } => {
                "set remote_id to the identity that the peer sends, or the peer's local identity to what we expect"
            }
            Self::NoProposalChosen { phase: Phase::Ike, .. } => {
                "make one IKE proposal (encryption, integrity, PRF, group) the same at both ends"
            }
            Self::NoProposalChosen { phase: Phase::Child, .. } => {
                "make one ESP proposal (encryption, integrity, PFS group, ESN) the same at both ends"
            }
            Self::InvalidKe { .. } => "add the group that the peer wants to our proposals, or ours to the peer's",
            Self::PfsMismatch { .. } => {
                "set the same PFS group at both ends, or let ours be optional with `-modpnone` behind it; the tunnel stays up \
                 until the SA ends"
            }
            Self::SinglePairRequired { .. } => "set `selectors: {layout: per-pair}`",
            Self::TooManySas { .. } => "the peer does not delete what it replaces; restart its IKE daemon",
            Self::BadPublicValue { .. } => "the peer is broken or an attacker interferes; try another group",
            Self::SelectorsUnacceptable { .. } => {
                "configure mirrored traffic selectors; route-based tunnels use 0.0.0.0/0 on both sides"
            }
            Self::PeerSilent { what, .. } => match what {
                Waiting::SaInit | Waiting::Phase1 { message: 1..=3, .. } => {
                    "check the peer's address, that it is up, and that UDP 500 is open both ways"
                }
                Waiting::Phase1 { .. } => {
                    "compare the pre-shared keys and identities, and check that UDP 4500 and fragments are open both ways"
                }
                Waiting::QuickMode => "look in the peer's log: selectors, ESP proposal or PFS group may not suit it",

                Waiting::Intermediate | Waiting::Auth => {
                    "check that UDP 4500 and fragments are open both ways, and whether the peer's log refuses us"
                }
                Waiting::CreateChild | Waiting::Liveness | Waiting::Delete => {
                    "check that the peer is up and the path to it; the tunnel reconnects by itself"
                }
            },
            Self::NatForbidden { .. } => "set encapsulation to auto or always",
            Self::PeerDeleted { .. } => "look in the peer's log for why it closed the tunnel",
            Self::LifetimeExpired { .. } => {
                "look for earlier rekey failures; often the PFS group differs, which shows only when rekeying"
            }
            Self::Refused { .. } => "look in the peer's log for the reason",
            Self::Protocol { .. } => "report this with a packet capture",
            Self::RefusedV1 { .. } => "look in the peer's log for the reason",
            Self::Undecryptable { .. } => {
                "set the same pre-shared key at both ends; mind case, surrounding blanks and a trailing newline"
            }
            Self::Version { ours: IkeVersion::V2, .. } => {
                "enable IKEv2 at the peer, or write `ike: {version: ikev1}` here"
            }
            Self::Version { ours: IkeVersion::V1(_), .. } => {
                "write `ike: {version: ikev2}` here, or enable IKEv1 at the peer"
            }
            Self::ExchangeMode { .. } => "set the same mode at both ends: `ike: {mode: main}` or `aggressive`",
            Self::UnknownPeer { .. } => "configure a tunnel to this peer, or remove the peer's tunnel to us",
        }
    }
}

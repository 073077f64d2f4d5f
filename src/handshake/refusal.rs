//! What is refused: what to tell the peer, and what to tell our user.

use std::net::SocketAddr;

use isakmp::{NoProposalChosen, Notify, NotifyType, Payload};
use negotiation::{Failure, Phase, Theirs};

/// A refusal: what to tell the peer, and what to tell our user.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// For the peer.
    pub notify: Notify,
    /// For our user.
    pub failure: Failure,
}

impl Refusal {
    /// A request that breaks the rules (RFC 7296 2.21.3), and how.
    #[must_use]
    pub fn syntax(peer: SocketAddr, detail: &str) -> Self {
        Self { notify: Notify::new(NotifyType::INVALID_SYNTAX), failure: protocol(peer, detail) }
    }

    /// RFC 7296 2.21.3: both ends forget the IKE SA after this one.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.notify.kind == NotifyType::INVALID_SYNTAX
    }

    /// The answer to what is refused.
    #[must_use]
    pub fn payloads(&self) -> Vec<Payload> {
        vec![Payload::Notify(self.notify.clone())]
    }
}

/// The peer breaks the rules, and how.
#[must_use]
pub fn protocol(peer: SocketAddr, detail: &str) -> Failure {
    Failure::Protocol { peer, detail: detail.to_owned() }
}

/// No suite in common.
#[must_use]
pub fn no_proposal(error: NoProposalChosen, phase: Phase, peer: SocketAddr) -> Failure {
    Failure::NoProposalChosen { phase, peer, ours: error.ours, theirs: Theirs::Listed(error.theirs) }
}

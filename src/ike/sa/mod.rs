//! IKE SAs and their exchanges. One file per operation, both roles together. How they begin is in the room `handshake`.
//!
//! ```text
//!  initiate: handshake --> auth --> +----------- established -----------+
//!                                   | create_child --> followup*        |
//!                                   | rekey_ike ----'  delete  liveness |
//!                                   +-----------------------------------+
//! ```
//!
//! An established SA works off a queue of [`Task`]s, one request at a time; what it awaits is a [`Pending`],
//! whose variants hold exactly what is needed to take the answer.

pub(crate) mod auth;
pub(crate) mod child;
pub(crate) mod childless;
pub(crate) mod collision;
pub(crate) mod create_child;
pub(crate) mod delete;
pub(crate) mod establish;
pub(crate) mod exchange;
pub(crate) mod followup;
pub(crate) mod initiate;
pub(crate) mod key_exchange;
pub(crate) mod liveness;
pub(crate) mod new_child;
pub(crate) mod reauthentication;
pub(crate) mod refused_child;
pub(crate) mod rekey_ike;
pub(crate) mod sync;
pub(crate) mod window;

use std::collections::VecDeque;
use std::time::Instant;

use crypto::{IkeKeys, IkeProposal, Role};
use handshake::Protection;
use isakmp::Header;
use negotiation::{Nat, Path, Waiting};
use wire::ipsec::{IkeSpi, Spi};

use crate::endpoint::FlowId;
use crate::sa::create_child::ExpectChildResponse;
use crate::sa::followup::Unfinished;
use crate::sa::reauthentication::Reauthentication;
use crate::sa::rekey_ike::ExpectIkeRekeyResponse;
use crate::sa::sync::Synchronisation;
use crate::sa::window::{Requests, Responses};

/// Something an established SA has to ask of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Is the peer there?
    Liveness,
    /// A CHILD SA for a flow that has none.
    CreateChild(FlowId),
    /// Replace a CHILD SA.
    RekeyChild(Spi),
    /// Tell the peer that a CHILD SA is gone.
    DeleteChild(Spi),
    /// Replace the IKE SA.
    RekeyIke,
    /// Tell the peer that the IKE SA is gone.
    DeleteIke,
}

/// What an established SA awaits.
#[derive(Debug)]
pub(crate) enum Pending {
    Liveness,
    DeleteChild(Spi),
    DeleteIke,
    Child(Box<ExpectChildResponse>),
    RekeyIke(Box<ExpectIkeRekeyResponse>),
}

impl Pending {
    pub(crate) const fn waiting(&self) -> Waiting {
        match self {
            Self::Liveness => Waiting::Liveness,
            Self::DeleteChild(_) | Self::DeleteIke => Waiting::Delete,
            Self::Child(_) | Self::RekeyIke(_) => Waiting::CreateChild,
        }
    }
}

/// Where an established SA stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In use.
    Current,
    /// Rekeyed; whoever began that deletes it.
    Replaced {
        /// The SA that takes its CHILD SAs over.
        by: IkeSpi,
        /// If it is not deleted by then, something is wrong.
        overdue_at: Instant,
    },
    /// We are deleting it.
    Closing,
    /// Gone. It only repeats its last answer, which may have been lost.
    Closed {
        /// Until then.
        until: Instant,
    },
}

/// What tells apart two IKE SAs that both ends began at the same time. Kept over rekeys.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// Whether we began.
    pub(crate) ours: bool,
    /// When we sent, or answered, the first message.
    pub(crate) began: Instant,
    /// When it was authenticated.
    pub(crate) authenticated: Instant,
    /// The lower of its two nonces.
    pub(crate) low_nonce: Vec<u8>,
}

/// An established IKE SA.
#[derive(Debug)]
pub(crate) struct IkeSa {
    /// Ours.
    pub(crate) spi: IkeSpi,
    pub(crate) peer_spi: IkeSpi,
    /// Ours in the exchange that made this SA.
    pub(crate) role: Role,
    pub(crate) path: Path,
    pub(crate) nat: Nat,
    pub(crate) suite: IkeProposal,
    pub(crate) keys: IkeKeys,
    pub(crate) protection: Protection,
    pub(crate) origin: Origin,
    pub(crate) phase: Phase,
    /// The SA that has taken its CHILD SAs over.
    pub(crate) heir: Option<IkeSpi>,
    /// The peer says that it has lost it.
    pub(crate) forgotten: bool,
    /// The peer is known to have it.
    pub(crate) confirmed: bool,
    pub(crate) requests: Requests,
    pub(crate) responses: Responses,
    /// Where the peer may be a cluster.
    pub(crate) sync: Synchronisation,
    pub(crate) pending: Option<Pending>,
    pub(crate) queue: VecDeque<Task>,
    /// What the peer began and still has to exchange keys for.
    pub(crate) unfinished: Vec<Unfinished>,
    /// Whether a post-quantum pre-shared key is mixed into its keys.
    pub(crate) ppk: bool,
    pub(crate) established_at: Instant,
    pub(crate) rekey_at: Option<Instant>,
    pub(crate) expires_at: Option<Instant>,
    pub(crate) reauthentication: Reauthentication,
    /// It began without a CHILD SA, and has until then to get one.
    pub(crate) child_due: Option<Instant>,
    /// The last authentic message.
    pub(crate) last_heard: Instant,
}

impl IkeSa {
    /// SPIs in the order of the header.
    pub(crate) const fn spis(&self) -> (IkeSpi, IkeSpi) {
        match self.role {
            Role::Initiator => (self.spi, self.peer_spi),
            Role::Responder => (self.peer_spi, self.spi),
        }
    }

    pub(crate) fn is_current(&self) -> bool {
        self.phase == Phase::Current
    }

    pub(crate) fn is_replaced_by(&self, successor: IkeSpi) -> bool {
        matches!(self.phase, Phase::Replaced { by, .. } if by == successor)
    }

    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed { .. })
    }

    /// Deleted, or about to be.
    pub(crate) const fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Closed { .. })
    }

    /// Queues a task unless it is there already.
    pub(crate) fn enqueue(&mut self, task: Task) {
        if !self.queue.contains(&task) {
            self.queue.push_back(task);
        }
    }

    /// Whether nothing is under way or waiting.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_none() && self.queue.is_empty()
    }

    /// Whether it is ours to answer a header like this one.
    pub(crate) fn matches(&self, header: &Header) -> bool {
        (header.initiator_spi, header.responder_spi) == self.spis()
            && header.flags.initiator == (self.role == Role::Responder)
    }
}

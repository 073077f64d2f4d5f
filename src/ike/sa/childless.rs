//! IKE SAs that begin without a CHILD SA (RFC 6023).
//!
//! ```text
//!             <------- SA, KEr, Nr, .., N(CHILDLESS_IKEV2_SUPPORTED)   IKE_SA_INIT
//!  SK { IDi, [CERT..], AUTH, .. } ------->                             IKE_AUTH without SA, TSi, TSr
//!             <------- SK { IDr, [CERT..], AUTH, .. }
//!  SK { SA, Ni, [KEi], TSi, TSr } ------->                             CREATE_CHILD_SA
//! ```
//!
//! As responder we say that we do without, and take either. A CHILD SA that the peer does not ask for within a few seconds
//! we ask for. As initiator we want one at once, because a tunnel without is of no use. Only with a peer that said that
//! it does without, and refuses the `IKE_AUTH` that has one, the next attempt goes without.
//! That may have been somebody else, or a mistake: if the CHILD SA is refused then, too, the attempt after that has one.
//!
//! A tunnel on demand asks for none while no packet waits. An IKE SA that then has no CHILD SA for as long as an attempt
//! takes, be it that it began without or that the peer deleted the only one, is deleted: it is the peer that comes again.

use std::time::Instant;

use handshake::AuthAnswer;
use negotiation::{ATTEMPT, Cx};
use wire::ipsec::IkeSpi;

use crate::endpoint::{FlowId, Tunnel, Will};
use crate::sa::Task;

impl Tunnel {
    /// Where it insists on doing without a CHILD SA, strongSwan refuses the whole of an `IKE_AUTH` that has one, be it with its
    /// own proof besides.
    pub(super) fn note_refused_child(&mut self, answer: &AuthAnswer) {
        if answer.unread {
            self.childless = answer.opening.first.childless && answer.child.is_some();
        }
    }

    /// We began without: the first CHILD SA has an exchange of its own.
    pub(super) fn begin_first_child(&mut self, cx: &Cx<'_>, spi: IkeSpi, flow: FlowId) {
        self.await_first_child(cx, spi);
        if let Some(sa) = self.sa_mut(spi) {
            sa.enqueue(Task::CreateChild(flow));
        }
    }

    /// An IKE SA without a CHILD SA has some time to get one before it counts as left over.
    pub(super) fn await_first_child(&mut self, cx: &Cx<'_>, spi: IkeSpi) {
        if let Some(sa) = self.sa_mut(spi) {
            sa.child_due = Some(cx.now + ATTEMPT);
        }
    }

    /// There is no CHILD SA, or no more: on demand we ask for none, yet the peer may be about to.
    pub(super) fn await_another_child(&mut self, now: Instant) {
        for sa in self.sas.iter_mut().filter(|sa| sa.is_current() && self.will == Will::Demand) {
            sa.child_due = Some(now + ATTEMPT);
        }
    }
}
